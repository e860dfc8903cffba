//! Large worlds in which everything that a model can say may be: proptest strategies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use policy::model::{
    Action, Attribute, Block, Cluster, ContainerPort, Direction, Endpoint, Flow, Labels, Node, Path, Peer,
    Peers, Phase, Policy, Port, Ports, Protocol, Rule, Selector, Text, Tier,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};

use super::{cluster_policy, namespace, network_policy, pod, rule};

const NAMESPACES: [&str; 4] = ["w", "x", "y", "z"];
const NODES: [&str; 3] = ["n1", "n2", "n3"];
const KEYS: [&str; 3] = ["app", "tier", "canary"];
const VALUES: [&str; 3] = ["a", "b", ""];
const PORT_NAMES: [&str; 2] = ["web", "dns"];
const PORTS: [u16; 4] = [53, 80, 81, 8080];

/// So many cases, always the same ones; `PROPTEST_CASES` and `PROPTEST_RNG_SEED` ask for others.
pub(crate) fn config(cases: u32) -> Config {
    let given = |name| std::env::var_os(name).is_some();
    let mut config = Config { failure_persistence: None, ..Config::default() };
    if !given("PROPTEST_CASES") {
        config.cases = cases;
    }
    if !given("PROPTEST_RNG_SEED") {
        config.rng_seed = RngSeed::Fixed(20_261_123);
    }
    config
}

/// A cluster with policies of every tier.
pub(crate) fn cluster() -> impl Strategy<Value = Cluster> {
    let policies = (vec(any_network_policy(), 0..8), vec(any_cluster_policy(), 0..8));
    (vec(any_namespace(), 4), vec(any_node(), 3), vec(any_pod(), 1..24), policies).prop_map(
        |(namespaces, nodes, pods, (network, admin))| {
            let named = |at: usize, name: &str| Text::from(format!("{name}{at}"));
            let namespaces = NAMESPACES.iter().zip(namespaces).map(|(name, labels)| namespace(name, labels));
            let nodes = NODES.iter().zip(nodes).map(|(name, (labels, addresses))| Node {
                name: (*name).into(),
                labels,
                addresses,
                pod_cidrs: vec![],
            });
            let mut policies: Vec<Policy> = network.into_iter().chain(admin).collect();
            for (at, policy) in policies.iter_mut().enumerate() {
                policy.id.name = named(at, "p");
            }
            let pods = pods.into_iter().enumerate().map(|(at, mut pod)| {
                pod.id.name = named(at, "pod");
                pod
            });
            Cluster {
                namespaces: namespaces.map(|namespace| (namespace.name.clone(), namespace)).collect(),
                nodes: nodes.map(|node| (node.name.clone(), node)).collect(),
                endpoints: pods.map(|pod| (pod.id.clone(), pod)).collect(),
                policies: policies.into_iter().map(|policy| (policy.id.clone(), policy)).collect(),
                ..Cluster::default()
            }
        },
    )
}

/// A flow between any two addresses of one family that a world may have.
pub(crate) fn flow() -> impl Strategy<Value = Flow> {
    let ends =
        (any::<bool>(), 0..ADDRESSES, prop_oneof![9 => (0..ADDRESSES).prop_map(Some), 1 => Just(None)]);
    let protocol = select(vec![Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Other(1)]);
    let path = prop_oneof![9 => Just(Path::Direct), 1 => Just(Path::Service)];
    (ends, protocol, select(PORTS.to_vec()), path).prop_map(|((v4, source, other), protocol, port, path)| {
        let destination = address(v4, other.unwrap_or(source));
        let path = if other.is_none_or(|other| other == source) { path } else { Path::Direct };
        let port = if matches!(protocol, Protocol::Other(_)) { 0 } else { port };
        Flow { source: address(v4, source), destination, protocol, port, path }
    })
}

/// Few, so that pods often share one, and blocks cut them everywhere.
const ADDRESSES: u8 = 32;

/// The nodes' own follow the pods'.
fn address(v4: bool, number: u8) -> IpAddr {
    match v4 {
        true => Ipv4Addr::new(10, 0, 0, number).into(),
        false => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, number.into()).into(),
    }
}

