//! Random histories: whatever came, changed and went, the index is that of the end state, and every delta
//! names exactly what it changed.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Change, Delta, Index, Members};
use crate::model::{
    Action, Attribute, Block, Cluster, ContainerPort, Endpoint, EndpointId, Family, Labels,
    NAMESPACE_NAME_LABEL, Namespace, Node, Origin, Peer, Peers, Phase, Policy, PolicyId, PolicyKind, Port,
    Ports, Protocol, Rule, Selector, Text, Tier, Workload,
};

/// A small generator of numbers, so that every run is the same.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn some<T>(&mut self, at_most: usize, mut each: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.below(at_most + 1)).map(|_| each(self)).collect()
    }
}

#[test]
fn any_history_gives_the_index_of_its_end_and_deltas_name_what_differs() {
    let mut dice = Dice(88_172_645_463_325_252);
    for round in 0..2_000 {
        let (mut cluster, mut index) = (Cluster::default(), Index::default());
        for _ in 0..=dice.below(6) {
            let changes: Vec<Change> = (0..=dice.below(5)).map(|_| change(&mut dice, &mut cluster)).collect();
            let before = index.clone();
            let delta = index.apply_all(changes);
            assert_delta_is_exact(&before, &index, &delta);
        }
        let fresh = Index::compile(&cluster).snapshot();
        assert!(index.snapshot() == fresh, "round {round}: the history left something behind, or lost it");
    }
}

fn assert_delta_is_exact(before: &Index, after: &Index, delta: &Delta) {
    let ids: BTreeSet<_> = before.peers.iter().chain(after.peers.iter()).map(|(id, _)| *id).collect();
    for id in ids {
        let members = |index: &Index| -> BTreeSet<IpAddr> {
            Family::BOTH.into_iter().flat_map(|family| index.members(id, family)).collect()
        };
        let (old, new) = (members(before), members(after));
        let named = delta.peers.get(&id).cloned().unwrap_or_default();
        let differs = Members { come: &new - &old, gone: &old - &new };
        assert_eq!(named, differs, "{:?}", after.peer(id).or_else(|| before.peer(id)));
    }
}

/// One random change, and the same in `cluster`.
fn change(dice: &mut Dice, cluster: &mut Cluster) -> Change {
    match dice.below(12) {
        0 => {
            let name: Text = dice.one(&["x", "y"]).into();
            let labels = Labels::from([(NAMESPACE_NAME_LABEL, name.as_ref()), ("n", dice.one(&["x", "y"]))]);
            let namespace = Namespace { name: name.clone(), labels };
            cluster.namespaces.insert(name, namespace.clone());
            Change::Namespace(namespace)
        }
        1 => {
            let name: Text = dice.one(&["x", "y"]).into();
            cluster.namespaces.shift_remove(&name);
            Change::NamespaceGone(name)
        }
        2 => node_change(dice, cluster),
        3..=6 => endpoint_change(dice, cluster),
        _ => policy_change(dice, cluster),
    }
}

fn node_change(dice: &mut Dice, cluster: &mut Cluster) -> Change {
    let name: Text = dice.one(&["n1", "n2"]).into();
    if dice.below(3) == 0 {
        cluster.nodes.shift_remove(&name);
        return Change::NodeGone(name);
    }
    let addresses = vec![format!("10.0.1.{}", dice.below(3)).parse().unwrap()];
    let labels = Labels::from([("a", dice.one(&["x", "y"]))]);
    let node = Node { name: name.clone(), labels, addresses, pod_cidrs: vec![] };
    cluster.nodes.insert(name, node.clone());
    Change::Node(node)
}

