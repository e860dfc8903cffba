//! Verdicts that hang on an address that we made up (D21): a block holds a part of the pod network.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashSet;
use ipnet::IpNet;

use super::{Chain, Group, Part, Who};
use crate::analyse::names::{Addresses, Range, address, number, range};
use crate::decision::Verdict;
use crate::index::{End, Index};
use crate::model::{Block, Cluster, Direction, Endpoint, EndpointId, Family, Peer, RuleId};
use crate::ports::PortSet;
use crate::program::{Party, PeerId, PeerMatch, PeerSet, Program};

/// Pods that would get another verdict at another address of their network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeUp {
    /// Their addresses are ours.
    pub pods: BTreeSet<EndpointId>,
    /// It tells the addresses apart.
    pub block: Block,
    /// The rule that names it.
    pub rule: RuleId,
    /// What some of the flows would get elsewhere.
    pub otherwise: Verdict,
}

/// A block that a program asks for, and the rule that does.
type Named<'a> = (PeerId, &'a Block, RuleId);

/// So many addresses are looked at for one that nobody has.
const MOST_TAKEN: u128 = 4096;

/// Where the verdicts of these parts hang on made-up addresses.
pub(super) fn made_up(cluster: &Cluster, index: &Index, parts: &[Part<Chain>]) -> Vec<MadeUp> {
    let mut all = Vec::new();
    let mut known = HashSet::new();
    for part in parts.iter().filter(|part| part.example.source != part.example.destination) {
        let ports = part.ports.iter().fold(PortSet::default(), |all, asked| all.or(&(*asked).into()));
        for direction in [Direction::Egress, Direction::Ingress] {
            let (subjects, guessed, other) = match direction {
                Direction::Egress => (&part.sources, &part.destinations, &part.answer.ingress),
                Direction::Ingress => (&part.destinations, &part.sources, &part.answer.egress),
            };
            // What the pod's own program says doesn't hang on where the pod is.
            if other.ruling.verdict == Verdict::Deny {
                continue;
            }
            let guessed = guessed.members.iter().filter_map(|who| pod(cluster, who));
            let guessed: Vec<&Endpoint> = guessed.filter(|pod| pod.addresses_made_up).collect();
            if guessed.is_empty() {
                continue;
            }
            for (subject, program) in programs(cluster, index, subjects, part.family, direction) {
                let blocks = blocks(index, program, part.family);
                for pod in guessed.iter().filter(|_| !blocks.is_empty()) {
                    let key = (Arc::as_ptr(program).addr(), pod.id.clone(), ports.clone(), part.family);
                    let at = pod.address(part.family).filter(|at| *at != subject);
                    if let Some(at) = at.filter(|_| known.insert(key)) {
                        let asked = Asked { index, program, blocks: &blocks, subject, ports: &ports };
                        let found = asked.elsewhere(at, &pool(cluster, pod, at));
                        add(&mut all, &pod.id, found);
                    }
                }
            }
        }
    }
    all
}

fn add(all: &mut Vec<MadeUp>, pod: &EndpointId, found: Option<(Block, RuleId, Verdict)>) {
    let Some((block, rule, otherwise)) = found else { return };
    match all
        .iter_mut()
        .find(|there| (there.rule, there.otherwise) == (rule, otherwise) && there.block == block)
    {
        Some(there) => drop(there.pods.insert(pod.clone())),
        None => all.push(MadeUp { pods: BTreeSet::from([pod.clone()]), block, rule, otherwise }),
    }
}

fn pod<'a>(cluster: &'a Cluster, who: &Who) -> Option<&'a Endpoint> {
    match who {
        Who::Pod(id) => cluster.endpoints.get(id),
        Who::Host(_) | Who::Node(..) => None,
    }
}

/// The programs of a group, each with the address of a pod that has it.
fn programs<'a>(
    cluster: &Cluster,
    index: &'a Index,
    group: &Group,
    family: Family,
    direction: Direction,
) -> Vec<(IpAddr, &'a Arc<Program>)> {
    let addresses = group.members.iter().filter_map(|who| pod(cluster, who)?.address(family));
    let each = addresses.filter_map(|at| Some((at, index.end(at).program(direction)?)));
    let mut known = HashSet::new();
    each.filter(|(_, program)| known.insert(Arc::as_ptr(program).addr())).collect()
}

