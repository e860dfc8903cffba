//! Kinds of addresses that no program in force tells apart, and what may pass between two kinds.
//!
//! Egress programs and ingress programs are shared by many pods, and each names few sets of peers. So a
//! *source kind* is an egress program with the sets, among those that ingress programs name, that hold the
//! address; a *destination kind* the reverse. For each program only the kinds in a set that it names are
//! asked by themselves; all others get one answer, its default. Cost follows what policies name, never pairs
//! of pods. Families are apart: a plane is about one.

mod pool;

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use indexmap::IndexSet;

pub use pool::{ALL, NONE, Pool, PortsId};

use super::names::{Addresses, Range, address, nets, range};
use crate::index::{End, Index};
use crate::model::{ContainerPort, Direction, Family, Peer, RuleId};
use crate::ports::PortSet;
use crate::program::{Fallback, Party, PeerId, PeerMatch, PortMatch, Program};
use crate::rows::ProtocolPort;

/// What one side of a flow is to the programs of the other, and its own program by number. Of the sets that
/// hold it only those count that some program of the other side names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kind {
    program: Option<usize>,
    selectors: Vec<PeerId>,
    blocks: Vec<PeerId>,
    nodes: Vec<PeerId>,
    ports: Vec<ContainerPort>,
}

impl Kind {
    fn party(&self, family: Family) -> Party<'_> {
        let Kind { selectors, blocks, nodes, ports, .. } = self;
        Party { family, selectors, blocks, nodes, ports, is_subject: false }
    }

    fn sets(&self) -> impl Iterator<Item = &PeerId> {
        self.selectors.iter().chain(&self.blocks).chain(&self.nodes)
    }
}

/// Programs of one direction that say the same, once.
#[derive(Debug, Default)]
struct Programs {
    distinct: IndexSet<Program>,
    known: HashMap<*const Program, usize>,
    named: HashSet<PeerId>,
    names_ports: bool,
}

impl Programs {
    fn add(&mut self, program: &Arc<Program>) {
        if self.known.contains_key(&Arc::as_ptr(program)) {
            return;
        }
        for clause in program.stages.iter().flat_map(|stage| &stage.clauses) {
            match &clause.peers {
                PeerMatch::Any => (),
                PeerMatch::Of(sets) => self.named.extend(sets.iter().map(|set| set.id())),
            }
            self.names_ports |= names_ports(&clause.ports);
        }
        let (number, _) = self.distinct.insert_full(anonymous(program));
        self.known.insert(Arc::as_ptr(program), number);
    }

    fn number(&self, program: &Arc<Program>) -> Option<usize> {
        self.known.get(&Arc::as_ptr(program)).copied()
    }
}

/// A program without the names of its rules: which rule decides makes no difference to what is allowed.
fn anonymous(program: &Program) -> Program {
    let mut program = program.clone();
    for stage in &mut program.stages {
        for clause in &mut stage.clauses {
            clause.rule = RuleId(0);
        }
        match &mut stage.default {
            Fallback::Pass => (),
            Fallback::Isolate(rule, policies) => (*rule, *policies) = (RuleId(0), Arc::from([])),
        }
    }
    program
}

fn names_ports(ports: &PortMatch) -> bool {
    match ports {
        PortMatch::Any => false,
        PortMatch::Of(list) => !list.names.is_empty(),
    }
}

/// What a program allows: with the kinds in some set that it names, and with all others.
#[derive(Debug, Default)]
struct Row {
    others: PortsId,
    special: HashMap<u32, PortsId>,
}

impl Row {
    fn get(&self, kind: u32) -> PortsId {
        self.special.get(&kind).copied().unwrap_or(self.others)
    }
}

/// The kinds of one side, and those in each set of peers.
#[derive(Debug, Default)]
struct Side {
    kinds: IndexSet<Kind>,
    members: HashMap<PeerId, Vec<u32>>,
    with_ports: Vec<u32>,
}

