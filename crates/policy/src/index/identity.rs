//! Identities: pods that no policy can tell apart.

use hashbrown::{HashMap, HashSet};
use std::sync::Arc;

use super::matching::Attributes;
use crate::model::{Attribute, ContainerPort, Direction, Endpoint, Labels, Text};
use crate::program::{PeerId, Program};

/// All about a pod that some policy asks for, and nothing else. Pods of one identity get the same verdicts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The namespace.
    pub namespace: Text,
    /// The labels of the pod and of its namespace, and its service account, as far as some selector
    /// mentions them; sorted.
    pub attributes: Vec<(Attribute, Text)>,
    /// The named ports that some rule names; sorted.
    pub ports: Vec<ContainerPort>,
    /// Whether the pod has an IPv4 and an IPv6 address.
    pub families: (bool, bool),
    /// The blocks that hold its addresses, sorted (D2: a block may tell two equal pods apart).
    pub blocks: Vec<PeerId>,
}

impl Attributes for Identity {
    fn value(&self, of: &Attribute) -> Option<&str> {
        match of {
            Attribute::NamespaceName => Some(&self.namespace),
            Attribute::Label(_) | Attribute::NamespaceLabel(_) | Attribute::ServiceAccountName => {
                let at = self.attributes.binary_search_by(|(there, _)| there.cmp(of)).ok()?;
                self.attributes.get(at).map(|(_, value)| value.as_ref())
            }
        }
    }
}

/// What selectors and rules mention, counted, so that it can be forgotten when the last one goes.
#[derive(Clone, Default)]
pub(super) struct Mentions {
    labels: HashMap<Text, usize>,
    namespace_labels: HashMap<Text, usize>,
    service_accounts: usize,
    port_names: HashMap<Text, usize>,
}

/// Something that came to be mentioned, or no longer is: pods that have it change their identity.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Mention {
    Attribute(Attribute),
    PortName(Text),
}

impl Mentions {
    /// Counts one more. `true`: it wasn't mentioned before.
    pub(super) fn add(&mut self, mention: &Mention) -> bool {
        let Some(count) = self.count(mention) else { return false };
        *count += 1;
        *count == 1
    }

    /// Counts one less. `true`: it isn't mentioned any more.
    pub(super) fn drop(&mut self, mention: &Mention) -> bool {
        let Some(count) = self.count(mention) else { return false };
        *count = count.saturating_sub(1);
        let gone = *count == 0;
        if gone {
            match mention {
                Mention::Attribute(Attribute::Label(key)) => drop(self.labels.remove(key)),
                Mention::Attribute(Attribute::NamespaceLabel(key)) => drop(self.namespace_labels.remove(key)),
                Mention::Attribute(Attribute::ServiceAccountName | Attribute::NamespaceName) => (),
                Mention::PortName(name) => drop(self.port_names.remove(name)),
            }
        }
        gone
    }

    /// `None` for the namespace's name, which is always part of an identity.
    fn count(&mut self, mention: &Mention) -> Option<&mut usize> {
        match mention {
            Mention::Attribute(Attribute::Label(key)) => Some(self.labels.entry(key.clone()).or_default()),
            Mention::Attribute(Attribute::NamespaceLabel(key)) => {
                Some(self.namespace_labels.entry(key.clone()).or_default())
            }
            Mention::Attribute(Attribute::ServiceAccountName) => Some(&mut self.service_accounts),
            Mention::Attribute(Attribute::NamespaceName) => None,
            Mention::PortName(name) => Some(self.port_names.entry(name.clone()).or_default()),
        }
    }

    /// The identity of `endpoint`, whose namespace has these labels and whose addresses these blocks hold.
    pub(super) fn identity(&self, endpoint: &Endpoint, namespace: &Labels, blocks: Vec<PeerId>) -> Identity {
        let own = self.restricted(&endpoint.labels, &self.labels, Attribute::Label);
        let inherited = self.restricted(namespace, &self.namespace_labels, Attribute::NamespaceLabel);
        let account = (self.service_accounts > 0)
            .then(|| (Attribute::ServiceAccountName, endpoint.service_account.clone()));
        let mut attributes: Vec<_> = own.chain(inherited).chain(account).collect();
        attributes.sort_unstable();
        let named =
            |port: &&ContainerPort| port.name.as_ref().is_some_and(|name| self.port_names.contains_key(name));
        let mut ports: Vec<ContainerPort> = endpoint.ports.iter().filter(named).cloned().collect();
        ports.sort_unstable();
        ports.dedup();
        let has = |v6: bool| endpoint.addresses.iter().any(|address| address.is_ipv6() == v6);
        Identity {
            namespace: endpoint.id.namespace.clone(),
            attributes,
            ports,
            families: (has(false), has(true)),
            blocks,
        }
    }

    fn restricted<'a>(
        &'a self,
        labels: &'a Labels,
        to: &'a HashMap<Text, usize>,
        scope: impl Fn(Text) -> Attribute + 'a,
    ) -> impl Iterator<Item = (Attribute, Text)> + 'a {
        let kept = labels.iter().filter(|(key, _)| to.contains_key(*key));
        kept.map(move |(key, value)| (scope(key.clone()), value.clone()))
    }
}

impl Mention {
    /// Whether `endpoint`, whose namespace has these labels, has what is mentioned.
    pub(super) fn concerns(&self, endpoint: &Endpoint, namespace: &Labels) -> bool {
        match self {
            Mention::Attribute(Attribute::Label(key)) => endpoint.labels.get(key).is_some(),
            Mention::Attribute(Attribute::NamespaceLabel(key)) => namespace.get(key).is_some(),
            Mention::Attribute(Attribute::ServiceAccountName) => true,
            Mention::Attribute(Attribute::NamespaceName) => false,
            Mention::PortName(name) => endpoint.ports.iter().any(|port| port.name.as_ref() == Some(name)),
        }
    }
}

/// An identity in use.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) identity: Arc<Identity>,
    /// The selectors that match it, sorted.
    pub(super) selectors: Vec<PeerId>,
    /// The pods that have it, by their number.
    pub(super) pods: HashSet<u32>,
    pub(super) ingress: Arc<Program>,
    pub(super) egress: Arc<Program>,
}

impl Entry {
    pub(super) fn program(&self, direction: Direction) -> &Arc<Program> {
        match direction {
            Direction::Ingress => &self.ingress,
            Direction::Egress => &self.egress,
        }
    }
}
