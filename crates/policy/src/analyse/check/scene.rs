//! Who meets whom: each program with the other ends that really are there, alike ones together.
//!
//! An end is a pod's address, a node's, or a piece of the rest of the address space. Ends that are in the same
//! of the sets that a program names are one [`Meeting`] of it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use indexmap::IndexMap;

use crate::analyse::names::{Addresses, Range, address, number, range};
use crate::index::{End, Index};
use crate::model::{
    Attribute, Cluster, ContainerPort, Direction, Endpoint, EndpointId, Family, Peer, Peers, PolicyId,
    RuleId, Selector, Text,
};
use crate::program::{Fallback, Party, PeerId, PeerMatch, PortMatch, Program};

/// A cluster as the checks see it.
pub(super) struct Scene<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) index: &'a Index,
    /// Every program in force, once a family.
    pub(super) groups: Vec<Group<'a>>,
    /// The pods that policies know, with the addresses that are theirs.
    pub(super) pods: Vec<Pod<'a>>,
    /// One pod of each kind that policies tell apart.
    pub(super) kinds: Vec<usize>,
    of_namespace: HashMap<&'a Text, Vec<&'a Endpoint>>,
    places: HashMap<&'a EndpointId, Vec<usize>>,
    speaking: HashMap<PolicyId, BTreeSet<usize>>,
}

/// A pod's address.
pub(super) struct Pod<'a> {
    pub(super) pod: &'a Endpoint,
    pub(super) end: End<'a>,
}

/// A program, the pods that have it, and whom they meet.
pub(super) struct Group<'a> {
    pub(super) family: Family,
    pub(super) program: &'a Arc<Program>,
    /// Places in [`Scene::pods`].
    pub(super) subjects: Vec<usize>,
    pub(super) meetings: Vec<Other>,
}

/// Other ends that a program can't tell apart.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Other {
    family: Family,
    selectors: Vec<PeerId>,
    blocks: Vec<PeerId>,
    nodes: Vec<PeerId>,
    ports: Vec<ContainerPort>,
    is_subject: bool,
}

/// Who is such an end.
#[derive(Clone, Debug, Default)]
struct Who {
    /// Places in [`Scene::pods`]: at most two, because only whether it is the subject itself matters.
    pods: Vec<usize>,
    nodes: Vec<IpAddr>,
    /// Whether some address is that has neither pod nor node.
    is_free: bool,
}

impl Other {
    /// What the program is told.
    pub(super) fn party(&self) -> Party<'_> {
        let Other { family, selectors, blocks, nodes, ports, is_subject } = self;
        Party { family: *family, selectors, blocks, nodes, ports, is_subject: *is_subject }
    }

    /// Whether it is the subject itself.
    pub(super) fn is_subject(&self) -> bool {
        self.is_subject
    }

    /// Whether it is in some set as an address, and in none as a pod.
    pub(super) fn is_no_pod(&self) -> bool {
        self.selectors.is_empty() && !(self.blocks.is_empty() && self.nodes.is_empty())
    }

    fn sets(&self) -> impl Iterator<Item = &PeerId> {
        self.selectors.iter().chain(&self.blocks).chain(&self.nodes)
    }
}

impl Who {
    fn add(&mut self, more: &Who) {
        self.pods.extend(more.pods.iter().take(2_usize.saturating_sub(self.pods.len())));
        self.nodes.extend(&more.nodes);
        self.is_free |= more.is_free;
    }

    fn is_everywhere(&self) -> bool {
        self.is_free || self.pods.len() > 1
    }
}

/// All ends of a family, alike ones together.
#[derive(Default)]
struct Ends {
    kinds: IndexMap<Other, Who>,
    of_set: HashMap<PeerId, Vec<usize>>,
    with_ports: Vec<usize>,
}

