//! The grouped table: lines of many sources, many destinations and the ports between them.
//!
//! Units of one kind stand together. For each kind of destination the ports are cut into parts that all its
//! sources have or lack as a whole, and the sources of each part are found; parts with the same sources, and
//! then destinations with the same sources and ports, are one line. That follows how policies are written,
//! a line or two for each, and asks kinds, never pairs of pods.

use hashbrown::HashMap;
use indexmap::{IndexMap, IndexSet};

use super::Reach;
use crate::analyse::classes::NONE;
use crate::analyse::names::Addresses;
use crate::model::Family;
use crate::ports::PortSet;
use crate::rows::Families;

/// One line: all these may reach all those on these ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who.
    pub sources: Many,
    /// To whom.
    pub destinations: Many,
    /// On which ports.
    pub ports: PortSet,
}

/// Units, by their place in `Reach::units`, sorted; and addresses outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Many {
    /// Units.
    pub units: Vec<u32>,
    /// Addresses that are no pod's.
    pub outside: Addresses,
}

/// A party to the table: units of one kind, or a piece of the address space of a family, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Group {
    Units(u32),
    Piece(Family, u32),
}

type Groups = Vec<Group>;

/// Who may reach a destination, and on which ports, sorted.
type Profile = Vec<(PortSet, Group)>;

/// All lines. From a unit to itself a line speaks of its different pods.
pub fn lines(reach: &Reach<'_>, families: Families) -> Vec<Line> {
    let alike = Alike::of(reach);
    let mut merged: IndexMap<(Groups, PortSet), Groups> = IndexMap::new();
    let mut profiles: HashMap<Profile, Vec<(Groups, PortSet)>> = HashMap::new();
    for destination in alike.groups(reach, families) {
        let profile = profile(reach, &alike, families, destination);
        let parts = profiles.entry(profile).or_insert_with_key(|profile| parts(profile));
        for part in parts.iter() {
            merged.entry(part.clone()).or_default().push(destination);
        }
    }
    let lines = merged.into_iter().map(|((sources, ports), destinations)| Line {
        sources: alike.many(reach, &sources),
        destinations: alike.many(reach, &destinations),
        ports,
    });
    lines.filter(|line| !is_alone(reach, line)).collect()
}

/// A single pod and itself: nothing to say.
fn is_alone(reach: &Reach<'_>, line: &Line) -> bool {
    let is_single = |unit: &u32| reach.units.get(*unit as usize).is_some_and(|unit| unit.pods.len() < 2);
    line.sources == line.destinations
        && line.sources.outside.is_empty()
        && line.sources.units.len() == 1
        && line.sources.units.iter().all(is_single)
}

/// Units of one kind.
struct Alike {
    units: Vec<Vec<u32>>,
    /// (family, source kind) → those that are sources of this kind.
    by_source: HashMap<(Family, u32), Vec<u32>>,
}

impl Alike {
    fn of(reach: &Reach<'_>) -> Self {
        let mut kinds: IndexSet<_> = IndexSet::new();
        let mut units: Vec<Vec<u32>> = Vec::new();
        let mut by_source: HashMap<(Family, u32), Vec<u32>> = HashMap::new();
        for (place, unit) in (0_u32..).zip(&reach.units) {
            let (at, is_new) = kinds.insert_full((unit.kinds, unit.is_source));
            if is_new {
                units.push(Vec::new());
                for family in Family::BOTH.into_iter().filter(|_| unit.is_source) {
                    if let Some((source, _)) = reach.kind(unit, family) {
                        let number = u32::try_from(at).unwrap_or(u32::MAX);
                        by_source.entry((family, source)).or_default().push(number);
                    }
                }
            }
            units.get_mut(at).into_iter().for_each(|units| units.push(place));
        }
        Alike { units, by_source }
    }

    fn groups(&self, reach: &Reach<'_>, families: Families) -> Groups {
        let units = (0..).zip(&self.units).map(|(number, _)| Group::Units(number));
        let piece = |family: Family| {
            (0..).zip(&reach.plane(family).pieces).map(move |(number, _)| Group::Piece(family, number))
        };
        units.chain(asked(families).iter().copied().flat_map(piece)).collect()
    }

