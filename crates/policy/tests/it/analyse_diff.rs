//! What changes between two clusters, and what is open, against every flow of random worlds.

use std::collections::BTreeSet;
use std::net::IpAddr;

use policy::analyse::diff::{Change, Diff, diff};
use policy::analyse::exposure::exposures;
use policy::analyse::names::Addresses;
use policy::analyse::reach::Reach;
use policy::analyse::reach::groups::Many;
use policy::analyse::reach::words::Words;
use policy::decision::Verdict;
use policy::index::Index;
use policy::model::{Cluster, Direction, EndpointId, Family, Flow, Labels, Protocol};
use policy::rows::Families;
use policy::spec;
use proptest::bool::weighted;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::analyse_reach::{any_address, meant};
use crate::worlds::random::{cluster, config};

const PORTS: [(Protocol, u16); 5] = [
    (Protocol::Tcp, 53),
    (Protocol::Tcp, 80),
    (Protocol::Udp, 81),
    (Protocol::Sctp, 8080),
    (Protocol::Other(1), 0),
];

/// What a random world becomes: policies go, pods go, come, and change their labels.
#[derive(Clone, Debug)]
struct Edit {
    policies: Vec<bool>,
    pods: Vec<(bool, bool)>,
    labels: Vec<usize>,
    /// Each pod stands for itself: else those of a namespace are one workload.
    alone: bool,
}

fn edit() -> impl Strategy<Value = Edit> {
    let pods = vec((weighted(0.8), weighted(0.8)), 5);
    (vec(any::<bool>(), 7), pods, vec(0..6_usize, 3), any::<bool>())
        .prop_map(|(policies, pods, labels, alone)| Edit { policies, pods, labels, alone })
}

/// The world before and after.
fn edited(cluster: &Cluster, edit: &Edit) -> (Cluster, Cluster) {
    let mut before = cluster.clone();
    for pod in before.endpoints.values_mut().filter(|_| edit.alone) {
        pod.workload.name = pod.id.name.clone();
    }
    let mut after = before.clone();
    let mut keep = edit.policies.iter().cycle();
    after.policies.retain(|_, _| *keep.next().unwrap());
    let there = |at: usize| edit.pods[at % edit.pods.len()];
    let mut place = 0..;
    before.endpoints.retain(|_, _| there(place.next().unwrap()).0);
    let mut place = 0..;
    after.endpoints.retain(|_, _| there(place.next().unwrap()).1);
    let labels: Vec<Labels> = cluster.endpoints.values().map(|pod| pod.labels.clone()).collect();
    for (at, pod) in after.endpoints.values_mut().enumerate().filter(|(at, _)| at % 4 == 0) {
        pod.labels = labels[(at + edit.labels[at % edit.labels.len()]) % labels.len()].clone();
    }
    (before, after)
}

fn allowed(cluster: &Cluster, source: IpAddr, destination: IpAddr, port: (Protocol, u16)) -> bool {
    let flow = Flow::direct(source, destination, port.0, port.1);
    spec::decide(cluster, &flow).verdict() == Verdict::Accept
}

/// Who may be at an end of a change.
#[derive(Clone, Copy)]
enum Who {
    Atom(u32),
    Address(IpAddr),
}

impl Who {
    fn is_in(self, many: &Many) -> bool {
        match self {
            Who::Address(address) => many.outside.contains(&address),
            Who::Atom(place) => many.units.contains(&place),
        }
    }

    /// On one side: pods are alike, so each may be asked.
    fn addresses(self, diff: &Diff<'_, '_>, side: usize, family: Family) -> Vec<IpAddr> {
        match self {
            Who::Address(address) => vec![address],
            Who::Atom(place) => {
                let pods = diff.atoms[place as usize].pods[side].iter();
                pods.filter_map(|pod| pod.address(family)).collect()
            }
        }
    }

    fn sends(self, diff: &Diff<'_, '_>, side: usize) -> bool {
        match self {
            Who::Address(_) => true,
            Who::Atom(place) => diff.atoms[place as usize].pods[side].iter().all(|pod| !pod.host_network),
        }
    }
}

