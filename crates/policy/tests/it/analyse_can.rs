//! `can` against the specification, flow by flow, on random worlds.

use std::net::IpAddr;

use ipnet::IpNet;
use policy::analyse::can::{Chain, Group, Part, Question, Readings, Who, Word, can, can_within};
use policy::analyse::names::{self, Addresses, Asked, Ends, Target};
use policy::decision::Verdict;
use policy::index::Index;
use policy::model::{Action, Cluster, Family, Flow, Path, Peers, Phase, Ports, Protocol, Tier};
use policy::rows::Families;
use policy::spec;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::worlds::random::{cluster, config, flow};
use crate::worlds::rule;

proptest! {
    #![proptest_config(config(256))]

    /// Every pod and every address, on all ports at once: what the part that a flow is in says is what the
    /// specification says of the flow.
    #[test]
    fn can_answers_for_every_flow_as_specified(cluster in cluster(), flows in vec(flow(), 100)) {
        let index = Index::compile(&cluster);
        let everyone = Ends { addresses: Addresses::all(), ..Ends::default() };
        let target = Target { ends: everyone.clone(), asked: Asked::Everything, path: Path::Direct };
        let question = Question { sources: everyone, targets: vec![target], families: Families::Both };
        let answer = can(&cluster, &index, &question).unwrap();
        for flow in flows.iter().filter(|flow| flow.source != flow.destination) {
            let parts: Vec<_> = answer.parts.iter().filter(|part| holds(&cluster, part, flow)).collect();
            prop_assert_eq!(parts.len(), 1, "{:?} is in {:#?}", flow, parts);
            prop_assert_eq!(parts[0].answer.decision(), spec::decide(&cluster, flow), "{:?}", flow);
        }
    }

    /// A policy that can't be read: what both readings say is known, and nothing else is.
    #[test]
    fn can_knows_what_both_readings_say(
        cluster in cluster(),
        unread in any::<proptest::sample::Index>(),
        flows in vec(flow(), 60),
    ) {
        prop_assume!(!cluster.policies.is_empty());
        let (narrow, wide) = (reading(&cluster, unread, Action::Deny), reading(&cluster, unread, Action::Accept));
        let (least, most) = (Index::compile(&narrow), Index::compile(&wide));
        let everyone = Ends { addresses: Addresses::all(), ..Ends::default() };
        let target = Target { ends: everyone.clone(), asked: Asked::Everything, path: Path::Direct };
        let question = Question { sources: everyone, targets: vec![target], families: Families::Both };
        let readings = Readings { narrow: (&narrow, &least), wide: (&wide, &most) };
        let answer = can_within(&readings, &question).unwrap();
        for flow in flows.iter().filter(|flow| flow.source != flow.destination) {
            let verdicts = [&narrow, &wide].map(|cluster| spec::decide(cluster, flow).verdict());
            let known: Vec<_> = answer.parts.iter().filter(|part| holds(&cluster, part, flow)).collect();
            let unknown = answer.unknown.iter().filter(|part| holds(&cluster, part, flow)).count();
            prop_assert_eq!(known.len() + unknown, 1, "{:?}", flow);
            match known.first() {
                Some(part) => prop_assert_eq!(verdicts, [part.answer.verdict(); 2], "{:?}", flow),
                None => prop_assert_eq!(verdicts, [Verdict::Deny, Verdict::Accept], "{:?}", flow),
            }
        }
    }

    /// Named pods, one family where they have two, one port: the word is that of all pairs together.
    #[test]
    fn can_says_partly_exactly_where_pairs_differ(
        cluster in cluster(),
        network in (0..32_u8, 27..=32_u8),
        port in proptest::sample::select(vec![53_u16, 80, 8080]),
    ) {
        let index = Index::compile(&cluster);
        let pods = || cluster.endpoints.values()
            .filter(|pod| pod.phase != Phase::Ended && !pod.host_network && !pod.addresses.is_empty());
        let sources = Ends { pods: pods().filter(|pod| &*pod.id.namespace == "x").collect(), ..Ends::default() };
        let net = IpNet::new(IpAddr::from([10, 0, 0, network.0]), network.1).unwrap().trunc();
        let ends = Ends { addresses: Addresses::of([&net]), ..Ends::default() };
        let asked = Asked::Ports(Protocol::Tcp, port, port);
        let targets = vec![Target { ends, asked, path: Path::Direct }];
        let question = Question { sources: sources.clone(), targets, families: Families::Natural };
        let answer = can(&cluster, &index, &question);
        let from = sources.pods.iter().filter_map(|pod| pod.address(Family::V4));
        let (first, last) = names::range(&net);
        let pairs = from.flat_map(|from| (first..=last).map(move |to| (from, names::address(Family::V4, to))));
        let mut allowed: Vec<bool> = pairs.filter(|(from, to)| from != to)
            .map(|(from, to)| Flow::direct(from, to, Protocol::Tcp, port))
            .map(|flow| spec::decide(&cluster, &flow).verdict() == Verdict::Accept)
            .collect();
        allowed.sort_unstable();
        allowed.dedup();
        let word = match allowed[..] {
            [] => None,
            [true] => Some(Word::Yes),
            [false] => Some(Word::No),
            _ => Some(Word::Partly),
        };
        prop_assert_eq!(answer.map(|answer| answer.word), word);
    }

    /// One pod with another over one port: a verdict is said to hang on the made-up address of a pod exactly
    /// where at another address of the pod network, that nobody has, the pod would get another one.
    #[test]
    fn verdicts_hang_on_made_up_addresses_where_others_get_others(
        mut cluster in cluster(),
        (from, to) in (any::<proptest::sample::Index>(), any::<proptest::sample::Index>()),
        port in proptest::sample::select(vec![53_u16, 80, 8080]),
    ) {
        cluster.pod_networks = vec!["10.0.0.0/27".parse().unwrap()];
        cluster.endpoints.values_mut().for_each(|pod| pod.addresses_made_up = true);
        let index = Index::compile(&cluster);
        let at = |pod: &policy::model::Endpoint| pod.address(Family::V4)
            .filter(|at| index.owner(*at).is_some_and(|owner| owner.id == pod.id));
        let pods: Vec<_> = cluster.endpoints.values().filter(|pod| at(pod).is_some()).collect();
        prop_assume!(pods.len() > 1);
        let (source, destination) = (*from.get(&pods), *to.get(&pods));
        prop_assume!(source.id != destination.id);
        let only = |pod| Ends { pods: vec![pod], ..Ends::default() };
        let asked = Asked::Ports(Protocol::Tcp, port, port);
        let targets = vec![Target { ends: only(destination), asked, path: Path::Direct }];
        let question = Question { sources: only(source), targets, families: Families::Only(Family::V4) };
        let answer = can(&cluster, &index, &question).unwrap();
        let (here, there) = (at(source).unwrap(), at(destination).unwrap());
        let now = spec::decide(&cluster, &Flow::direct(here, there, Protocol::Tcp, port)).verdict();
        let free = (0..32).map(|number| IpAddr::from([10, 0, 0, number]))
            .filter(|at| index.owner(*at).is_none() && index.node_at(*at).is_none());
        let mut hanging = std::collections::BTreeSet::new();
        for other in free {
            for (pod, from, to) in [(source, other, there), (destination, here, other)] {
                let mut moved = cluster.clone();
                let addresses = &mut moved.endpoints[&pod.id].addresses;
                addresses.retain(|address| address.is_ipv6());
                addresses.push(other);
                let flow = Flow::direct(from, to, Protocol::Tcp, port);
                if spec::decide(&moved, &flow).verdict() != now {
                    hanging.insert(pod.id.clone());
                }
            }
        }
        let said = answer.made_up.iter().flat_map(|made_up| made_up.pods.iter().cloned()).collect();
        prop_assert_eq!(hanging, said, "{:#?}", answer.made_up);
    }
}