    fn first<'r, 'a>(&self, reach: &'r Reach<'a>, number: u32) -> Option<&'r super::Unit<'a>> {
        reach.units.get(*self.units.get(number as usize)?.first()? as usize)
    }

    fn many(&self, reach: &Reach<'_>, groups: &[Group]) -> Many {
        let mut many = Many::default();
        for group in groups {
            match group {
                Group::Units(number) => {
                    many.units.extend(self.units.get(*number as usize).into_iter().flatten())
                }
                Group::Piece(family, number) => {
                    if let Some(piece) = reach.plane(*family).pieces.get(*number as usize) {
                        many.outside = many.outside.and(&piece.addresses);
                    }
                }
            }
        }
        many.units.sort_unstable();
        many
    }
}

fn asked(families: Families) -> &'static [Family] {
    match families {
        Families::Natural | Families::Both => &Family::BOTH,
        Families::Only(Family::V4) => &[Family::V4],
        Families::Only(Family::V6) => &[Family::V6],
    }
}

/// Who may reach `destination`, and on which ports, sorted.
fn profile(
    reach: &Reach<'_>,
    alike: &Alike,
    families: Families,
    destination: Group,
) -> Vec<(PortSet, Group)> {
    let mut found: Vec<(PortSet, Group)> = Vec::new();
    for family in asked(families) {
        let plane = reach.plane(*family);
        let (to, unit) = match destination {
            Group::Units(number) => {
                let Some(unit) = alike.first(reach, number) else { continue };
                let Some((_, to)) = reach.kind(unit, *family) else { continue };
                (to, Some(unit))
            }
            Group::Piece(of, _) if of != *family => continue,
            Group::Piece(_, number) => {
                let Some(piece) = plane.pieces.get(number as usize) else { continue };
                (piece.destination, None)
            }
        };
        for (source, ports) in plane.sources_of(to) {
            for number in alike.by_source.get(&(*family, source)).into_iter().flatten() {
                let meant = |from| unit.is_none_or(|to| reach.families(from, to, families).contains(family));
                if alike.first(reach, *number).is_some_and(meant) {
                    found.push((plane.ports(ports), Group::Units(*number)));
                }
            }
        }
        let pieces = (0_u32..).zip(&plane.pieces).filter(|_| unit.is_some());
        for (number, piece) in pieces {
            let ports = plane.between(piece.source, to);
            if ports != NONE {
                found.push((plane.ports(ports), Group::Piece(*family, number)));
            }
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// The ports cut so that each source has a part or lacks it, with the sources of each.
fn parts(profile: &[(PortSet, Group)]) -> Vec<(Groups, PortSet)> {
    let sets: IndexSet<&PortSet> = profile.iter().map(|(ports, _)| ports).collect();
    let mut atoms: Vec<PortSet> = Vec::new();
    for set in &sets {
        let rest = atoms.iter().fold((*set).clone(), |rest, atom| rest.without(atom));
        let cut = atoms.iter().flat_map(|atom| [atom.and(set), atom.without(set)]);
        let cut: Vec<PortSet> = cut.chain([rest]).filter(|atom| !atom.is_empty()).collect();
        atoms = cut;
    }
    let mut by_sets: IndexMap<Vec<bool>, PortSet> = IndexMap::new();
    for atom in atoms {
        let held: Vec<bool> = sets.iter().map(|set| !atom.and(set).is_empty()).collect();
        let ports = by_sets.entry(held).or_default();
        *ports = ports.or(&atom);
    }
    let sources = |held: &[bool]| {
        let held: Vec<&PortSet> =
            sets.iter().zip(held).filter(|(_, held)| **held).map(|(set, _)| *set).collect();
        let mut sources: Groups =
            profile.iter().filter(|(ports, _)| held.contains(&ports)).map(|(_, group)| *group).collect();
        sources.sort_unstable();
        sources.dedup();
        sources
    };
    by_sets.into_iter().map(|(held, ports)| (sources(&held), ports)).collect()
}