impl Side {
    fn add(&mut self, kind: Kind) -> u32 {
        let (at, is_new) = self.kinds.insert_full(kind);
        let number = u32::try_from(at).unwrap_or(u32::MAX);
        if let (true, Some(kind)) = (is_new, self.kinds.get_index(at)) {
            for set in kind.sets() {
                self.members.entry(*set).or_default().push(number);
            }
            if !kind.ports.is_empty() {
                self.with_ports.push(number);
            }
        }
        number
    }

    fn program(&self, kind: u32) -> Option<usize> {
        self.kinds.get_index(kind as usize)?.program
    }
}

/// A piece of the address space outside the cluster that no program tells apart.
#[derive(Clone, Debug)]
pub struct Piece {
    /// The addresses, whoever has them.
    pub addresses: Addresses,
    /// As a source.
    pub source: u32,
    /// As a destination.
    pub destination: u32,
}

/// Everything about one family.
#[derive(Debug)]
pub struct Plane {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The address space, in as few pieces as the programs tell apart.
    pub pieces: Vec<Piece>,
    sources: Side,
    destinations: Side,
    egress: Vec<Row>,
    ingress: Vec<Row>,
    no_program: Row,
    pool: RefCell<Pool>,
}

/// A plane with the source and destination kinds of the addresses that were asked for, in their order.
pub(super) fn plane(index: &Index, family: Family, addresses: &[IpAddr]) -> (Plane, Vec<(u32, u32)>) {
    let ends: Vec<End<'_>> = addresses.iter().map(|address| index.end(*address)).collect();
    let (mut egress, mut ingress) = (Programs::default(), Programs::default());
    for end in &ends {
        if let Some(program) = end.program(Direction::Egress) {
            egress.add(program);
        }
        if let Some(program) = end.program(Direction::Ingress) {
            ingress.add(program);
        }
    }
    let (mut sources, mut destinations) = (Side::default(), Side::default());
    let mut known = HashMap::new();
    let mut kinds = Vec::with_capacity(ends.len());
    for end in &ends {
        // A pod whose address is a node's too is met by rules about nodes.
        let identity = end.identity().filter(|_| end.party(end.address()).nodes.is_empty());
        let identity = identity.map(std::ptr::from_ref);
        if let Some(kind) = identity.and_then(|identity| known.get(&identity).copied()) {
            kinds.push(kind);
            continue;
        }
        let party = end.party(end.address());
        let own =
            |programs: &Programs, direction| end.program(direction).and_then(|one| programs.number(one));
        let source = sources.add(kind(own(&egress, Direction::Egress), &party, &ingress, false));
        let to = kind(own(&ingress, Direction::Ingress), &party, &egress, egress.names_ports);
        let pair = (source, destinations.add(to));
        known.extend(identity.map(|identity| (identity, pair)));
        kinds.push(pair);
    }
    let pieces = pieces(index, family, (&egress, &ingress), (&mut sources, &mut destinations));
    let mut pool = Pool::default();
    let out = rows(&egress, &destinations, family, &mut pool);
    let into = rows(&ingress, &sources, family, &mut pool);
    let mut plane = Plane {
        family,
        pieces,
        sources,
        destinations,
        egress: out,
        ingress: into,
        no_program: Row { others: ALL, special: HashMap::new() },
        pool: RefCell::new(pool),
    };
    plane.merge_pieces();
    (plane, kinds)
}

fn kind(program: Option<usize>, party: &Party<'_>, asking: &Programs, asks_ports: bool) -> Kind {
    let named = |sets: &[PeerId]| sets.iter().copied().filter(|set| asking.named.contains(set)).collect();
    Kind {
        program,
        selectors: named(party.selectors),
        blocks: named(party.blocks),
        nodes: named(party.nodes),
        ports: if asks_ports { party.ports.to_vec() } else { Vec::new() },
    }
}

