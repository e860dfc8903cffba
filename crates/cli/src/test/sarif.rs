//! Failures for code scanning: at the policies that are to blame, else at the assertion itself.

use anyhow::Result;

use super::Report;
use super::judge::{Assertion, Found, Outlook};
use super::text::because;
use crate::sarif::{self, Level, Rule};

const FAILED: Rule = Rule {
    id: "assertion",
    name: "AssertionFailed",
    summary: "an assertion about who may talk to whom doesn't hold",
    help: "The message has the flows that contradict it, with the rules that settled them. Either the policies \
           let something through that they shouldn't, or the assertion is out of date.",
};

const UNANSWERED: Rule = Rule {
    id: "assertion-unanswered",
    name: "AssertionUnanswered",
    summary: "an assertion about who may talk to whom could not be answered",
    help: "A name in it means nobody in this cluster, or its two sides have no address family in common.",
};

pub(super) fn render(outlook: &Outlook<'_>, reports: &[Report<'_>]) -> Result<String> {
    let assertions = reports.iter().flat_map(|report| &report.tests).flat_map(|test| &test.assertions);
    let results = assertions.filter_map(|one| result(outlook, one)).collect();
    sarif::render(&[FAILED, UNANSWERED], results)
}

fn result(outlook: &Outlook<'_>, assertion: &Assertion<'_>) -> Option<sarif::Finding> {
    let rule = match assertion.outcome {
        Found::Held => return None,
        Found::Failed(_) => FAILED.id,
        Found::Unanswered(_) => UNANSWERED.id,
    };
    let message = format!("{}\n{}", assertion.words(), because(outlook, assertion).trim_end());
    let own = assertion.written.origin.clone();
    let mut blamed = assertion.blamed(outlook).into_iter();
    let (place, related) = match blamed.next() {
        Some(first) => (first, std::iter::once(own).chain(blamed).collect()),
        None => (own, Vec::new()),
    };
    Some(sarif::Finding { rule: rule.to_owned(), level: Level::Error, message, place: Some(place), related })
}
