//! The index: all facts and policies, compiled, and kept so change by change.
//!
//! A plain struct. [`Index::apply`] takes one object that came, changed or went and says what differs now;
//! [`Index::compile`] is the fold of that over a whole cluster, and there is no second way to a program.
//! What it holds depends on the objects as they are, never on the order in which they came.
//!
//! Cost follows what differs: pods are grouped into identities, identities ask only selectors that could
//! match them, and programs are shared by all identities that the same policies select.

mod blocks;
mod change;
mod compile;
mod end;
mod facts;
#[cfg(test)]
mod histories;
mod identity;
mod matching;
mod peers;
mod pods;
mod record;
mod settle;
mod snapshot;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Weak};

use hashbrown::HashMap;

use crate::decision::{Decision, Exemption, Reason, RuleName, Ruling};
use crate::model::{
    Cluster, ContainerPort, Direction, Endpoint, EndpointId, Family, Flow, Labels, Node, Path, Peer, Policy,
    PolicyId, RuleId, Text,
};
use crate::program::{Fallback, PeerId, Program};

pub use change::{Change, Delta, Members};
pub use end::End;
pub use identity::Identity;

use compile::Compiled;
use identity::{Entry, Mentions};
use peers::PeerTable;
use pods::{Identities, Pods};

/// All facts and policies, compiled.
#[derive(Clone, Default)]
pub struct Index {
    namespaces: HashMap<Text, Labels>,
    nodes: BTreeMap<Text, Node>,
    node_at: HashMap<IpAddr, BTreeSet<Text>>,
    pods: Pods,
    identities: Identities,
    peers: PeerTable,
    policies: HashMap<PolicyId, Compiled>,
    by_subject: HashMap<PeerId, BTreeSet<PolicyId>>,
    mentions: Mentions,
    rules: HashMap<RuleId, (PolicyId, Direction, usize)>,
    programs: HashMap<ProgramKey, Weak<Program>>,
    isolations: HashMap<RuleId, Weak<Program>>,
    work: Work,
}

/// What has been done so far; for tests that cost follows what differs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How many times a selector was held against an identity.
    pub selectors_asked: u64,
    /// How many programs were built.
    pub programs_built: u64,
}

/// All that a program hangs on besides the policies themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ProgramKey {
    direction: Direction,
    /// The subjects' selectors that match, sorted.
    subjects: Vec<PeerId>,
    /// The pod's named ports, where some rule asks for them.
    ports: Vec<ContainerPort>,
}

impl Index {
    /// The index of a whole cluster.
    pub fn compile(cluster: &Cluster) -> Self {
        let mut index = Index::default();
        let namespaces = cluster.namespaces.values().cloned().map(Change::Namespace);
        let nodes = cluster.nodes.values().cloned().map(Change::Node);
        let policies = cluster.policies.values().cloned().map(Box::new).map(Change::Policy);
        let endpoints = cluster.endpoints.values().cloned().map(Box::new).map(Change::Endpoint);
        index.load(namespaces.chain(nodes).chain(policies).chain(endpoints));
        index
    }

    /// What happens to a flow, and why, at both of its ends.
    pub fn decide(&self, flow: &Flow) -> Decision {
        if flow.source == flow.destination && flow.path == Path::Direct {
            let ruling = Ruling::accept(Reason::Exempt(Exemption::Loopback));
            return Decision { egress: ruling, ingress: ruling };
        }
        self.decide_between(flow, &self.end(flow.source), &self.end(flow.destination))
    }

    /// Whether `address` is one of the pod's own node (D6).
    fn is_own_node(&self, pod: &Endpoint, address: IpAddr) -> bool {
        let (Some(at), Some(node)) = (self.node_at.get(&address), &pod.node) else { return false };
        at.contains(node)
    }

    /// The program of a pod; `None` where policies don't know it as one. A program without stages accepts.
    pub fn program(&self, pod: &EndpointId, direction: Direction) -> Option<&Arc<Program>> {
        Some(self.identities.get(self.pods.get(pod)?.identity?)?.program(direction))
    }

