//! Changes in words and in order: what deserves a look first comes first.

use std::collections::BTreeSet;

use policy::analyse::diff::{Change, Diff, Risk, Worries};
use policy::analyse::reach::words::Words;
use policy::model::{Cluster, Family};

/// A change with its words.
pub(super) struct Line<'d> {
    pub(super) change: &'d Change,
    /// All that it does.
    pub(super) risks: BTreeSet<Risk>,
    /// The first of them.
    pub(super) rank: Risk,
    pub(super) sources: String,
    pub(super) destinations: String,
    /// ` (IPv4)` where pods change over that family only, and others do over both.
    pub(super) families: String,
}

/// Sorted by rank, and else as they were found.
pub(super) fn lines<'d>(diff: &'d Diff<'_, '_>, worries: &Worries, clusters: [&Cluster; 2]) -> Vec<Line<'d>> {
    let words = Words::of_diff(diff, clusters);
    let asked: BTreeSet<&[Family]> = diff.changes.iter().map(|change| change.families.as_slice()).collect();
    let is_mixed = asked.len() > 1;
    let line = |change: &'d Change| {
        let risks = worries.risks(diff, change);
        Some(Line {
            change,
            rank: *risks.first()?,
            risks,
            sources: words.name(&change.sources),
            destinations: words.name(&change.destinations),
            families: if is_mixed { only_over(change) } else { String::new() },
        })
    };
    let mut lines: Vec<Line<'_>> = diff.changes.iter().filter_map(line).collect();
    lines.sort_by_key(|line| line.rank);
    lines
}

/// Between pods nothing else says so; of an address it can be seen.
fn only_over(change: &Change) -> String {
    match change.families[..] {
        [only] if !change.sources.units.is_empty() && !change.destinations.units.is_empty() => {
            format!(" (IPv{only})")
        }
        _ => String::new(),
    }
}

/// What a program calls it.
pub(super) fn word(risk: Risk) -> &'static str {
    match risk {
        Risk::Internet => "internet",
        Risk::Metadata => "metadata",
        Risk::Dns => "dns",
        Risk::Namespaces => "namespaces",
        Risk::Opened => "opened",
        Risk::Closed => "closed",
    }
}

/// What people read.
pub(super) fn title(risk: Risk) -> &'static str {
    match risk {
        Risk::Internet => "opens to or from the internet",
        Risk::Metadata => "opens to the metadata address",
        Risk::Dns => "loses DNS",
        Risk::Namespaces => "opens between namespaces",
        Risk::Opened => "opens",
        Risk::Closed => "closes",
    }
}