fn any_labels() -> impl Strategy<Value = Labels> {
    let label = (select(KEYS.to_vec()), select(VALUES.to_vec()));
    vec(label, 0..3)
        .prop_map(|labels| labels.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
}

fn any_namespace() -> impl Strategy<Value = Labels> {
    any_labels()
}

fn any_node() -> impl Strategy<Value = (Labels, Vec<IpAddr>)> {
    (any_labels(), vec((any::<bool>(), 22..ADDRESSES).prop_map(|(v4, at)| address(v4, at)), 0..3))
}

fn any_pod() -> impl Strategy<Value = Endpoint> {
    let phase = prop_oneof![
        8 => Just(Phase::Live),
        1 => Just(Phase::Terminating),
        1 => Just(Phase::Ended),
    ];
    let addresses = (proptest::option::weighted(0.9, 0..24_u8), proptest::option::weighted(0.7, 0..24_u8));
    let place =
        (select(NAMESPACES.to_vec()), select(NODES.to_vec()), any::<bool>(), select(vec!["default", "db"]));
    let host_network = proptest::bool::weighted(0.1);
    (place, any_labels(), addresses, vec(any_container_port(), 0..4), phase, host_network).prop_map(
        |((namespace, node, scheduled, account), labels, (v4, v6), ports, phase, host_network)| {
            let addresses = [v4.map(|at| address(true, at)), v6.map(|at| address(false, at))];
            Endpoint {
                addresses: addresses.into_iter().flatten().collect(),
                service_account: account.into(),
                node: scheduled.then(|| node.into()),
                host_network,
                phase,
                ..pod(&format!("{namespace}/pod"), labels, node, &[], &ports)
            }
        },
    )
}

fn any_container_port() -> impl Strategy<Value = ContainerPort> {
    let name = proptest::option::weighted(0.8, select(PORT_NAMES.to_vec()));
    (name, with_ports(), select(PORTS.to_vec())).prop_map(|(name, protocol, port)| ContainerPort {
        name: name.map(Text::from),
        protocol,
        port,
    })
}

fn with_ports() -> impl Strategy<Value = Protocol> {
    select(Protocol::WITH_PORTS.to_vec())
}

fn any_network_policy() -> impl Strategy<Value = Policy> {
    let rules = || proptest::option::of(vec(any_rule(Just(Action::Accept).boxed()), 0..4));
    (select(NAMESPACES.to_vec()), any_selector(), rules(), rules()).prop_map(
        |(namespace, subject, ingress, egress)| network_policy(namespace, "", subject, ingress, egress),
    )
}

fn any_cluster_policy() -> impl Strategy<Value = Policy> {
    let tier = select(vec![Tier::Admin, Tier::Baseline]);
    let rules = || vec(any_rule(select(vec![Action::Accept, Action::Deny, Action::Pass]).boxed()), 0..4);
    (tier, 0..3, any_selector(), rules(), rules()).prop_map(|(tier, priority, subject, ingress, egress)| {
        let mut policy = cluster_policy(tier, priority, "", subject, Direction::Ingress, ingress);
        policy.egress = (!egress.is_empty()).then_some(egress);
        policy
    })
}

fn any_rule(action: BoxedStrategy<Action>) -> impl Strategy<Value = Rule> {
    let peers = prop_oneof![
        1 => Just(Peers::Any),
        6 => vec(any_peer(), 0..4).prop_map(Peers::Of),
    ];
    let ports = prop_oneof![
        2 => Just(Ports::Any),
        3 => vec(any_port(), 0..4).prop_map(Ports::Of),
    ];
    (action, peers, ports).prop_map(|(action, peers, ports)| rule(action, peers, ports))
}

fn any_peer() -> impl Strategy<Value = Peer> {
    prop_oneof![
        6 => any_selector().prop_map(Peer::Pods),
        4 => any_block().prop_map(Peer::Block),
        1 => any_node_selector().prop_map(Peer::Nodes),
        1 => Just(Peer::Domains(vec!["example.com".into()])),
    ]
}

fn any_block() -> impl Strategy<Value = Block> {
    let width = prop_oneof![8 => 0..6_u8, 1 => Just(u8::MAX)];
    let around = (any::<bool>(), 0..ADDRESSES, width);
    let except = vec((0..ADDRESSES, 1..5_u8), 0..3);
    (around, except).prop_map(|((v4, at, width), excepts)| {
        let cidr = net(v4, at, width);
        let excepts =
            excepts.into_iter().map(|(at, narrower)| net(v4, at, width.min(6).saturating_sub(narrower)));
        let inside = |except: &IpNet| cidr.contains(except) && *except != cidr;
        let mut except: Vec<IpNet> = excepts.filter(inside).collect();
        except.sort();
        except.dedup();
        Block { cidr, except }
    })
}

/// The network of `2^width` addresses around that one, at most all.
fn net(v4: bool, at: u8, width: u8) -> IpNet {
    let bits: u8 = if v4 { 32 } else { 128 };
    IpNet::new(address(v4, at), bits.saturating_sub(width)).unwrap().trunc()
}

fn any_port() -> impl Strategy<Value = Port> {
    let range = (with_ports(), select(PORTS.to_vec()), 0..200_u16);
    let name = (proptest::option::of(with_ports()), select(PORT_NAMES.to_vec()));
    prop_oneof![
        with_ports().prop_map(Port::Protocol),
        range.prop_map(|(protocol, first, more)| Port::Range(protocol, first, first + more)),
        name.prop_map(|(protocol, name)| Port::Named(protocol, name.into())),
    ]
}

fn any_selector() -> impl Strategy<Value = Selector> {
    let label = select(KEYS.to_vec()).prop_map(|key| Attribute::Label(key.into()));
    let inherited = select(KEYS.to_vec()).prop_map(|key| Attribute::NamespaceLabel(key.into()));
    let names = Just(Attribute::NamespaceLabel(policy::model::NAMESPACE_NAME_LABEL.into()));
    let others = select(vec![Attribute::NamespaceName, Attribute::ServiceAccountName]);
    selector_of(prop_oneof![4 => label, 3 => inherited, 1 => names, 1 => others].boxed())
}

fn any_node_selector() -> impl Strategy<Value = Selector> {
    selector_of(select(KEYS.to_vec()).prop_map(|key| Attribute::Label(key.into())).boxed())
}

fn selector_of(attribute: BoxedStrategy<Attribute>) -> impl Strategy<Value = Selector> {
    let values: Vec<&str> = VALUES.iter().chain(&NAMESPACES).chain(&["db"]).copied().collect();
    let is_in = (attribute.clone(), vec(select(values).prop_map(Text::from), 0..3))
        .prop_map(|(attribute, values)| Selector::is_in(attribute, values));
    let has = attribute.prop_map(Selector::Has);
    prop_oneof![4 => is_in, 2 => has, 1 => Just(Selector::everything())].prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Selector::all),
            vec(inner.clone(), 0..3).prop_map(Selector::Any),
            inner.prop_map(|inner| Selector::Not(Box::new(inner))),
        ]
    })
}
