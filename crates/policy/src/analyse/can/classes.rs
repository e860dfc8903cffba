//! The ends of a question, in classes that no policy of the other side can tell apart.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use indexmap::IndexMap;

use crate::analyse::names::{Addresses, Ends, address, nets, range};
use crate::index::{End, Index};
use crate::model::{Cluster, ContainerPort, Direction, EndpointId, Family, Peer, Peers, Text};
use crate::program::{PeerId, PeerMatch, Program};

/// Who is at an end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// A pod.
    Pod(EndpointId),
    /// A host outside that the user named.
    Host(Text),
    /// A node, by one of its addresses.
    Node(Text, IpAddr),
}

/// One member of a class, with its address of each family.
#[derive(Clone, Debug)]
pub(super) struct Unit {
    pub(super) who: Who,
    pub(super) addresses: [Option<IpAddr>; 2],
}

/// Ends that get the same answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Class {
    pub(super) units: Vec<Unit>,
    /// Addresses that nobody has, all of one family.
    pub(super) addresses: Addresses,
}

/// One side of a question, before it is known what the other side asks for.
pub(super) struct Side<'a> {
    units: Vec<(Unit, [Option<End<'a>>; 2])>,
    rest: Addresses,
    /// In which direction this side's own programs are asked.
    direction: Direction,
}

/// All that the programs of a side ask of the other.
pub(super) struct Asking {
    peers: HashSet<PeerId>,
    /// Nodes that its programs tell from others (D6): for a destination those on which its pods run, for a
    /// source those whose addresses it has.
    nodes: BTreeSet<Text>,
}

/// What tells two ends apart.
#[derive(PartialEq, Eq, Hash)]
struct Key {
    /// The program's address in memory; programs are shared, so equal ones are nearly always the same.
    program: usize,
    is_pod: bool,
    peers: Vec<PeerId>,
    ports: Vec<ContainerPort>,
    nodes: Vec<Text>,
}

/// A pod's identity by its address in memory, and its node where the other side asks for that; by family.
type PodKey<'a> = [Option<(usize, Option<&'a Text>)>; 2];

impl<'a> Side<'a> {
    pub(super) fn new(cluster: &Cluster, index: &'a Index, ends: &Ends<'_>, direction: Direction) -> Self {
        let pods = ends.pods.iter().map(|pod| (Who::Pod(pod.id.clone()), pod.addresses.as_slice()));
        let hosts = ends.hosts.iter().map(|host| (Who::Host(host.name.clone()), host.addresses.as_slice()));
        let mut units: Vec<Unit> = pods.chain(hosts).map(|(who, addresses)| unit(who, addresses)).collect();
        let mut rest = ends.addresses.clone();
        if !rest.is_empty() {
            let owned = owned(cluster, index, &rest);
            rest = rest.without(&owned.iter().map(|(_, address)| address).collect());
            units.extend(owned.into_iter().map(|(who, address)| unit(who, &[address])));
        }
        let seen = |unit: Unit| {
            let ends = unit.addresses.map(|address| Some(index.end(address?)));
            (unit, ends)
        };
        Side { units: units.into_iter().map(seen).collect(), rest, direction }
    }

    pub(super) fn asking(&self) -> Asking {
        let ends = || self.units.iter().flat_map(|(_, ends)| ends.iter().flatten());
        let programs: IndexMap<_, _> =
            ends().filter_map(|end| end.program(self.direction)).map(|one| (Arc::as_ptr(one), one)).collect();
        let peers = programs.values().flat_map(|program| mentioned(program)).collect();
        let nodes = match self.direction {
            Direction::Ingress => ends().filter_map(|end| end.pod()?.node.clone()).collect(),
            Direction::Egress => ends().filter_map(End::nodes).flatten().cloned().collect(),
        };
        Asking { peers, nodes }
    }

    /// The classes that `asking`, the other side, can tell apart, in the order of their first members.
    pub(super) fn classes(self, cluster: &Cluster, index: &Index, asking: &Asking) -> Vec<Class> {
        let Side { units, rest, direction } = self;
        let mut classes: IndexMap<[Option<Key>; 2], Class> = IndexMap::new();
        let mut of_pods: HashMap<PodKey<'a>, usize> = HashMap::new();
        for (unit, ends) in units {
            let pod = pod_key(direction, &ends, asking);
            let known = pod.as_ref().and_then(|pod| of_pods.get(pod)).copied();
            let at = known.unwrap_or_else(|| {
                let entry =
                    classes.entry(ends.each_ref().map(|end| Some(key(direction, end.as_ref()?, asking))));
                let at = entry.index();
                entry.or_default();
                at
            });
            of_pods.extend(pod.filter(|_| known.is_none()).map(|pod| (pod, at)));
            if let Some((_, class)) = classes.get_index_mut(at) {
                class.units.push(unit);
            }
        }
        let mut classes: Vec<Class> = classes.into_values().collect();
        classes
            .extend(cut(cluster, index, &rest, asking).map(|addresses| Class { units: vec![], addresses }));
        classes
    }
}

/// What settles the key of a pod, for less work than the key; `None` where it isn't settled by that alone.
fn pod_key<'a>(direction: Direction, ends: &[Option<End<'a>>; 2], asking: &Asking) -> Option<PodKey<'a>> {
    let one = |end: &End<'a>| {
        let node = match direction {
            Direction::Ingress => end.pod()?.node.as_ref().filter(|node| asking.nodes.contains(*node)),
            Direction::Egress => None,
        };
        let is_node = !end.party(end.address()).nodes.is_empty();
        end.identity().filter(|_| !is_node).map(|identity| (std::ptr::from_ref(identity).addr(), node))
    };
    let [first, second] = ends.each_ref().map(|end| end.as_ref().map(one));
    Some([first.map_or(Some(None), |one| one.map(Some))?, second.map_or(Some(None), |one| one.map(Some))?])
}

