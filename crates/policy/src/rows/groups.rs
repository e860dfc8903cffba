//! Workloads and hosts: what a row's ends stand for.

use std::net::IpAddr;

use indexmap::IndexMap;

use super::{Actor, End, Families, Pair, PodPorts, ProtocolPort};
use crate::model::{Cluster, Endpoint, Family, Flow, Host, Phase, Protocol, Text, Workload};

/// What is asked of pods that name no port.
const UNNAMED: ProtocolPort = (Protocol::Tcp, 80);

/// A workload with its pods, or a host.
pub(crate) struct Group {
    pub(crate) end: End,
    pub(crate) members: Vec<Member>,
    /// Pods on their node's network send as the node (D8): they are only reached.
    pub(super) is_source: bool,
}

/// A pod or a host.
pub(crate) struct Member {
    pub(crate) who: Actor,
    pub(super) ports: Vec<ProtocolPort>,
    addresses: Vec<IpAddr>,
}

/// All workloads in the order in which their first pods stand in the manifests, then all hosts.
pub(crate) fn groups(cluster: &Cluster, ports: &PodPorts) -> Vec<Group> {
    let mut workloads: IndexMap<(&Text, &Workload), Vec<&Endpoint>> = IndexMap::new();
    for pod in cluster.endpoints.values().filter(|pod| is_there(pod)) {
        workloads.entry((&pod.id.namespace, &pod.workload)).or_default().push(pod);
    }
    let mut kinds: IndexMap<(&Text, &Text), usize> = IndexMap::new();
    for (namespace, workload) in workloads.keys() {
        *kinds.entry((namespace, &workload.name)).or_default() += 1;
    }
    let is_shared = |namespace, name| kinds.get(&(namespace, name)).is_some_and(|kinds| *kinds > 1);
    let of_pods = workloads.iter().map(|((namespace, workload), pods)| Group {
        end: End::Workload(name(namespace, workload, is_shared(namespace, &workload.name))),
        members: pods.iter().map(|pod| Member::pod(pod, ports)).collect(),
        is_source: pods.iter().any(|pod| !pod.host_network),
    });
    of_pods.chain(cluster.hosts.values().map(Group::host)).collect()
}

/// Pods that have ended have no address any more, or one that may be another's (D12).
fn is_there(pod: &Endpoint) -> bool {
    match pod.phase {
        Phase::Live | Phase::Terminating => !pod.addresses.is_empty(),
        Phase::Ended => false,
    }
}

fn name(namespace: &str, workload: &Workload, is_shared: bool) -> Text {
    let Workload { kind, name } = workload;
    match is_shared {
        true => format!("{namespace}/{}/{name}", kind.to_lowercase()).into(),
        false => format!("{namespace}/{name}").into(),
    }
}

/// On which ports a pod is asked.
pub fn listening(pod: &Endpoint, ports: &PodPorts) -> Vec<ProtocolPort> {
    match ports {
        PodPorts::These(ports) => distinct(ports.iter().copied()),
        PodPorts::Containers if pod.ports.is_empty() => vec![UNNAMED],
        PodPorts::Containers => distinct(pod.ports.iter().map(|port| (port.protocol, port.port))),
    }
}

fn distinct(ports: impl Iterator<Item = ProtocolPort>) -> Vec<ProtocolPort> {
    let mut seen = Vec::new();
    for port in ports {
        if !seen.contains(&port) {
            seen.push(port);
        }
    }
    seen
}

impl Group {
    fn host(host: &Host) -> Self {
        let who = Actor::Host(host.name.clone());
        let ports = distinct(host.ports.iter().copied());
        Group {
            end: End::Host(host.name.clone()),
            members: vec![Member { who, ports, addresses: host.addresses.clone() }],
            is_source: true,
        }
    }

    pub(super) fn is_host(&self) -> bool {
        match self.end {
            End::Host(_) => true,
            End::Workload(_) | End::Pod(_) => false,
        }
    }

    /// All pairs of different members that a row on a port is about.
    pub(super) fn members_to<'g>(
        &'g self,
        to: &'g Group,
        port: ProtocolPort,
    ) -> impl Iterator<Item = (&'g Member, &'g Member)> {
        let open = to.members.iter().filter(move |member| member.ports.contains(&port));
        let all = self.members.iter().flat_map(move |from| open.clone().map(move |to| (from, to)));
        all.filter(|(from, to)| from.who != to.who)
    }

    /// The same by their names.
    pub(crate) fn pairs<'g>(
        &'g self,
        to: &'g Group,
        port: ProtocolPort,
    ) -> impl Iterator<Item = (&'g Actor, &'g Actor)> {
        self.members_to(to, port).map(|(from, to)| (&from.who, &to.who))
    }

    /// The ports of all its members, in order of appearance.
    pub(crate) fn ports(&self) -> Vec<ProtocolPort> {
        distinct(self.members.iter().flat_map(|member| member.ports.iter().copied()))
    }
}

impl Member {
    fn pod(pod: &Endpoint, ports: &PodPorts) -> Self {
        let who = Actor::Pod(pod.id.clone());
        Member { who, ports: listening(pod, ports), addresses: pod.addresses.clone() }
    }

    /// The flow from here to `to`; `None` where they share no address family that is asked.
    pub(super) fn pair(&self, to: &Member, port: ProtocolPort, families: Families) -> Option<Pair> {
        let over = |family| self.flow(to, port, family);
        let (flow, twin) = match families {
            Families::Natural => match over(Family::V4) {
                Some(flow) => (flow, over(Family::V6)),
                None => (over(Family::V6)?, None),
            },
            Families::Only(family) => (over(family)?, None),
            Families::Both => return None,
        };
        Some(Pair { source: self.who.clone(), destination: to.who.clone(), flow, twin })
    }

    fn flow(&self, to: &Member, (protocol, port): ProtocolPort, family: Family) -> Option<Flow> {
        Some(Flow::direct(self.address(family)?, to.address(family)?, protocol, port))
    }

    fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| Family::of(address) == family)
    }
}
