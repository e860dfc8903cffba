//! For code scanning.

use anyhow::Result;
use policy::analyse::check::codes::{Level as Weight, PAGES, page};
use policy::manifest::{Diagnostic, Severity};
use policy::model::Origin;

use super::Report;
use super::format::message;
use crate::sarif::{self, Finding, Level, Rule};

pub(super) fn render(report: &Report) -> Result<String> {
    let mut rules: Vec<Rule> = PAGES
        .iter()
        .map(|page| Rule { id: page.code, name: page.name, summary: page.summary, help: page.text })
        .collect();
    let mut read: Vec<&'static str> = report.diagnostics.iter().map(|one| one.code).collect();
    read.sort_unstable();
    read.dedup();
    rules.extend(read.into_iter().map(|id| Rule {
        id,
        name: "Manifest",
        summary: "a manifest that the API server would reject, or that means otherwise than it looks",
        help: "The message says what is wrong and what to write instead.",
    }));
    let diagnostics = report.diagnostics.iter().map(diagnostic);
    let findings = report.findings.iter().map(|one| Finding {
        rule: one.code.to_owned(),
        level: match page(one.code).map(|page| page.level) {
            Some(Weight::Warning) | None => Level::Warning,
            Some(Weight::Note) => Level::Note,
        },
        message: message(one),
        place: one.origin.clone(),
        related: one.related.iter().map(|(_, origin)| origin.clone()).collect(),
    });
    sarif::render(&rules, diagnostics.chain(findings).collect())
}

fn diagnostic(one: &Diagnostic) -> Finding {
    let text = [Some(one.title.as_str()), one.help.as_deref()].into_iter().flatten();
    Finding {
        rule: one.code.to_owned(),
        level: match one.severity {
            Severity::Error => Level::Error,
            Severity::Warning => Level::Warning,
        },
        message: text.collect::<Vec<_>>().join("\n"),
        place: one.place.as_ref().map(|place| Origin { file: place.file.clone(), line: place.line }),
        related: Vec::new(),
    }
}
