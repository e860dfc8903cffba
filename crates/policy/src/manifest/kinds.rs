//! Which kinds we read, and what looks like one of them.

use super::fields::nearest;

/// A kind that we read, with its group and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// v1.
    Namespace,
    /// v1.
    Node,
    /// v1.
    Pod,
    /// v1.
    Service,
    /// v1.
    ReplicationController,
    /// apps/v1.
    Deployment,
    /// apps/v1.
    ReplicaSet,
    /// apps/v1.
    StatefulSet,
    /// apps/v1.
    DaemonSet,
    /// batch/v1.
    Job,
    /// batch/v1.
    CronJob,
    /// networking.k8s.io/v1.
    NetworkPolicy,
    /// policy.networking.k8s.io/v1alpha2.
    ClusterNetworkPolicy,
    /// policy.networking.k8s.io/v1alpha1.
    AdminNetworkPolicy,
    /// policy.networking.k8s.io/v1alpha1.
    BaselineAdminNetworkPolicy,
}

/// What an object's `apiVersion` and `kind` say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// One that we read.
    Kind(Kind),
    /// A list of objects.
    List,
    /// One that has no part in what we ask.
    Other,
    /// A policy that we don't evaluate (D24).
    Dialect,
    /// One of ours in a version or group that the API server doesn't know.
    Outdated(Kind),
    /// Probably this one was meant.
    Misspelt(&'static str),
}

const KINDS: [(Kind, &str, &str); 15] = [
    (Kind::Namespace, "Namespace", "v1"),
    (Kind::Node, "Node", "v1"),
    (Kind::Pod, "Pod", "v1"),
    (Kind::Service, "Service", "v1"),
    (Kind::ReplicationController, "ReplicationController", "v1"),
    (Kind::Deployment, "Deployment", "apps/v1"),
    (Kind::ReplicaSet, "ReplicaSet", "apps/v1"),
    (Kind::StatefulSet, "StatefulSet", "apps/v1"),
    (Kind::DaemonSet, "DaemonSet", "apps/v1"),
    (Kind::Job, "Job", "batch/v1"),
    (Kind::CronJob, "CronJob", "batch/v1"),
    (Kind::NetworkPolicy, "NetworkPolicy", "networking.k8s.io/v1"),
    (Kind::ClusterNetworkPolicy, "ClusterNetworkPolicy", "policy.networking.k8s.io/v1alpha2"),
    (Kind::AdminNetworkPolicy, "AdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1"),
    (Kind::BaselineAdminNetworkPolicy, "BaselineAdminNetworkPolicy", "policy.networking.k8s.io/v1alpha1"),
];

/// Kinds of the same groups that are no misspelling of ours.
const OTHERS: [&str; 12] = [
    "Secret",
    "PodTemplate",
    "Endpoints",
    "Event",
    "Binding",
    "ConfigMap",
    "Scale",
    "Ingress",
    "IngressClass",
    "ServiceCIDR",
    "ServiceAccount",
    "ControllerRevision",
];

const DIALECTS: [&str; 4] = ["projectcalico.org", "crd.projectcalico.org", "cilium.io", "crd.antrea.io"];

/// Groups that these kinds are in or once were in.
const OUR_GROUPS: [&str; 6] =
    ["", "apps", "batch", "extensions", "networking.k8s.io", "policy.networking.k8s.io"];

impl Kind {
    /// As `kind:` spells it.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }

    /// As `apiVersion:` spells it.
    pub fn api_version(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(.., version)| version)
    }

    /// Whether its objects are in a namespace.
    pub fn is_namespaced(self) -> bool {
        match self {
            Kind::Namespace | Kind::Node | Kind::ClusterNetworkPolicy => false,
            Kind::AdminNetworkPolicy | Kind::BaselineAdminNetworkPolicy => false,
            Kind::Pod | Kind::Service | Kind::NetworkPolicy | Kind::ReplicationController => true,
            Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet => true,
            Kind::Job | Kind::CronJob => true,
        }
    }

    /// Whether it is a policy: what nobody reads in it changes its meaning.
    pub fn is_policy(self) -> bool {
        match self {
            Kind::NetworkPolicy | Kind::ClusterNetworkPolicy => true,
            Kind::AdminNetworkPolicy | Kind::BaselineAdminNetworkPolicy => true,
            Kind::Namespace | Kind::Node | Kind::Pod | Kind::Service | Kind::ReplicationController => false,
            Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet => false,
            Kind::Job | Kind::CronJob => false,
        }
    }

    /// The kind of this name, whatever its group.
    pub(super) fn named(name: &str) -> Option<Kind> {
        KINDS.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind)
    }
}

/// What these two words mean together.
pub(super) fn known(api_version: &str, kind: &str) -> Known {
    let group = api_version.rsplit_once('/').map_or("", |(group, _)| group);
    let exact = KINDS.iter().find(|(_, name, version)| *name == kind && *version == api_version);
    if let Some((kind, ..)) = exact {
        return Known::Kind(*kind);
    }
    if DIALECTS.contains(&group) {
        return if is_policy_name(kind) { Known::Dialect } else { Known::Other };
    }
    let is_ours = OUR_GROUPS.contains(&group);
    if api_version == "v1" && kind == "List" || is_ours && is_list_of_ours(kind) {
        return Known::List;
    }
    match Kind::named(kind) {
        Some(known) if is_ours || known.is_policy() => return Known::Outdated(known),
        Some(_) => return Known::Other,
        None => (),
    }
    if OTHERS.contains(&kind) {
        return Known::Other;
    }
    match misspelt(kind) {
        Some(meant) if is_ours || meant.ends_with("NetworkPolicy") => Known::Misspelt(meant),
        Some(_) | None => Known::Other,
    }
}

fn is_list_of_ours(kind: &str) -> bool {
    kind.strip_suffix("List").is_some_and(|of| Kind::named(of).is_some())
}

fn is_policy_name(kind: &str) -> bool {
    kind.ends_with("NetworkPolicy") || kind.ends_with("NetworkPolicyList")
}

/// One of our kinds, written with spaces or dashes, in another case, in the plural, or a letter or two off.
fn misspelt(kind: &str) -> Option<&'static str> {
    let names = KINDS.map(|(_, name, _)| name);
    let letters: String = kind.chars().filter(|letter| letter.is_alphanumeric()).collect();
    let folded = letters.to_lowercase();
    let singular = folded.strip_suffix("ies").map(|stem| format!("{stem}y"));
    let singular = singular.or_else(|| folded.strip_suffix('s').map(str::to_owned));
    let is_same = |name: &&&str| {
        let name = name.to_lowercase();
        name == folded || singular.as_ref().is_some_and(|singular| *singular == name)
    };
    names.iter().find(is_same).copied().or_else(|| nearest(&letters, &names))
}
