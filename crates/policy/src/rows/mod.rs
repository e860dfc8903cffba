//! Which rows a table has: who is asked about whom, over which ports, in which order.
//!
//! A row stands for the flows between all pods of two workloads. [`rows`] lists them, whoever answers
//! (the engine, a kernel, both) gives each flow an answer, and [`split`] takes a row apart, pod by pod,
//! where the answers differ. [`csv`] is how tables are written to and read from files.

pub mod csv;
mod groups;
mod split;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::model::{Cluster, EndpointId, Family, Flow, Protocol, Text};

pub use groups::listening;
pub(crate) use groups::{Group, groups};
pub use split::{Part, split};

/// A protocol and a destination port.
pub type ProtocolPort = (Protocol, u16);

/// What a table asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// On which ports pods are asked.
    pub ports: PodPorts,
    /// Whether a workload is asked about itself.
    pub own: OwnPods,
    /// Over which address families.
    pub families: Families,
}

/// On which ports pods are asked. Hosts outside always on those they listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodPorts {
    /// The ports their containers name; `80/tcp` where they name none.
    Containers,
    /// These, whatever the containers name.
    These(Vec<ProtocolPort>),
}

/// Whether a workload is asked about itself, between its different pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnPods {
    /// It has no row to itself.
    Left,
    /// It has one, where it has at least two pods.
    Asked,
}

/// Over which address families a table asks (D22).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Families {
    /// IPv4 where both ends have it, else IPv6.
    Natural,
    /// This one only.
    Only(Family),
    /// A row for each that both ends have.
    Both,
}

/// One question: from all pods of the source to all of the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Who opens the connection.
    pub source: End,
    /// To whom.
    pub destination: End,
    /// Over what.
    pub protocol: Protocol,
    /// The destination's own port.
    pub port: u16,
    /// Over which family (with `Families::Natural`: that of the first pair).
    pub family: Family,
    /// The pairs it stands for, at least one; sources in order, for each the destinations in order.
    pub pairs: Vec<Pair>,
}

/// One end of a row, as the table names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// All pods of a workload: `ns/workload`, or `ns/kind/workload` where kinds share the name.
    Workload(Text),
    /// One pod of a workload whose pods don't agree.
    Pod(EndpointId),
    /// A host outside the cluster.
    Host(Text),
}

/// Who sends or receives a packet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// A pod.
    Pod(EndpointId),
    /// A host outside the cluster.
    Host(Text),
}

/// A flow with the names of its two ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Who opens the connection.
    pub source: Actor,
    /// To whom.
    pub destination: Actor,
    /// The same as addresses.
    pub flow: Flow,
    /// The same over the other family, where both ends have it and no row of its own asks it (D22).
    pub twin: Option<Flow>,
}

/// All rows of a table: sources in the order of the manifests, hosts last, and for each the destinations in
/// the same order. Sources are pods with a network of their own, and hosts; destinations all pods, and
/// hosts; never from host to host.
pub fn rows<'a>(cluster: &Cluster, options: &'a Options) -> impl Iterator<Item = Row> + use<'a> {
    let groups = std::rc::Rc::new(groups(cluster, &options.ports));
    let places = 0..groups.len();
    let pairs = places.clone().flat_map(move |source| places.clone().map(move |to| (source, to)));
    pairs.flat_map(move |(source, destination)| match (groups.get(source), groups.get(destination)) {
        (Some(from), Some(to)) if is_asked(from, to, source == destination, options.own) => {
            between(from, to, options.families)
        }
        (Some(_) | None, Some(_) | None) => Vec::new(),
    })
}

/// Whether there are rows from one group to the other.
pub(crate) fn is_asked(source: &Group, destination: &Group, is_same: bool, own: OwnPods) -> bool {
    let is_own_asked = match own {
        OwnPods::Left => !is_same,
        OwnPods::Asked => true,
    };
    source.is_source && is_own_asked && !(source.is_host() && destination.is_host())
}

/// The rows between two groups: for each port of the destination, one for each family asked.
pub(crate) fn between(source: &Group, destination: &Group, families: Families) -> Vec<Row> {
    let kinds: &[Families] = match families {
        Families::Natural | Families::Only(_) => &[families],
        Families::Both => &[Families::Only(Family::V4), Families::Only(Family::V6)],
    };
    let ports = destination.ports();
    let asked = ports.into_iter().flat_map(|port| kinds.iter().map(move |kind| (port, *kind)));
    asked.filter_map(|(port, families)| row(source, destination, port, families)).collect()
}

fn row(source: &Group, destination: &Group, port: ProtocolPort, families: Families) -> Option<Row> {
    let all = source.members_to(destination, port);
    let pairs: Vec<Pair> = all.filter_map(|(a, b)| a.pair(b, port, families)).collect();
    let family = Family::of(&pairs.first()?.flow.destination);
    let (protocol, port) = port;
    let (source, destination) = (source.end.clone(), destination.end.clone());
    Some(Row { source, destination, protocol, port, family, pairs })
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            End::Workload(name) => f.write_str(name),
            End::Pod(pod) => write!(f, "{pod}"),
            End::Host(name) => write!(f, "external/{name}"),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Actor::Pod(pod) => write!(f, "{pod}"),
            Actor::Host(name) => write!(f, "external/{name}"),
        }
    }
}
