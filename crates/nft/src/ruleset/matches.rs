//! Conditions on a packet.

use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;

use super::{Element, Family, Name, Set};

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
            Addresses::One(address) => Family::of(address),
            Addresses::Prefix(prefix) => Family::of(&prefix.addr()),
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
pub(super) fn normal(condition: Match) -> Match {
    match condition {
        Match::Address(_, Sense::Is, Addresses::Prefix(prefix)) if prefix.prefix_len() == 0 => {
            Match::Family(Family::of(&prefix.addr()))
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