fn key(direction: Direction, end: &End<'_>, asking: &Asking) -> Key {
    let party = end.party(end.address());
    let all = [party.selectors, party.blocks, party.nodes].concat();
    let nodes: Vec<&Text> = match direction {
        Direction::Ingress => end.pod().and_then(|pod| pod.node.as_ref()).into_iter().collect(),
        Direction::Egress => end.nodes().into_iter().flatten().collect(),
    };
    Key {
        program: end.program(direction).map_or(0, |program| Arc::as_ptr(program).addr()),
        is_pod: end.pod().is_some(),
        peers: all.into_iter().filter(|id| asking.peers.contains(id)).collect(),
        ports: party.ports.to_vec(),
        nodes: nodes.into_iter().filter(|node| asking.nodes.contains(*node)).cloned().collect(),
    }
}

impl Class {
    /// Two addresses of a family, as different as there are.
    pub(super) fn addresses(&self, family: Family) -> impl Iterator<Item = IpAddr> + '_ {
        let at = usize::from(family == Family::V6);
        let of_units = self.units.iter().filter_map(move |unit| *unit.addresses.get(at)?);
        let ranges = self.addresses.ranges(family).iter().flat_map(|(first, last)| [*first, *last]);
        of_units.chain(ranges.map(move |number| address(family, number)))
    }

    /// Whether its members have an address of that family.
    pub(super) fn has(&self, family: Family) -> bool {
        self.addresses(family).next().is_some()
    }
}

fn unit(who: Who, addresses: &[IpAddr]) -> Unit {
    let of = |family| addresses.iter().copied().find(|address| Family::of(address) == family);
    Unit { who, addresses: Family::BOTH.map(of) }
}

/// The pods and nodes that have one of these addresses.
fn owned(cluster: &Cluster, index: &Index, among: &Addresses) -> Vec<(Who, IpAddr)> {
    let pods = cluster.endpoints.values().filter(|pod| pod.is_policed());
    let of_pods = pods.flat_map(|pod| pod.addresses.iter().map(move |address| (pod, *address)));
    let of_pods = of_pods
        .filter(|(_, address)| among.contains(address))
        .filter(|(pod, address)| index.owner(*address).is_some_and(|owner| owner.id == pod.id))
        .map(|(pod, address)| (Who::Pod(pod.id.clone()), address));
    let of_nodes = cluster.nodes.values().flat_map(|node| node.addresses.iter().map(move |at| (node, *at)));
    let of_nodes = of_nodes
        .filter(|(_, address)| among.contains(address) && index.owner(*address).is_none())
        .map(|(node, address)| (Who::Node(node.name.clone(), address), address));
    let mut all: Vec<(Who, IpAddr)> = of_pods.chain(of_nodes).collect();
    let mut known = HashSet::new();
    all.retain(|(_, address)| known.insert(*address));
    all
}

fn mentioned(program: &Program) -> impl Iterator<Item = PeerId> + '_ {
    let clauses = program.stages.iter().flat_map(|stage| &stage.clauses);
    let sets = clauses.filter_map(|clause| match &clause.peers {
        PeerMatch::Any => None,
        PeerMatch::Of(sets) => Some(sets),
    });
    sets.flat_map(|sets| sets.iter().map(|set| set.id()))
}

/// Addresses that nobody has, in pieces that lie in the same blocks of those that are asked for.
fn cut<'a>(
    cluster: &'a Cluster,
    index: &'a Index,
    rest: &Addresses,
    asking: &Asking,
) -> impl Iterator<Item = Addresses> + use<'a> {
    let mut pieces: IndexMap<(Family, Vec<PeerId>), Vec<ipnet::IpNet>> = IndexMap::new();
    for family in Family::BOTH.into_iter().filter(|family| !rest.ranges(*family).is_empty()) {
        let starts = starts(cluster, family);
        for (first, last) in rest.ranges(family) {
            let inner = starts.range((std::ops::Bound::Excluded(*first), std::ops::Bound::Included(*last)));
            let begins: Vec<u128> = std::iter::once(*first).chain(inner.copied()).collect();
            let ends = begins.iter().skip(1).map(|next| next - 1).chain([*last]);
            for (begin, end) in begins.iter().zip(ends) {
                let seen = index.end(address(family, *begin));
                let blocks = seen.party(seen.address()).blocks;
                let asked = blocks.iter().copied().filter(|id| asking.peers.contains(id)).collect();
                pieces.entry((family, asked)).or_default().extend(nets(family, (*begin, end)));
            }
        }
    }
    pieces.into_values().map(|nets| Addresses::of(&nets))
}

/// Where, among the addresses of a family, blocks begin and have just ended.
fn starts(cluster: &Cluster, family: Family) -> BTreeSet<u128> {
    let rules = cluster.policies.values().flat_map(|policy| [&policy.ingress, &policy.egress]);
    let peers = rules.flatten().flatten().filter_map(|rule| match &rule.peers {
        Peers::Any => None,
        Peers::Of(peers) => Some(peers),
    });
    let blocks = peers.flatten().filter_map(|peer| match peer {
        Peer::Block(block) => Some(block),
        Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_) => None,
    });
    let nets = blocks.flat_map(|block| std::iter::once(&block.cidr).chain(&block.except));
    let nets = nets.filter(|net| Family::of(&net.addr()) == family);
    nets.map(range).flat_map(|(first, last)| [Some(first), last.checked_add(1)]).flatten().collect()
}
