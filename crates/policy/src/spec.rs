//! What policies mean, written to be read next to the API's text. Slow is fine here, clever is not.
//!
//! N, C and D are clauses of the reference: NetworkPolicy, ClusterNetworkPolicy, and what we chose where
//! both leave it open. Nothing is shared with the compiler but the model's types.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::decision::{Decision, Exemption, Reason, Ruling};
use crate::model::{
    Action, Attribute, Block, Cluster, ContainerPort, Direction, Endpoint, Flow, Labels, Path, Peer, Peers,
    Policy, Port, Ports, Rule, RuleId, Selector, Tier,
};

/// What happens to a flow at both of its ends; it is allowed if both let it pass (N7). Replies follow by
/// themselves (N6, C5).
pub fn decide(cluster: &Cluster, flow: &Flow) -> Decision {
    Decision {
        egress: decide_direction(cluster, flow, Direction::Egress),
        ingress: decide_direction(cluster, flow, Direction::Ingress),
    }
}

/// What happens at one end: who is exempt, then tier after tier until one is final; in the end, accepted (C1).
fn decide_direction(cluster: &Cluster, flow: &Flow, direction: Direction) -> Ruling {
    let (subject, peer) = flow.ends(direction);
    if flow.source == flow.destination && flow.path == Path::Direct {
        return Ruling::accept(Reason::Exempt(Exemption::Loopback)); // N9, C14, D5
    }
    let Some(subject) = pod_at(cluster, subject) else {
        return Ruling::accept(Reason::Exempt(Exemption::NotAPod)); // D8, D12
    };
    if direction == Direction::Ingress && is_own_node(cluster, subject, peer) {
        return Ruling::accept(Reason::Exempt(Exemption::OwnNode)); // N9, C13, D6
    }
    for tier in Tier::ALL {
        let ruling = match tier {
            Tier::NetworkPolicy => ask_network_policies(cluster, flow, direction, subject),
            Tier::Admin | Tier::Baseline => ask_cluster_policies(cluster, tier, flow, direction, subject),
        };
        if let Some(ruling) = ruling {
            return ruling;
        }
    }
    Ruling::accept(Reason::NoPolicy)
}

/// The first rule that matches, in order of priority, then within the policy (C1). `Pass` ends this tier (C2),
/// and so does the last rule: nothing is denied that no rule denies (C6).
fn ask_cluster_policies(
    cluster: &Cluster,
    tier: Tier,
    flow: &Flow,
    direction: Direction,
    subject: &Endpoint,
) -> Option<Ruling> {
    for policy in policies_about(cluster, tier, subject) {
        if let Some((rule, reason)) = first_match(cluster, policy, flow, direction) {
            return match rule.action {
                Action::Accept => Some(Ruling::accept(reason)),
                Action::Deny => Some(Ruling::deny(reason)),
                Action::Pass => None,
            };
        }
    }
    None
}

/// Without a policy of this direction the pod is not isolated, and this tier says nothing (N5, C3, D1). With
/// one, a flow that any rule of any of them matches is accepted (N6), and no other.
fn ask_network_policies(
    cluster: &Cluster,
    flow: &Flow,
    direction: Direction,
    subject: &Endpoint,
) -> Option<Ruling> {
    let mut isolating = policies_about(cluster, Tier::NetworkPolicy, subject);
    isolating.retain(|policy| policy.rules(direction).is_some());
    if isolating.is_empty() {
        return None;
    }
    if flow.source == flow.destination {
        return Some(Ruling::accept(Reason::Exempt(Exemption::OwnService))); // N9, D5
    }
    if let Some((_, reason)) =
        isolating.iter().find_map(|policy| first_match(cluster, policy, flow, direction))
    {
        return Some(Ruling::accept(reason));
    }
    let isolating = isolating.iter().map(|policy| &policy.id);
    Some(Ruling::deny(Reason::Isolation(RuleId::isolation(isolating, direction))))
}

/// The policies of a tier that select this pod (N4), in their order (D13).
fn policies_about<'a>(cluster: &'a Cluster, tier: Tier, subject: &Endpoint) -> Vec<&'a Policy> {
    let policies = cluster.policies.values().filter(|policy| policy.tier == tier);
    let mut about: Vec<_> =
        policies.filter(|policy| selects_pod(cluster, &policy.subject, subject)).collect();
    about.sort_by(|a, b| a.order().cmp(&b.order()));
    about
}

fn first_match<'a>(
    cluster: &Cluster,
    policy: &'a Policy,
    flow: &Flow,
    direction: Direction,
) -> Option<(&'a Rule, Reason)> {
    let mut rules = policy.rules(direction)?.iter().enumerate();
    let (at, rule) = rules.find(|(_, rule)| rule_matches(cluster, rule, flow, direction))?;
    Some((rule, Reason::Rule(RuleId::rule(&policy.id, direction, at))))
}

