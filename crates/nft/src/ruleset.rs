//! A whole ruleset as a value: what our table holds, or shall hold.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

pub use crate::set::{Element, Family, Set, SetKind};

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

/// One rule: what all of its matches hold for is counted, logged and decided.
///
/// A rule has one spelling: matches that others imply (`meta nfproto`, `meta l4proto`) are left out when it
/// is made, texts that are too long are cut, so that what is read back equals what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    matches: Vec<Match>,
    counted: bool,
    log: Option<Log>,
    end: End,
    comment: Option<Name>,
}

/// How a rule ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With the next rule.
    Continue,
    /// With a verdict.
    Verdict(Verdict),
    /// With the verdict that a map has for one of the packet's addresses; with the next rule where it has
    /// none.
    Dispatch {
        /// Which address.
        side: Side,
        /// Of which family; the map's.
        family: Family,
        /// The map.
        map: Name,
    },
}

/// What happens to a packet.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// This base chain is done with it. Later ones still see it.
    Accept,
    /// It is gone.
    Drop,
    /// On with the rule after the `jump`; at the top, as if the chain had ended.
    Return,
    /// On with that chain, and then back.
    Jump(Name),
    /// On with that chain, and not back.
    Goto(Name),
}

/// A copy of the packet's head to user space, by NFLOG.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// What it is tagged with.
    pub prefix: Name,
    /// To which NFLOG group.
    pub group: u16,
    /// How many bytes of the packet; 0 for all.
    pub snaplen: u32,
}

/// A condition on a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Match {
    /// Conntrack's state is one of these.
    State(States),
    /// The packet is of that family.
    Family(Family),
    /// The packet is of that protocol.
    Protocol(u8),
    /// One of its addresses.
    Address(Side, Sense, Addresses),
    /// Destination address, protocol and destination port are an element of the named set.
    Service(Family, Name),
    /// Source and destination address are an element of the named set.
    Pair(Family, Name),
    /// The protocol, which has ports, and the destination port.
    Port(u8, Ports),
    /// It is TCP, and its flags under the mask are, or are not, the value.
    TcpFlags {
        /// Which flags count.
        mask: u8,
        /// Equal or not.
        sense: Sense,
        /// What they are compared with.
        value: u8,
    },
    /// It is ICMPv6 of a type from the first to the last.
    Icmpv6(u8, u8),
}

/// Which end of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes.
    Destination,
}

/// Whether a condition is meant as it stands or the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sense {
    /// As it stands.
    Is,
    /// The other way round.
    IsNot,
}

/// Addresses of one family. A packet of the other family never matches, in either sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// This one.
    One(IpAddr),
    /// Those of a block. Host bits are cut off when the rule is made.
    Prefix(IpNet),
    /// Those of a named set, of addresses or blocks.
    Named(Family, Name),
    /// Those of a set of addresses or blocks that is part of the rule. It must not be empty.
    Anonymous(Arc<Set>),
}

impl Addresses {
    /// Of which family they are.
    pub fn family(&self) -> Family {
        match self {
            Addresses::One(address) => Family::of(*address),
            Addresses::Prefix(prefix) => Family::of(prefix.addr()),
            Addresses::Named(family, _) => *family,
            Addresses::Anonymous(set) => set.kind().family(),
        }
    }
}

/// Destination ports: sorted ranges that neither overlap nor touch. In a rule it must not be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports(Vec<(u16, u16)>);

impl Ports {
    /// One port.
    pub fn one(port: u16) -> Self {
        Ports(vec![(port, port)])
    }

    /// The union of these ranges, both ends included; an empty range counts for nothing.
    pub fn ranges(ranges: impl IntoIterator<Item = (u16, u16)>) -> Self {
        let mut ranges: Vec<_> = ranges.into_iter().filter(|(first, last)| first <= last).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
                Some(_) | None => merged.push((first, last)),
            }
        }
        Ports(merged)
    }

    /// The ranges, in order.
    pub fn as_slice(&self) -> &[(u16, u16)] {
        &self.0
    }

    /// Whether a port is among them.
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&port))
    }
}

/// States of connection tracking, as the kernel's bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct States(pub(crate) u32);

impl States {
    /// Belongs to nothing that conntrack understands.
    pub const INVALID: States = States(1);
    /// Of a flow that has been answered.
    pub const ESTABLISHED: States = States(2);
    /// An error, or a helper's flow, that belongs to another flow.
    pub const RELATED: States = States(4);
    /// Begins a flow.
    pub const NEW: States = States(8);

    /// One of these or one of those.
    pub const fn or(self, other: States) -> States {
        States(self.0 | other.0)
    }

    /// Whether they have a state in common.
    pub const fn meets(self, other: States) -> bool {
        self.0 & other.0 != 0
    }
}

impl Rule {
    /// A rule that does nothing yet.
    pub fn new(matches: impl IntoIterator<Item = Match>) -> Self {
        let matches = spelled_once(matches.into_iter().map(normal).collect());
        Rule { matches, counted: false, log: None, end: End::Continue, comment: None }
    }

    /// Counts packets and bytes.
    pub fn counted(mut self) -> Self {
        self.counted = true;
        self
    }

    /// Copies packets to user space. The prefix is cut to what the kernel takes.
    pub fn logged(mut self, log: Log) -> Self {
        let prefix = text(&log.prefix, LONGEST_PREFIX);
        self.log = Some(Log { prefix, ..log });
        self
    }

