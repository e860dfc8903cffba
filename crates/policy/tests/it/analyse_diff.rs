//! What changes between two clusters, and what is open, against every flow of random worlds.

use std::collections::BTreeSet;
use std::net::IpAddr;

use policy::analyse::diff::{Change, Party, diff};
use policy::analyse::exposure::exposures;
use policy::analyse::names::Addresses;
use policy::analyse::reach::Reach;
use policy::decision::Verdict;
use policy::index::Index;
use policy::model::{Cluster, Direction, Endpoint, Family, Flow, Protocol};
use policy::rows::Families;
use policy::spec;
use proptest::prelude::*;

use crate::worlds::random::{cluster, config};

const PORTS: [(Protocol, u16); 5] = [
    (Protocol::Tcp, 53),
    (Protocol::Tcp, 80),
    (Protocol::Udp, 81),
    (Protocol::Sctp, 8080),
    (Protocol::Other(1), 0),
];

/// The same pods with the policies that `keep` names by their place.
fn with_some(cluster: &Cluster, keep: &[bool]) -> Cluster {
    let mut some = cluster.clone();
    let mut keep = keep.iter().cycle();
    some.policies.retain(|_, _| *keep.next().unwrap());
    some
}

fn allowed(cluster: &Cluster, source: IpAddr, destination: IpAddr, port: (Protocol, u16)) -> bool {
    let flow = Flow::direct(source, destination, port.0, port.1);
    spec::decide(cluster, &flow).verdict() == Verdict::Accept
}

fn is_pod(party: &Party, reach: &[&Reach<'_>], pod: &Endpoint) -> bool {
    let Party::Unit(id, _) = party else { return false };
    let units = reach.iter().flat_map(|reach| &reach.units).filter(|unit| unit.id == *id);
    units.flat_map(|unit| &unit.pods).any(|there| there.id == pod.id)
}

fn pods(cluster: &Cluster) -> Vec<&Endpoint> {
    let index = Index::compile(cluster);
    let reach = Reach::of(cluster, &index);
    reach.units.into_iter().flat_map(|unit| unit.pods).collect()
}

proptest! {
    #![proptest_config(config(96))]

    #[test]
    fn a_change_is_said_where_a_flow_changes(cluster in cluster(), keep in proptest::collection::vec(any::<bool>(), 7)) {
        let after = with_some(&cluster, &keep);
        let (old_index, new_index) = (Index::compile(&cluster), Index::compile(&after));
        let (old, new) = (Reach::of(&cluster, &old_index), Reach::of(&after, &new_index));
        let changes = diff(&old, &new);
        let both = [&old, &new];
        for source in pods(&cluster).into_iter().filter(|pod| !pod.host_network) {
            for destination in pods(&cluster) {
                for family in Family::BOTH {
                    let (Some(a), Some(b)) = (source.address(family), destination.address(family)) else { continue };
                    if a == b { continue }
                    let about = |change: &&Change| change.family == family
                        && is_pod(&change.source, &both, source)
                        && is_pod(&change.destination, &both, destination);
                    let said: Vec<&Change> = changes.iter().filter(about).collect();
                    for port in PORTS {
                        let (was, is) = (allowed(&cluster, a, b, port), allowed(&after, a, b, port));
                        let told = said.iter().map(|change|
                            (change.before.contains(port.0, port.1), change.after.contains(port.0, port.1)));
                        let told: BTreeSet<(bool, bool)> = told.filter(|(was, is)| was != is).collect();
                        let expected: BTreeSet<(bool, bool)> = (was != is).then_some((was, is)).into_iter().collect();
                        prop_assert_eq!(told, expected, "{:?} {} {}", port, source.id, destination.id);
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_changes_between_a_cluster_and_itself(cluster in cluster()) {
        let index = Index::compile(&cluster);
        prop_assert_eq!(diff(&Reach::of(&cluster, &index), &Reach::of(&cluster, &index)), vec![]);
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
