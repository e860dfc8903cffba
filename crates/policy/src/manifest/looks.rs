//! What of a NetworkPolicy is written so that it may be taken for the reverse. Whether it matters is the
//! analysis' to say.

use super::tree::{Node, Value};
use crate::model::{Direction, Look};

/// All of it, in the order of the fields.
pub(super) fn looks(policy: &Node<'_>) -> Vec<Look> {
    let Some(spec) = policy.get("spec") else { return Vec::new() };
    let mut looks = Vec::new();
    if items(spec.get("policyTypes")).is_empty() {
        match (spec.get("egress").map(|egress| items(Some(egress)).is_empty()), spec.get("ingress")) {
            (Some(true), _) => looks.push(Look::EgressIgnored),
            (Some(false), None) => looks.push(Look::IngressImplied),
            (Some(false), Some(_)) | (None, _) => (),
        }
    }
    for (direction, field, peers) in
        [(Direction::Ingress, "ingress", "from"), (Direction::Egress, "egress", "to")]
    {
        for (index, rule) in items(spec.get(field)).iter().enumerate() {
            if is_empty_list(rule.get(peers)) {
                looks.push(Look::EmptyPeers(direction, index));
            }
        }
    }
    looks
}

fn items<'n, 'a>(node: Option<&'n Node<'a>>) -> &'n [Node<'a>] {
    match node.map(|node| &node.value) {
        Some(Value::List(items)) => items,
        Some(_) | None => &[],
    }
}

fn is_empty_list(node: Option<&Node<'_>>) -> bool {
    matches!(node.map(|node| &node.value), Some(Value::List(items)) if items.is_empty())
}
