//! Clusters to hold evaluators against each other on: every small one, and random large ones.
//!
//! Other crates' tests include this folder by its path, and each uses a part of it.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::net::IpAddr;

use policy::model::{
    Action, Attribute, Block, Cluster, ContainerPort, Direction, Endpoint, EndpointId, Flow, Labels,
    NAMESPACE_NAME_LABEL, Namespace, Node, Origin, Path, Peer, Peers, Phase, Policy, PolicyId, PolicyKind,
    Ports, Protocol, Rule, Selector, Tier, Workload,
};

pub(crate) mod random;
pub(crate) mod small;

/// A cluster of these parts. Every namespace that a pod is in gets a label `team` of its own name.
pub(crate) fn cluster(nodes: Vec<Node>, pods: Vec<Endpoint>, policies: Vec<Policy>) -> Cluster {
    let namespaces =
        pods.iter().map(|pod| namespace(&pod.id.namespace, [("team", pod.id.namespace.as_ref())].into()));
    Cluster {
        namespaces: namespaces.map(|namespace| (namespace.name.clone(), namespace)).collect(),
        nodes: nodes.into_iter().map(|node| (node.name.clone(), node)).collect(),
        endpoints: pods.into_iter().map(|pod| (pod.id.clone(), pod)).collect(),
        policies: policies.into_iter().map(|policy| (policy.id.clone(), policy)).collect(),
        ..Cluster::default()
    }
}

pub(crate) fn namespace(name: &str, labels: Labels) -> Namespace {
    Namespace { name: name.into(), labels: labels.with(NAMESPACE_NAME_LABEL, name) }
}

pub(crate) fn node(name: &str, labels: Labels, addresses: &[&str]) -> Node {
    let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
    Node { name: name.into(), labels, addresses, pod_cidrs: vec![] }
}

/// `namespace/name`.
pub(crate) fn pod(
    id: &str,
    labels: Labels,
    node: &str,
    addresses: &[&str],
    ports: &[ContainerPort],
) -> Endpoint {
    let (namespace, name) = id.split_once('/').unwrap();
    Endpoint {
        id: EndpointId { namespace: namespace.into(), name: name.into() },
        labels,
        service_account: "default".into(),
        addresses: addresses.iter().map(|address| address.parse().unwrap()).collect(),
        addresses_made_up: false,
        ports: ports.to_vec(),
        node: Some(node.into()),
        host_network: false,
        phase: Phase::Live,
        workload: Workload { kind: "Pod".into(), name: name.into() },
    }
}

pub(crate) fn container_port(name: &str, protocol: Protocol, port: u16) -> ContainerPort {
    ContainerPort { name: Some(name.into()), protocol, port }
}

pub(crate) fn label(key: &str, value: &str) -> Selector {
    Selector::is_in(Attribute::Label(key.into()), vec![value.into()])
}

pub(crate) fn namespace_label(key: &str, value: &str) -> Selector {
    Selector::is_in(Attribute::NamespaceLabel(key.into()), vec![value.into()])
}

pub(crate) fn block(cidr: &str, except: &[&str]) -> Peer {
    let mut except: Vec<ipnet::IpNet> = except.iter().map(|net| net.parse().unwrap()).collect();
    except.sort();
    Peer::Block(Block { cidr: cidr.parse().unwrap(), except })
}

pub(crate) fn rule(action: Action, peers: Peers, ports: Ports) -> Rule {
    Rule { name: None, action, peers, ports, origin: origin() }
}

/// A NetworkPolicy of `namespace`; its subjects are the pods there that `pods` selects.
pub(crate) fn network_policy(
    namespace: &str,
    name: &str,
    pods: Selector,
    ingress: Option<Vec<Rule>>,
    egress: Option<Vec<Rule>>,
) -> Policy {
    let kind = PolicyKind::NetworkPolicy;
    Policy {
        id: PolicyId { kind, namespace: Some(namespace.into()), name: name.into() },
        tier: Tier::NetworkPolicy,
        priority: 0,
        subject: pods.and(Selector::namespace(namespace)),
        ingress,
        egress,
        origin: origin(),
    }
}

/// A ClusterNetworkPolicy with rules of one direction.
pub(crate) fn cluster_policy(
    tier: Tier,
    priority: i32,
    name: &str,
    subject: Selector,
    direction: Direction,
    rules: Vec<Rule>,
) -> Policy {
    let (ingress, egress) = one_direction(direction, rules);
    let id = PolicyId { kind: PolicyKind::ClusterNetworkPolicy, namespace: None, name: name.into() };
    Policy { id, tier, priority, subject, ingress, egress, origin: origin() }
}

/// The rules in their direction's place, and nothing in the other's: (ingress, egress).
pub(crate) fn one_direction<T>(direction: Direction, rules: T) -> (Option<T>, Option<T>) {
    match direction {
        Direction::Ingress => (Some(rules), None),
        Direction::Egress => (None, Some(rules)),
    }
}

fn origin() -> Origin {
    Origin { file: "world".into(), line: 0 }
}

/// Every flow between the addresses of a cluster's pods and nodes and `others`, over each of `ports`; of a pod
/// to itself also through a Service.
pub(crate) fn flows(cluster: &Cluster, others: &[IpAddr], ports: &[(Protocol, u16)]) -> Vec<Flow> {
    let pods = cluster.endpoints.values().flat_map(|pod| &pod.addresses);
    let nodes = cluster.nodes.values().flat_map(|node| &node.addresses);
    let mut addresses: Vec<IpAddr> = pods.chain(nodes).chain(others).copied().collect();
    addresses.sort();
    addresses.dedup();
    let mut flows = Vec::new();
    for source in &addresses {
        for destination in addresses.iter().filter(|other| other.is_ipv4() == source.is_ipv4()) {
            for (protocol, port) in ports {
                let direct = Flow::direct(*source, *destination, *protocol, *port);
                flows.push(direct);
                if source == destination {
                    flows.push(Flow { path: Path::Service, ..direct });
                }
            }
        }
    }
    flows
}
