//! What a lab is to be made of.

use std::collections::BTreeSet;
use std::net::IpAddr;

pub use policy::model::{Family, Protocol};

/// A cluster as the lab sees it: names, addresses, open ports. Policies are none of its business.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The cluster's nodes.
    pub nodes: Vec<NodePlan>,
    /// Its pods.
    pub pods: Vec<PodPlan>,
    /// Machines outside the cluster.
    pub hosts: Vec<HostPlan>,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// Its addresses: at most one of a family.
    pub addresses: Vec<IpAddr>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodPlan {
    /// What its responder answers: `namespace/pod`.
    pub name: String,
    /// The index of its node.
    pub node: usize,
    /// Its addresses, at most one of a family. Those of a pod in its node's network don't count.
    pub addresses: Vec<IpAddr>,
    /// Whether it lives in its node's network instead of its own.
    pub host_network: bool,
    /// The ports that its responder listens on.
    pub listen: Vec<(Protocol, u16)>,
}

/// A machine outside the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostPlan {
    /// What its responder answers.
    pub name: String,
    /// Its addresses: at most one of a family.
    pub addresses: Vec<IpAddr>,
    /// The ports that its responder listens on.
    pub listen: Vec<(Protocol, u16)>,
}

/// One end of a probe, by its index in the [`Plan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum End {
    /// A node itself.
    Node(usize),
    /// A pod.
    Pod(usize),
    /// A machine outside the cluster.
    Host(usize),
}

/// What no lab can be made of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A pod on a node that isn't there.
    #[error("pod `{pod}` is on node {node}, and there are {nodes}")]
    NoSuchNode {
        /// The pod.
        pod: String,
        /// The index of its node.
        node: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// Two ends of one address.
    #[error("two of the cluster have address {address}, one of them is `{name}`")]
    SharedAddress {
        /// The address.
        address: IpAddr,
        /// The second that has it.
        name: String,
    },
    /// Two addresses of a family.
    #[error("`{name}` has more than one address of a family")]
    ManyAddresses {
        /// Who.
        name: String,
    },
}

/// Those who have a network of their own, in the order of their network namespaces: nodes, pods, hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) name: String,
    pub(crate) addresses: Vec<IpAddr>,
    /// To whom its link leads.
    pub(crate) uplink: Uplink,
    pub(crate) listeners: Vec<Listener>,
}

/// The router that a site hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uplink {
    /// The router between nodes and hosts.
    Fabric,
    /// The node of this index.
    Node(usize),
}

/// A port on which somebody answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listener {
    pub(crate) protocol: Protocol,
    pub(crate) port: u16,
    pub(crate) name: String,
}

impl Site {
    /// Its address of a family.
    pub(crate) fn address(&self, family: Family) -> Option<IpAddr> {
        self.addresses.iter().copied().find(|address| Family::of(address) == family)
    }
}

/// The sites of a plan, and for each pod the index of its site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sites {
    pub(crate) all: Vec<Site>,
    pods: Vec<usize>,
    hosts: usize,
}

impl Sites {
    /// The index of the site in which an end lives.
    pub(crate) fn of(&self, end: End) -> Option<usize> {
        match end {
            End::Node(node) => Some(node).filter(|node| *node < self.all.len()),
            End::Pod(pod) => self.pods.get(pod).copied(),
            End::Host(host) => self.hosts.checked_add(host).filter(|site| *site < self.all.len()),
        }
    }
}

impl Plan {
    /// The sites, with their addresses of `families` only.
    pub(crate) fn sites(&self, families: &[Family]) -> Result<Sites, PlanError> {
        let mut all: Vec<Site> = self
            .nodes
            .iter()
            .map(|node| site(&node.name, &node.addresses, Uplink::Fabric, families))
            .collect();
        let mut pods = Vec::with_capacity(self.pods.len());
        for pod in &self.pods {
            pods.push(add_pod(&mut all, pod, self.nodes.len(), families)?);
        }
        let hosts = all.len();
        for host in &self.hosts {
            let mut site = site(&host.name, &host.addresses, Uplink::Fabric, families);
            site.listen(&host.name, &host.listen);
            all.push(site);
        }
        check_addresses(&all)?;
        Ok(Sites { all, pods, hosts })
    }
}

fn site(name: &str, addresses: &[IpAddr], uplink: Uplink, families: &[Family]) -> Site {
    let addresses =
        addresses.iter().copied().filter(|address| families.contains(&Family::of(address))).collect();
    Site { name: name.to_owned(), addresses, uplink, listeners: Vec::new() }
}

