//! A rule as the kernel runs it: a list of small instructions on registers; and back.

mod spell;
mod unspell;

use std::sync::Arc;

use crate::ruleset::{Family, Log, Name, Ports, Sense, Set, Verdict};
use crate::wire::{IPV4, IPV6};

pub(crate) use spell::spell;
pub(crate) use unspell::unspell;

/// One instruction. Registers are counted in words of 4 bytes, from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expression {
    /// `ct state` into register 0.
    State,
    /// `meta nfproto` or `meta l4proto`.
    Meta { key: u32, to: u32 },
    /// Bytes of the packet.
    Payload { base: u32, offset: u32, length: u32, to: u32 },
    /// Register 0 under a mask.
    Mask(Vec<u8>),
    /// Goes on only where register 0 compares so.
    Compare(Comparison, Vec<u8>),
    /// Goes on only where the registers from 0 are, or are not, in the set.
    Lookup { set: SetName, sense: Sense },
    /// The verdict of a map for register 0.
    Dispatch(Name),
    /// Counts.
    Counter,
    /// Logs.
    Log(Log),
    /// Ends with a verdict.
    Verdict(Verdict),
}

/// How two values are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equal,
    Unequal,
    AtMost,
    AtLeast,
}

/// A set that is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SetName {
    /// By its name.
    Named(Name),
    /// It is part of the rule.
    Anonymous(Anonymous),
}

/// The content of a set that is part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Anonymous {
    Addresses(Arc<Set>),
    Ports(Ports),
}

/// Where things stand in the transport header.
const PORT_OFFSET: u32 = 2;
const FLAGS_OFFSET: u32 = 13;
const TYPE_OFFSET: u32 = 0;

fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => IPV4,
        Family::V6 => IPV6,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use ipnet::IpNet;

    use super::*;
    use crate::ruleset::{Addresses, Element, Match, Rule, SCTP, SetKind, Side, States, TCP, UDP};

    fn family() -> impl Strategy<Value = Family> {
        prop_oneof![Just(Family::V4), Just(Family::V6)]
    }

    fn side() -> impl Strategy<Value = Side> {
        prop_oneof![Just(Side::Source), Just(Side::Destination)]
    }

    fn sense() -> impl Strategy<Value = Sense> {
        prop_oneof![Just(Sense::Is), Just(Sense::IsNot)]
    }

    fn name() -> impl Strategy<Value = Name> {
        prop_oneof![Just("a".into()), Just("b".into())]
    }

    fn addresses() -> impl Strategy<Value = Addresses> {
        let address = prop_oneof![
            any::<std::net::Ipv4Addr>().prop_map(std::net::IpAddr::from),
            any::<std::net::Ipv6Addr>().prop_map(std::net::IpAddr::from),
        ];
        let anonymous = (family(), proptest::collection::vec(address.clone(), 4..12), any::<bool>());
        prop_oneof![
            address.clone().prop_map(Addresses::One),
            (address, 0u8..=32).prop_filter_map("a prefix", |(address, length)| {
                IpNet::new(address, length).ok().map(Addresses::Prefix)
            }),
            (family(), name()).prop_map(|(family, name)| Addresses::Named(family, name)),
            anonymous.prop_map(|(family, addresses, blocks)| {
                let kind = if blocks { SetKind::Block(family) } else { SetKind::Address(family) };
                let elements = addresses.chunks(2).flat_map(|pair| {
                    [Element::Address(pair[0]), Element::Block(pair[0], pair[pair.len() - 1])]
                });
                Addresses::Anonymous(Arc::new(Set::collect(kind, elements)))
            }),
        ]
    }

    fn matches() -> impl Strategy<Value = Match> {
        let protocol = || prop_oneof![Just(TCP), Just(UDP), Just(SCTP), any::<u8>()];
        let ports = proptest::collection::vec((any::<u16>(), any::<u16>()), 1..4).prop_map(Ports::ranges);
        prop_oneof![
            (1u32..16).prop_map(|bits| Match::State(States(bits))),
            family().prop_map(Match::Family),
            protocol().prop_map(Match::Protocol),
            (side(), sense(), addresses())
                .prop_map(|(side, sense, addresses)| Match::Address(side, sense, addresses)),
            (family(), name()).prop_map(|(family, name)| Match::Service(family, name)),
            (family(), name()).prop_map(|(family, name)| Match::Pair(family, name)),
            (protocol(), ports).prop_map(|(protocol, ports)| Match::Port(protocol, ports)),
            (any::<u8>(), sense(), any::<u8>()).prop_map(|(mask, sense, value)| Match::TcpFlags {
                mask,
                sense,
                value
            }),
            (0u8..200, 0u8..50).prop_map(|(first, more)| Match::Icmpv6(first, first + more)),
        ]
    }

    fn rules() -> impl Strategy<Value = Rule> {
        let end = prop_oneof![
            Just(None),
            Just(Some(Verdict::Drop)),
            name().prop_map(|name| Some(Verdict::Goto(name))),
            name().prop_map(|name| Some(Verdict::Jump(name))),
        ];
        let dispatch = proptest::option::of((side(), family(), name()));
        let matches = proptest::collection::vec(matches(), 0..5);
        (matches, any::<bool>(), any::<bool>(), end, dispatch).prop_map(
            |(matches, counted, logged, end, map)| {
                let mut rule = Rule::new(matches);
                if counted {
                    rule = rule.counted().comment("counted");
                }
                if logged {
                    rule = rule.logged(Log { prefix: "prefix".into(), group: 1, snaplen: 0 });
                }
                match (end, map) {
                    (Some(verdict), _) => rule.verdict(verdict),
                    (None, Some((side, family, map))) => rule.dispatch(side, family, map),
                    (None, None) => rule,
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn what_is_spelled_is_read(rule in rules()) {
            let spelled = spell(&rule);
            prop_assert_eq!(unspell(&spelled, rule.comment_text()), Some(rule), "{:?}", spelled);
        }

        /// A check that is missing, or one too many, is not taken for a rule of ours.
        #[test]
        fn an_instruction_less_is_another_rule(rule in rules(), at in any::<proptest::sample::Index>()) {
            let mut spelled = spell(&rule);
            if !spelled.is_empty() {
                spelled.remove(at.index(spelled.len()));
                prop_assert_ne!(unspell(&spelled, rule.comment_text()), Some(rule));
            }
        }
    }

    #[test]
    fn an_address_without_its_family_is_not_ours() {
        let one = Addresses::One("10.0.0.1".parse().unwrap());
        let rule = Rule::new([Match::Address(Side::Source, Sense::Is, one)]);
        let spelled = spell(&rule);
        assert_eq!(spelled.len(), 4);
        assert_eq!(unspell(&spelled[2..], None), None);
    }
}
