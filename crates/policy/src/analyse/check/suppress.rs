//! Findings that the author of an object knows about.

use super::codes::page;
use super::{Checked, Finding, Suppressed};
use crate::model::{About, Cluster, Ignore};

/// One code on one object, with its reason.
struct Known<'a> {
    about: &'a About,
    ignore: &'a Ignore,
    code: String,
    reason: String,
    is_used: bool,
}

/// Takes out what is suppressed with a reason, and says what is wrong with suppressions.
pub(super) fn suppress(cluster: &Cluster, findings: Vec<Finding>) -> Checked {
    let mut all: Vec<Known<'_>> = Vec::new();
    for (about, note) in &cluster.notes {
        if let Some(ignore) = &note.ignore {
            all.extend(known(about, ignore));
        }
    }
    let mut checked = Checked::default();
    for finding in findings {
        let knows = |known: &&mut Known<'_>| {
            known.is_sound() && *known.about == finding.about && known.code == finding.code
        };
        match all.iter_mut().find(knows) {
            Some(known) => {
                known.is_used = true;
                checked.suppressed.push(Suppressed { finding, reason: known.reason.clone() });
            }
            None => checked.findings.push(finding),
        }
    }
    checked.findings.extend(all.iter().filter_map(complaint));
    checked
}

/// `PC512, PC510: reason; PC560: another`: what follows a `;` or a line break and is no code belongs to the
/// reason before.
fn known<'a>(about: &'a About, ignore: &'a Ignore) -> Vec<Known<'a>> {
    let mut all: Vec<Known<'a>> = Vec::new();
    for item in ignore.text.split([';', '\n']).map(str::trim).filter(|item| !item.is_empty()) {
        let (codes, reason) = item.split_once(':').unwrap_or((item, ""));
        match all.last_mut().filter(|_| !item.starts_with("PC")) {
            Some(last) => last.reason += &format!("; {item}"),
            None => all.extend(codes.split(',').map(|code| Known {
                about,
                ignore,
                code: code.trim().to_owned(),
                reason: reason.trim().to_owned(),
                is_used: false,
            })),
        }
    }
    all
}

impl Known<'_> {
    fn is_sound(&self) -> bool {
        !self.reason.is_empty() && page(&self.code).is_some()
    }
}

fn complaint(known: &Known<'_>) -> Option<Finding> {
    let (code, title, because, fix) = match (page(&known.code), known.reason.is_empty(), known.is_used) {
        (None, _, _) => (
            "PC590",
            format!("`{}` is no code that can be suppressed", known.code),
            "nothing is suppressed by it",
            "write `CODE: reason`, with a code that `portcullis check` prints",
        ),
        (Some(_), true, _) => (
            "PC590",
            format!("`{}` is suppressed without a reason", known.code),
            "nothing is suppressed without one, so that whoever reads it later can judge",
            "write why it is meant so: `CODE: reason`",
        ),
        (Some(_), false, false) => (
            "PC591",
            format!("`{}` is suppressed, and there is nothing to suppress", known.code),
            "the object has no such finding any more",
            "take it out of the annotation",
        ),
        (Some(_), false, true) => return None,
    };
    Some(Finding {
        code,
        about: known.about.clone(),
        origin: Some(known.ignore.origin.clone()),
        title,
        because: because.to_owned(),
        fix: fix.to_owned(),
        related: Vec::new(),
    })
}
