//! What `check` says of rules and policies, against every flow: one that is said to change nothing is taken
//! away and nothing changes at either end; one that isn't said so is taken away and something does.

use std::collections::BTreeSet;
use std::net::IpAddr;

use policy::analyse::check::{Effect, Effects, RuleAt, check, effects};
use policy::analyse::names::{address, range};
use policy::decision::Verdict;
use policy::index::Index;
use policy::model::{
    Cluster, Direction, Family, Flow, Path, Peer, Peers, Policy, Port, Ports, Protocol, Rule,
};
use policy::spec;
use proptest::prelude::*;

use crate::worlds::random::{cluster, config};
use crate::worlds::small::FAMILIES;

/// Every address that something may tell from others: of pods and nodes, around the ends of blocks, and all of
/// small blocks, so that one which nobody has is found.
fn addresses(cluster: &Cluster, family: Family) -> Vec<IpAddr> {
    let pods = cluster.endpoints.values().flat_map(|pod| pod.addresses.clone());
    let nodes = cluster.nodes.values().flat_map(|node| node.addresses.clone());
    let mut all: BTreeSet<IpAddr> = pods.chain(nodes).filter(|one| Family::of(one) == family).collect();
    let last = if family == Family::V4 { u128::from(u32::MAX) } else { u128::MAX };
    all.extend([address(family, 1), address(family, last)]);
    for peer in rules(cluster).flat_map(|rule| peers(rule).to_vec()) {
        let Peer::Block(block) = peer else { continue };
        for net in std::iter::once(&block.cidr).chain(&block.except) {
            if Family::of(&net.addr()) != family {
                continue;
            }
            let (from, to) = range(net);
            let inside = if to - from < 128 { (from..=to).collect() } else { vec![from, to] };
            let around = [from.checked_sub(1), to.checked_add(1).filter(|next| *next <= last)];
            all.extend(
                inside.into_iter().chain(around.into_iter().flatten()).map(|one| address(family, one)),
            );
        }
    }
    all.into_iter().collect()
}

fn rules(cluster: &Cluster) -> impl Iterator<Item = &Rule> {
    cluster.policies.values().flat_map(|policy| [&policy.ingress, &policy.egress]).flatten().flatten()
}

fn peers(rule: &Rule) -> &[Peer] {
    match &rule.peers {
        Peers::Any => &[],
        Peers::Of(peers) => peers,
    }
}

/// Every port that something may tell from others.
fn ports(cluster: &Cluster) -> BTreeSet<(Protocol, u16)> {
    let mut all = BTreeSet::from([(Protocol::Other(1), 0)]);
    let mut around = |protocol: Protocol, port: u16| {
        all.extend(
            [port.saturating_sub(1).max(1), port.max(1), port.saturating_add(1)].map(|one| (protocol, one)),
        );
    };
    for protocol in Protocol::WITH_PORTS {
        around(protocol, 7);
    }
    for pod in cluster.endpoints.values() {
        pod.ports.iter().for_each(|port| around(port.protocol, port.port));
    }
    for rule in rules(cluster) {
        let Ports::Of(listed) = &rule.ports else { continue };
        for port in listed {
            if let Port::Range(protocol, from, to) = port {
                around(*protocol, *from);
                around(*protocol, *to);
            }
        }
    }
    all
}

/// What both ends of a flow let through.
fn verdicts(cluster: &Cluster, flow: &Flow) -> (Verdict, Verdict) {
    let decision = spec::decide(cluster, flow);
    (decision.egress.verdict, decision.ingress.verdict)
}

struct World {
    cluster: Cluster,
    flows: Vec<(Flow, (Verdict, Verdict))>,
}

impl World {
    fn of(cluster: Cluster) -> World {
        let mut flows = Vec::new();
        let ports = ports(&cluster);
        for family in Family::BOTH {
            let all = addresses(&cluster, family);
            let is_pod = |one: &IpAddr| cluster.endpoints.values().any(|pod| pod.addresses.contains(one));
            for (from, to) in all.iter().flat_map(|from| all.iter().map(move |to| (*from, *to))) {
                if is_pod(&from) || is_pod(&to) {
                    let path = if from == to { Path::Service } else { Path::Direct };
                    let flow = |(protocol, port): &(Protocol, u16)| Flow {
                        path,
                        ..Flow::direct(from, to, *protocol, *port)
                    };
                    flows.extend(ports.iter().map(flow));
                }
            }
        }
        let flows = flows.into_iter().map(|flow| (flow, verdicts(&cluster, &flow))).collect();
        World { cluster, flows }
    }

    /// The first flow of which some end says something else in another world.
    fn difference(&self, other: &Cluster) -> Option<Flow> {
        self.flows.iter().find(|(flow, was)| verdicts(other, flow) != *was).map(|(flow, _)| *flow)
    }

    fn without_rule(&self, at: &RuleAt) -> Cluster {
        let mut cluster = self.cluster.clone();
        let policy = cluster.policies.get_mut(&at.policy).unwrap();
        rules_of(policy, at.direction).remove(at.index);
        cluster
    }