    /// Ends with a verdict.
    pub fn verdict(mut self, verdict: Verdict) -> Self {
        self.end = End::Verdict(verdict);
        self
    }

    /// Ends with what the map says of an address.
    pub fn dispatch(mut self, side: Side, family: Family, map: impl Into<Name>) -> Self {
        self.end = End::Dispatch { side, family, map: map.into() };
        self.matches = spelled_once_with(self.matches, Some(family));
        self
    }

    /// Says to the reader of `nft list` what it is. Cut to what fits; control characters and double quotes,
    /// which `nft` has no way to write, are replaced.
    pub fn comment(mut self, comment: &str) -> Self {
        self.comment = (!comment.is_empty()).then(|| text(comment, LONGEST_COMMENT));
        self
    }

    /// Its matches, in order.
    pub fn matches(&self) -> &[Match] {
        &self.matches
    }

    /// Whether it counts.
    pub fn is_counted(&self) -> bool {
        self.counted
    }

    /// Its log.
    pub fn log(&self) -> Option<&Log> {
        self.log.as_ref()
    }

    /// How it ends.
    pub fn end(&self) -> &End {
        &self.end
    }

    /// Its comment.
    pub fn comment_text(&self) -> Option<&str> {
        self.comment.as_deref()
    }
}

impl Match {
    /// The family that it implies.
    pub(crate) fn family(&self) -> Option<Family> {
        match self {
            Match::Address(_, _, addresses) => Some(addresses.family()),
            Match::Service(family, _) | Match::Pair(family, _) => Some(*family),
            Match::State(_)
            | Match::Family(_)
            | Match::Protocol(_)
            | Match::Port(..)
            | Match::TcpFlags { .. }
            | Match::Icmpv6(..) => None,
        }
    }

    /// The protocol that it implies.
    pub(crate) fn protocol(&self) -> Option<u8> {
        match self {
            Match::Port(protocol, _) => Some(*protocol),
            Match::TcpFlags { .. } => Some(TCP),
            Match::Icmpv6(..) => Some(ICMPV6),
            Match::State(_)
            | Match::Family(_)
            | Match::Protocol(_)
            | Match::Address(..)
            | Match::Service(..)
            | Match::Pair(..) => None,
        }
    }
}

/// TCP's number.
pub const TCP: u8 = 6;
/// UDP's number.
pub const UDP: u8 = 17;
/// SCTP's number.
pub const SCTP: u8 = 132;
/// ICMP's number.
pub const ICMP: u8 = 1;
/// ICMPv6's number.
pub const ICMPV6: u8 = 58;

/// The simplest spelling of a match.
fn normal(condition: Match) -> Match {
    match condition {
        Match::Address(_, Sense::Is, Addresses::Prefix(prefix)) if prefix.prefix_len() == 0 => {
            Match::Family(Family::of(prefix.addr()))
        }
        Match::Address(side, sense, addresses) => Match::Address(side, sense, simplest(addresses)),
        Match::State(_)
        | Match::Family(_)
        | Match::Protocol(_)
        | Match::Service(..)
        | Match::Pair(..)
        | Match::Port(..)
        | Match::TcpFlags { .. }
        | Match::Icmpv6(..) => condition,
    }
}

/// A block without host bits; a block or set of one address is that address.
fn simplest(addresses: Addresses) -> Addresses {
    match addresses {
        Addresses::Prefix(prefix) if prefix.prefix_len() == prefix.max_prefix_len() => {
            Addresses::One(prefix.addr())
        }
        Addresses::Prefix(prefix) => Addresses::Prefix(prefix.trunc()),
        Addresses::Anonymous(set) => match set.only() {
            Some(Element::Address(address)) => Addresses::One(address),
            Some(_) | None => Addresses::Anonymous(set),
        },
        Addresses::One(_) | Addresses::Named(..) => addresses,
    }
}

fn spelled_once(matches: Vec<Match>) -> Vec<Match> {
    spelled_once_with(matches, None)
}

/// Without the matches that others imply or repeat.
fn spelled_once_with(matches: Vec<Match>, dispatched: Option<Family>) -> Vec<Match> {
    let families: Vec<Family> = matches.iter().filter_map(Match::family).chain(dispatched).collect();
    let protocols: Vec<u8> = matches.iter().filter_map(Match::protocol).collect();
    let mut kept: Vec<Match> = Vec::with_capacity(matches.len());
    for condition in matches {
        let said = match &condition {
            Match::Family(family) => families.contains(family) || kept.contains(&condition),
            Match::Protocol(protocol) => protocols.contains(protocol) || kept.contains(&condition),
            Match::State(_)
            | Match::Address(..)
            | Match::Service(..)
            | Match::Pair(..)
            | Match::Port(..)
            | Match::TcpFlags { .. }
            | Match::Icmpv6(..) => false,
        };
        if !said {
            kept.push(condition);
        }
    }
    kept
}

/// What fits of a text, with what `nft` can't write replaced.
fn text(text: &str, longest: usize) -> Name {
    let text = text.get(..text.floor_char_boundary(longest)).unwrap_or(text);
    text.chars().map(writable).collect::<String>().into()
}

fn writable(c: char) -> char {
    match c {
        '"' => '\'',
        c if c.is_control() => ' ',
        c => c,
    }
}
