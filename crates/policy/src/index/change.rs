//! What may happen to a cluster, and what differs then.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::Identity;
use crate::model::{Endpoint, EndpointId, Namespace, Node, Policy, PolicyId, Text};
use crate::program::PeerId;

/// One object came, changed or went.
#[derive(Clone, Debug)]
pub enum Change {
    /// Came or changed.
    Namespace(Namespace),
    /// Went. Objects in it, if there are any, see it with no label but its name (D23).
    NamespaceGone(Text),
    /// Came or changed.
    Node(Node),
    /// Went.
    NodeGone(Text),
    /// Came or changed.
    Endpoint(Box<Endpoint>),
    /// Went.
    EndpointGone(EndpointId),
    /// Came or changed.
    Policy(Box<Policy>),
    /// Went.
    PolicyGone(PolicyId),
}

/// What differs after some changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Identities that are new.
    pub identities_come: BTreeSet<Arc<Identity>>,
    /// Identities that no pod has any more.
    pub identities_gone: BTreeSet<Arc<Identity>>,
    /// Sets of peers whose members differ.
    pub peers: BTreeMap<PeerId, Members>,
    /// Addresses that belong to another pod now, to one that is new, or to none any more.
    pub addresses: BTreeSet<IpAddr>,
    /// Pods whose program differs, in either direction; also those that came or went with one.
    pub programs: BTreeSet<EndpointId>,
}

/// Addresses that came to a set or left it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// In it now.
    pub come: BTreeSet<IpAddr>,
    /// No longer in it.
    pub gone: BTreeSet<IpAddr>,
}

impl Delta {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Delta::default()
    }
}
