//! What nobody can say, because some objects can't be read in full: what the wide reading allows and the
//! narrow one doesn't.

use hashbrown::HashMap;
use policy::analyse::diff::diff;
use policy::analyse::reach::Reach;
use policy::analyse::reach::groups::{Line, Many};
use policy::analyse::reach::json::Unknown;
use policy::decision::Verdict;
use policy::index::Index;
use policy::manifest::Bounds;
use policy::model::Family;
use policy::rows::csv::FamilyColumn;
use policy::rows::{Families, Options, OwnPods, Pair, PodPorts, rows, split};

use super::select::Filter;
use crate::manifests;

/// Lines that may be, in the units of `narrow`, which is made of the narrow reading.
pub(crate) fn lines(bounds: &Bounds, narrow: &Reach<'_>, families: Families, filter: &Filter) -> Vec<Line> {
    let index = Index::compile(&bounds.wide);
    let wide = Reach::of(&bounds.wide, &index);
    let asked: &[Family] = match families {
        Families::Natural | Families::Both => &Family::BOTH,
        Families::Only(Family::V4) => &[Family::V4],
        Families::Only(Family::V6) => &[Family::V6],
    };
    let diff = diff(narrow, &wide, asked);
    let places: HashMap<&str, u32> =
        (0..).zip(&narrow.units).map(|(place, unit)| (unit.id.as_str(), place)).collect();
    // The readings tell the same pods apart, so an atom is a unit.
    let units = |many: &Many| Many {
        units: many
            .units
            .iter()
            .filter_map(|place| diff.atoms.get(*place as usize)?.before)
            .filter_map(|unit| places.get(unit.id.as_str()).copied())
            .collect(),
        outside: many.outside.clone(),
    };
    let lines = diff.changes.iter().map(|change| Line {
        sources: units(&change.sources),
        destinations: units(&change.destinations),
        ports: change.opened(),
    });
    lines.filter_map(|line| filter.line(narrow, line)).collect()
}

/// The same for the JSON.
pub(crate) fn unknown(bounds: &Bounds, lines: Vec<Line>) -> Unknown {
    Unknown { lines, unreadable: manifests::doubts(bounds) }
}

/// The rows of the csv, with `unknown` where the readings differ.
pub(crate) fn csv(bounds: &Bounds, families: Families, filter: &Filter) -> String {
    let indexes = [Index::compile(&bounds.narrow), Index::compile(&bounds.wide)];
    let options = Options { ports: PodPorts::Containers, own: OwnPods::Left, families };
    let word = |pair: &Pair| match indexes.each_ref().map(|index| index.decide(&pair.flow).verdict()) {
        [Verdict::Accept, Verdict::Accept] => "allow",
        [Verdict::Deny, Verdict::Deny] => "deny",
        [Verdict::Deny, Verdict::Accept] | [Verdict::Accept, Verdict::Deny] => "unknown",
    };
    let all = rows(&bounds.narrow, &options).filter(|row| {
        let port = (row.protocol, row.port);
        row.pairs.iter().any(|pair| filter.row(&pair.source, &pair.destination, port))
    });
    let parts: Vec<_> = all
        .flat_map(|row| {
            let answers: Vec<&str> = row.pairs.iter().map(word).collect();
            split(&row, &answers, |word| *word)
        })
        .collect();
    let column = match families {
        Families::Both => FamilyColumn::Shown,
        Families::Natural | Families::Only(_) => FamilyColumn::Left,
    };
    policy::rows::csv::write(parts.iter().map(|part| (&part.row, part.answer)), column)
}
