//! Changes for programs: `docs/diff.schema.json` says what is in it.

use std::fmt::Write as _;

use policy::analyse::diff::{Diff, Shape};
use policy::analyse::reach::groups::Many;
use policy::analyse::reach::json::{ports, quoted};

use super::Unknown;
use super::ranked::{Line, word};

/// One object, a line a change.
pub(super) fn json(diff: &Diff<'_, '_>, lines: &[Line<'_>], unknown: &[Unknown]) -> String {
    let mut text = "{\"changes\": [".to_owned();
    let mut between = "\n";
    for line in lines {
        // Writing to a string cannot fail.
        let _ = write!(text, "{between}  {}", change(diff, line));
        between = ",\n";
    }
    let doubts = list(unknown.iter().map(doubt));
    let doubts = if unknown.is_empty() { String::new() } else { format!(", \"unknown\": {doubts}") };
    format!("{text}\n]{doubts}}}\n")
}

fn doubt(Unknown { side, unreadable, lines }: &Unknown) -> String {
    let line = |(from, to, ports): &(String, String, String)| {
        format!("{{\"from\": {}, \"to\": {}, \"ports\": {}}}", quoted(from), quoted(to), quoted(ports))
    };
    format!(
        "{{\"side\": {}, \"unreadable\": {}, \"lines\": {}}}",
        quoted(side),
        list(unreadable.iter().map(|sentence| quoted(sentence))),
        list(lines.iter().map(line))
    )
}

fn change(diff: &Diff<'_, '_>, line: &Line<'_>) -> String {
    let Line { change, risks, sources, destinations, .. } = line;
    let shape = match change.shape() {
        Shape::Added => "added",
        Shape::Removed => "removed",
        Shape::Changed => "changed",
    };
    let families = change.families.iter().map(ToString::to_string);
    let fields = [
        ("from", quoted(sources)),
        ("to", quoted(destinations)),
        ("sources", who(diff, &change.sources)),
        ("destinations", who(diff, &change.destinations)),
        ("families", list(families)),
        ("change", quoted(shape)),
        ("risks", list(risks.iter().map(|risk| quoted(word(*risk))))),
        ("before", ports(&change.before)),
        ("after", ports(&change.after)),
    ];
    let fields = fields.map(|(name, value)| format!("\"{name}\": {value}"));
    format!("{{{}}}", fields.join(", "))
}

/// Ids, then networks.
fn who(diff: &Diff<'_, '_>, many: &Many) -> String {
    let atoms = many.units.iter().filter_map(|place| diff.atoms.get(*place as usize));
    let nets = many.outside.nets();
    list(atoms.map(|atom| quoted(&atom.id)).chain(nets.iter().map(|net| quoted(&net.to_string()))))
}

fn list(values: impl Iterator<Item = String>) -> String {
    format!("[{}]", values.collect::<Vec<_>>().join(", "))
}