    fn without_policy(&self, policy: &Policy) -> Cluster {
        let mut cluster = self.cluster.clone();
        cluster.policies.shift_remove(&policy.id);
        cluster
    }

    /// How many rules and policies decide, and how many don't.
    fn hold(&self) -> (usize, usize) {
        let index = Index::compile(&self.cluster);
        let Effects { rules, policies } = effects(&self.cluster, &index);
        let mut counts = (0, 0);
        for (at, said) in &rules {
            self.expect(&self.without_rule(at), said.effect, &format!("{at:?}"), &mut counts);
        }
        for (id, said) in &policies {
            let without = self.without_policy(&self.cluster.policies[id]);
            self.expect(&without, said.effect, &id.to_string(), &mut counts);
        }
        counts
    }

    fn expect(&self, without: &Cluster, effect: Effect, what: &str, counts: &mut (usize, usize)) {
        let difference = self.difference(without);
        match effect {
            Effect::AtRunTime => assert!(difference.is_none(), "{what}: {difference:?}"),
            Effect::Decides => {
                counts.0 += 1;
                assert!(difference.is_some(), "{what} is said to decide: {:#?}", self.cluster);
            }
            Effect::Contained
            | Effect::NothingToday
            | Effect::NeverDecides
            | Effect::Overruled
            | Effect::Nobody => {
                counts.1 += 1;
                assert!(difference.is_none(), "{what}, {effect:?}: {difference:?} in {:#?}", self.cluster);
            }
        }
    }
}

fn rules_of(policy: &mut Policy, direction: Direction) -> &mut Vec<Rule> {
    match direction {
        Direction::Ingress => policy.ingress.as_mut().unwrap(),
        Direction::Egress => policy.egress.as_mut().unwrap(),
    }
}

#[test]
fn what_changes_nothing_in_small_worlds_is_what_is_said_to() {
    for family in FAMILIES {
        let step = (family.len() / 150).max(1);
        let mut counts = (0, 0);
        for number in (0..family.len()).step_by(step | 1) {
            let (decide, idle) = World::of(family.world(number)).hold();
            counts = (counts.0 + decide, counts.1 + idle);
        }
        assert!(counts.0 > 20 && counts.1 > 20, "{}: {counts:?}", family.name);
    }
}

/// The pods are the last choice, so the same policies come back with others.
#[test]
fn what_is_contained_in_small_worlds_is_so_with_other_pods() {
    let family = FAMILIES.into_iter().find(|family| family.name == "two NetworkPolicies").unwrap();
    let (third, mut contained) = (family.len() / 3, 0);
    for number in (0..third).step_by(7) {
        let cluster = family.world(number);
        let Effects { rules, policies } = effects(&cluster, &Index::compile(&cluster));
        let rules: Vec<_> = rules.into_iter().filter(|(_, said)| said.effect == Effect::Contained).collect();
        let policies: Vec<_> =
            policies.into_iter().filter(|(_, said)| said.effect == Effect::Contained).collect();
        contained += rules.len() + policies.len();
        if rules.is_empty() && policies.is_empty() {
            continue;
        }
        for population in 1..3 {
            let world = World::of(family.world(number + population * third));
            assert_eq!(world.cluster.policies, cluster.policies);
            for (at, _) in &rules {
                assert_eq!(world.difference(&world.without_rule(at)), None, "{at:?} of {cluster:#?}");
            }
            for (id, _) in &policies {
                let without = world.without_policy(&cluster.policies[id]);
                assert_eq!(world.difference(&without), None, "{id} of {cluster:#?}");
            }
        }
    }
    assert!(contained > 50, "{contained}");
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn what_changes_nothing_in_random_worlds_is_what_is_said_to(mut cluster in cluster()) {
        cluster.endpoints.truncate(10);
        World::of(cluster).hold();
    }

    #[test]
    fn there_is_something_to_say_of_every_random_world(cluster in cluster()) {
        let index = Index::compile(&cluster);
        for finding in check(&cluster, &index).findings {
            prop_assert!(!finding.title.is_empty() && !finding.because.is_empty() && !finding.fix.is_empty());
        }
    }
}

proptest! {
    #![proptest_config(config(256))]

    /// What is called contained is so for every pod that may come: here those of another world.
    #[test]
    fn what_is_contained_stays_so_whatever_pods_there_are(cluster in cluster(), mut other in cluster()) {
        let Effects { rules, policies } = effects(&cluster, &Index::compile(&cluster));
        let is_contained = |effect: Effect| effect == Effect::Contained;
        if !rules.values().chain(policies.values()).any(|said| is_contained(said.effect)) {
            return Ok(());
        }
        other.endpoints.truncate(10);
        other.policies = cluster.policies.clone();
        let world = World::of(other);
        for (at, _) in rules.iter().filter(|(_, said)| is_contained(said.effect)) {
            prop_assert_eq!(world.difference(&world.without_rule(at)), None, "{:?} of {:#?}", at, cluster.policies);
        }
        for (id, _) in policies.iter().filter(|(_, said)| is_contained(said.effect)) {
            let without = world.without_policy(&cluster.policies[id]);
            prop_assert_eq!(world.difference(&without), None, "{} of {:#?}", id, cluster.policies);
        }
    }
}
