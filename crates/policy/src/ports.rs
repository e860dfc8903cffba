//! Sets of protocols and destination ports, and what a program allows as one.

use std::fmt;

use crate::model::{Action, Protocol, Tier};
use crate::program::{Clause, Fallback, Party, PortList, PortMatch, Program, Stage, is_named};

/// Protocols and destination ports: ranges of the three protocols that have ports, from 1 on, and whether
/// all other protocols are in it. No policy tells two other protocols apart.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortSet {
    ranges: Vec<(Protocol, u16, u16)>,
    other: bool,
}

impl PortSet {
    /// Every protocol and port.
    pub fn all() -> Self {
        let ranges = Protocol::WITH_PORTS.map(|protocol| (protocol, 1, u16::MAX)).to_vec();
        PortSet { ranges, other: true }
    }

    /// The ports of these ranges, both ends included.
    pub fn of(ranges: impl IntoIterator<Item = (Protocol, u16, u16)>) -> Self {
        let ranges = ranges.into_iter().map(|(protocol, from, to)| (protocol, from.max(1), to));
        let ranges: Vec<_> = ranges.filter(|(_, from, to)| from <= to).collect();
        PortSet { ranges: PortList::new(ranges, Vec::new()).ranges, other: false }
    }

    /// What has no ports: ICMP and the rest.
    pub fn without_ports() -> Self {
        PortSet { ranges: Vec::new(), other: true }
    }

    /// Sorted, and apart from each other.
    pub fn ranges(&self) -> &[(Protocol, u16, u16)] {
        &self.ranges
    }

    /// Whether protocols without ports are in it.
    pub fn has_other(&self) -> bool {
        self.other
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && !self.other
    }

    /// Whether a port is in it; of a protocol without ports, whichever port is asked for.
    pub fn contains(&self, protocol: Protocol, port: u16) -> bool {
        match protocol {
            Protocol::Other(_) => self.other,
            Protocol::Tcp | Protocol::Udp | Protocol::Sctp => {
                self.ranges.iter().any(|(of, from, to)| *of == protocol && (*from..=*to).contains(&port))
            }
        }
    }

    /// What is in this or in the other.
    pub fn or(&self, more: &PortSet) -> Self {
        let ranges = self.ranges.iter().chain(&more.ranges).copied();
        PortSet { other: self.other || more.other, ..PortSet::of(ranges) }
    }

    /// What is in both.
    pub fn and(&self, also: &PortSet) -> Self {
        let meet = |(of, from, to): (Protocol, u16, u16)| {
            let same = also.ranges.iter().filter(move |there| there.0 == of);
            same.map(move |there| (of, from.max(there.1), to.min(there.2)))
        };
        let ranges = self.ranges.iter().copied().flat_map(meet);
        PortSet { other: self.other && also.other, ..PortSet::of(ranges) }
    }

    /// What is in this and not in the other.
    pub fn without(&self, less: &PortSet) -> Self {
        if less.is_empty() { self.clone() } else { self.and(&less.complement()) }
    }

    fn complement(&self) -> Self {
        let mut ranges = Vec::new();
        for protocol in Protocol::WITH_PORTS {
            let mut next = Some(1);
            for (_, from, to) in self.ranges.iter().filter(|range| range.0 == protocol) {
                ranges.extend(next.filter(|next| next < from).map(|next| (protocol, next, from - 1)));
                next = to.checked_add(1);
            }
            ranges.extend(next.map(|next| (protocol, next, u16::MAX)));
        }
        PortSet { ranges, other: !self.other }
    }
}

/// `all`, `none`, `80/tcp, 8000-8010/tcp, all udp, other`.
impl fmt::Display for PortSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == PortSet::all() {
            return f.write_str("all");
        }
        if self.is_empty() {
            return f.write_str("none");
        }
        let mut between = "";
        for (protocol, from, to) in &self.ranges {
            match (*from, *to) {
                (1, u16::MAX) => write!(f, "{between}all {protocol}")?,
                (from, to) if from == to => write!(f, "{between}{from}/{protocol}")?,
                (from, to) => write!(f, "{between}{from}-{to}/{protocol}")?,
            }
            between = ", ";
        }
        if self.other { write!(f, "{between}other") } else { Ok(()) }
    }
}

/// How far the stages of a program have come.
struct Walk {
    accepted: PortSet,
    undecided: PortSet,
}

impl Program {
    /// Everything that [`Program::eval`] accepts from or to `party`.
    pub fn allowed(&self, party: &Party<'_>) -> PortSet {
        let start = Walk { accepted: PortSet::default(), undecided: PortSet::all() };
        let end = self.stages.iter().fold(start, |walk, stage| stage.walk(party, walk));
        end.accepted.or(&end.undecided)
    }
}

impl Stage {
    fn walk(&self, party: &Party<'_>, walk: Walk) -> Walk {
        let Walk { mut accepted, undecided: mut unmatched } = walk;
        if self.tier == Tier::NetworkPolicy && party.is_subject {
            return Walk { accepted: accepted.or(&unmatched), undecided: PortSet::default() };
        }
        let mut passed = PortSet::default();
        for clause in self.clauses.iter().filter(|clause| clause.peers.holds(party)) {
            let matched = clause.port_set(party).and(&unmatched);
            unmatched = unmatched.without(&matched);
            match clause.outcome {
                Action::Accept => accepted = accepted.or(&matched),
                Action::Pass => passed = passed.or(&matched),
                Action::Deny => (),
            }
        }
        let undecided = match self.default {
            Fallback::Pass => passed.or(&unmatched),
            Fallback::Isolate(..) => passed,
        };
        Walk { accepted, undecided }
    }
}

impl Clause {
    /// The ports that it is about where `party` is the other end.
    fn port_set(&self, party: &Party<'_>) -> PortSet {
        match &self.ports {
            PortMatch::Any => PortSet::all(),
            PortMatch::Of(list) => {
                let names = list.names.iter();
                let named = names.flat_map(|name| {
                    let there = party.ports.iter();
                    there.filter(move |there| is_named(there, name, there.protocol, there.port))
                });
                let named = named.map(|there| (there.protocol, there.port, there.port));
                PortSet::of(list.ranges.iter().copied().chain(named))
            }
        }
    }
}