/// What the changes say of a port of a pair: what it got and what it gets; where nothing is said, nothing.
fn told(diff: &Diff<'_, '_>, ends: (Who, Who), family: Family, port: (Protocol, u16)) -> Vec<(bool, bool)> {
    let about = |change: &&Change| {
        change.families.contains(&family)
            && ends.0.is_in(&change.sources)
            && ends.1.is_in(&change.destinations)
    };
    let said = diff.changes.iter().filter(about);
    let said = said.map(|change| [&change.before, &change.after].map(|ports| ports.contains(port.0, port.1)));
    said.map(|[was, is]| (was, is)).filter(|(was, is)| was != is).collect()
}

/// What the specification says of it: on each side whether all pairs of different addresses may, of which
/// there is one at least, or the end is not there.
fn expected(
    diff: &Diff<'_, '_>,
    clusters: [&Cluster; 2],
    ends: (Who, Who),
    family: Family,
    port: (Protocol, u16),
) -> Option<Vec<(bool, bool)>> {
    let on = |side: usize| {
        let (from, to) = (ends.0.addresses(diff, side, family), ends.1.addresses(diff, side, family));
        if from.is_empty() || to.is_empty() || !ends.0.sends(diff, side) {
            return Some(false);
        }
        let pairs = from.iter().flat_map(|a| to.iter().map(move |b| (*a, *b))).filter(|(a, b)| a != b);
        let mut said = pairs.map(|(a, b)| allowed(clusters[side], a, b, port));
        let first = said.next()?;
        assert!(said.all(|said| said == first), "an atom has pods that differ");
        Some(first)
    };
    let (was, is) = (on(0)?, on(1)?);
    Some((was != is).then_some((was, is)).into_iter().collect())
}