/// The address space of a family, cut where a block that some program names begins or ends.
fn pieces(
    index: &Index,
    family: Family,
    (egress, ingress): (&Programs, &Programs),
    (sources, destinations): (&mut Side, &mut Side),
) -> Vec<Piece> {
    let last = Addresses::all().ranges(family).first().map_or(0, |(_, last)| *last);
    let mut starts: Vec<u128> = vec![0];
    for peer in egress.named.union(&ingress.named).filter_map(|id| index.peer(*id)) {
        match peer {
            Peer::Block(block) if Family::of(&block.cidr.addr()) == family => {
                for (from, to) in std::iter::once(&block.cidr).chain(&block.except).map(range) {
                    starts.push(from);
                    starts.extend(to.checked_add(1).filter(|next| *next <= last));
                }
            }
            Peer::Block(_) | Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_) => (),
        }
    }
    starts.sort_unstable();
    starts.dedup();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([last]);
    let mut by_kind: indexmap::IndexMap<(u32, u32), Vec<Range>> = indexmap::IndexMap::new();
    for (from, to) in starts.iter().copied().zip(ends) {
        let blocks = index.blocks_holding(address(family, from));
        let party =
            Party { family, selectors: &[], blocks: &blocks, nodes: &[], ports: &[], is_subject: false };
        let source = sources.add(kind(None, &party, ingress, false));
        let destination = destinations.add(kind(None, &party, egress, false));
        by_kind.entry((source, destination)).or_default().push((from, to));
    }
    let piece = |((source, destination), ranges): (_, Vec<Range>)| {
        let nets: Vec<_> = ranges.into_iter().flat_map(|range| nets(family, range)).collect();
        let addresses = Addresses::of(&nets);
        Piece { addresses, source, destination }
    };
    by_kind.into_iter().map(piece).collect()
}

fn rows(programs: &Programs, others: &Side, family: Family, pool: &mut Pool) -> Vec<Row> {
    programs.distinct.iter().map(|program| row(program, others, family, pool)).collect()
}

fn row(program: &Program, others: &Side, family: Family, pool: &mut Pool) -> Row {
    let nobody = Party { family, selectors: &[], blocks: &[], nodes: &[], ports: &[], is_subject: false };
    let default = pool.number(program.allowed(&nobody));
    let clauses = || program.stages.iter().flat_map(|stage| &stage.clauses);
    let mut sets: Vec<PeerId> = clauses()
        .flat_map(|clause| match &clause.peers {
            PeerMatch::Any => &[][..],
            PeerMatch::Of(sets) => sets,
        })
        .map(|set| set.id())
        .collect();
    sets.sort_unstable();
    sets.dedup();
    let asks_ports = clauses().any(|clause| names_ports(&clause.ports));
    // Who is in which of the sets; kinds that are in the same ones (and have no ports of note) are asked once.
    let mut held: HashMap<u32, Vec<u32>> = HashMap::new();
    for (at, set) in sets.iter().enumerate() {
        for kind in others.members.get(set).into_iter().flatten() {
            held.entry(*kind).or_default().push(u32::try_from(at).unwrap_or(u32::MAX));
        }
    }
    if asks_ports {
        for kind in &others.with_ports {
            held.entry(*kind).or_default();
        }
    }
    let mut answers: HashMap<Vec<u32>, PortsId> = HashMap::new();
    let mut special = HashMap::with_capacity(held.len());
    for (number, held) in held {
        let Some(kind) = others.kinds.get_index(number as usize) else { continue };
        let known = if asks_ports { None } else { answers.get(&held).copied() };
        let ports = known.unwrap_or_else(|| pool.number(program.allowed(&kind.party(family))));
        answers.insert(held, ports);
        if ports != default {
            special.insert(number, ports);
        }
    }
    Row { others: default, special }
}

