//! Clusters of the engine's model as a plan.

use std::collections::{HashMap, HashSet};

use policy::model::{Cluster, Endpoint, Family, Host, Node, Phase, Text};
use policy::rows::{Actor, Pair, PodPorts, listening};

use crate::plan::{End, HostPlan, NodePlan, Plan, PodPlan, Protocol};
use crate::probe::Probe;

/// A plan, and who is who in it. One plan serves several states of a cluster as long as nobody in it moves:
/// who is in one state only is there from the start, and is asked nothing in the others.
#[derive(Clone, Debug, Default)]
pub struct Drawing {
    plan: Plan,
    ends: HashMap<Actor, End>,
    nodes: HashMap<Text, usize>,
}

/// What can't be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DrawingError {
    /// A pod that runs nowhere.
    #[error("pod `{pod}` is on no node of the cluster")]
    NoNode {
        /// Which pod.
        pod: String,
    },
    /// Somebody who is elsewhere, or has another address, in a state drawn before.
    #[error("`{name}` has moved")]
    Moved {
        /// Who.
        name: String,
    },
    /// Two who have one address, perhaps in different states.
    #[error("`{name}` and another have one address")]
    SharedAddress {
        /// The second one.
        name: String,
    },
}

impl Drawing {
    /// The drawing with everybody of `cluster` in it as well. `ports` is what pods are asked on, and so what
    /// they listen on.
    pub fn and(mut self, cluster: &Cluster, ports: &PodPorts) -> Result<Self, DrawingError> {
        cluster.nodes.values().try_for_each(|node| self.add_node(node))?;
        let pods = cluster.endpoints.values().filter(|pod| runs(pod, cluster));
        pods.into_iter().try_for_each(|pod| self.add_pod(pod, ports))?;
        cluster.hosts.values().try_for_each(|host| self.add_host(host))?;
        self.check_addresses()?;
        Ok(self)
    }

    /// What to build.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// A flow as a probe; `None` where an end isn't in the drawing.
    pub fn probe(&self, pair: &Pair) -> Option<Probe> {
        let flow = &pair.flow;
        let destination = self.ends.get(&pair.destination)?;
        Some(Probe {
            source: *self.ends.get(&pair.source)?,
            destination: flow.destination,
            protocol: flow.protocol,
            port: flow.port,
            expect: self.answers(*destination, flow.protocol, flow.port)?,
        })
    }

    /// Who answers on a port: of several pods in their node's network the first that listens there.
    fn answers(&self, end: End, protocol: Protocol, port: u16) -> Option<String> {
        match end {
            End::Node(node) => self.plan.nodes.get(node).map(|node| node.name.clone()),
            End::Host(host) => self.plan.hosts.get(host).map(|host| host.name.clone()),
            End::Pod(pod) => {
                let pod = self.plan.pods.get(pod)?;
                if !pod.host_network {
                    return Some(pod.name.clone());
                }
                let mut there =
                    self.plan.pods.iter().filter(|other| other.host_network && other.node == pod.node);
                there.find(|other| other.listen.contains(&(protocol, port))).map(|other| other.name.clone())
            }
        }
    }

    fn add_node(&mut self, node: &Node) -> Result<(), DrawingError> {
        let addresses = Family::BOTH.iter().filter_map(|family| node.address(*family)).collect();
        let wanted = NodePlan { name: node.name.to_string(), addresses };
        match self.nodes.get(&node.name).and_then(|place| self.plan.nodes.get(*place)) {
            Some(there) if *there == wanted => Ok(()),
            Some(there) => Err(DrawingError::Moved { name: there.name.clone() }),
            None => {
                self.nodes.insert(node.name.clone(), self.plan.nodes.len());
                self.plan.nodes.push(wanted);
                Ok(())
            }
        }
    }