impl Site {
    /// Where two in one network want one port, the first has it, as in a real cluster.
    fn listen(&mut self, name: &str, ports: &[(Protocol, u16)]) {
        for &(protocol, port) in ports {
            if !self.listeners.iter().any(|taken| (taken.protocol, taken.port) == (protocol, port)) {
                self.listeners.push(Listener { protocol, port, name: name.to_owned() });
            }
        }
    }
}

/// The index of the pod's site: its node's, or a new one.
fn add_pod(
    all: &mut Vec<Site>,
    pod: &PodPlan,
    nodes: usize,
    families: &[Family],
) -> Result<usize, PlanError> {
    if pod.node >= nodes {
        return Err(PlanError::NoSuchNode { pod: pod.name.clone(), node: pod.node, nodes });
    }
    let index = if pod.host_network {
        pod.node
    } else {
        all.push(site(&pod.name, &pod.addresses, Uplink::Node(pod.node), families));
        all.len() - 1
    };
    if let Some(site) = all.get_mut(index) {
        site.listen(&pod.name, &pod.listen);
    }
    Ok(index)
}

fn check_addresses(all: &[Site]) -> Result<(), PlanError> {
    let mut seen = BTreeSet::new();
    for site in all {
        for family in Family::BOTH {
            if site.addresses.iter().filter(|address| Family::of(address) == family).count() > 1 {
                return Err(PlanError::ManyAddresses { name: site.name.clone() });
            }
        }
        if let Some(&address) = site.addresses.iter().find(|address| !seen.insert(**address)) {
            return Err(PlanError::SharedAddress { address, name: site.name.clone() });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, address: &str, host_network: bool) -> PodPlan {
        PodPlan {
            name: name.into(),
            addresses: vec![address.parse().unwrap()],
            host_network,
            listen: vec![(Protocol::Tcp, 80)],
            ..PodPlan::default()
        }
    }

    fn plan(pods: Vec<PodPlan>) -> Plan {
        let node = NodePlan { name: "node".into(), addresses: vec!["192.0.2.1".parse().unwrap()] };
        let host = HostPlan { name: "host".into(), ..HostPlan::default() };
        Plan { nodes: vec![node], pods, hosts: vec![host] }
    }

    #[test]
    fn a_host_network_pod_lives_in_its_node_and_the_first_has_the_port() {
        let pods = vec![pod("a", "10.0.0.1", false), pod("b", "10.0.0.1", true), pod("c", "10.0.0.1", true)];
        let sites = plan(pods).sites(&Family::BOTH).unwrap();
        let ends = [End::Pod(0), End::Pod(1), End::Pod(2), End::Host(0), End::Host(1), End::Node(0)];
        assert_eq!(ends.map(|end| sites.of(end)), [Some(1), Some(0), Some(0), Some(2), None, Some(0)]);
        let names: Vec<_> = sites.all[0].listeners.iter().map(|listener| &listener.name).collect();
        assert_eq!(names, ["b"]);
    }

    #[test]
    fn an_address_belongs_to_one() {
        let pods = vec![pod("a", "10.0.0.1", false), pod("b", "10.0.0.1", false)];
        let shared = PlanError::SharedAddress { address: "10.0.0.1".parse().unwrap(), name: "b".into() };
        assert_eq!(plan(pods).sites(&Family::BOTH), Err(shared));
        let mut two = pod("a", "10.0.0.1", false);
        two.addresses.push("10.0.0.2".parse().unwrap());
        assert_eq!(plan(vec![two]).sites(&Family::BOTH), Err(PlanError::ManyAddresses { name: "a".into() }));
    }

    #[test]
    fn a_pod_needs_its_node() {
        let lost = PodPlan { node: 1, ..pod("a", "10.0.0.1", false) };
        assert!(matches!(plan(vec![lost]).sites(&Family::BOTH), Err(PlanError::NoSuchNode { .. })));
    }

    #[test]
    fn addresses_of_a_family_that_the_kernel_lacks_are_left_out() {
        let mut both = pod("a", "10.0.0.1", false);
        both.addresses.push("fd00::1".parse().unwrap());
        let sites = plan(vec![both]).sites(&[Family::V4]).unwrap();
        assert_eq!(sites.all[1].address(Family::V6), None);
        assert!(sites.all[1].address(Family::V4).is_some());
    }
}
