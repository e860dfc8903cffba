//! What became of assertions, for people.

use super::Report;
use super::judge::{Assertion, Found, Judged, Outlook};

/// Of a long failure only so many parts are shown.
const MOST_PARTS: usize = 10;

pub(super) fn render(outlook: &Outlook<'_>, reports: &[Report<'_>]) -> String {
    let tests: String =
        reports.iter().flat_map(|report| &report.tests).map(|test| one(outlook, test)).collect();
    tests + &summary(reports)
}

fn one(outlook: &Outlook<'_>, judged: &Judged<'_>) -> String {
    let all = &judged.assertions;
    let word = match (all.iter().any(Assertion::is_unanswered), all.iter().all(Assertion::holds)) {
        (true, _) => "error",
        (false, true) => "ok",
        (false, false) => "failed",
    };
    let failing = judged.assertions.iter().filter(|one| !one.holds());
    let told: String = failing.map(|one| assertion(outlook, one)).collect();
    format!("{word:<6}  {}\n{told}", judged.test.name)
}

fn assertion(outlook: &Outlook<'_>, assertion: &Assertion<'_>) -> String {
    let head = format!("{}: {}\n", assertion.written.origin, assertion.words());
    indented(&head, 8) + &indented(&because(outlook, assertion), 10)
}

/// Why an assertion doesn't hold: the flows that contradict it, each with its chain.
pub(super) fn because(outlook: &Outlook<'_>, assertion: &Assertion<'_>) -> String {
    match &assertion.outcome {
        Found::Held => String::new(),
        Found::Unanswered(why) => format!("{why}\n"),
        Found::Failed(failures) => {
            let told: Vec<_> = failures.iter().filter(|one| !one.repeats(failures)).collect();
            let shown: String = told.iter().take(MOST_PARTS).map(|one| one.told(outlook)).collect();
            match told.len().checked_sub(MOST_PARTS) {
                None | Some(0) => shown,
                Some(more) => format!("{shown}and {more} more; --output json has them all\n"),
            }
        }
    }
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

fn summary(reports: &[Report<'_>]) -> String {
    let tests = || reports.iter().flat_map(|report| &report.tests);
    let assertions = || tests().flat_map(|test| &test.assertions);
    let failed = assertions().filter(|one| !one.holds() && !one.is_unanswered()).count();
    let unanswered = assertions().filter(|one| one.is_unanswered()).count();
    let count = |number: usize, of: &str| format!("{number} {of}{}", if number == 1 { "" } else { "s" });
    let what = match (failed, unanswered) {
        (0, 0) => "all hold".to_owned(),
        (failed, 0) => format!("{failed} failed"),
        (0, unanswered) => format!("{unanswered} could not be answered"),
        (failed, unanswered) => format!("{failed} failed, {unanswered} could not be answered"),
    };
    format!("{}, {}: {what}\n", count(tests().count(), "test"), count(assertions().count(), "assertion"))
}