fn is_taken(cluster: &Cluster, address: &IpAddr) -> bool {
    let pods = cluster.endpoints.values().any(|pod| pod.addresses.contains(address));
    pods || cluster.nodes.values().any(|node| node.addresses.contains(address))
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn a_change_is_said_where_a_flow_changes(
        cluster in cluster(), edit in edit(), outside in vec(any_address(), 12),
    ) {
        let (before, after) = edited(&cluster, &edit);
        let (old_index, new_index) = (Index::compile(&before), Index::compile(&after));
        let (old, new) = (Reach::of(&before, &old_index), Reach::of(&after, &new_index));
        let diff = diff(&old, &new, &Family::BOTH);
        let atoms: Vec<Who> = (0..).zip(&diff.atoms).map(|(place, _)| Who::Atom(place)).collect();
        let between = atoms.iter().flat_map(|a| atoms.iter().map(move |b| (*a, *b)));
        let free = outside.iter().filter(|address| !is_taken(&before, address) && !is_taken(&after, address));
        let with = free.flat_map(|there| atoms.iter().map(move |atom| (Who::Address(*there), *atom)));
        let with = with.flat_map(|(there, atom)| [(there, atom), (atom, there)]);
        for (from, to) in between.chain(with) {
            for family in Family::BOTH {
                if let (Who::Address(there), _) | (_, Who::Address(there)) = (from, to)
                    && Family::of(&there) != family { continue }
                for port in PORTS {
                    let Some(expected) = expected(&diff, [&before, &after], (from, to), family, port) else { continue };
                    prop_assert_eq!(told(&diff, (from, to), family, port), expected);
                }
            }
        }
    }

    #[test]
    fn every_pod_is_in_one_atom_of_its_side(cluster in cluster(), edit in edit()) {
        let (before, after) = edited(&cluster, &edit);
        let (old_index, new_index) = (Index::compile(&before), Index::compile(&after));
        let (old, new) = (Reach::of(&before, &old_index), Reach::of(&after, &new_index));
        let diff = diff(&old, &new, &Family::BOTH);
        for (side, reach) in [&old, &new].into_iter().enumerate() {
            let mut listed: Vec<&EndpointId> =
                diff.atoms.iter().flat_map(|atom| atom.pods[side]).map(|pod| &pod.id).collect();
            let mut there: Vec<&EndpointId> =
                reach.units.iter().flat_map(|unit| &unit.pods).map(|pod| &pod.id).collect();
            listed.sort();
            there.sort();
            prop_assert_eq!(listed, there);
        }
    }

    #[test]
    fn a_name_means_the_same_on_both_sides(cluster in cluster(), edit in edit()) {
        let (before, after) = edited(&cluster, &edit);
        let (old_index, new_index) = (Index::compile(&before), Index::compile(&after));
        let (old, new) = (Reach::of(&before, &old_index), Reach::of(&after, &new_index));
        let diff = diff(&old, &new, &Family::BOTH);
        let words = Words::of_diff(&diff, [&before, &after]);
        let sides = [(&before, &old_index, &old), (&after, &new_index, &new)];
        for many in diff.changes.iter().flat_map(|change| [&change.sources, &change.destinations]) {
            let units = Many { units: many.units.clone(), outside: Addresses::default() };
            if units.units.is_empty() { continue }
            let name = words.name(&units);
            for (side, (cluster, index, reach)) in sides.into_iter().enumerate() {
                let pods = units.units.iter().flat_map(|place| diff.atoms[*place as usize].pods[side]);
                let expected: BTreeSet<EndpointId> = pods.map(|pod| pod.id.clone()).collect();
                prop_assert_eq!(meant(cluster, index, reach, &name), expected, "{} on side {}", name, side);
            }
        }
    }

    #[test]
    fn nothing_changes_between_a_cluster_and_itself(cluster in cluster()) {
        let index = Index::compile(&cluster);
        let (old, new) = (Reach::of(&cluster, &index), Reach::of(&cluster, &index));
        prop_assert_eq!(diff(&old, &new, &Family::BOTH).changes, vec![]);
    }

    #[test]
    fn what_is_open_is_what_every_flow_finds(cluster in cluster()) {
        let index = Index::compile(&cluster);
        let reach = Reach::of(&cluster, &index);
        let internet: Addresses = Addresses::of(&["8.8.8.0/24".parse().unwrap(), "2600::/16".parse().unwrap()]);
        let outside: [IpAddr; 2] = ["8.8.8.8".parse().unwrap(), "2600::1".parse().unwrap()];
        for open in exposures(&reach, &index, &internet) {
            let unit = &reach.units[open.unit];
            let pod = unit.pods[0];
            for port in PORTS {
                let ends = outside.iter().filter_map(|there| Some((*there, pod.address(Family::of(there))?)));
                let mut ends: Vec<(IpAddr, IpAddr)> = ends.collect();
                prop_assert_eq!(open.from_internet.contains(port.0, port.1),
                    ends.iter().any(|(there, own)| allowed(&cluster, *there, *own, port)));
                prop_assert_eq!(open.to_internet.contains(port.0, port.1),
                    ends.drain(..).any(|(there, own)| allowed(&cluster, own, there, port)));
                let mut others = reach.units.iter().filter(|other| other.is_source && other.id != unit.id);
                let mut asked = others.by_ref().filter_map(|other| {
                    let family = *reach.families(other, unit, Families::Natural).first()?;
                    let (a, b) = (other.pods[0].address(family)?, pod.address(family)?);
                    Some(if a == b { reach.between(other, unit, Families::Natural).first().is_some_and(|passing| passing.ports.contains(port.0, port.1)) } else { allowed(&cluster, a, b, port) })
                }).peekable();
                let is_open = asked.peek().is_some() && asked.all(|allowed| allowed);
                prop_assert_eq!(open.from_cluster.contains(port.0, port.1), is_open);
            }
            for direction in [Direction::Ingress, Direction::Egress] {
                let isolated = cluster.policies.values().any(|policy| {
                    policy.tier == policy::model::Tier::NetworkPolicy
                        && policy.rules(direction).is_some()
                        && index.selects(&policy.subject, pod)
                });
                prop_assert_eq!(open.unisolated.contains(&direction), !isolated);
            }
        }
    }
}