impl<'a> Scene<'a> {
    /// Of `cluster`, of which `index` is the index.
    pub(super) fn of(cluster: &'a Cluster, index: &'a Index) -> Self {
        let mut pods = Vec::new();
        for pod in cluster.endpoints.values().filter(|pod| pod.is_policed()) {
            let ends = pod.addresses.iter().map(|address| index.end(*address));
            let own = ends.filter(|end| end.pod().is_some_and(|owner| owner.id == pod.id));
            pods.extend(own.map(|end| Pod { pod, end }));
        }
        let (kinds, of_namespace) = (kinds(&pods), of_namespace(cluster));
        let mut places: HashMap<&'a EndpointId, Vec<usize>> = HashMap::new();
        for (place, pod) in pods.iter().enumerate() {
            places.entry(&pod.pod.id).or_default().push(place);
        }
        let (groups, speaking) = (Vec::new(), HashMap::new());
        let mut scene = Scene { cluster, index, groups, pods, kinds, of_namespace, places, speaking };
        for family in Family::BOTH {
            let ends = scene.ends(family);
            for direction in [Direction::Ingress, Direction::Egress] {
                let groups = scene.groups(family, direction, &ends);
                scene.groups.extend(groups);
            }
        }
        scene.speaking = speakers(&scene);
        scene
    }

    /// The groups of a direction whose programs a policy has a part in.
    pub(super) fn groups_of(
        &self,
        policy: &PolicyId,
        direction: Direction,
    ) -> impl Iterator<Item = &Group<'a>> {
        let places = self.speaking.get(policy).into_iter().flatten();
        let groups = places.filter_map(|place| self.groups.get(*place));
        groups.filter(move |group| group.program.direction == direction)
    }

    /// All pods, also those that policies don't know, that a selector matches.
    pub(super) fn matching<'s>(&'s self, selector: &'s Selector) -> impl Iterator<Item = &'a Endpoint> + 's {
        let inside = namespace(selector).and_then(|name| self.of_namespace.get(name));
        let (inside, all) = match (inside, namespace(selector)) {
            (Some(inside), _) => (inside.as_slice(), None),
            (None, Some(_)) => (&[][..], None),
            (None, None) => (&[][..], Some(self.cluster.endpoints.values())),
        };
        let pods = inside.iter().copied().chain(all.into_iter().flatten());
        pods.filter(|pod| self.index.selects(selector, pod))
    }

    /// The addresses of the pods that a selector selects.
    pub(super) fn selected(&self, selector: &Selector) -> Vec<&Pod<'a>> {
        let pods = self.matching(selector).filter(|pod| pod.is_policed());
        let places = pods.filter_map(|pod| self.places.get(&pod.id)).flatten();
        places.filter_map(|place| self.pods.get(*place)).collect()
    }

    /// The pods that have a program, in the order of the manifests.
    pub(super) fn subjects(&self, group: &Group<'a>) -> impl Iterator<Item = &Pod<'a>> {
        group.subjects.iter().filter_map(|place| self.pods.get(*place))
    }

    fn ends(&self, family: Family) -> Ends {
        let mut ends = Ends::default();
        let mut taken: Vec<u128> = Vec::new();
        for (place, pod) in self.pods.iter().enumerate() {
            if Family::of(&pod.end.address()) == family {
                taken.push(number(&pod.end.address()));
                ends.add(&pod.end.party(pod.end.address()), Who { pods: vec![place], ..Who::default() });
            }
        }
        let nodes = self.cluster.nodes.values().flat_map(|node| &node.addresses);
        for address in nodes.filter(|address| Family::of(address) == family) {
            let end = self.index.end(*address);
            if end.pod().is_none() {
                taken.push(number(address));
                ends.add(&end.party(*address), Who { nodes: vec![*address], ..Who::default() });
            }
        }
        taken.sort_unstable();
        taken.dedup();
        for range in pieces(self.cluster, family).into_iter().filter(|range| has_room(*range, &taken)) {
            let blocks = self.index.blocks_holding(address(family, range.0));
            let party =
                Party { family, selectors: &[], blocks: &blocks, nodes: &[], ports: &[], is_subject: false };
            ends.add(&party, Who { is_free: true, ..Who::default() });
        }
        ends.file();
        ends
    }

    fn groups(&self, family: Family, direction: Direction, ends: &Ends) -> Vec<Group<'a>> {
        let mut programs: IndexMap<*const Program, (&'a Arc<Program>, Vec<usize>)> = IndexMap::new();
        for (place, pod) in self.pods.iter().enumerate() {
            if Family::of(&pod.end.address()) == family
                && let Some(program) = pod.end.program(direction)
            {
                programs.entry(Arc::as_ptr(program)).or_insert((program, Vec::new())).1.push(place);
            }
        }
        let group = |(program, subjects): (&'a Arc<Program>, Vec<usize>)| {
            let meetings = self.meetings(program, &subjects, ends);
            Group { family, program, subjects, meetings }
        };
        programs.into_values().map(group).collect()
    }

    fn meetings(&self, program: &Program, subjects: &[usize], ends: &Ends) -> Vec<Other> {
        let sets = sets(program);
        let asks_ports = program.direction == Direction::Egress && asks_ports(program);
        let mut named: HashSet<usize> =
            sets.iter().filter_map(|set| ends.of_set.get(set)).flatten().copied().collect();
        if asks_ports {
            named.extend(&ends.with_ports);
        }
        let mut met: IndexMap<Other, Who> = IndexMap::new();
        let mut numbers: Vec<usize> = named.iter().copied().collect();
        numbers.sort_unstable();
        for (kind, who) in numbers.into_iter().filter_map(|number| ends.kinds.get_index(number)) {
            met.entry(kind.restricted(&sets, asks_ports)).or_default().add(who);
        }
        let mut rest = Who::default();
        for (place, (kind, who)) in ends.kinds.iter().enumerate() {
            if !named.contains(&place) {
                rest.add(who);
                met.entry(kind.restricted(&sets, asks_ports)).or_default().add(who);
                if rest.is_everywhere() {
                    break;
                }
            }
        }
        let mut others: Vec<Other> = met
            .into_iter()
            .filter(|(_, who)| self.meet(program.direction, subjects, who))
            .map(|(other, _)| other)
            .collect();
        let themselves = subjects.iter().filter_map(|place| self.pods.get(*place));
        let themselves: HashSet<Other> = themselves
            .map(|pod| Other {
                is_subject: true,
                ..Other::from(&pod.end.party(pod.end.address())).restricted(&sets, asks_ports)
            })
            .collect();
        others.extend(themselves);
        others
    }

    /// Whether one of the subjects meets one of them: itself it meets only through a Service, and what its own
    /// node sends it is never asked about (D6).
    fn meet(&self, direction: Direction, subjects: &[usize], who: &Who) -> bool {
        let is_other = |place: &usize| subjects.iter().any(|subject| subject != place);
        let of_node = |address: &IpAddr| {
            direction == Direction::Egress || subjects.iter().any(|place| !self.is_own_node(*place, address))
        };
        who.is_everywhere() || who.pods.iter().any(is_other) || who.nodes.iter().any(of_node)
    }

    fn is_own_node(&self, place: usize, address: &IpAddr) -> bool {
        let node: Option<&Text> = self.pods.get(place).and_then(|pod| pod.pod.node.as_ref());
        let node = node.and_then(|node| self.cluster.nodes.get(node));
        node.is_some_and(|node| node.addresses.contains(address))
    }
}

