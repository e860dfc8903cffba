//! Which kinds get something else than before, found by following the rows of programs that differ.
//!
//! A pair of kinds gets something else only where the source's egress row or the destination's ingress row
//! says something else of the other. So rows are compared once for each pair of programs, old and new, and
//! only where a row's default differs all kinds of the other side are asked.

use hashbrown::HashMap;
use indexmap::IndexMap;

use crate::analyse::classes::{NONE, Plane, PortsId};
use crate::analyse::reach::groups::Many;
use crate::model::Direction;

/// What something is in the old and in the new plane; `None` where it isn't there.
pub(super) type Kinds = (Option<u32>, Option<u32>);

/// What passes before and after, by the numbers of the two planes.
pub(super) type Ports = (PortsId, PortsId);

/// All ends of one role, those of one pair of kinds together.
#[derive(Debug)]
pub(super) struct Side {
    classes: IndexMap<Kinds, Many>,
    /// The classes with a kind, before.
    before: HashMap<u32, Vec<u32>>,
    /// The same after.
    after: HashMap<u32, Vec<u32>>,
}

impl Side {
    /// Who has no address of the family is on no side.
    pub(super) fn of(mut classes: IndexMap<Kinds, Many>) -> Self {
        classes.shift_remove(&(None, None));
        let (mut before, mut after): (HashMap<_, Vec<u32>>, HashMap<_, Vec<u32>>) = Default::default();
        for (class, (old, new)) in (0..).zip(classes.keys()) {
            old.iter().for_each(|old| before.entry(*old).or_default().push(class));
            new.iter().for_each(|new| after.entry(*new).or_default().push(class));
        }
        Side { classes, before, after }
    }

    /// All who are in these classes.
    pub(super) fn many(&self, classes: &[u32]) -> Many {
        let mut many = Many::default();
        for (_, some) in classes.iter().filter_map(|class| self.classes.get_index(*class as usize)) {
            many.units.extend(&some.units);
            if !some.outside.is_empty() {
                many.outside = many.outside.and(&some.outside);
            }
        }
        many.units.sort_unstable();
        many
    }

    fn kinds(&self) -> impl Iterator<Item = (u32, Kinds)> {
        (0..).zip(self.classes.keys().copied())
    }

    fn kinds_of(&self, class: u32) -> Kinds {
        self.classes.get_index(class as usize).map_or((None, None), |(kinds, _)| *kinds)
    }
}

/// Sources by class, destinations by class, and what passes between them: never the same before and after.
pub(super) type Line = (Vec<u32>, Vec<u32>, Ports);

/// All pairs of classes that get something else than before, those with the same sources as one line.
pub(super) fn lines(planes: &mut Planes<'_>, sources: &Side, destinations: &Side) -> Vec<Line> {
    let asked = Asked::of(planes, sources, destinations);
    let mut merged: IndexMap<(Ports, Vec<u32>), Vec<u32>> = IndexMap::new();
    let mut found: IndexMap<Ports, Vec<u32>> = IndexMap::new();
    for (destination, to) in destinations.kinds() {
        for source in asked.sources(planes, sources, destination, to) {
            let ports = planes.between(sources.kinds_of(source), to);
            if planes.differ(ports) {
                found.entry(ports).or_default().push(source);
            }
        }
        for same in found.drain(..) {
            merged.entry(same).or_default().push(destination);
        }
    }
    merged.into_iter().map(|((ports, sources), destinations)| (sources, destinations, ports)).collect()
}

/// The planes of one family.
pub(super) struct Planes<'p> {
    pub(super) before: &'p Plane,
    pub(super) after: &'p Plane,
    different: HashMap<Ports, bool>,
}

impl<'p> Planes<'p> {
    pub(super) fn of(before: &'p Plane, after: &'p Plane) -> Self {
        Planes { before, after, different: HashMap::new() }
    }

    /// Numbers of the two planes name different ports.
    fn differ(&mut self, ports: Ports) -> bool {
        let (before, after) = (self.before, self.after);
        *self.different.entry(ports).or_insert_with(|| before.ports(ports.0) != after.ports(ports.1))
    }

    fn between(&self, source: Kinds, destination: Kinds) -> Ports {
        let over = |plane: &Plane, source: Option<u32>, destination: Option<u32>| match (source, destination)
        {
            (Some(source), Some(destination)) => plane.between(source, destination),
            (None, _) | (_, None) => NONE,
        };
        (over(self.before, source.0, destination.0), over(self.after, source.1, destination.1))
    }

    fn programs(&self, direction: Direction, kinds: (u32, u32)) -> Programs {
        (self.before.program(direction, kinds.0), self.after.program(direction, kinds.1))
    }

