//! Pods, and the workloads whose templates make them.

use std::net::IpAddr;
use std::sync::Arc;

use super::fields::{Context, Unknown};
use super::kinds::Kind;
use super::labels::labels;
use super::metadata::{Metadata, Owner};
use super::names::is_port_name;
use super::network_policy::{number, protocol};
use super::tree::{Entry, Node, get};
use crate::model::{ContainerPort, Labels, Phase, Protocol, Text};

/// What pods of one template share.
#[derive(Clone, Debug)]
pub(super) struct Template {
    pub(super) labels: Labels,
    pub(super) service_account: Text,
    pub(super) ports: Arc<[ContainerPort]>,
    pub(super) host_network: bool,
    pub(super) node: Option<Text>,
}

/// A pod that is in the input itself.
#[derive(Clone, Debug)]
pub(super) struct Pod {
    pub(super) template: Template,
    /// From `status.podIPs`; none where they are to be made up.
    pub(super) addresses: Vec<IpAddr>,
    /// Its node's, from `status.hostIPs`.
    pub(super) host_addresses: Vec<IpAddr>,
    pub(super) phase: Phase,
    pub(super) controller: Option<Owner>,
}

/// What makes pods.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) template: Template,
    pub(super) count: Count,
    pub(super) controller: Option<Owner>,
}

/// How many pods a workload makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Pods(u32),
    OnePerNode,
}

const POD_SPEC: [&str; 10] = [
    "containers",
    "initContainers",
    "ephemeralContainers",
    "hostNetwork",
    "hostname",
    "nodeName",
    "serviceAccountName",
    "serviceAccount",
    "nodeSelector",
    "hostAliases",
];
const CONTAINER: [&str; 4] = ["name", "ports", "restartPolicy", "args"];
const CONTAINER_PORT: [&str; 5] = ["name", "containerPort", "protocol", "hostPort", "hostIP"];
const STATUS: [&str; 5] = ["phase", "podIP", "podIPs", "hostIP", "hostIPs"];

pub(super) fn pod<'a>(context: &mut Context<'_, 'a>, object: &Node<'a>, of: &Metadata) -> Option<Pod> {
    context.map(object, "Pod", &["apiVersion", "kind", "metadata", "spec", "status"], Unknown::NearMiss);
    let Some(spec) = object.get("spec") else {
        context.error("PC114", &of.name_at, "the Pod has no `spec`".to_owned(), None);
        return None;
    };
    let template = pod_spec(context, spec, of.labels.clone())?;
    let status = match object.get("status") {
        Some(status) => context.map(status, "status", &STATUS, Unknown::NearMiss).unwrap_or_default(),
        None => &[],
    };
    Some(Pod {
        template,
        addresses: status_addresses(context, status, "podIPs", "podIP"),
        host_addresses: status_addresses(context, status, "hostIPs", "hostIP"),
        phase: match context.text(get(status, "phase"), "phase") {
            Some("Succeeded" | "Failed") => Phase::Ended,
            Some(_) | None if of.is_deleted => Phase::Terminating,
            Some(_) | None => Phase::Live,
        },
        controller: of.controller.clone(),
    })
}

pub(super) fn workload<'a>(
    context: &mut Context<'_, 'a>,
    object: &Node<'a>,
    of: &Metadata,
    kind: Kind,
) -> Option<Workload> {
    let known = ["apiVersion", "kind", "metadata", "spec", "status"];
    context.map(object, kind.name(), &known, Unknown::NearMiss);
    let missing = |context: &mut Context<'_, 'a>, what: &str| {
        context.error("PC114", &of.name_at, format!("the {} has no `{what}`", kind.name()), None);
    };
    let Some(spec) = object.get("spec") else {
        missing(context, "spec");
        return None;
    };
    let fields = ["replicas", "parallelism", "template", "jobTemplate", "selector", "completions"];
    context.map(spec, "spec", &fields, Unknown::NearMiss)?;
    let (template, path) = if kind == Kind::CronJob {
        let job = spec.get("jobTemplate").and_then(|job| job.get("spec"));
        (job.and_then(|job| job.get("template")), "spec.jobTemplate.spec.template")
    } else {
        (spec.get("template"), "spec.template")
    };
    let Some(template) = template else {
        missing(context, path);
        return None;
    };
    let count = count(context, spec, kind);
    let template = pod_template(context, template)?;
    Some(Workload { template, count, controller: of.controller.clone() })
}