    fn add_pod(&mut self, pod: &Endpoint, ports: &PodPorts) -> Result<(), DrawingError> {
        let name = pod.id.to_string();
        let Some(node) = pod.node.as_ref().and_then(|node| self.nodes.get(node)).copied() else {
            return Err(DrawingError::NoNode { pod: name });
        };
        let listen = listening(pod, ports);
        let wanted =
            PodPlan { name, node, addresses: pod.addresses.clone(), host_network: pod.host_network, listen };
        let actor = Actor::Pod(pod.id.clone());
        let there = match self.ends.get(&actor) {
            Some(End::Pod(place)) => self.plan.pods.get_mut(*place),
            Some(End::Node(_) | End::Host(_)) | None => None,
        };
        match there {
            Some(there) if there.is_at(&wanted) => add_ports(&mut there.listen, &wanted.listen),
            Some(_) => return Err(DrawingError::Moved { name: wanted.name }),
            None => {
                self.ends.insert(actor, End::Pod(self.plan.pods.len()));
                self.plan.pods.push(wanted);
            }
        }
        Ok(())
    }

    fn add_host(&mut self, host: &Host) -> Result<(), DrawingError> {
        let actor = Actor::Host(host.name.clone());
        let wanted = HostPlan {
            name: actor.to_string(),
            addresses: host.addresses.clone(),
            listen: host.ports.clone(),
        };
        let there = match self.ends.get(&actor) {
            Some(End::Host(place)) => self.plan.hosts.get_mut(*place),
            Some(End::Node(_) | End::Pod(_)) | None => None,
        };
        match there {
            Some(there) if there.addresses == wanted.addresses => {
                add_ports(&mut there.listen, &wanted.listen)
            }
            Some(_) => return Err(DrawingError::Moved { name: wanted.name }),
            None => {
                self.ends.insert(actor, End::Host(self.plan.hosts.len()));
                self.plan.hosts.push(wanted);
            }
        }
        Ok(())
    }

    fn check_addresses(&self) -> Result<(), DrawingError> {
        let nodes = self.plan.nodes.iter().map(|node| (&node.name, &node.addresses));
        let own = self.plan.pods.iter().filter(|pod| !pod.host_network);
        let pods = own.map(|pod| (&pod.name, &pod.addresses));
        let hosts = self.plan.hosts.iter().map(|host| (&host.name, &host.addresses));
        let mut seen = HashSet::new();
        let mut all = nodes.chain(pods).chain(hosts);
        match all.find(|(_, addresses)| addresses.iter().any(|address| !seen.insert(*address))) {
            Some((name, _)) => Err(DrawingError::SharedAddress { name: name.clone() }),
            None => Ok(()),
        }
    }
}

impl PodPlan {
    fn is_at(&self, other: &PodPlan) -> bool {
        (self.node, self.host_network, &self.addresses) == (other.node, other.host_network, &other.addresses)
    }
}

/// Whether there is anything to run: not of a pod that has ended, nor of one that is going away while its
/// address is another's already (D12).
fn runs(pod: &Endpoint, cluster: &Cluster) -> bool {
    let is_taken = || {
        let mut live =
            cluster.endpoints.values().filter(|other| other.phase == Phase::Live && !other.host_network);
        live.any(|other| other.addresses.iter().any(|address| pod.addresses.contains(address)))
    };
    match pod.phase {
        Phase::Live => !pod.addresses.is_empty(),
        Phase::Terminating => !pod.addresses.is_empty() && (pod.host_network || !is_taken()),
        Phase::Ended => false,
    }
}

