//! A whole ruleset as a value: what our table holds, or shall hold.

mod matches;
mod rule;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

pub use crate::set::{Element, Family, Set, SetKind};
pub use matches::{Addresses, ICMP, ICMPV6, Match, Ports, SCTP, Sense, Side, States, TCP, UDP};
pub use rule::{End, Log, Rule, Verdict};

/// The name of a chain, a set or a map; or a text of a rule. Cheap to clone.
pub type Name = Arc<str>;

/// The name of our table, of family `inet`.
pub const TABLE: &str = "portcullis";
/// The longest comment a rule can carry, in bytes.
pub const LONGEST_COMMENT: usize = 128;
/// The longest log prefix, in bytes.
pub const LONGEST_PREFIX: usize = 127;

/// All that our table holds. `Display` writes it as `nft -f` reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ruleset {
    /// Named sets. Shared, so that a ruleset that differs in one element shares the others.
    pub sets: BTreeMap<Name, Arc<Set>>,
    /// Dispatch maps, from an address to a chain.
    pub maps: BTreeMap<Name, VerdictMap>,
    /// Chains, hooked and not.
    pub chains: BTreeMap<Name, Arc<Chain>>,
}

/// A map from addresses of one family to verdicts, which a rule looks up (`vmap`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerdictMap {
    /// The family of its keys.
    pub family: Family,
    /// Its entries, all of that family.
    pub entries: BTreeMap<IpAddr, Verdict>,
}

/// A list of rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Where packets enter it from the kernel; `None` where only other chains lead to it.
    pub base: Option<Base>,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
}

/// Where a base chain is hooked. What passes its end is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Base {
    /// The place.
    pub hook: Hook,
    /// Lower comes first. Accepting in one chain doesn't skip the next.
    pub priority: i32,
}

/// The places in a packet's way that we use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hook {
    /// From one network to another, through the node.
    Forward,
    /// To the node itself.
    Input,
}