fn count<'a>(context: &mut Context<'_, 'a>, spec: &Node<'a>, kind: Kind) -> Count {
    if kind == Kind::DaemonSet {
        return Count::OnePerNode;
    }
    if kind == Kind::CronJob {
        return Count::Pods(1);
    }
    let field = if kind == Kind::Job { "parallelism" } else { "replicas" };
    let Some(node) = spec.get(field) else { return Count::Pods(1) };
    match context.whole(Some(node), field).map(u32::try_from) {
        Some(Ok(number)) => Count::Pods(number),
        Some(Err(_)) => {
            context.error("PC180", &node.at, format!("`{field}` must be 0 or more"), None);
            Count::Pods(1)
        }
        None => Count::Pods(1),
    }
}

fn pod_template<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<Template> {
    let entries = context.map(node, "template", &["metadata", "spec"], Unknown::NearMiss)?;
    let metadata = match get(entries, "metadata") {
        Some(metadata) => context
            .map(metadata, "metadata", &["name", "namespace", "labels", "annotations"], Unknown::NearMiss)
            .unwrap_or_default(),
        None => &[],
    };
    let labels = labels(context, get(metadata, "labels"));
    let Some(spec) = get(entries, "spec") else {
        context.error("PC114", &node.at, "the template has no `spec`".to_owned(), None);
        return None;
    };
    pod_spec(context, spec, labels)
}

fn pod_spec<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, labels: Labels) -> Option<Template> {
    let entries = context.map(node, "spec", &POD_SPEC, Unknown::NearMiss)?;
    let account = get(entries, "serviceAccountName").or_else(|| get(entries, "serviceAccount"));
    let account = context.text(account, "serviceAccountName").filter(|name| !name.is_empty());
    let node_name = context.text(get(entries, "nodeName"), "nodeName").filter(|name| !name.is_empty());
    let mut ports = Vec::new();
    for container in context.list(get(entries, "containers"), "containers") {
        container_ports(context, container, &mut ports);
    }
    for container in context.list(get(entries, "initContainers"), "initContainers") {
        let is_restartable = container.get("restartPolicy").and_then(Node::text) == Some("Always");
        if is_restartable {
            container_ports(context, container, &mut ports);
        }
    }
    Some(Template {
        labels,
        service_account: context.intern(account.unwrap_or("default")),
        ports: context.interner.ports(ports),
        host_network: context.boolean(get(entries, "hostNetwork"), "hostNetwork").unwrap_or(false),
        node: node_name.map(|name| context.intern(name)),
    })
}

fn container_ports<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, into: &mut Vec<ContainerPort>) {
    let entries = context.map(node, "containers", &CONTAINER, Unknown::NearMiss).unwrap_or_default();
    for node in context.list(get(entries, "ports"), "ports") {
        if let Some(port) = container_port(context, node)
            && !into.contains(&port)
        {
            into.push(port);
        }
    }
}

fn container_port<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<ContainerPort> {
    let entries = context.map(node, "ports", &CONTAINER_PORT, Unknown::NearMiss)?;
    let Some(port) = get(entries, "containerPort") else {
        context.error("PC114", &node.at, "a port needs a `containerPort`".to_owned(), None);
        return None;
    };
    let port = number(context, port, "containerPort");
    let name_node = get(entries, "name");
    let name = context.text(name_node, "name");
    if let (Some(name), Some(node)) = (name, name_node)
        && !is_port_name(name)
    {
        let help =
            "at most 15 lower case letters, digits and single `-`, with a letter among them".to_owned();
        context.error("PC132", &node.at, format!("`{name}` can't be a port's name"), help);
    }
    let protocol = match get(entries, "protocol") {
        Some(node) => protocol(context, node),
        None => Some(Protocol::Tcp),
    };
    Some(ContainerPort { name: name.map(|name| context.intern(name)), protocol: protocol?, port: port? })
}

/// At most one address a family: the plural field, else the older singular one.
fn status_addresses<'a>(
    context: &mut Context<'_, 'a>,
    status: &[Entry<'a>],
    plural: &str,
    singular: &str,
) -> Vec<IpAddr> {
    let listed = context.list(get(status, plural), plural);
    let mut addresses: Vec<IpAddr> = Vec::new();
    for node in listed {
        if let Some(node) = node.get("ip") {
            addresses.extend(ip(context, node, plural));
        }
    }
    if let Some(node) = get(status, singular).filter(|_| listed.is_empty()) {
        addresses.extend(ip(context, node, singular));
    }
    let first = addresses.first().copied();
    addresses.retain(|address| {
        Some(*address) == first || Some(address.is_ipv4()) != first.map(|first| first.is_ipv4())
    });
    addresses.truncate(2);
    addresses
}

/// An address of the cluster.
pub(super) fn ip<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, what: &str) -> Option<IpAddr> {
    let written = context.text(Some(node), what).filter(|text| !text.is_empty())?;
    let address = written.parse().ok();
    if address.is_none() {
        context.error("PC181", &node.at, format!("`{written}` is no address"), None);
    }
    address
}
