//! One end of a flow, as programs see it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::Index;
use super::identity::{Entry, Identity};
use super::matching::{Attributes, matches};
use super::pods::Pod;
use crate::decision::{Decision, Exemption, Reason, Ruling};
use crate::model::{Attribute, Direction, Endpoint, Family, Flow, Labels, Selector, Text};
use crate::program::{Party, PeerId, Program};

/// All that programs ask of an address.
pub struct End<'a> {
    address: IpAddr,
    pod: Option<&'a Pod>,
    entry: Option<&'a Entry>,
    blocks: Cow<'a, [PeerId]>,
    nodes: Vec<PeerId>,
    at: Option<&'a BTreeSet<Text>>,
}

impl<'a> End<'a> {
    /// The address itself.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The pod that has it, where policies know it as one.
    pub fn pod(&self) -> Option<&'a Endpoint> {
        self.pod.map(|pod| &pod.endpoint)
    }

    /// The identity of that pod.
    pub fn identity(&self) -> Option<&'a Identity> {
        self.entry.map(|entry| entry.identity.as_ref())
    }

    /// The program of that pod.
    pub fn program(&self, direction: Direction) -> Option<&'a Arc<Program>> {
        self.entry.map(|entry| entry.program(direction))
    }

    /// The nodes that have the address, where no pod does.
    pub fn nodes(&self) -> Option<&'a BTreeSet<Text>> {
        self.at.filter(|_| self.pod.is_none())
    }

    /// What the program of the pod with the address `subject` is told of this end.
    pub fn party(&self, subject: IpAddr) -> Party<'_> {
        Party {
            family: Family::of(&self.address),
            selectors: self.entry.map_or(&[], |entry| &entry.selectors),
            blocks: &self.blocks,
            nodes: &self.nodes,
            ports: self.entry.map_or(&[], |entry| &entry.identity.ports),
            is_subject: subject == self.address,
        }
    }
}

impl Index {
    /// What policies see at an address.
    pub fn end(&self, address: IpAddr) -> End<'_> {
        let pod = self.pods.owner(address);
        let entry = pod.and_then(|pod| self.identities.get(pod.identity?));
        let blocks = match entry {
            Some(entry) => Cow::Borrowed(entry.identity.blocks.as_slice()),
            None => Cow::Owned(self.peers.blocks.holding(address)),
        };
        let (nodes, at) = (self.peers.node_selectors(&address), self.node_at.get(&address));
        End { address, pod, entry, blocks, nodes, at }
    }

    /// The blocks that hold an address, sorted, whoever has it.
    pub fn blocks_holding(&self, address: IpAddr) -> Vec<PeerId> {
        self.peers.blocks.holding(address)
    }

    /// What happens to a flow between two different addresses, or to one that comes back through a Service.
    pub fn decide_between(&self, flow: &Flow, source: &End<'_>, destination: &End<'_>) -> Decision {
        Decision {
            egress: self.ruling(Direction::Egress, flow, source, destination),
            ingress: self.ruling(Direction::Ingress, flow, destination, source),
        }
    }

    fn ruling(&self, direction: Direction, flow: &Flow, subject: &End<'_>, peer: &End<'_>) -> Ruling {
        let (Some(pod), Some(entry)) = (subject.pod, subject.entry) else {
            return Ruling::accept(Reason::Exempt(Exemption::NotAPod));
        };
        if direction == Direction::Ingress
            && peer.pod.is_none()
            && self.is_own_node(&pod.endpoint, peer.address)
        {
            return Ruling::accept(Reason::Exempt(Exemption::OwnNode));
        }
        entry.program(direction).eval(&peer.party(subject.address), flow.protocol, flow.port)
    }

    /// Whether a selector of pods matches one, whoever asks: no policy needs to have the selector.
    pub fn selects(&self, selector: &Selector, pod: &Endpoint) -> bool {
        let namespace = self.namespace_labels(&pod.id.namespace);
        matches(selector, &Named { pod, namespace: &namespace })
    }

    /// The value of an attribute of a pod.
    pub fn attribute(&self, of: &Attribute, pod: &Endpoint) -> Option<String> {
        let namespace = self.namespace_labels(&pod.id.namespace);
        Named { pod, namespace: &namespace }.value(of).map(str::to_owned)
    }
}

/// A pod with the labels of its namespace.
struct Named<'a> {
    pod: &'a Endpoint,
    namespace: &'a Labels,
}

impl Attributes for Named<'_> {
    fn value(&self, of: &Attribute) -> Option<&str> {
        match of {
            Attribute::Label(key) => self.pod.labels.get(key).map(AsRef::as_ref),
            Attribute::NamespaceLabel(key) => self.namespace.get(key).map(AsRef::as_ref),
            Attribute::NamespaceName => Some(&self.pod.id.namespace),
            Attribute::ServiceAccountName => Some(&self.pod.service_account),
        }
    }
}
