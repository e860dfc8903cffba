//! What changes in who can talk to whom between two clusters.
//!
//! Pods are matched by workload ([`Atom`]), kinds compared in the planes of both families, and what changes
//! alike is one [`Change`] of many sources and many destinations. Cost follows what differs.

mod atoms;
mod kinds;
mod risk;

use indexmap::IndexMap;

use super::classes::Plane;
use super::names::Addresses;
use super::reach::groups::Many;
use super::reach::{Reach, Unit};
use crate::model::Family;
use crate::ports::PortSet;

use atoms::atoms;
use kinds::{Kinds, Planes, Side, lines};

pub use atoms::Atom;
pub use risk::{Risk, Worries};

/// What all these sources get to all these destinations, and got before. From an atom to itself it speaks of
/// its different pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Who: atoms by their place in [`Diff::atoms`], and addresses that are no pod's.
    pub sources: Many,
    /// To whom.
    pub destinations: Many,
    /// Over which families; at least one. Of addresses only those of the same family are meant.
    pub families: Vec<Family>,
    /// Before.
    pub before: PortSet,
    /// After.
    pub after: PortSet,
}

/// How the ports changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shape {
    /// Nothing before.
    Added,
    /// Nothing after.
    Removed,
    /// Something before and after.
    Changed,
}

impl Change {
    /// How the ports changed.
    pub fn shape(&self) -> Shape {
        match (self.before.is_empty(), self.after.is_empty()) {
            (true, _) => Shape::Added,
            (false, true) => Shape::Removed,
            (false, false) => Shape::Changed,
        }
    }

    /// What opens.
    pub fn opened(&self) -> PortSet {
        self.after.without(&self.before)
    }

    /// What closes.
    pub fn closed(&self) -> PortSet {
        self.before.without(&self.after)
    }
}

/// All that changes.
#[derive(Debug)]
pub struct Diff<'r, 'a> {
    /// Who is asked about.
    pub atoms: Vec<Atom<'r, 'a>>,
    /// No two say something of the same pair over the same family.
    pub changes: Vec<Change>,
}

/// What changes over these families. A workload whose pods are alike on one side only is taken apart.
pub fn diff<'r, 'a>(before: &'r Reach<'a>, after: &'r Reach<'a>, families: &[Family]) -> Diff<'r, 'a> {
    let atoms = atoms(before, after);
    let mut merged: IndexMap<Said, Change> = IndexMap::new();
    for family in families {
        for change in over(before, after, &atoms, *family) {
            merge(&mut merged, change);
        }
    }
    let changes = merged.into_values().filter(|change| !is_alone(&atoms, change)).collect();
    Diff { atoms, changes }
}

/// What changes of two families must share to be one.
type Said = (Vec<u32>, Vec<u32>, PortSet, PortSet);

fn merge(merged: &mut IndexMap<Said, Change>, change: Change) {
    let Change { sources, destinations, before, after, .. } = &change;
    let said = (sources.units.clone(), destinations.units.clone(), before.clone(), after.clone());
    match merged.entry(said) {
        indexmap::map::Entry::Vacant(place) => {
            place.insert(change);
        }
        indexmap::map::Entry::Occupied(mut there) => {
            let there = there.get_mut();
            there.sources.outside = std::mem::take(&mut there.sources.outside).and(&sources.outside);
            there.destinations.outside =
                std::mem::take(&mut there.destinations.outside).and(&destinations.outside);
            there.families.extend(&change.families);
        }
    }
}

/// A single pod and itself: nothing to say.
fn is_alone(atoms: &[Atom<'_, '_>], change: &Change) -> bool {
    let [only] = change.sources.units[..] else { return false };
    change.sources == change.destinations
        && change.sources.outside.is_empty()
        && atoms.get(only as usize).is_some_and(Atom::is_single)
}

fn over(before: &Reach<'_>, after: &Reach<'_>, atoms: &[Atom<'_, '_>], family: Family) -> Vec<Change> {
    let mut planes = Planes::of(before.plane(family), after.plane(family));
    let (sources, destinations) = sides(before, after, atoms, family);
    let lines = lines(&mut planes, &sources, &destinations).into_iter();
    let change = |(from, to, (was, is)): (Vec<u32>, Vec<u32>, _)| Change {
        sources: sources.many(&from),
        destinations: destinations.many(&to),
        families: vec![family],
        before: planes.before.ports(was),
        after: planes.after.ports(is),
    };
    lines.map(change).collect()
}

/// Everyone as a source and as a destination, those of the same kinds before and after together.
fn sides(before: &Reach<'_>, after: &Reach<'_>, atoms: &[Atom<'_, '_>], family: Family) -> (Side, Side) {
    let (mut sources, mut destinations): (IndexMap<Kinds, Many>, IndexMap<Kinds, Many>) = Default::default();
    let source = |reach: &Reach<'_>, unit: Option<&Unit<'_>>| {
        let unit = unit.filter(|unit| unit.is_source)?;
        reach.kind(unit, family).map(|(source, _)| source)
    };
    let destination =
        |reach: &Reach<'_>, unit: Option<&Unit<'_>>| reach.kind(unit?, family).map(|(_, to)| to);
    for (place, atom) in (0_u32..).zip(atoms) {
        let from = (source(before, atom.before), source(after, atom.after));
        sources.entry(from).or_default().units.push(place);
        let to = (destination(before, atom.before), destination(after, atom.after));
        destinations.entry(to).or_default().units.push(place);
    }
    for ((from, to), addresses) in pieces(before.plane(family), after.plane(family), family) {
        let many = sources.entry(from).or_default();
        many.outside = std::mem::take(&mut many.outside).and(&addresses);
        let many = destinations.entry(to).or_default();
        many.outside = std::mem::take(&mut many.outside).and(&addresses);
    }
    (Side::of(sources), Side::of(destinations))
}

/// The address space as both planes cut it, with what a piece is as a source and as a destination.
fn pieces(before: &Plane, after: &Plane, family: Family) -> IndexMap<(Kinds, Kinds), Addresses> {
    let sorted = |plane: &Plane| {
        let mut all: Vec<_> = Vec::new();
        for piece in &plane.pieces {
            let kinds = (piece.source, piece.destination);
            all.extend(piece.addresses.ranges(family).iter().map(|(first, last)| (*first, *last, kinds)));
        }
        all.sort_unstable();
        all
    };
    let (old, new) = (sorted(before), sorted(after));
    let mut ranges: IndexMap<(Kinds, Kinds), Vec<_>> = IndexMap::new();
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    // Both cover everything, so the earlier end of the two is where the next range begins on one of them.
    while let (Some((a, until_a, was)), Some((b, until_b, is))) = (old.peek(), new.peek()) {
        let kinds = ((Some(was.0), Some(is.0)), (Some(was.1), Some(is.1)));
        ranges.entry(kinds).or_default().push((*a.max(b), *until_a.min(until_b)));
        let (step_old, step_new) = (until_a <= until_b, until_b <= until_a);
        if step_old {
            old.next();
        }
        if step_new {
            new.next();
        }
    }
    ranges.into_iter().map(|(kinds, ranges)| (kinds, Addresses::of_ranges(family, ranges))).collect()
}