fn add_ports(there: &mut Vec<(Protocol, u16)>, more: &[(Protocol, u16)]) {
    for port in more {
        if !there.contains(port) {
            there.push(*port);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use policy::model::{EndpointId, Flow, Labels, Workload};

    use super::*;

    const PORTS: PodPorts = PodPorts::Containers;

    fn pod(name: &str, address: &str) -> Endpoint {
        Endpoint {
            id: EndpointId { namespace: "shop".into(), name: name.into() },
            labels: Labels::default(),
            service_account: "default".into(),
            addresses: vec![address.parse().unwrap()],
            addresses_made_up: false,
            ports: Vec::new(),
            node: Some("node".into()),
            host_network: false,
            phase: Phase::Live,
            workload: Workload { kind: "Pod".into(), name: name.into() },
        }
    }

    fn cluster(pods: Vec<Endpoint>) -> Cluster {
        let addresses = vec!["172.18.0.2".parse::<IpAddr>().unwrap()];
        let node = Node { name: "node".into(), labels: Labels::default(), addresses, pod_cidrs: Vec::new() };
        Cluster {
            nodes: [(node.name.clone(), node)].into_iter().collect(),
            endpoints: pods.into_iter().map(|pod| (pod.id.clone(), pod)).collect(),
            ..Cluster::default()
        }
    }

    fn drawn(states: &[Cluster]) -> Result<Drawing, DrawingError> {
        states.iter().try_fold(Drawing::default(), |drawing, state| drawing.and(state, &PORTS))
    }

    fn names(drawing: &Drawing) -> Vec<&str> {
        drawing.plan().pods.iter().map(|pod| pod.name.as_str()).collect()
    }

    #[test]
    fn one_drawing_serves_states_in_which_nobody_moves() {
        let (a, b) = (pod("a", "10.0.0.1"), pod("b", "10.0.0.2"));
        let states = [cluster(vec![a.clone()]), cluster(vec![a, b.clone()]), cluster(vec![b])];
        assert_eq!(names(&drawn(&states).unwrap()), ["shop/a", "shop/b"]);
    }

    #[test]
    fn who_moves_needs_another_drawing() {
        let states = [cluster(vec![pod("a", "10.0.0.1")]), cluster(vec![pod("a", "10.0.0.2")])];
        assert_eq!(drawn(&states).unwrap_err(), DrawingError::Moved { name: "shop/a".into() });
        let states = [cluster(vec![pod("a", "10.0.0.1")]), cluster(vec![pod("b", "10.0.0.1")])];
        assert_eq!(drawn(&states).unwrap_err(), DrawingError::SharedAddress { name: "shop/b".into() });
    }

    #[test]
    fn a_pod_that_ended_or_goes_away_leaves_its_address_to_the_live_one() {
        let ended = Endpoint { phase: Phase::Ended, ..pod("a", "10.0.0.1") };
        let going = Endpoint { phase: Phase::Terminating, ..pod("b", "10.0.0.1") };
        let alone = Endpoint { phase: Phase::Terminating, ..pod("c", "10.0.0.3") };
        let state = cluster(vec![ended, going, alone, pod("d", "10.0.0.1")]);
        assert_eq!(names(&drawn(&[state]).unwrap()), ["shop/c", "shop/d"]);
    }

    #[test]
    fn a_pod_needs_a_node() {
        let lost = Endpoint { node: None, ..pod("a", "10.0.0.1") };
        let error = drawn(&[cluster(vec![lost])]).unwrap_err();
        assert_eq!(error, DrawingError::NoNode { pod: "shop/a".into() });
    }

    #[test]
    fn of_two_pods_on_their_nodes_network_the_first_answers() {
        let host = |name| Endpoint { host_network: true, ..pod(name, "172.18.0.2") };
        let drawing = drawn(&[cluster(vec![host("a"), host("b"), pod("c", "10.0.0.1")])]).unwrap();
        let actor = |name: &str| Actor::Pod(EndpointId { namespace: "shop".into(), name: name.into() });
        let flow =
            Flow::direct("10.0.0.1".parse().unwrap(), "172.18.0.2".parse().unwrap(), Protocol::Tcp, 80);
        let pair = Pair { source: actor("c"), destination: actor("b"), flow, twin: None };
        assert_eq!(drawing.probe(&pair).unwrap().expect, "shop/a");
        let absent = Pair { source: actor("x"), ..pair };
        assert_eq!(drawing.probe(&absent), None);
    }
}