impl Ends {
    fn add(&mut self, party: &Party<'_>, who: Who) {
        self.kinds.entry(Other::from(party)).or_default().add(&who);
    }

    fn file(&mut self) {
        for (place, kind) in self.kinds.keys().enumerate() {
            for set in kind.sets() {
                self.of_set.entry(*set).or_default().push(place);
            }
            if !kind.ports.is_empty() {
                self.with_ports.push(place);
            }
        }
    }
}

impl From<&Party<'_>> for Other {
    fn from(party: &Party<'_>) -> Self {
        Other {
            family: party.family,
            selectors: party.selectors.to_vec(),
            blocks: party.blocks.to_vec(),
            nodes: party.nodes.to_vec(),
            ports: party.ports.to_vec(),
            is_subject: false,
        }
    }
}

impl Other {
    fn restricted(&self, sets: &[PeerId], asks_ports: bool) -> Other {
        let named =
            |own: &[PeerId]| own.iter().copied().filter(|set| sets.binary_search(set).is_ok()).collect();
        Other {
            family: self.family,
            selectors: named(&self.selectors),
            blocks: named(&self.blocks),
            nodes: named(&self.nodes),
            ports: if asks_ports { self.ports.clone() } else { Vec::new() },
            is_subject: self.is_subject,
        }
    }
}

