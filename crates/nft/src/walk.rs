//! The way of a flow through the rulesets of all nodes it passes: what a cluster would do to it, decided
//! without a kernel.

use std::collections::BTreeMap;
use std::net::IpAddr;

use policy::index::Index;
use policy::model::{Flow, Path, RuleId, Text};

use crate::lower::logged_rule;
use crate::ruleset::{Hook, Ruleset};
use crate::trace::{Fate, Packet};

/// What becomes of a flow's first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Walk {
    /// Every node let it pass.
    Arrived,
    /// A node dropped it.
    Dropped {
        /// Which one.
        node: Text,
        /// By which rule; `None` where the drop names none.
        rule: Option<RuleId>,
    },
}

/// Where an address is.
#[derive(Clone, Copy, PartialEq)]
enum Place<'a> {
    /// A pod's, on a node.
    Pod(&'a str),
    /// A node's own.
    Node(&'a str),
    Outside,
}

/// Sends the first packet of `flow` on its way. A node without a ruleset drops nothing.
pub fn walk(index: &Index, rulesets: &BTreeMap<Text, Ruleset>, flow: &Flow) -> Walk {
    if flow.source == flow.destination && flow.path == Path::Direct {
        return Walk::Arrived;
    }
    for (node, hook) in hops(place(index, flow.source), place(index, flow.destination)) {
        let opening = Packet::opening(flow.source, flow.destination, flow.protocol.number(), flow.port);
        let Some((node, ruleset)) = rulesets.get_key_value(node) else { continue };
        match ruleset.trace(&Packet { hook, ..opening }).fate {
            Fate::Accepted => (),
            Fate::Dropped { prefix, .. } => {
                let rule = prefix.and_then(|prefix| logged_rule(&prefix));
                return Walk::Dropped { node: node.clone(), rule };
            }
        }
    }
    Walk::Arrived
}

fn place(index: &Index, address: IpAddr) -> Place<'_> {
    match (index.owner(address), index.node_at(address)) {
        (Some(pod), _) => pod.node.as_deref().map_or(Place::Outside, Place::Pod),
        (None, Some(node)) => Place::Node(node),
        (None, None) => Place::Outside,
    }
}

/// The nodes whose rules see the packet, in order. What a node's own stack sends leaves by `output`, which
/// nobody hooks (D6); what is for the stack comes in by `input` (D7).
fn hops<'a>(source: Place<'a>, destination: Place<'a>) -> Vec<(&'a str, Hook)> {
    let hook = |node: &str| if destination == Place::Node(node) { Hook::Input } else { Hook::Forward };
    let first = match source {
        Place::Pod(node) => Some(node),
        Place::Node(_) | Place::Outside => None,
    };
    let last = match destination {
        Place::Pod(node) | Place::Node(node) => {
            (![Place::Pod(node), Place::Node(node)].contains(&source)).then_some(node)
        }
        Place::Outside => None,
    };
    first.into_iter().chain(last).map(|node| (node, hook(node))).collect()
}