    /// What a rule's id stands for, while the policy is there and, for an isolation, while it has a subject.
    pub fn rule_name(&self, id: RuleId) -> Option<RuleName> {
        if let Some((policy, direction, index)) = self.rules.get(&id) {
            let rule = self.policies.get(policy)?.policy.rules(*direction)?.get(*index)?;
            let (policy, name) = (policy.clone(), rule.name.clone());
            return Some(RuleName::Rule { policy, direction: *direction, index: *index, name });
        }
        let program = self.isolations.get(&id)?.upgrade()?;
        program.stages.iter().find_map(|stage| match &stage.default {
            Fallback::Isolate(there, policies) if *there == id => {
                Some(RuleName::Isolation { policies: policies.to_vec(), direction: program.direction })
            }
            Fallback::Isolate(..) | Fallback::Pass => None,
        })
    }

    /// A policy as it was read.
    pub fn policy(&self, id: &PolicyId) -> Option<&Policy> {
        self.policies.get(id).map(|compiled| &compiled.policy)
    }

    /// The pod that an address belongs to: of several that claim it the live one, then the first by name
    /// (D12). `None` for nodes, hosts and pods that policies don't know.
    pub fn owner(&self, address: IpAddr) -> Option<&Endpoint> {
        self.pods.owner(address).map(|pod| &pod.endpoint)
    }

    /// The node that has this address; of several the first by name.
    pub fn node_at(&self, address: IpAddr) -> Option<&str> {
        self.node_at.get(&address)?.first().map(AsRef::as_ref)
    }

    /// The names of all nodes that are known, or that a pod is said to run on.
    pub fn nodes(&self) -> BTreeSet<&Text> {
        self.nodes.keys().chain(self.pods.iter().filter_map(|pod| pod.endpoint.node.as_ref())).collect()
    }

    /// The pods on a node that policies know, by name. With `None`, those that have no node.
    pub fn pods_on<'a>(&'a self, node: Option<&'a str>) -> impl Iterator<Item = &'a Endpoint> {
        let here = move |pod: &&Endpoint| pod.node.as_deref() == node && pod.is_policed();
        let mut pods: Vec<&Endpoint> = self.pods.iter().map(|pod| &pod.endpoint).filter(here).collect();
        pods.sort_by(|a, b| a.id.cmp(&b.id));
        pods.into_iter()
    }

    /// What a set of peers is made of.
    pub fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(id).map(|entry| &entry.peer)
    }

    /// The addresses of that family in a set of peers, sorted: of pods and nodes. A block's addresses
    /// outside the cluster aren't listed; the block itself says them.
    pub fn members(&self, id: PeerId, family: Family) -> Vec<IpAddr> {
        let Some(entry) = self.peers.get(id).filter(|entry| entry.may_hold(family)) else {
            return Vec::new();
        };
        let pods = entry.members.iter().filter_map(|identity| self.identities.get(*identity));
        let pods = pods.flat_map(|entry| entry.pods.iter().copied());
        let owned = pods.filter_map(|pod| self.pods.address(pod, family));
        let mut all: Vec<IpAddr> = owned
            .chain(entry.nodes.iter().copied().filter(|address| Family::of(address) == family))
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The pods' addresses of that family with their named ports, sorted: all of them, or those in a set.
    pub fn named_ports(&self, among: Option<PeerId>, family: Family) -> Vec<(IpAddr, &ContainerPort)> {
        let entries: Vec<&Entry> = match among {
            None => self.identities.iter().map(|(_, entry)| entry).collect(),
            Some(id) => {
                let set = self.peers.get(id).filter(|entry| entry.may_hold(family));
                let members = set.map(|entry| entry.members.iter());
                members.into_iter().flatten().filter_map(|identity| self.identities.get(*identity)).collect()
            }
        };
        let named = entries.into_iter().filter(|entry| !entry.identity.ports.is_empty());
        let mut all: Vec<(IpAddr, &ContainerPort)> = named
            .flat_map(|entry| entry.pods.iter().map(move |pod| (entry, *pod)))
            .filter_map(|(entry, pod)| Some((entry, self.pods.address(pod, family)?)))
            .flat_map(|(entry, address)| entry.identity.ports.iter().map(move |port| (address, port)))
            .collect();
        all.sort_unstable();
        all
    }

    /// All identities with the number of their pods, sorted.
    pub fn identities(&self) -> Vec<(&Identity, usize)> {
        let mut all: Vec<(&Identity, usize)> =
            self.identities.iter().map(|(_, entry)| (entry.identity.as_ref(), entry.pods.len())).collect();
        all.sort_unstable();
        all
    }

    /// What has been done so far.
    pub fn work(&self) -> Work {
        self.work
    }
}