/// One pod of each identity, in each family.
fn kinds(pods: &[Pod<'_>]) -> Vec<usize> {
    let mut known = HashSet::new();
    let kind = |pod: &Pod<'_>| (pod.end.identity().map(std::ptr::from_ref), Family::of(&pod.end.address()));
    let numbered = pods.iter().enumerate();
    numbered.filter(|(_, pod)| known.insert(kind(pod))).map(|(place, _)| place).collect()
}

fn of_namespace(cluster: &Cluster) -> HashMap<&Text, Vec<&Endpoint>> {
    let mut all: HashMap<&Text, Vec<&Endpoint>> = HashMap::new();
    for pod in cluster.endpoints.values() {
        all.entry(&pod.id.namespace).or_default().push(pod);
    }
    all
}

/// The one namespace that a selector is about.
fn namespace(selector: &Selector) -> Option<&Text> {
    match selector {
        Selector::In(Attribute::NamespaceName, names) => names.first().filter(|_| names.len() == 1),
        Selector::All(parts) => parts.iter().find_map(namespace),
        Selector::Any(_) | Selector::Not(_) | Selector::In(..) | Selector::Has(_) => None,
    }
}

/// The groups in whose programs each policy has a part.
fn speakers(scene: &Scene<'_>) -> HashMap<PolicyId, BTreeSet<usize>> {
    let owners: HashMap<RuleId, &PolicyId> = scene
        .cluster
        .policies
        .values()
        .flat_map(|policy| super::effect::rules(policy).map(move |(at, _)| (at, &policy.id)))
        .map(|(at, id)| (RuleId::rule(id, at.direction, at.index), id))
        .collect();
    let mut all: HashMap<PolicyId, BTreeSet<usize>> = HashMap::new();
    for (place, group) in scene.groups.iter().enumerate() {
        for stage in &group.program.stages {
            let isolating = match &stage.default {
                Fallback::Isolate(_, policies) => &policies[..],
                Fallback::Pass => &[],
            };
            let owners = stage.clauses.iter().filter_map(|clause| owners.get(&clause.rule).copied());
            for id in owners.chain(isolating) {
                all.entry(id.clone()).or_default().insert(place);
            }
        }
    }
    all
}

/// The sets that a program names, sorted.
fn sets(program: &Program) -> Vec<PeerId> {
    let clauses = program.stages.iter().flat_map(|stage| &stage.clauses);
    let sets = clauses.flat_map(|clause| match &clause.peers {
        PeerMatch::Any => &[][..],
        PeerMatch::Of(sets) => sets,
    });
    let mut ids: Vec<PeerId> = sets.map(|set| set.id()).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn asks_ports(program: &Program) -> bool {
    program.stages.iter().flat_map(|stage| &stage.clauses).any(|clause| match &clause.ports {
        PortMatch::Any => false,
        PortMatch::Of(list) => !list.names.is_empty(),
    })
}

/// The address space, cut where a block of some policy begins or ends.
fn pieces(cluster: &Cluster, family: Family) -> Vec<Range> {
    let last = Addresses::all().ranges(family).first().map_or(0, |(_, last)| *last);
    let mut starts: Vec<u128> = vec![0];
    let rules = cluster.policies.values().flat_map(|policy| [&policy.ingress, &policy.egress]);
    for rule in rules.flatten().flatten() {
        let peers = match &rule.peers {
            Peers::Any => continue,
            Peers::Of(peers) => peers,
        };
        for peer in peers {
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
    }
    starts.sort_unstable();
    starts.dedup();
    let ends: Vec<u128> = starts.iter().skip(1).map(|next| next - 1).chain([last]).collect();
    starts.into_iter().zip(ends).collect()
}

/// Whether some address of a range is nobody's.
fn has_room((first, last): Range, taken: &[u128]) -> bool {
    let within = taken.partition_point(|one| *one <= last) - taken.partition_point(|one| *one < first);
    last - first >= within as u128
}