impl Plane {
    /// What may pass from a source kind to a destination kind.
    pub fn between(&self, source: u32, destination: u32) -> PortsId {
        match (self.egress(source, destination), self.ingress(source, destination)) {
            (NONE, _) | (_, NONE) => NONE,
            (ports, ALL) | (ALL, ports) => ports,
            (out, into) => self.pool.borrow_mut().both(out, into),
        }
    }

    /// What a source kind lets out to a destination kind.
    pub fn egress(&self, source: u32, destination: u32) -> PortsId {
        let row = self.sources.program(source).and_then(|program| self.egress.get(program));
        row.map_or(ALL, |row| row.get(destination))
    }

    /// What a destination kind lets in from a source kind.
    pub fn ingress(&self, source: u32, destination: u32) -> PortsId {
        let row = self.destinations.program(destination).and_then(|program| self.ingress.get(program));
        row.map_or(ALL, |row| row.get(source))
    }

    /// The programs of a kind: of a source its egress, of a destination its ingress.
    pub(super) fn program(&self, direction: Direction, kind: u32) -> Option<usize> {
        match direction {
            Direction::Egress => self.sources.program(kind),
            Direction::Ingress => self.destinations.program(kind),
        }
    }

    /// What a program, or the lack of one, allows: with the kinds that are listed, and with all others.
    pub(super) fn row(
        &self,
        direction: Direction,
        program: Option<usize>,
    ) -> (PortsId, &HashMap<u32, PortsId>) {
        let rows = match direction {
            Direction::Egress => &self.egress,
            Direction::Ingress => &self.ingress,
        };
        let row = program.and_then(|program| rows.get(program)).unwrap_or(&self.no_program);
        (row.others, &row.special)
    }

    /// The source kinds that may reach a destination kind, in order.
    pub fn sources_of(&self, destination: u32) -> Vec<(u32, PortsId)> {
        let into = self.destinations.program(destination).and_then(|program| self.ingress.get(program));
        let mut asked: Vec<u32> = match into {
            Some(row) if row.others == NONE => row.special.keys().copied().collect(),
            Some(_) | None => (0..u32::try_from(self.sources.kinds.len()).unwrap_or(u32::MAX)).collect(),
        };
        asked.sort_unstable();
        let all = asked.into_iter().map(|source| (source, self.between(source, destination)));
        all.filter(|(_, ports)| *ports != NONE).collect()
    }

    /// A set of ports by its number in this plane.
    pub fn ports(&self, id: PortsId) -> PortSet {
        self.pool.borrow().set(id).cloned().unwrap_or_default()
    }

    /// Whether a port is in a set of ports by its number in this plane.
    pub fn allows(&self, id: PortsId, (protocol, port): ProtocolPort) -> bool {
        match id {
            NONE => false,
            ALL => true,
            some => self.pool.borrow().set(some).is_some_and(|ports| ports.contains(protocol, port)),
        }
    }

    /// Pieces that get the same from, and give the same to, every kind are one: blocks whose rules never
    /// decide cut nothing.
    fn merge_pieces(&mut self) {
        let (sources, destinations) = (self.sources.kinds.len(), self.destinations.kinds.len());
        let mut merged: indexmap::IndexMap<(Vec<PortsId>, Vec<PortsId>), Piece> = indexmap::IndexMap::new();
        for piece in &self.pieces {
            let to = (0..destinations as u32).filter(|kind| self.destinations.program(*kind).is_some());
            let from = (0..sources as u32).filter(|kind| self.sources.program(*kind).is_some());
            let to: Vec<PortsId> = to.map(|kind| self.between(piece.source, kind)).collect();
            let from: Vec<PortsId> = from.map(|kind| self.between(kind, piece.destination)).collect();
            let entry = merged.entry((to, from));
            let addresses = &piece.addresses;
            entry
                .and_modify(|there| there.addresses = std::mem::take(&mut there.addresses).and(addresses))
                .or_insert_with(|| piece.clone());
        }
        self.pieces = merged.into_values().collect();
    }
}
