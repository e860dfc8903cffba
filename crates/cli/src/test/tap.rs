//! The Test Anything Protocol, version 14: a point for each assertion.

use super::Report;
use super::judge::{Assertion, Judged, Outlook};
use super::text::because;

pub(super) fn render(outlook: &Outlook<'_>, reports: &[Report<'_>]) -> String {
    let points: Vec<(&Judged<'_>, &Assertion<'_>)> = reports
        .iter()
        .flat_map(|report| &report.tests)
        .flat_map(|test| test.assertions.iter().map(move |assertion| (test, assertion)))
        .collect();
    let head = format!("TAP version 14\n1..{}\n", points.len());
    let lines = (1..).zip(points).map(|(number, (test, assertion))| point(outlook, number, test, assertion));
    head + &lines.collect::<String>()
}

fn point(outlook: &Outlook<'_>, number: usize, test: &Judged<'_>, assertion: &Assertion<'_>) -> String {
    let word = if assertion.holds() { "ok" } else { "not ok" };
    let name = escaped(&format!("{}: {}", test.test.name, assertion.words()));
    let line = format!("{word} {number} - {name}\n");
    if assertion.holds() {
        return line;
    }
    let because = because(outlook, assertion);
    let why: String = because.lines().map(|line| format!("    {line}\n")).collect();
    let blamed: String =
        assertion.blamed(outlook).iter().map(|origin| format!("    - {:?}\n", origin.to_string())).collect();
    let blamed = if blamed.is_empty() { String::new() } else { format!("  blamed:\n{blamed}") };
    format!(
        "{line}  ---\n  at: {:?}\n{blamed}  message: |\n{why}  ...\n",
        assertion.written.origin.to_string()
    )
}

/// What would begin a directive, and what escapes it.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#").replace('\n', " ")
}
