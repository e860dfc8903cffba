//! Who can talk to whom.
//!
//! A [`Reach`] knows every workload (or, where its pods differ, each pod) as kinds in the planes of both
//! families, and answers for two of them, or for one and a piece of the address space outside, in a look-up.
//!
//! Sources are pods with a network of their own: what a host network pod sends is its node's (D8), and a
//! node always reaches its own pods (D6). An address that is no pod's gets what its piece says.

pub mod csv;
pub mod groups;
pub mod json;
pub mod words;

use std::net::IpAddr;

use indexmap::IndexMap;

use super::classes::{NONE, Piece, Plane, plane};
use crate::index::Index;
use crate::model::{Cluster, Endpoint, Family, Phase, Text, Workload};
use crate::ports::PortSet;
use crate::rows::{Families, ProtocolPort};

/// All of a cluster's reachability.
#[derive(Debug)]
pub struct Reach<'a> {
    /// Workloads in the order of their first pods; pods, where those of a workload differ.
    pub units: Vec<Unit<'a>>,
    v4: Plane,
    v6: Plane,
}

/// Pods that nothing tells apart: all of a workload, or one.
#[derive(Clone, Debug)]
pub struct Unit<'a> {
    /// `ns/name`, or `ns/kind/name` where two kinds share the name.
    pub id: String,
    /// `Deployment`, ..., `Pod`.
    pub kind: Text,
    /// The namespace.
    pub namespace: Text,
    /// The name, of the workload or of the pod.
    pub name: Text,
    /// In the order of the manifests; at least one.
    pub pods: Vec<&'a Endpoint>,
    /// Whether it has a network of its own: else it is only reached.
    pub is_source: bool,
    /// What it is in each plane.
    kinds: Kinds,
}

/// Source and destination kind, for IPv4 and IPv6.
type Kinds = [Option<(u32, u32)>; 2];

/// What passes between two units over a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing {
    /// Over which family.
    pub family: Family,
    /// On which ports.
    pub ports: PortSet,
}

impl<'a> Reach<'a> {
    /// Who can talk to whom in `cluster`, of which `index` is the index.
    pub fn of(cluster: &'a Cluster, index: &Index) -> Self {
        let pods: Vec<&Endpoint> = cluster.endpoints.values().filter(|pod| is_there(pod)).collect();
        let (v4, v4_kinds) = of_family(index, Family::V4, &pods);
        let (v6, v6_kinds) = of_family(index, Family::V6, &pods);
        let kinds: Vec<Kinds> = v4_kinds.into_iter().zip(v6_kinds).map(|(four, six)| [four, six]).collect();
        Reach { units: units(&pods, &kinds), v4, v6 }
    }

