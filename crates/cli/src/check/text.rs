//! For people.

use policy::analyse::check::{Finding, Suppressed};
use policy::manifest::Colour;

use super::{Report, level};

pub(super) fn render(report: &Report) -> String {
    // Colour is taken out again where nobody sees it.
    let diagnostics = report.diagnostics.iter().map(|diagnostic| diagnostic.render(Colour::Ansi));
    let findings = report.findings.iter().map(finding);
    let parts: Vec<String> = diagnostics.chain(findings).chain([summary(report)]).collect();
    parts.join("\n")
}

fn finding(finding: &Finding) -> String {
    let colour = match level(finding.code) {
        "warning" => "\u{1b}[33m",
        _ => "\u{1b}[36m",
    };
    let mut text = format!("{colour}{}[{}]\u{1b}[0m: {}\n", level(finding.code), finding.code, finding.title);
    if let Some(origin) = &finding.origin {
        text += &format!("  at   {origin}\n");
    }
    text += &format!("  why  {}\n", finding.because);
    for (what, origin) in &finding.related {
        text += &format!("       {what} ({origin})\n");
    }
    text + &format!("  fix  {}\n", finding.fix)
}

fn summary(report: &Report) -> String {
    let found = match (report.diagnostics.len(), report.findings.len()) {
        (0, 0) => "no findings".to_owned(),
        (0, found) => counted(found, "finding"),
        (problems, 0) => format!("{} in the manifests", counted(problems, "problem")),
        (problems, found) => {
            format!("{} in the manifests, {}", counted(problems, "problem"), counted(found, "finding"))
        }
    };
    let suppressed: Vec<&Suppressed> = report.suppressed.iter().collect();
    match suppressed.len() {
        0 => found + "\n",
        count => format!("{found}, {count} suppressed\n"),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
