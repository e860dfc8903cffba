//! What every object has: name, namespace, labels, origin.

use super::fields::{Context, Unknown};
use super::kinds::Kind;
use super::labels::labels;
use super::names::{is_dns_label, is_subdomain};
use super::tree::{Node, Span, Value, get};
use crate::model::{Ignore, Labels, Origin, Text};

const FIELDS: [&str; 15] = [
    "name",
    "namespace",
    "labels",
    "annotations",
    "ownerReferences",
    "generateName",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "finalizers",
    "managedFields",
];

/// The one annotation that is read: findings of `check` that are known, with reasons.
const IGNORE: &str = "portcullis.dev/ignore";

/// Who an object is.
#[derive(Clone, Debug)]
pub(super) struct Metadata {
    pub(super) name: Text,
    /// `default` where an object that has one names none (D23); `None` for those of the whole cluster.
    pub(super) namespace: Option<Text>,
    pub(super) labels: Labels,
    pub(super) origin: Origin,
    /// Where its name stands.
    pub(super) name_at: Span,
    pub(super) is_deleted: bool,
    pub(super) controller: Option<Owner>,
    pub(super) ignore: Option<Ignore>,
}

/// What made an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Owner {
    pub(super) kind: Text,
    pub(super) name: Text,
}

/// `None` where it has no name to be known by; that is reported.
pub(super) fn metadata<'a>(context: &mut Context<'_, 'a>, object: &Node<'a>, kind: Kind) -> Option<Metadata> {
    let Some(node) = object.get("metadata") else {
        no_name(context, object, kind);
        return None;
    };
    let unknown = if kind.is_policy() { Unknown::Error } else { Unknown::NearMiss };
    let entries = context.map(node, "metadata", &FIELDS, unknown)?;
    let namespace = namespace(context, get(entries, "namespace"), kind);
    let labels = labels(context, get(entries, "labels"));
    let ignore = annotations(context, get(entries, "annotations"));
    let Some(name_node) = get(entries, "name") else {
        no_name(context, node, kind);
        return None;
    };
    let name = context.text(Some(name_node), "name")?;
    check_name(context, name, &name_node.at, kind);
    Some(Metadata {
        // mostly it is nobody else's
        name: Text::from(name),
        namespace,
        labels,
        origin: context.file.origin(object.at.start),
        name_at: name_node.at.clone(),
        is_deleted: get(entries, "deletionTimestamp").is_some(),
        controller: controller(context, get(entries, "ownerReferences")),
        ignore,
    })
}

fn no_name<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, kind: Kind) {
    let help = "write `metadata: {name: ...}`".to_owned();
    context.error("PC114", &first_line(context, node), format!("the {} has no name", kind.name()), help);
}

/// The start of a map is enough to point at.
fn first_line(context: &Context<'_, '_>, node: &Node<'_>) -> Span {
    let text = context.file.text.get(node.at.clone()).unwrap_or_default();
    node.at.start..node.at.start + text.lines().next().unwrap_or_default().len()
}

fn check_name(context: &mut Context<'_, '_>, name: &str, at: &Span, kind: Kind) {
    let (is_valid, help) = match kind {
        Kind::Namespace => (is_dns_label(name), "lower case letters, digits and `-`, at most 63"),
        Kind::Service => (is_dns_label(name), "lower case letters, digits and `-`, at most 63"),
        Kind::Node
        | Kind::Pod
        | Kind::ReplicationController
        | Kind::Deployment
        | Kind::ReplicaSet
        | Kind::StatefulSet
        | Kind::DaemonSet
        | Kind::Job
        | Kind::CronJob
        | Kind::NetworkPolicy
        | Kind::ClusterNetworkPolicy
        | Kind::AdminNetworkPolicy
        | Kind::BaselineAdminNetworkPolicy => {
            (is_subdomain(name), "lower case letters, digits, `-` and `.`, at most 253")
        }
    };
    if !is_valid {
        context.error(
            "PC105",
            at,
            format!("`{name}` can't be the name of a {}", kind.name()),
            help.to_owned(),
        );
    }
}

fn namespace<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>, kind: Kind) -> Option<Text> {
    let name = context.text(node, "namespace");
    match (kind.is_namespaced(), node, name) {
        (false, Some(node), Some(_)) => {
            let title = format!("a {} belongs to the whole cluster, not to a namespace", kind.name());
            context.error("PC106", &node.at, title, "leave `namespace` out".to_owned());
            None
        }
        (false, _, _) => None,
        (true, Some(node), Some(name)) => {
            if !is_dns_label(name) {
                let help = "lower case letters, digits and `-`, at most 63".to_owned();
                context.error("PC106", &node.at, format!("`{name}` can't be a namespace"), help);
            }
            Some(context.intern(name))
        }
        (true, _, _) => Some(context.intern("default")),
    }
}

/// Nobody here reads the others, but the API server rejects values that are no strings.
fn annotations<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>) -> Option<Ignore> {
    let mut ignore = None;
    for entry in node.and_then(|node| context.any_map(node, "annotations")).unwrap_or_default() {
        let what = format!("annotation {}", entry.key);
        if matches!(entry.value.value, Value::Null) {
            continue;
        }
        let text = context.text(Some(&entry.value), &what);
        if let Some(text) = text.filter(|_| entry.key == IGNORE) {
            let origin = context.file.origin(entry.key_at.start);
            ignore = Some(Ignore { text: Text::from(text), origin });
        }
    }
    ignore
}

fn controller<'a>(context: &mut Context<'_, 'a>, node: Option<&Node<'a>>) -> Option<Owner> {
    let owners = context.list(node, "ownerReferences");
    let is_controller = |owner: &&Node<'a>| {
        owner.get("controller").is_some_and(|value| matches!(value.value, Value::Bool(true)))
    };
    let owner = owners.iter().find(is_controller)?;
    let kind = context.text(owner.get("kind"), "kind")?;
    let name = context.text(owner.get("name"), "name")?;
    Some(Owner { kind: context.intern(kind), name: context.intern(name) })
}
