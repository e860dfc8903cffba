//! All facts of a cluster, as a value.

use std::fmt;
use std::net::IpAddr;

use indexmap::IndexMap;
use ipnet::IpNet;

use super::{Direction, Family, Labels, Origin, Policy, PolicyId, Protocol, Selector, Text};

/// A whole cluster. Maps keep the order of the manifests, for rows that people read; equality ignores it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    /// By name. Every namespace that any object names is here (D23).
    pub namespaces: IndexMap<Text, Namespace>,
    /// By name.
    pub nodes: IndexMap<Text, Node>,
    /// Pods, by namespace and name.
    pub endpoints: IndexMap<EndpointId, Endpoint>,
    /// By namespace and name.
    pub services: IndexMap<ServiceId, Service>,
    /// By object.
    pub policies: IndexMap<PolicyId, Policy>,
    /// Hosts outside the cluster that the user named, by name.
    pub hosts: IndexMap<Text, Host>,
    /// The networks that pods' addresses come from.
    pub pod_networks: Vec<IpNet>,
    /// Where namespaces were written, and what stands on objects for whoever checks them.
    pub notes: IndexMap<About, Note>,
}

/// An object that something is to be said about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// A policy.
    Policy(PolicyId),
    /// A namespace.
    Namespace(Text),
}

/// What has no part in any verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Where the object was written.
    pub origin: Origin,
    /// The annotation `portcullis.dev/ignore`: findings that are known, with reasons.
    pub ignore: Option<Ignore>,
    /// What is written so that it may be taken for the reverse.
    pub looks: Vec<Look>,
}

/// A part of a NetworkPolicy that may be taken for the reverse of what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    /// No `policyTypes` and nothing but egress rules: it isolates ingress all the same (N2).
    IngressImplied,
    /// No `policyTypes` and an empty `egress`: it says nothing about egress (N2).
    EgressIgnored,
    /// The rule at this place has an empty list of peers: everyone (N11).
    EmptyPeers(Direction, usize),
}

/// An annotation that suppresses findings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignore {
    /// `CODE: reason`, once or more.
    pub text: Text,
    /// Where it was written.
    pub origin: Origin,
}

/// A namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    /// Its name.
    pub name: Text,
    /// Its labels, `kubernetes.io/metadata.name` among them.
    pub labels: Labels,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: Text,
    /// Its labels.
    pub labels: Labels,
    /// All its addresses (C9). The first of a family is the one its host network pods are reached at.
    pub addresses: Vec<IpAddr>,
    /// The parts of the pod network that are its.
    pub pod_cidrs: Vec<IpNet>,
}

/// Which pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EndpointId {
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Which one.
    pub id: EndpointId,
    /// Its labels.
    pub labels: Labels,
    /// Its service account's name.
    pub service_account: Text,
    /// At most one a family. A host network pod has its node's.
    pub addresses: Vec<IpAddr>,
    /// Whether `addresses` are ours, for want of real ones (D21).
    pub addresses_made_up: bool,
    /// The ports of its regular and restartable init containers (D18).
    pub ports: Vec<ContainerPort>,
    /// The node it runs on.
    pub node: Option<Text>,
    /// Whether it shares its node's network (D8).
    pub host_network: bool,
    /// Whether it still counts (D12).
    pub phase: Phase,
    /// What it stands for in a table.
    pub workload: Workload,
}

/// How far a pod's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Pending, running, or unknown.
    Live,
    /// Being deleted; it counts until it is gone (N20).
    Terminating,
    /// Succeeded or failed: no peer and no subject, and its address may be another's.
    Ended,
}

/// What made a pod, found through controller owners; a bare pod is its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, ..., `Pod`.
    pub kind: Text,
    /// In the pod's namespace.
    pub name: Text,
}

/// A port that a container names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerPort {
    /// The name that a policy may use.
    pub name: Option<Text>,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// The number.
    pub port: u16,
}

/// Which service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServiceId {
    /// Its namespace.
    pub namespace: Text,
    /// Its name.
    pub name: Text,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Which one.
    pub id: ServiceId,
    /// The pods behind it; `None` where they are managed by hand.
    pub selector: Option<Selector>,
    /// Its cluster addresses.
    pub addresses: Vec<IpAddr>,
    /// What it serves.
    pub ports: Vec<ServicePort>,
}

/// One port of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name.
    pub name: Option<Text>,
    /// TCP, UDP or SCTP.
    pub protocol: Protocol,
    /// The service's own port.
    pub port: u16,
    /// The pod's port.
    pub target: TargetPort,
}

/// Where on a pod a service port leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetPort {
    /// To this number.
    Number(u16),
    /// To the container port of this name.
    Named(Text),
}

/// A host outside the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// Its name; `external/name` in tables.
    pub name: Text,
    /// At most one a family.
    pub addresses: Vec<IpAddr>,
    /// What it listens on.
    pub ports: Vec<(Protocol, u16)>,
}

impl Endpoint {
    /// Its address of that family.
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        address(&self.addresses, family)
    }

    /// Whether policies know it as a pod: a network of its own, and not ended (D8, D12).
    pub fn is_policed(&self) -> bool {
        match self.phase {
            Phase::Live | Phase::Terminating => !self.host_network,
            Phase::Ended => false,
        }
    }
}

impl Node {
    /// Its first address of that family.
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        address(&self.addresses, family)
    }
}

impl Host {
    /// Its address of that family.
    pub fn address(&self, family: Family) -> Option<IpAddr> {
        address(&self.addresses, family)
    }
}

fn address(addresses: &[IpAddr], family: Family) -> Option<IpAddr> {
    addresses.iter().copied().find(|address| Family::of(address) == family)
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl fmt::Display for ServiceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}