/// Peers and ports must both match (N11); of each, one element is enough (N12).
fn rule_matches(cluster: &Cluster, rule: &Rule, flow: &Flow, direction: Direction) -> bool {
    let (_, address) = flow.ends(direction);
    let peer_matches = match &rule.peers {
        Peers::Any => true,
        Peers::Of(peers) => peers.iter().any(|peer| peer_matches(cluster, peer, address)),
    };
    let port_matches = match &rule.ports {
        Ports::Any => true, // every protocol, also those without ports: D9
        Ports::Of(ports) => ports.iter().any(|port| port_matches(cluster, port, flow)),
    };
    peer_matches && port_matches
}

fn peer_matches(cluster: &Cluster, peer: &Peer, address: IpAddr) -> bool {
    match peer {
        Peer::Pods(selector) => {
            pod_at(cluster, address).is_some_and(|pod| selects_pod(cluster, selector, pod))
        }
        Peer::Block(block) => block_contains(block, address),
        Peer::Nodes(selector) => cluster.nodes.values().any(|node| {
            node.addresses.contains(&address)
                && matches(selector, &|attribute| label(attribute, &node.labels))
        }),
        Peer::Domains(_) => false, // known only where packets flow: C12
    }
}

/// Literally any address, whoever owns it (N16, C8, D2).
fn block_contains(block: &Block, address: IpAddr) -> bool {
    contains(&block.cidr, address) && !block.except.iter().any(|except| contains(except, address))
}

fn contains(cidr: &IpNet, address: IpAddr) -> bool {
    match (cidr, address) {
        (IpNet::V4(cidr), IpAddr::V4(address)) => cidr.network() <= address && address <= cidr.broadcast(),
        (IpNet::V6(cidr), IpAddr::V6(address)) => cidr.network() <= address && address <= cidr.broadcast(),
        (IpNet::V4(_), IpAddr::V6(_)) | (IpNet::V6(_), IpAddr::V4(_)) => false,
    }
}

/// The destination's port, in either direction (N22). A name is looked up on the destination pod; what is no
/// pod has no names (N23, C10, D18).
fn port_matches(cluster: &Cluster, port: &Port, flow: &Flow) -> bool {
    match port {
        Port::Protocol(protocol) => flow.protocol == *protocol,
        Port::Range(protocol, first, last) => {
            flow.protocol == *protocol && *first <= flow.port && flow.port <= *last
        }
        Port::Named(protocol, name) => pod_at(cluster, flow.destination).is_some_and(|pod| {
            protocol.is_none_or(|protocol| protocol == flow.protocol)
                && pod.ports.iter().any(|port| is_named(port, name, flow))
        }),
    }
}

fn is_named(port: &ContainerPort, name: &str, flow: &Flow) -> bool {
    port.name.as_deref() == Some(name) && (port.protocol, port.port) == (flow.protocol, flow.port)
}

/// The pod that an address belongs to. Pods of the host's network have none of their own (N21, C7, D8), those
/// that have ended none any more; one that is going yields to one that lives (N20, D12).
fn pod_at(cluster: &Cluster, address: IpAddr) -> Option<&Endpoint> {
    let pods = cluster.endpoints.values().filter(|pod| pod.is_policed() && pod.addresses.contains(&address));
    pods.min_by_key(|pod| (pod.phase, &pod.id))
}

/// Whether the address is the stack of the node that this pod runs on.
fn is_own_node(cluster: &Cluster, pod: &Endpoint, address: IpAddr) -> bool {
    let node = pod.node.as_ref().and_then(|node| cluster.nodes.get(node));
    node.is_some_and(|node| node.addresses.contains(&address)) && pod_at(cluster, address).is_none()
}

fn selects_pod(cluster: &Cluster, selector: &Selector, pod: &Endpoint) -> bool {
    let namespace = cluster.namespaces.get(&pod.id.namespace).map(|namespace| &namespace.labels);
    matches(selector, &|attribute| match attribute {
        Attribute::Label(_) => label(attribute, &pod.labels),
        Attribute::NamespaceLabel(key) => namespace.and_then(|labels| labels.get(key)).map(AsRef::as_ref),
        Attribute::NamespaceName => Some(&pod.id.namespace),
        Attribute::ServiceAccountName => Some(&pod.service_account),
    })
}

/// Of a node only labels can be asked.
fn label<'a>(attribute: &Attribute, labels: &'a Labels) -> Option<&'a str> {
    match attribute {
        Attribute::Label(key) => labels.get(key).map(AsRef::as_ref),
        Attribute::NamespaceLabel(_) | Attribute::NamespaceName | Attribute::ServiceAccountName => None,
    }
}

/// `NotIn` and `DoesNotExist` are negations: they match what lacks the key (N18).
fn matches<'a>(selector: &Selector, value: &impl Fn(&Attribute) -> Option<&'a str>) -> bool {
    match selector {
        Selector::All(parts) => parts.iter().all(|part| matches(part, value)),
        Selector::Any(parts) => parts.iter().any(|part| matches(part, value)),
        Selector::Not(part) => !matches(part, value),
        Selector::In(attribute, values) => {
            value(attribute).is_some_and(|value| values.iter().any(|one| one.as_ref() == value))
        }
        Selector::Has(attribute) => value(attribute).is_some(),
    }
}
