//! What formats for machines share.

use policy::analyse::check::Finding;

/// Title, reason, what to do, and where else to look: a line each.
pub(super) fn message(finding: &Finding) -> String {
    let related = finding.related.iter().map(|(what, origin)| format!("{what} ({origin})"));
    let lines = [finding.title.clone(), finding.because.clone()].into_iter().chain(related);
    lines.chain([format!("fix: {}", finding.fix)]).collect::<Vec<_>>().join("\n")
}