    /// Whom of the other side two programs treat differently; of those that are there before and after.
    fn compare(&mut self, direction: Direction, programs: Programs, others: &Side) -> Compared {
        let (before, after) = (self.before, self.after);
        let (old_others, old) = before.row(direction, programs.0);
        let (new_others, new) = after.row(direction, programs.1);
        if self.differ((old_others, new_others)) {
            return Compared::Everyone;
        }
        let of_old = old.keys().filter_map(|kind| others.before.get(kind));
        let of_new = new.keys().filter_map(|kind| others.after.get(kind));
        let mut classes: Vec<u32> = of_old.chain(of_new).flatten().copied().collect();
        classes.sort_unstable();
        classes.dedup();
        classes.retain(|class| match others.kinds_of(*class) {
            (Some(one), Some(other)) => {
                let was = old.get(&one).copied().unwrap_or(old_others);
                let is = new.get(&other).copied().unwrap_or(new_others);
                self.differ((was, is))
            }
            (None, _) | (_, None) => false,
        });
        Compared::These(classes)
    }
}

/// An old and a new program of one direction.
type Programs = (Option<usize>, Option<usize>);

/// Whom two programs treat differently.
enum Compared {
    /// Perhaps everyone: the defaults differ.
    Everyone,
    /// These classes only.
    These(Vec<u32>),
}

/// Which sources to ask about a destination.
struct Asked {
    /// Sources to ask about every destination: they are there on one side only, or let out something else
    /// by default.
    always: Vec<u32>,
    /// Programs of sources that let something else out to a destination.
    egress: HashMap<u32, Vec<Programs>>,
    with_egress: HashMap<Programs, Vec<u32>>,
    ingress: HashMap<Programs, Compared>,
}

impl Asked {
    fn of(planes: &mut Planes<'_>, sources: &Side, destinations: &Side) -> Self {
        let mut always = Vec::new();
        let mut with_egress: HashMap<Programs, Vec<u32>> = HashMap::new();
        for (source, kinds) in sources.kinds() {
            match kinds {
                (Some(one), Some(other)) => {
                    let programs = planes.programs(Direction::Egress, (one, other));
                    with_egress.entry(programs).or_default().push(source);
                }
                (None, _) | (_, None) => always.push(source),
            }
        }
        let mut egress: HashMap<u32, Vec<Programs>> = HashMap::new();
        for (programs, of) in &with_egress {
            match planes.compare(Direction::Egress, *programs, destinations) {
                Compared::Everyone => always.extend(of),
                Compared::These(classes) => {
                    classes.iter().for_each(|class| egress.entry(*class).or_default().push(*programs))
                }
            }
        }
        let mut ingress = HashMap::new();
        for (_, kinds) in destinations.kinds() {
            if let (Some(one), Some(other)) = kinds {
                let programs = planes.programs(Direction::Ingress, (one, other));
                let compared =
                    |planes: &mut Planes<'_>| planes.compare(Direction::Ingress, programs, sources);
                ingress.entry(programs).or_insert_with(|| compared(planes));
            }
        }
        Asked { always, egress, with_egress, ingress }
    }

    /// Sorted, each once.
    fn sources(&self, planes: &Planes<'_>, sources: &Side, destination: u32, kinds: Kinds) -> Vec<u32> {
        let mut asked: Vec<u32> = match kinds {
            (None, None) => Vec::new(),
            (Some(gone), None) => with_kinds(&sources.before, planes.before, gone),
            (None, Some(new)) => with_kinds(&sources.after, planes.after, new),
            (Some(one), Some(other)) => {
                let programs = planes.programs(Direction::Ingress, (one, other));
                match self.ingress.get(&programs) {
                    Some(Compared::These(classes)) => {
                        let egress = self.egress.get(&destination).into_iter().flatten();
                        let egress = egress.filter_map(|programs| self.with_egress.get(programs)).flatten();
                        classes.iter().chain(&self.always).chain(egress).copied().collect()
                    }
                    Some(Compared::Everyone) | None => sources.kinds().map(|(class, _)| class).collect(),
                }
            }
        };
        asked.sort_unstable();
        asked.dedup();
        asked
    }
}

/// The classes that may reach a destination that is there on one side only.
fn with_kinds(classes: &HashMap<u32, Vec<u32>>, plane: &Plane, destination: u32) -> Vec<u32> {
    let kinds = plane.sources_of(destination).into_iter();
    kinds.filter_map(|(kind, _)| classes.get(&kind)).flatten().copied().collect()
}
