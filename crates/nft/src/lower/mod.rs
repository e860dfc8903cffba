//! Programs to rules: what one node enforces, as a value.
//!
//! Nothing is decided here; a program says what happens, this module spells it. The shape, for each node:
//!
//! ```text
//! forward, first:  established? ─► accept    source address ─► its egress chain
//! forward, second: established? ─► accept    destination address ─► its ingress chain
//! input:           established? ─► accept    source address ─► its egress chain   (a pod to its node, D7)
//! ```
//!
//! `output` is never hooked, so what the node itself sends passes (D6). Only the node's own pods have
//! chains. Sets and chains are named by a hash of what they mean, so that a program that changes is a new
//! chain and a set that only gains members keeps its name.

mod chain;
mod sets;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use policy::index::Index;
use policy::model::{Direction, Endpoint, RuleId, Text};
use policy::program::Program;

use crate::ruleset::{
    Base, Chain, Element, Family, Hook, Match, Name, Rule, Ruleset, Set, SetKind, Side, States, Verdict,
    VerdictMap,
};

use chain::Chains;

/// The NFLOG group that denied packets are copied to.
pub const LOG_GROUP: u16 = 7437;

/// The chain that drops, and counts, packets of no known flow (D20).
pub const STRAY_CHAIN: &str = "stray";

/// How much of a denied packet is copied: enough for the headers of every protocol we name.
pub(crate) const LOG_BYTES: u32 = 128;

/// Before what others hook at priority 0, and egress before ingress.
const EGRESS_PRIORITY: i32 = -10;
const INGRESS_PRIORITY: i32 = -9;

const PREFIX: &str = "portcullis ";

/// What `node` enforces for its own pods.
pub fn lower(index: &Index, node: &str) -> Ruleset {
    let pods: Vec<Pod<'_>> = index.pods_on(Some(node)).filter_map(|pod| Pod::of(index, pod)).collect();
    let mut chains = Chains::new(index);
    let mut maps = BTreeMap::new();
    for family in Family::BOTH {
        for direction in [Direction::Egress, Direction::Ingress] {
            let entries =
                pods.iter().flat_map(|pod| pod.addresses_of(family).map(move |address| (address, pod)));
            let entries = entries
                .map(|(address, pod)| (address, Verdict::Goto(chains.entry(pod.program(direction), family))))
                .collect();
            maps.insert(map_name(direction, family), VerdictMap { family, entries });
        }
    }
    let (mut sets, mut chains) = chains.finish();
    for family in Family::BOTH {
        let own = pods
            .iter()
            .flat_map(|pod| pod.addresses_of(family))
            .map(|address| Element::Pair(address, address));
        sets.insert(own_set(family), Arc::new(Set::collect(SetKind::Pair(family), own)));
    }
    chains.extend(base_chains());
    Ruleset { sets, maps, chains }
}

/// What each node enforces, by its name.
pub fn lower_all(index: &Index) -> BTreeMap<Text, Ruleset> {
    index.nodes().into_iter().map(|node| (node.clone(), lower(index, node))).collect()
}

/// The tag of the log entries of a rule's denials.
pub fn log_prefix(rule: RuleId) -> String {
    format!("{PREFIX}{rule}")
}

/// The rule that a log entry with this tag is about; `None` where the tag isn't ours.
pub fn logged_rule(prefix: &str) -> Option<RuleId> {
    prefix.strip_prefix(PREFIX)?.trim_end().parse().ok()
}

/// A pod of this node that some policy is about.
struct Pod<'a> {
    addresses: Vec<IpAddr>,
    egress: &'a Arc<Program>,
    ingress: &'a Arc<Program>,
}

impl<'a> Pod<'a> {
    fn of(index: &'a Index, pod: &'a Endpoint) -> Option<Self> {
        let egress = index.program(&pod.id, Direction::Egress)?;
        let ingress = index.program(&pod.id, Direction::Ingress)?;
        let own = |address: &IpAddr| index.owner(*address).is_some_and(|owner| owner.id == pod.id);
        let addresses = pod.addresses.iter().copied().filter(own).collect();
        let policed = !egress.is_empty() || !ingress.is_empty();
        policed.then_some(Pod { addresses, egress, ingress })
    }

    fn program(&self, direction: Direction) -> &'a Arc<Program> {
        match direction {
            Direction::Egress => self.egress,
            Direction::Ingress => self.ingress,
        }
    }

    fn addresses_of(&self, family: Family) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().copied().filter(move |address| Family::of(address) == family)
    }
}

fn base_chains() -> impl Iterator<Item = (Name, Arc<Chain>)> {
    let chains = [
        ("egress", Hook::Forward, EGRESS_PRIORITY, Direction::Egress),
        ("ingress", Hook::Forward, INGRESS_PRIORITY, Direction::Ingress),
        ("egress_to_node", Hook::Input, EGRESS_PRIORITY, Direction::Egress),
    ];
    chains.into_iter().map(|(name, hook, priority, direction)| {
        let base = Some(Base { hook, priority });
        (name.into(), Arc::new(Chain { base, rules: dispatch(direction) }))
    })
}

/// One look-up by address, whatever the number of pods. IPv4 first: its packets never ask the rest.
fn dispatch(direction: Direction) -> Vec<Rule> {
    let side = match direction {
        Direction::Egress => Side::Source,
        Direction::Ingress => Side::Destination,
    };
    let look_up = |family| Rule::new([]).dispatch(side, family, map_name(direction, family));
    vec![
        Rule::new([Match::State(States::ESTABLISHED.or(States::RELATED))]).verdict(Verdict::Accept),
        look_up(Family::V4),
        Rule::new([Match::Icmpv6(133, 137)]).verdict(Verdict::Accept).comment("neighbour discovery"),
        look_up(Family::V6),
    ]
}

fn map_name(direction: Direction, family: Family) -> Name {
    format!("{direction}_{}", suffix(family)).into()
}

/// The set of (address, address) of the node's own pods: a pod that reaches itself through its Service (D5).
fn own_set(family: Family) -> Name {
    format!("own_{}", suffix(family)).into()
}

fn suffix(family: Family) -> &'static str {
    match family {
        Family::V4 => "v4",
        Family::V6 => "v6",
    }
}
