//! Programs to rules: what one node enforces, as a value.
//!
//! Nothing is decided here; a program says what happens, this module spells it. The shape, for each node:
//!
//! ```text
//! forward: established? ─► accept
//!          of no known flow? ─► dropped, at pods that have a program (D20)
//!          source address ─► its egress chain: drop, or return
//!          destination address ─► its ingress chain: drop, or accept
//! input:   the same without the last               (a pod to its own node, D7)
//! ```
//!
//! What egress allows returns to the base chain and goes on to ingress, so that allowing one never skips the
//! other; one base chain does for both, because every packet of every flow pays for each that there is.
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
    Addresses, Base, Chain, Element, Family, Hook, Match, Name, Rule, Ruleset, Sense, Set, SetKind, Side,
    States, Verdict, VerdictMap,
};

use crate::trace::SYN;

use chain::Chains;

/// The NFLOG group that denied packets are copied to.
pub const LOG_GROUP: u16 = 7437;

/// The chain that drops, and counts, packets of no known flow (D20).
pub const STRAY_CHAIN: &str = "stray";

/// The chain that asks whether a packet of no known flow is any of ours.
const SUSPECT_CHAIN: &str = "suspects";

/// How much of a denied packet is copied: enough for the headers of every protocol we name.
pub(crate) const LOG_BYTES: u32 = 128;

/// Before what others hook at priority 0.
const PRIORITY: i32 = -10;

const PREFIX: &str = "portcullis ";

/// What `node` enforces for its own pods.
pub fn lower(index: &Index, node: &str) -> Ruleset {
    let pods: Vec<Pod<'_>> = index.pods_on(Some(node)).filter_map(|pod| Pod::of(index, pod)).collect();
    let mut chains = Chains::new(index);
    let mut maps = BTreeMap::new();
    for family in Family::BOTH {
        for direction in [Direction::Egress, Direction::Ingress] {
            let speaking = pods.iter().filter(|pod| !pod.program(direction).is_empty());
            let entries =
                speaking.flat_map(|pod| pod.addresses_of(family).map(move |address| (address, pod)));
            let entries = entries
                .map(|(address, pod)| {
                    (address, enter(direction, chains.entry(pod.program(direction), family)))
                })
                .collect();
            maps.insert(map_name(direction, family), VerdictMap { family, entries });
        }
    }
    let (mut sets, mut chains) = chains.finish();
    for family in Family::BOTH {
        let addresses = || pods.iter().flat_map(|pod| pod.addresses_of(family));
        let own = addresses().map(|address| Element::Pair(address, address));
        sets.insert(own_set(family), Arc::new(Set::collect(SetKind::Pair(family), own)));
        let policed = addresses().map(Element::Address);
        sets.insert(policed_set(family), Arc::new(Set::collect(SetKind::Address(family), policed)));
    }
    chains.insert(SUSPECT_CHAIN.into(), Arc::new(suspects()));
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

/// Egress comes back and goes on to ingress; after ingress there is nothing more to ask.
fn enter(direction: Direction, chain: Name) -> Verdict {
    match direction {
        Direction::Egress => Verdict::Jump(chain),
        Direction::Ingress => Verdict::Goto(chain),
    }
}

fn base_chains() -> impl Iterator<Item = (Name, Arc<Chain>)> {
    let chains = [
        ("forward", Hook::Forward, [Direction::Egress, Direction::Ingress].as_slice()),
        ("input", Hook::Input, [Direction::Egress].as_slice()),
    ];
    chains.into_iter().map(|(name, hook, directions)| {
        let base = Some(Base { hook, priority: PRIORITY });
        (name.into(), Arc::new(Chain { base, rules: dispatch(directions) }))
    })
}

/// One look-up by address for each direction, whatever the number of pods.
fn dispatch(directions: &[Direction]) -> Vec<Rule> {
    let suspects = || Verdict::Jump(SUSPECT_CHAIN.into());
    let mut rules = vec![
        Rule::new([Match::State(States::ESTABLISHED.or(States::RELATED))]).verdict(Verdict::Accept),
        Rule::new([Match::TcpFlags { mask: SYN, sense: Sense::IsNot, value: SYN }]).verdict(suspects()),
        Rule::new([Match::Icmpv6(133, 137)]).verdict(Verdict::Accept).comment("neighbour discovery"),
        Rule::new([Match::State(States::INVALID)]).verdict(suspects()),
    ];
    for family in Family::BOTH {
        for direction in directions {
            rules.push(Rule::new([]).dispatch(
                subject_side(*direction),
                family,
                map_name(*direction, family),
            ));
        }
    }
    rules
}

/// Packets of no known flow are dropped at pods that have a program in either direction (D20).
fn suspects() -> Chain {
    let stray = |side, family| {
        let policed = Match::Address(side, Sense::Is, Addresses::Named(family, policed_set(family)));
        Rule::new([policed]).verdict(Verdict::Goto(STRAY_CHAIN.into()))
    };
    let rules = Family::BOTH
        .into_iter()
        .flat_map(|family| [Side::Source, Side::Destination].map(|side| stray(side, family)));
    Chain { base: None, rules: rules.collect() }
}

/// At which end of a packet the pod is that a program of `direction` is about.
fn subject_side(direction: Direction) -> Side {
    match direction {
        Direction::Egress => Side::Source,
        Direction::Ingress => Side::Destination,
    }
}

fn map_name(direction: Direction, family: Family) -> Name {
    format!("{direction}_{}", suffix(family)).into()
}

/// The set of (address, address) of the node's own pods: a pod that reaches itself through its Service (D5).
fn own_set(family: Family) -> Name {
    format!("own_{}", suffix(family)).into()
}

/// The addresses of the node's own pods that have a program in either direction.
fn policed_set(family: Family) -> Name {
    format!("policed_{}", suffix(family)).into()
}

fn suffix(family: Family) -> &'static str {
    match family {
        Family::V4 => "v4",
        Family::V6 => "v6",
    }
}