/// The blocks of a family that a program asks for.
fn blocks<'a>(index: &'a Index, program: &Program, family: Family) -> Vec<Named<'a>> {
    let clauses = program.stages.iter().flat_map(|stage| &stage.clauses);
    let sets = clauses.filter_map(|clause| match &clause.peers {
        PeerMatch::Any => None,
        PeerMatch::Of(sets) => Some(sets.iter().map(|set| (*set, clause.rule))),
    });
    let block = |(set, rule): (PeerSet, RuleId)| match (set, index.peer(set.id())?) {
        (PeerSet::Block(id, of), Peer::Block(block)) if of == family => Some((id, block, rule)),
        (
            PeerSet::Block(..) | PeerSet::Pods(_) | PeerSet::Nodes(_) | PeerSet::Domains(_),
            Peer::Block(_) | Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_),
        ) => None,
    };
    sets.flatten().filter_map(block).collect()
}

/// Where the pod could have got its address.
fn pool(cluster: &Cluster, pod: &Endpoint, at: IpAddr) -> Vec<Range> {
    let node = pod.node.as_ref().and_then(|name| cluster.nodes.get(name));
    let own: &[IpNet] = node.map_or(&[], |node| &node.pod_cidrs);
    let nets = if own.is_empty() { cluster.pod_networks.as_slice() } else { own };
    let nets: Vec<&IpNet> = nets.iter().filter(|net| net.contains(&at)).collect();
    Addresses::of(nets).ranges(Family::of(&at)).to_vec()
}

/// A program that is asked about a pod whose address may be another.
struct Asked<'a> {
    index: &'a Index,
    program: &'a Program,
    blocks: &'a [Named<'a>],
    subject: IpAddr,
    ports: &'a PortSet,
}

impl Asked<'_> {
    /// The block on which it hangs what the pod at `at` gets.
    fn elsewhere(&self, at: IpAddr, pool: &[Range]) -> Option<(Block, RuleId, Verdict)> {
        let end = self.index.end(at);
        let here = self.allowed(&end, &self.index.blocks_holding(at));
        let mut known = HashSet::new();
        for free in self.pieces(at, pool) {
            let held = self.index.blocks_holding(free);
            if !known.insert(held.clone()) {
                continue;
            }
            let there = self.allowed(&end, &held);
            let otherwise = match (there.without(&here).is_empty(), here.without(&there).is_empty()) {
                (true, true) => continue,
                (false, _) => Verdict::Accept,
                (true, false) => Verdict::Deny,
            };
            let holds = |block: &Block, at: &IpAddr| {
                block.cidr.contains(at) && !block.except.iter().any(|net| net.contains(at))
            };
            let cuts = |(_, block, _): &&Named<'_>| holds(block, &at) != holds(block, &free);
            let (_, block, rule) = self.blocks.iter().find(cuts)?;
            return Some(((*block).clone(), *rule, otherwise));
        }
        None
    }

    fn allowed(&self, end: &End<'_>, blocks: &[PeerId]) -> PortSet {
        let party = Party { blocks, ..end.party(self.subject) };
        self.program.allowed(&party).and(self.ports)
    }

    /// An address that nobody has of each piece into which the blocks cut the pool.
    fn pieces(&self, at: IpAddr, pool: &[Range]) -> Vec<IpAddr> {
        let family = Family::of(&at);
        let nets =
            self.blocks.iter().flat_map(|(_, block, _)| std::iter::once(&block.cidr).chain(&block.except));
        let bounds: BTreeSet<u128> =
            nets.map(range).flat_map(|(first, last)| [Some(first), last.checked_add(1)]).flatten().collect();
        let is_free = |at: &IpAddr| self.index.owner(*at).is_none() && self.index.node_at(*at).is_none();
        let mut all = Vec::new();
        for (first, last) in pool {
            let starts = bounds.range((std::ops::Bound::Excluded(*first), std::ops::Bound::Included(*last)));
            let starts: Vec<u128> = std::iter::once(*first).chain(starts.copied()).collect();
            let ends = starts.iter().skip(1).map(|next| next - 1).chain([*last]);
            for (start, end) in starts.iter().zip(ends) {
                let some = (*start..=end.min(start.saturating_add(MOST_TAKEN))).map(|at| address(family, at));
                all.extend(some.into_iter().find(is_free));
            }
        }
        all.retain(|free| number(free) != number(&at));
        all
    }
}
