//! The facts of a cluster and its policies, as plain values.
//!
//! Everything here is what `manifest` made of the files (or a watch): defaults are filled in, empty lists
//! have become either everyone or no one, and nothing refers to Kubernetes' spelling any more.

mod cluster;
mod flow;
mod labels;
mod policy;
mod selector;

pub use cluster::{
    About, Cluster, ContainerPort, Endpoint, EndpointId, Host, Ignore, Look, Namespace, Node, Note, Phase,
    Service, ServiceId, ServicePort, TargetPort, Workload,
};
pub use flow::{Direction, Family, Flow, Path, Protocol};
pub use labels::Labels;
pub use policy::{
    Action, Block, Origin, Peer, Peers, Policy, PolicyId, PolicyKind, Port, Ports, Rule, RuleId, Tier,
};
pub use selector::{Attribute, Selector};

/// A name, label key or label value. Cheap to clone, so that 100,000 pods of one template share theirs.
pub type Text = std::sync::Arc<str>;

/// The label the API server puts on every namespace, with the namespace's name as its value (N19).
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";