fn endpoint_change(dice: &mut Dice, cluster: &mut Cluster) -> Change {
    let number = dice.below(6);
    let id = EndpointId { namespace: ["x", "y"][number % 2].into(), name: format!("p{number}").into() };
    if dice.below(3) == 0 {
        cluster.endpoints.shift_remove(&id);
        return Change::EndpointGone(id);
    }
    let labels = [("a", dice.one(&["x", "y"])), ("b", "x"), ("unmentioned", "z")];
    let labels =
        labels.into_iter().filter(|_| dice.below(2) == 0).map(|(key, value)| (key.into(), value.into()));
    let labels: Labels = labels.collect();
    let http = ContainerPort { name: Some("http".into()), protocol: Protocol::Tcp, port: 80 };
    let endpoint = Endpoint {
        id: id.clone(),
        labels,
        service_account: "default".into(),
        addresses: [format!("10.0.0.{}", dice.below(8)), format!("fd00::{}", dice.below(8))]
            .map(|address| address.parse().unwrap())
            .to_vec(),
        addresses_made_up: false,
        ports: dice.some(1, |_| http.clone()),
        node: Some("n1".into()),
        host_network: dice.below(8) == 0,
        phase: dice.one(&[Phase::Live, Phase::Live, Phase::Terminating, Phase::Ended]),
        workload: Workload { kind: "Pod".into(), name: "w".into() },
    };
    cluster.endpoints.insert(id, endpoint.clone());
    Change::Endpoint(Box::new(endpoint))
}

fn policy_change(dice: &mut Dice, cluster: &mut Cluster) -> Change {
    let number = dice.below(6);
    let (kind, namespace, tier) = match number % 2 {
        0 => (PolicyKind::NetworkPolicy, Some("x".into()), Tier::NetworkPolicy),
        _ => (PolicyKind::ClusterNetworkPolicy, None, dice.one(&[Tier::Admin, Tier::Baseline])),
    };
    let id = PolicyId { kind, namespace, name: format!("q{number}").into() };
    if dice.below(3) == 0 {
        cluster.policies.shift_remove(&id);
        return Change::PolicyGone(id);
    }
    let policy = Policy {
        id: id.clone(),
        tier,
        priority: dice.below(2) as i32,
        subject: selector(dice),
        ingress: dice.some(1, |dice| dice.some(2, rule)).pop(),
        egress: dice.some(1, |dice| dice.some(2, rule)).pop(),
        origin: Origin { file: "test".into(), line: 0 },
    };
    cluster.policies.insert(id, policy.clone());
    Change::Policy(Box::new(policy))
}

fn rule(dice: &mut Dice) -> Rule {
    let peers = match dice.below(4) {
        0 => Peers::Any,
        _ => Peers::Of(dice.some(2, peer)),
    };
    let ports = match dice.below(3) {
        0 => Ports::Any,
        _ => Ports::Of(dice.some(2, port)),
    };
    let action = dice.one(&[Action::Accept, Action::Deny, Action::Pass]);
    Rule { name: None, action, peers, ports, origin: Origin { file: "test".into(), line: 0 } }
}

fn peer(dice: &mut Dice) -> Peer {
    let cidr = dice.one(&["10.0.0.0/30", "10.0.0.0/29", "0.0.0.0/0", "::/0", "fd00::/126"]);
    match dice.below(4) {
        0 => Peer::Block(Block { cidr: cidr.parse().unwrap(), except: vec![] }),
        1 => Peer::Nodes(Selector::everything()),
        _ => Peer::Pods(selector(dice)),
    }
}

fn port(dice: &mut Dice) -> Port {
    match dice.below(3) {
        0 => Port::Protocol(Protocol::Tcp),
        1 => Port::Range(Protocol::Udp, 5, 9),
        _ => Port::Named(dice.one(&[None, Some(Protocol::Tcp)]), dice.one(&["http", "dns"]).into()),
    }
}

fn selector(dice: &mut Dice) -> Selector {
    let attribute = match dice.below(5) {
        0 => Attribute::Label("a".into()),
        1 => Attribute::Label("b".into()),
        2 => Attribute::NamespaceLabel("n".into()),
        3 => Attribute::NamespaceName,
        _ => Attribute::NamespaceLabel(NAMESPACE_NAME_LABEL.into()),
    };
    let values = vec![dice.one(&["x", "y", "z"]).into(), dice.one(&["x", "y", "z"]).into()];
    match dice.below(7) {
        0 => Selector::Has(attribute),
        1 => Selector::Not(Box::new(Selector::Has(attribute))),
        2 => Selector::Not(Box::new(Selector::is_in(attribute, values))),
        3 => selector(dice).and(selector(dice)),
        4 => Selector::Any(vec![selector(dice), selector(dice)]),
        5 => Selector::everything(),
        _ => Selector::is_in(attribute, values),
    }
}
