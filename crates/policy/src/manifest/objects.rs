//! What files hold, before it is a cluster.

use indexmap::{IndexMap, IndexSet};

use super::kinds::Kind;
use super::pods::{Pod, Workload};
use crate::model::{Namespace, Node, Policy, PolicyId, Service, Text};

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
    pub(super) unreadable: IndexSet<PolicyId>,
}

impl Objects {
    /// Lays `later` over these: an object of the same name is replaced where it stands, others are added.
    pub fn overlay(&mut self, later: Objects) {
        for id in later.all.keys() {
            self.unreadable.retain(|policy| !is_same(id, policy));
        }
        self.all.extend(later.all);
        self.unreadable.extend(later.unreadable);
    }

    /// Policies of which a part could not be read and is closed instead (D14).
    pub fn unreadable(&self) -> impl Iterator<Item = &PolicyId> {
        self.unreadable.iter()
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
