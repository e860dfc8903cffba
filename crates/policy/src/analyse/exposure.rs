//! What is open wider than one may think: to the internet, to the whole cluster, to pods that don't exist yet.

use hashbrown::HashMap;

use super::names::Addresses;
use super::reach::{Reach, Unit};
use crate::index::Index;
use crate::model::{Direction, Family, Peer, Selector};
use crate::ports::PortSet;
use crate::program::{Fallback, Party, PeerId, PeerMatch, PeerSet, Program};

/// How open one unit is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Its place in `Reach::units`.
    pub unit: usize,
    /// What some address of the internet may reach on it.
    pub from_internet: PortSet,
    /// What it may reach at some address of the internet.
    pub to_internet: PortSet,
    /// What every other pod of the cluster may reach on it.
    pub from_cluster: PortSet,
    /// What pods may reach on it that a rule is written for and that don't exist. Such a pod may get more by
    /// other labels that it has; these ports it gets if it matches this selector and no other.
    pub from_nobody_yet: Vec<(Selector, PortSet)>,
    /// The directions in which no NetworkPolicy isolates it.
    pub unisolated: Vec<Direction>,
}

impl Exposure {
    /// Whether there is anything to say.
    pub fn is_open(&self) -> bool {
        !(self.from_internet.is_empty()
            && self.to_internet.is_empty()
            && self.from_cluster.is_empty()
            && self.from_nobody_yet.is_empty()
            && self.unisolated.is_empty())
    }
}

/// What a unit is in each plane.
type Kinds = Vec<(Family, (u32, u32))>;

/// The exposure of every unit with a network of its own; `internet` are the addresses that count as that.
pub fn exposures(reach: &Reach<'_>, index: &Index, internet: &Addresses) -> Vec<Exposure> {
    let mut known: HashMap<Kinds, PortSet> = HashMap::new();
    let units = reach.units.iter().enumerate().filter(|(_, unit)| unit.is_source);
    units
        .map(|(place, unit)| Exposure {
            unit: place,
            from_internet: through(reach, unit, internet, Direction::Ingress),
            to_internet: through(reach, unit, internet, Direction::Egress),
            from_cluster: from_cluster(reach, unit, &mut known),
            from_nobody_yet: from_nobody_yet(index, unit),
            unisolated: unisolated(index, unit),
        })
        .collect()
}

fn through(reach: &Reach<'_>, unit: &Unit<'_>, internet: &Addresses, direction: Direction) -> PortSet {
    let mut all = PortSet::default();
    for family in Family::BOTH {
        for piece in &reach.plane(family).pieces {
            if piece.addresses.without(internet) != piece.addresses {
                all = all.or(&match direction {
                    Direction::Ingress => reach.inwards(piece, unit, family),
                    Direction::Egress => reach.outwards(unit, piece, family),
                });
            }
        }
    }
    all
}

/// What every other unit that shares a family with it may reach; nothing where there is no other.
fn from_cluster(reach: &Reach<'_>, unit: &Unit<'_>, known: &mut HashMap<Kinds, PortSet>) -> PortSet {
    let kinds = Family::BOTH.into_iter().filter_map(|family| Some((family, reach.kind(unit, family)?)));
    let kinds: Kinds = kinds.collect();
    if let Some(ports) = known.get(&kinds) {
        return ports.clone();
    }
    let mut every: Option<PortSet> = None;
    for source in reach.units.iter().filter(|source| source.is_source && source.id != unit.id) {
        for family in reach.families(source, unit, crate::rows::Families::Natural) {
            let (Some((from, _)), Some((_, to))) = (reach.kind(source, family), reach.kind(unit, family))
            else {
                continue;
            };
            let plane = reach.plane(family);
            let ports = plane.ports(plane.between(from, to));
            every = Some(every.map_or_else(|| ports.clone(), |every| every.and(&ports)));
        }
        if every.as_ref().is_some_and(PortSet::is_empty) {
            break;
        }
    }
    let every = every.unwrap_or_default();
    known.insert(kinds, every.clone());
    every
}

fn own_program<'i>(index: &'i Index, unit: &Unit<'_>, direction: Direction) -> Option<&'i Program> {
    let pod = unit.pods.iter().find(|pod| !pod.host_network)?;
    index.program(&pod.id, direction).map(AsRef::as_ref)
}

fn unisolated(index: &Index, unit: &Unit<'_>) -> Vec<Direction> {
    let is_isolated = |direction: &Direction| {
        own_program(index, unit, *direction).is_some_and(|program| {
            program.stages.iter().any(|stage| match stage.default {
                Fallback::Isolate(..) => true,
                Fallback::Pass => false,
            })
        })
    };
    [Direction::Ingress, Direction::Egress].into_iter().filter(|of| !is_isolated(of)).collect()
}

fn from_nobody_yet(index: &Index, unit: &Unit<'_>) -> Vec<(Selector, PortSet)> {
    let Some(program) = own_program(index, unit, Direction::Ingress) else { return Vec::new() };
    let mut sets: Vec<PeerId> = selectors(program);
    sets.sort_unstable();
    sets.dedup();
    let open = sets.into_iter().filter_map(|id| {
        if Family::BOTH.into_iter().any(|family| !index.members(id, family).is_empty()) {
            return None;
        }
        let has = |family| unit.pods.iter().any(|pod| pod.address(family).is_some());
        let family = Family::BOTH.into_iter().find(|family| has(*family))?;
        let asked = |selectors: &[PeerId]| {
            let party = Party { family, selectors, blocks: &[], nodes: &[], ports: &[], is_subject: false };
            program.allowed(&party)
        };
        let more = asked(&[id]).without(&asked(&[]));
        match index.peer(id)? {
            Peer::Pods(selector) if !more.is_empty() => Some((selector.clone(), more)),
            Peer::Pods(_) | Peer::Block(_) | Peer::Nodes(_) | Peer::Domains(_) => None,
        }
    });
    open.collect()
}

fn selectors(program: &Program) -> Vec<PeerId> {
    let clauses = program.stages.iter().flat_map(|stage| &stage.clauses);
    let sets = clauses.flat_map(|clause| match &clause.peers {
        PeerMatch::Any => &[][..],
        PeerMatch::Of(sets) => sets,
    });
    let pods = sets.filter_map(|set| match set {
        PeerSet::Pods(id) => Some(*id),
        PeerSet::Block(..) | PeerSet::Nodes(_) | PeerSet::Domains(_) => None,
    });
    pods.collect()
}