/// The cluster where one policy denies, or accepts, everything before all others.
fn reading(cluster: &Cluster, which: proptest::sample::Index, action: Action) -> Cluster {
    let mut cluster = cluster.clone();
    let at = which.index(cluster.policies.len());
    let policy = &mut cluster.policies[at];
    let any = || Some(vec![rule(action, Peers::Any, Ports::Any)]);
    (policy.tier, policy.priority, policy.ingress, policy.egress) = (Tier::Admin, -1, any(), any());
    cluster
}

fn holds(cluster: &Cluster, part: &Part<Chain>, flow: &Flow) -> bool {
    let is_asked = |asked: &Asked| match asked {
        Asked::Everything => true,
        Asked::WithoutPorts => matches!(flow.protocol, Protocol::Other(_)),
        Asked::Ports(protocol, from, to) => *protocol == flow.protocol && (*from..=*to).contains(&flow.port),
    };
    part.family == Family::of(&flow.source)
        && part.ports.iter().any(is_asked)
        && is_in(cluster, &part.sources, flow.source)
        && is_in(cluster, &part.destinations, flow.destination)
}

fn is_in(cluster: &Cluster, group: &Group, address: IpAddr) -> bool {
    let has = |who: &Who| match who {
        Who::Pod(pod) => {
            cluster.endpoints[pod].addresses.contains(&address) && Some(pod) == owner(cluster, address)
        }
        Who::Node(_, at) => *at == address,
        Who::Host(_) => false,
    };
    group.addresses.contains(&address) || group.members.iter().any(has)
}

/// Of several pods the live one, then the first by name (D12).
fn owner(cluster: &Cluster, address: IpAddr) -> Option<&policy::model::EndpointId> {
    let claiming =
        cluster.endpoints.values().filter(|pod| pod.is_policed() && pod.addresses.contains(&address));
    claiming.min_by_key(|pod| (pod.phase, &pod.id)).map(|pod| &pod.id)
}