    /// The plane of a family.
    pub fn plane(&self, family: Family) -> &Plane {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// What a unit is in the plane of a family, as a source and as a destination; `None` without an address.
    pub fn kind(&self, unit: &Unit<'_>, family: Family) -> Option<(u32, u32)> {
        let [four, six] = unit.kinds;
        match family {
            Family::V4 => four,
            Family::V6 => six,
        }
    }

    /// The families over which two units are asked about (D22).
    pub fn families(&self, source: &Unit<'_>, destination: &Unit<'_>, asked: Families) -> Vec<Family> {
        let both = |family: &Family| {
            self.kind(source, *family).is_some() && self.kind(destination, *family).is_some()
        };
        let mut shared = Family::BOTH.into_iter().filter(both);
        match asked {
            Families::Natural => shared.next().into_iter().collect(),
            Families::Only(only) => shared.filter(|family| *family == only).collect(),
            Families::Both => shared.collect(),
        }
    }

    /// What passes from one unit to another; of one to itself, between its different pods.
    pub fn between(&self, source: &Unit<'_>, destination: &Unit<'_>, asked: Families) -> Vec<Passing> {
        if !source.is_source || (source.id == destination.id && source.pods.len() < 2) {
            return Vec::new();
        }
        let families = self.families(source, destination, asked).into_iter();
        families.filter_map(|family| self.over(source, destination, family)).collect()
    }

    fn over(&self, source: &Unit<'_>, destination: &Unit<'_>, family: Family) -> Option<Passing> {
        let ((from, _), (_, to)) = (self.kind(source, family)?, self.kind(destination, family)?);
        let ports = self.plane(family).between(from, to);
        (ports != NONE).then(|| Passing { family, ports: self.plane(family).ports(ports) })
    }

    /// Whether a port passes from one unit to another over a family that both have, between different pods.
    pub fn allows(
        &self,
        source: &Unit<'_>,
        destination: &Unit<'_>,
        family: Family,
        port: ProtocolPort,
    ) -> bool {
        let kinds = self.kind(source, family).zip(self.kind(destination, family));
        let plane = self.plane(family);
        kinds.is_some_and(|((from, _), (_, to))| plane.allows(plane.between(from, to), port))
    }

    /// What passes from a unit to a piece of the address space of a family.
    pub fn outwards(&self, source: &Unit<'_>, piece: &Piece, family: Family) -> PortSet {
        let from = self.kind(source, family).filter(|_| source.is_source);
        let plane = self.plane(family);
        from.map(|(from, _)| plane.ports(plane.between(from, piece.destination))).unwrap_or_default()
    }

    /// What passes from a piece of the address space of a family to a unit.
    pub fn inwards(&self, piece: &Piece, destination: &Unit<'_>, family: Family) -> PortSet {
        let to = self.kind(destination, family);
        let plane = self.plane(family);
        to.map(|(_, to)| plane.ports(plane.between(piece.source, to))).unwrap_or_default()
    }
}

/// Pods that have ended have no address any more, or one that may be another's (D12).
fn is_there(pod: &Endpoint) -> bool {
    match pod.phase {
        Phase::Live | Phase::Terminating => !pod.addresses.is_empty(),
        Phase::Ended => false,
    }
}

fn of_family(index: &Index, family: Family, pods: &[&Endpoint]) -> (Plane, Vec<Option<(u32, u32)>>) {
    let addresses: Vec<Option<IpAddr>> = pods.iter().map(|pod| pod.address(family)).collect();
    let there: Vec<IpAddr> = addresses.iter().flatten().copied().collect();
    let (plane, kinds) = plane(index, family, &there);
    let mut kinds = kinds.into_iter();
    let of_pods = addresses.into_iter().map(|address| address.and_then(|_| kinds.next())).collect();
    (plane, of_pods)
}

fn units<'a>(pods: &[&'a Endpoint], kinds: &[Kinds]) -> Vec<Unit<'a>> {
    let mut workloads: IndexMap<(&Text, &Workload), Vec<(&'a Endpoint, Kinds)>> = IndexMap::new();
    for (pod, kinds) in pods.iter().zip(kinds) {
        workloads.entry((&pod.id.namespace, &pod.workload)).or_default().push((pod, *kinds));
    }
    let mut sharing: IndexMap<(&Text, &Text), usize> = IndexMap::new();
    for (namespace, workload) in workloads.keys() {
        *sharing.entry((namespace, &workload.name)).or_default() += 1;
    }
    let mut all = Vec::with_capacity(workloads.len());
    for ((namespace, workload), pods) in &workloads {
        let is_shared = sharing.get(&(*namespace, &workload.name)).is_some_and(|count| *count > 1);
        all.extend(units_of(namespace, workload, pods, is_shared));
    }
    all
}

/// One for a workload whose pods are alike, else one for each pod.
fn units_of<'a>(
    namespace: &Text,
    workload: &Workload,
    pods: &[(&'a Endpoint, Kinds)],
    is_shared: bool,
) -> Vec<Unit<'a>> {
    let unit = |kind: &Text, name: &Text, id: String, pods: &[(&'a Endpoint, Kinds)]| Unit {
        id,
        kind: kind.clone(),
        namespace: namespace.clone(),
        name: name.clone(),
        is_source: pods.iter().any(|(pod, _)| !pod.host_network),
        kinds: pods.first().map_or([None; 2], |(_, kinds)| *kinds),
        pods: pods.iter().map(|(pod, _)| *pod).collect(),
    };
    let look = |(pod, kinds): &(&Endpoint, Kinds)| (pod.host_network, *kinds);
    let first = pods.first().map(look);
    if pods.iter().all(|pod| Some(look(pod)) == first) {
        let id = match is_shared {
            true => format!("{namespace}/{}/{}", workload.kind.to_lowercase(), workload.name),
            false => format!("{namespace}/{}", workload.name),
        };
        return vec![unit(&workload.kind, &workload.name, id, pods)];
    }
    let kind: Text = "Pod".into();
    pods.iter()
        .map(|one| unit(&kind, &one.0.id.name, one.0.id.to_string(), std::slice::from_ref(one)))
        .collect()
}
