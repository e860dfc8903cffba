//! The facts: objects come, change and go, and what is to be looked at again is put on a list.

use std::net::IpAddr;

use super::Index;
use super::change::Change;
use super::compile::{Compiled, peer_id, rule_ids};
use super::settle::{Pending, block};
use crate::model::{Endpoint, EndpointId, Labels, Node, Peer, Policy, PolicyId, Text};

impl Index {
    pub(super) fn take(&mut self, change: Change, pending: &mut Pending) {
        match change {
            Change::Namespace(namespace) => {
                self.take_namespace(namespace.name, Some(namespace.labels), pending)
            }
            Change::NamespaceGone(name) => self.take_namespace(name, None, pending),
            Change::Node(node) => self.take_node(node.name.clone(), Some(node), pending),
            Change::NodeGone(name) => self.take_node(name, None, pending),
            Change::Endpoint(endpoint) => self.take_endpoint(*endpoint, pending),
            Change::EndpointGone(id) => self.drop_endpoint(&id, pending),
            Change::Policy(policy) => self.take_policy(*policy, pending),
            Change::PolicyGone(id) => self.drop_policy(&id, pending),
        }
    }

    fn take_namespace(&mut self, name: Text, labels: Option<Labels>, pending: &mut Pending) {
        pending.pods.extend(self.pods.in_namespace(&name));
        match labels {
            Some(labels) => drop(self.namespaces.insert(name, labels)),
            None => drop(self.namespaces.remove(&name)),
        }
    }

    fn take_node(&mut self, name: Text, node: Option<Node>, pending: &mut Pending) {
        let old = match node.clone() {
            Some(node) => self.nodes.insert(name.clone(), node),
            None => self.nodes.remove(&name),
        };
        let addresses =
            |node: &Option<Node>| node.iter().flat_map(|node| node.addresses.clone()).collect::<Vec<_>>();
        let (gone, come) = (addresses(&old), addresses(&node));
        for address in gone.iter().chain(&come) {
            self.note(*address, pending);
        }
        for address in gone {
            if let Some(there) = self.node_at.get_mut(&address) {
                there.remove(&name);
                if there.is_empty() {
                    self.node_at.remove(&address);
                }
            }
        }
        for address in come {
            self.node_at.entry(address).or_default().insert(name.clone());
        }
        if old != node {
            let known: Vec<IpAddr> =
                self.nodes.values().flat_map(|node| node.addresses.iter().copied()).collect();
            known.into_iter().for_each(|address| self.note(address, pending));
            self.peers.select_nodes(&self.nodes);
        }
    }

    fn take_endpoint(&mut self, endpoint: Endpoint, pending: &mut Pending) {
        if self.pods.get(&endpoint.id).is_some_and(|pod| pod.endpoint == endpoint) {
            return;
        }
        self.drop_endpoint(&endpoint.id.clone(), pending);
        for address in &endpoint.addresses {
            self.note(*address, pending);
        }
        pending.pods.insert(self.pods.insert(endpoint));
    }

    fn drop_endpoint(&mut self, id: &EndpointId, pending: &mut Pending) {
        let Some(pod) = self.pods.get(id) else { return };
        for address in pod.endpoint.addresses.clone() {
            self.note(address, pending);
        }
        let Some((number, pod)) = self.pods.remove(id) else { return };
        if let Some(identity) = pod.identity {
            self.leave(number, identity, pending);
        }
        pending.pods.remove(&number);
    }

    fn take_policy(&mut self, policy: Policy, pending: &mut Pending) {
        if self.policies.get(&policy.id).is_some_and(|there| there.policy == policy) {
            return;
        }
        self.drop_policy(&policy.id.clone(), pending);
        let compiled = Compiled::new(policy);
        for peer in compiled.peers() {
            self.note_nodes(&peer, pending);
            let cidr = block(&peer);
            if let Some(new) = self.peers.add(peer, &self.nodes) {
                pending.peers.insert(new);
                pending.blocks.extend(cidr);
            }
        }
        for mention in compiled.mentions() {
            if self.mentions.add(&mention) {
                pending.mentions.insert(mention);
            }
        }
        for (id, direction, index) in rule_ids(&compiled.policy) {
            self.rules.insert(id, (compiled.policy.id.clone(), direction, index));
        }
        pending.subjects.insert(compiled.subject);
        self.by_subject.entry(compiled.subject).or_default().insert(compiled.policy.id.clone());
        self.policies.insert(compiled.policy.id.clone(), compiled);
    }

    fn drop_policy(&mut self, id: &PolicyId, pending: &mut Pending) {
        let Some(compiled) = self.policies.remove(id) else { return };
        if let Some(ids) = self.by_subject.get_mut(&compiled.subject) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_subject.remove(&compiled.subject);
            }
        }
        pending.subjects.insert(compiled.subject);
        // Members are needed below: of a subject that goes, the pods get another program.
        self.note_members(compiled.subject, pending);
        for peer in compiled.peers() {
            self.drop_peer(&peer, pending);
        }
        for mention in compiled.mentions() {
            if self.mentions.drop(&mention) {
                pending.mentions.insert(mention);
            }
        }
        for (id, _, _) in rule_ids(&compiled.policy) {
            self.rules.remove(&id);
        }
    }

    /// Counts one use of a set of peers less. With the last one the set leaves the identities that were in
    /// it; where it was a policy's subject, they get another program.
    fn drop_peer(&mut self, peer: &Peer, pending: &mut Pending) {
        let id = peer_id(peer);
        let Some(members) = self.peers.last_members(id) else {
            self.peers.drop(peer);
            return;
        };
        self.note_identities(&members, pending);
        self.note_nodes(peer, pending);
        self.peers.drop(peer);
        for identity in &members {
            if let Some(entry) = self.identities.get_mut(*identity) {
                entry.selectors.retain(|listed| *listed != id);
            }
        }
        // The policy may have gone earlier in the same batch, while a rule of another one still used the set.
        if pending.subjects.contains(&id) {
            pending.identities.extend(&members);
        }
        pending.blocks.extend(block(peer));
        pending.peers.insert(id);
    }
}
