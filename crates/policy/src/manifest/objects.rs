//! What files hold, before it is a cluster.

use indexmap::IndexMap;

use super::doubt::Doubt;
use super::kinds::Kind;
use super::pods::{Pod, Workload};
use crate::model::{Namespace, Node, Note, Origin, Policy, PolicyId, Service, Text};

/// Which object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ObjectId {
    /// What it is.
    pub kind: Kind,
    /// Where it is; `None` for kinds of the whole cluster.
    pub namespace: Option<Text>,
    /// Its name.
    pub name: Text,
}

/// One object.
#[derive(Clone, Debug)]
pub(super) enum Object {
    Namespace(Namespace),
    Node(Node),
    Pod(Pod),
    Workload(Workload),
    Service(Service),
    Policy(Box<Policy>),
}

/// Objects by their names, in the order of the manifests.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    pub(super) all: IndexMap<ObjectId, Object, hashbrown::DefaultHashBuilder>,
    pub(super) notes: IndexMap<ObjectId, Note>,
    pub(super) unreadable: IndexMap<PolicyId, Box<Doubt>>,
    pub(super) unreadable_namespaces: IndexMap<Text, Origin>,
}

impl Objects {
    /// Lays `later` over these: an object of the same name is replaced where it stands, others are added.
    pub fn overlay(&mut self, later: Objects) {
        for id in later.all.keys() {
            self.notes.swap_remove(id);
            self.unreadable.retain(|policy, _| !is_same(id, policy));
            self.unreadable_namespaces.retain(|name, _| id.kind != Kind::Namespace || id.name != *name);
        }
        self.all.extend(later.all);
        self.notes.extend(later.notes);
        self.unreadable.extend(later.unreadable);
        self.unreadable_namespaces.extend(later.unreadable_namespaces);
    }

    /// Policies of which a part could not be read.
    pub fn unreadable(&self) -> impl Iterator<Item = &PolicyId> {
        self.unreadable.keys()
    }

    /// Which objects there are.
    pub fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.all.keys()
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}

fn is_same(id: &ObjectId, policy: &PolicyId) -> bool {
    id.kind.name() == policy.kind.to_string() && id.namespace == policy.namespace && id.name == policy.name
}

/// `Deployment shop/web`, `Node worker`.
impl std::fmt::Display for ObjectId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind.name(), self.name),
            None => write!(f, "{} {}", self.kind.name(), self.name),
        }
    }
}
