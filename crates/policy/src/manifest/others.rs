//! Namespaces, nodes, services.

use std::net::IpAddr;

use ipnet::IpNet;

use super::blocks::parse;
use super::fields::{Context, Unknown};
use super::labels::{Whose, equalities};
use super::metadata::Metadata;
use super::network_policy::{number, protocol};
use super::pods::ip;
use super::tree::{Entry, Node, Value, get};
use crate::model::{
    Labels, NAMESPACE_NAME_LABEL, Namespace, Node as ClusterNode, Protocol, Selector, Service, ServiceId,
    ServicePort, TargetPort, Text,
};

const OBJECT: [&str; 5] = ["apiVersion", "kind", "metadata", "spec", "status"];

/// The API server labels every namespace with its name (N19).
pub(super) fn namespace_of(name: &Text, labels: &Labels) -> Namespace {
    Namespace { name: name.clone(), labels: labels.with(NAMESPACE_NAME_LABEL, name) }
}

pub(super) fn namespace<'a>(context: &mut Context<'_, 'a>, object: &Node<'a>, of: &Metadata) -> Namespace {
    context.map(object, "Namespace", &OBJECT, Unknown::NearMiss);
    namespace_of(&of.name, &of.labels)
}

pub(super) fn node<'a>(context: &mut Context<'_, 'a>, object: &Node<'a>, of: &Metadata) -> ClusterNode {
    context.map(object, "Node", &OBJECT, Unknown::NearMiss);
    let spec = entries(context, object, "spec", &["podCIDR", "podCIDRs"]);
    let status = entries(context, object, "status", &["addresses"]);
    ClusterNode {
        name: of.name.clone(),
        labels: of.labels.clone(),
        addresses: node_addresses(context, status),
        pod_cidrs: pod_cidrs(context, spec),
    }
}

fn entries<'n, 'a>(
    context: &mut Context<'_, 'a>,
    object: &'n Node<'a>,
    field: &str,
    known: &[&str],
) -> &'n [Entry<'a>] {
    match object.get(field) {
        Some(node) => context.map(node, field, known, Unknown::NearMiss).unwrap_or_default(),
        None => &[],
    }
}

/// All that are IP addresses (C9), the internal ones first.
fn node_addresses<'a>(context: &mut Context<'_, 'a>, status: &[Entry<'a>]) -> Vec<IpAddr> {
    let mut addresses = Vec::new();
    for node in context.list(get(status, "addresses"), "addresses") {
        let kind = context.text(node.get("type"), "type");
        let address = context.text(node.get("address"), "address").and_then(|text| text.parse().ok());
        if let Some(address) = address {
            addresses.push((kind != Some("InternalIP"), address));
        }
    }
    addresses.sort_by_key(|(is_external, _)| *is_external);
    let mut addresses: Vec<IpAddr> = addresses.into_iter().map(|(_, address)| address).collect();
    let all = addresses.clone();
    let mut at = 0;
    addresses.retain(|address| {
        at += 1;
        !all.iter().take(at - 1).any(|earlier| earlier == address)
    });
    addresses
}

fn pod_cidrs<'a>(context: &mut Context<'_, 'a>, spec: &[Entry<'a>]) -> Vec<IpNet> {
    let listed = context.list(get(spec, "podCIDRs"), "podCIDRs");
    let single = get(spec, "podCIDR").filter(|_| listed.is_empty());
    listed.iter().chain(single).filter_map(|node| pod_cidr(context, node)).collect()
}

fn pod_cidr<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<IpNet> {
    let written = context.text(Some(node), "podCIDR").filter(|text| !text.is_empty())?;
    let net = parse(written).ok().map(|cidr| cidr.net);
    if net.is_none() {
        let help = "for example `10.244.1.0/24`".to_owned();
        context.error("PC150", &node.at, format!("`{written}` is no CIDR"), help);
    }
    net
}

pub(super) fn service<'a>(context: &mut Context<'_, 'a>, object: &Node<'a>, of: &Metadata) -> Service {
    context.map(object, "Service", &OBJECT, Unknown::NearMiss);
    let known = ["selector", "ports", "clusterIP", "clusterIPs", "type", "externalIPs"];
    let spec = entries(context, object, "spec", &known);
    let namespace = of.namespace.clone().unwrap_or_else(|| Text::from("default"));
    let is_external = get(spec, "type").and_then(Node::text) == Some("ExternalName");
    let labels = match get(spec, "selector").filter(|_| !is_external) {
        Some(node) => equalities(context, node, "selector", Whose::Own),
        None => Vec::new(),
    };
    let own = Selector::namespace(&namespace);
    let listed = context.list(get(spec, "ports"), "ports");
    Service {
        selector: Some(labels)
            .filter(|labels| !labels.is_empty())
            .map(|labels| own.and(Selector::all(labels))),
        addresses: cluster_addresses(context, spec),
        ports: listed.iter().filter_map(|node| service_port(context, node)).collect(),
        id: ServiceId { namespace, name: of.name.clone() },
    }
}

/// None of a headless service.
fn cluster_addresses<'a>(context: &mut Context<'_, 'a>, spec: &[Entry<'a>]) -> Vec<IpAddr> {
    let listed = context.list(get(spec, "clusterIPs"), "clusterIPs");
    let single = get(spec, "clusterIP").filter(|_| listed.is_empty());
    let given = listed.iter().chain(single).filter(|node| !matches!(node.text(), Some("None")));
    given.filter_map(|node| ip(context, node, "clusterIP")).collect()
}

fn service_port<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<ServicePort> {
    let known = ["name", "port", "targetPort", "protocol", "nodePort", "appProtocol"];
    let entries = context.map(node, "ports", &known, Unknown::NearMiss)?;
    let Some(port) = get(entries, "port") else {
        context.error("PC114", &node.at, "a Service's port needs a `port`".to_owned(), None);
        return None;
    };
    let port = number(context, port, "port");
    let protocol = match get(entries, "protocol") {
        Some(node) => protocol(context, node),
        None => Some(Protocol::Tcp),
    };
    let target = match get(entries, "targetPort") {
        None => port.map(TargetPort::Number),
        Some(Node { value: Value::Text(name), .. }) => Some(TargetPort::Named(context.intern(name))),
        // the API takes 0 for the port itself
        Some(Node { value: Value::Int(0), .. }) => port.map(TargetPort::Number),
        Some(node) => number(context, node, "targetPort").map(TargetPort::Number),
    };
    let name = context.text(get(entries, "name"), "name").filter(|name| !name.is_empty());
    Some(ServicePort {
        name: name.map(|name| context.intern(name)),
        protocol: protocol?,
        port: port?,
        target: target?,
    })
}
