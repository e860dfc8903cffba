//! A rule as the kernel runs it: a list of small instructions on registers; and back.

use std::sync::Arc;

use ipnet::IpNet;

use crate::ruleset::{
    Addresses, End, Family, Log, Match, Name, Ports, Rule, Sense, Set, Side, States, Verdict,
};
use crate::set::{read_address, write_address};
use crate::wire::expression as wire;
use crate::wire::{IPV4, IPV6};

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

/// The instructions of a rule.
pub(crate) fn spell(rule: &Rule) -> Vec<Expression> {
    let mut speller = Speller::default();
    for condition in rule.matches() {
        speller.condition(condition);
    }
    if let End::Dispatch { family, .. } = rule.end() {
        speller.family(*family);
    }
    let mut out = speller.out;
    if rule.is_counted() {
        out.push(Expression::Counter);
    }
    out.extend(rule.log().cloned().map(Expression::Log));
    match rule.end() {
        End::Continue => (),
        End::Verdict(verdict) => out.push(Expression::Verdict(verdict.clone())),
        End::Dispatch { side, family, map } => {
            out.push(address(*side, *family, 0));
            out.push(Expression::Dispatch(map.clone()));
        }
    }
    out
}

/// Remembers what the instructions so far have made sure of.
#[derive(Default)]
struct Speller {
    out: Vec<Expression>,
    family: Option<Family>,
    protocol: Option<u8>,
}

impl Speller {
    fn condition(&mut self, condition: &Match) {
        if let Some(family) = condition.family() {
            self.family(family);
        }
        if let Some(protocol) = condition.protocol() {
            self.protocol(protocol);
        }
        match condition {
            Match::State(states) => {
                self.masked(Expression::State, &states.0.to_ne_bytes(), Sense::IsNot, &[0; 4])
            }
            Match::Family(family) => self.family(*family),
            Match::Protocol(protocol) => self.protocol(*protocol),
            Match::Address(side, sense, addresses) => self.addresses(*side, *sense, addresses),
            Match::Service(family, set) => {
                let next = family.width() as u32 / 4;
                self.out.extend([
                    address(Side::Destination, *family, 0),
                    Expression::Meta { key: wire::META_PROTOCOL, to: next },
                    transport(PORT_OFFSET, 2, next + 1),
                ]);
                self.lookup(SetName::Named(set.clone()), Sense::Is);
            }
            Match::Pair(family, set) => {
                self.out.push(address(Side::Source, *family, 0));
                self.out.push(address(Side::Destination, *family, family.width() as u32 / 4));
                self.lookup(SetName::Named(set.clone()), Sense::Is);
            }
            Match::Port(_, ports) => self.ports(ports),
            Match::TcpFlags { mask, sense, value } => {
                self.masked(transport(FLAGS_OFFSET, 1, 0), &[*mask], *sense, &[*value])
            }
            Match::Icmpv6(first, last) => {
                self.out.push(transport(TYPE_OFFSET, 1, 0));
                self.range(vec![*first], vec![*last]);
            }
        }
    }

    fn family(&mut self, family: Family) {
        if self.family != Some(family) {
            self.family = Some(family);
            self.out.push(Expression::Meta { key: wire::META_FAMILY, to: 0 });
            self.out.push(Expression::Compare(Comparison::Equal, vec![family_number(family)]));
        }
    }

    fn protocol(&mut self, protocol: u8) {
        if self.protocol != Some(protocol) {
            self.protocol = Some(protocol);
            self.out.push(Expression::Meta { key: wire::META_PROTOCOL, to: 0 });
            self.out.push(Expression::Compare(Comparison::Equal, vec![protocol]));
        }
    }

    fn addresses(&mut self, side: Side, sense: Sense, addresses: &Addresses) {
        let load = address(side, addresses.family(), 0);
        match addresses {
            Addresses::One(one) => {
                self.out.push(load);
                self.out.push(Expression::Compare(comparison(sense), octets(*one)));
            }
            Addresses::Prefix(prefix) => {
                self.masked(load, &octets(prefix.netmask()), sense, &octets(prefix.network()));
            }
            Addresses::Named(_, name) => {
                self.out.push(load);
                self.lookup(SetName::Named(name.clone()), sense);
            }
            Addresses::Anonymous(set) => {
                self.out.push(load);
                self.lookup(SetName::Anonymous(Anonymous::Addresses(set.clone())), sense);
            }
        }
    }

    fn ports(&mut self, ports: &Ports) {
        self.out.push(transport(PORT_OFFSET, 2, 0));
        match *ports.as_slice() {
            [(first, last)] => self.range(first.to_be_bytes().to_vec(), last.to_be_bytes().to_vec()),
            _ => self.lookup(SetName::Anonymous(Anonymous::Ports(ports.clone())), Sense::Is),
        }
    }

    fn range(&mut self, first: Vec<u8>, last: Vec<u8>) {
        if first == last {
            self.out.push(Expression::Compare(Comparison::Equal, first));
        } else {
            self.out.push(Expression::Compare(Comparison::AtLeast, first));
            self.out.push(Expression::Compare(Comparison::AtMost, last));
        }
    }

    fn masked(&mut self, load: Expression, mask: &[u8], sense: Sense, value: &[u8]) {
        self.out.push(load);
        self.out.push(Expression::Mask(mask.to_vec()));
        self.out.push(Expression::Compare(comparison(sense), value.to_vec()));
    }

    fn lookup(&mut self, set: SetName, sense: Sense) {
        self.out.push(Expression::Lookup { set, sense });
    }
}

/// The rule that these instructions spell; `None` where no rule of ours is spelled so.
pub(crate) fn unspell(expressions: &[Expression], comment: Option<&str>) -> Option<Rule> {
    let mut matches = Vec::new();
    let mut protocol = None;
    let mut rest = expressions;
    while let Some((condition, remaining)) = take_match(rest, protocol) {
        if let Match::Protocol(number) = condition {
            protocol = Some(number);
        }
        matches.push(condition);
        rest = remaining;
    }
    let mut rule = Rule::new(matches);
    if let [Expression::Counter, remaining @ ..] = rest {
        rule = rule.counted();
        rest = remaining;
    }
    if let [Expression::Log(log), remaining @ ..] = rest {
        rule = rule.logged(log.clone());
        rest = remaining;
    }
    rule = match rest {
        [] => rule,
        [Expression::Verdict(verdict)] => rule.verdict(verdict.clone()),
        [load, Expression::Dispatch(map)] => {
            let (side, family) = loaded(load)?;
            rule.dispatch(side, family, map.clone())
        }
        _ => return None,
    };
    if let Some(comment) = comment {
        rule = rule.comment(comment);
    }
    // What was read must be exactly what we would have written: no check left out, none too many.
    (spell(&rule) == expressions && rule.comment_text() == comment).then_some(rule)
}

/// The next match and what follows it. `protocol` is what the rule has made sure of so far.
fn take_match(expressions: &[Expression], protocol: Option<u8>) -> Option<(Match, &[Expression])> {
    use Expression::{Compare, Lookup, Mask, Meta, Payload, State};
    use wire::{BASE_NETWORK, BASE_TRANSPORT, META_FAMILY, META_PROTOCOL};
    match expressions {
        [State, Mask(mask), Compare(Comparison::Unequal, _), rest @ ..] => {
            let bits = mask.as_slice().try_into().ok().map(u32::from_ne_bytes)?;
            Some((Match::State(States(bits)), rest))
        }
        [Meta { key: META_FAMILY, .. }, Compare(_, value), rest @ ..] => match **value {
            [number] => Some((Match::Family(family_of(number)?), rest)),
            _ => None,
        },
        [Meta { key: META_PROTOCOL, .. }, Compare(_, value), rest @ ..] => match **value {
            [number] => Some((Match::Protocol(number), rest)),
            _ => None,
        },
        [
            load,
            Meta { key: META_PROTOCOL, .. },
            Payload { base: BASE_TRANSPORT, .. },
            Lookup { set: SetName::Named(set), .. },
            rest @ ..,
        ] => Some((Match::Service(loaded(load)?.1, set.clone()), rest)),
        [load, Payload { base: BASE_NETWORK, .. }, Lookup { set: SetName::Named(set), .. }, rest @ ..] => {
            Some((Match::Pair(loaded(load)?.1, set.clone()), rest))
        }
        [load @ Payload { base: BASE_NETWORK, .. }, rest @ ..] => take_address(load, rest),
        [Payload { base: BASE_TRANSPORT, offset, .. }, rest @ ..] => take_transport(*offset, protocol, rest),
        _ => None,
    }
}

fn take_address<'a>(load: &Expression, rest: &'a [Expression]) -> Option<(Match, &'a [Expression])> {
    let (side, family) = loaded(load)?;
    let (sense, addresses, rest) = match rest {
        [Expression::Compare(how, value), rest @ ..] => {
            (sense(*how)?, Addresses::One(read_address(family, value)?), rest)
        }
        [Expression::Mask(mask), Expression::Compare(how, value), rest @ ..] => {
            let (value, mask) = (read_address(family, value)?, read_address(family, mask)?);
            (sense(*how)?, Addresses::Prefix(IpNet::with_netmask(value, mask).ok()?), rest)
        }
        [Expression::Lookup { set: SetName::Named(name), sense }, rest @ ..] => {
            (*sense, Addresses::Named(family, name.clone()), rest)
        }
        [Expression::Lookup { set: SetName::Anonymous(Anonymous::Addresses(set)), sense }, rest @ ..] => {
            (*sense, Addresses::Anonymous(set.clone()), rest)
        }
        _ => return None,
    };
    Some((Match::Address(side, sense, addresses), rest))
}

fn take_transport(
    offset: u32,
    protocol: Option<u8>,
    expressions: &[Expression],
) -> Option<(Match, &[Expression])> {
    match (offset, expressions) {
        (
            PORT_OFFSET,
            [Expression::Lookup { set: SetName::Anonymous(Anonymous::Ports(ports)), .. }, rest @ ..],
        ) => Some((Match::Port(protocol?, ports.clone()), rest)),
        (PORT_OFFSET, rest) => {
            let (first, last, rest) = take_range(rest)?;
            let (first, last) = (first.try_into().ok()?, last.try_into().ok()?);
            let ports = Ports::ranges([(u16::from_be_bytes(first), u16::from_be_bytes(last))]);
            Some((Match::Port(protocol?, ports), rest))
        }
        (FLAGS_OFFSET, [Expression::Mask(mask), Expression::Compare(how, value), rest @ ..]) => {
            let (mask, value) = (*mask.first()?, *value.first()?);
            Some((Match::TcpFlags { mask, sense: sense(*how)?, value }, rest))
        }
        (TYPE_OFFSET, rest) => {
            let (first, last, rest) = take_range(rest)?;
            Some((Match::Icmpv6(*first.first()?, *last.first()?), rest))
        }
        _ => None,
    }
}

fn take_range(expressions: &[Expression]) -> Option<(&[u8], &[u8], &[Expression])> {
    use Comparison::{AtLeast, AtMost, Equal};
    match expressions {
        [Expression::Compare(Equal, one), rest @ ..] => Some((one, one, rest)),
        [Expression::Compare(AtLeast, first), Expression::Compare(AtMost, last), rest @ ..] => {
            Some((first, last, rest))
        }
        _ => None,
    }
}

/// Where things stand in the transport header.
const PORT_OFFSET: u32 = 2;
const FLAGS_OFFSET: u32 = 13;
const TYPE_OFFSET: u32 = 0;

fn transport(offset: u32, length: u32, to: u32) -> Expression {
    Expression::Payload { base: wire::BASE_TRANSPORT, offset, length, to }
}

/// An address of the packet into registers.
fn address(side: Side, family: Family, to: u32) -> Expression {
    let offset = match (family, side) {
        (Family::V4, Side::Source) => 12,
        (Family::V4, Side::Destination) => 16,
        (Family::V6, Side::Source) => 8,
        (Family::V6, Side::Destination) => 24,
    };
    Expression::Payload { base: wire::BASE_NETWORK, offset, length: family.width() as u32, to }
}

fn loaded(load: &Expression) -> Option<(Side, Family)> {
    let Expression::Payload { base: wire::BASE_NETWORK, offset, length, .. } = load else {
        return None;
    };
    match (length, offset) {
        (4, 12) => Some((Side::Source, Family::V4)),
        (4, 16) => Some((Side::Destination, Family::V4)),
        (16, 8) => Some((Side::Source, Family::V6)),
        (16, 24) => Some((Side::Destination, Family::V6)),
        _ => None,
    }
}

fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => IPV4,
        Family::V6 => IPV6,
    }
}

fn family_of(number: u8) -> Option<Family> {
    Family::BOTH.into_iter().find(|family| family_number(*family) == number)
}

fn comparison(sense: Sense) -> Comparison {
    match sense {
        Sense::Is => Comparison::Equal,
        Sense::IsNot => Comparison::Unequal,
    }
}

fn sense(comparison: Comparison) -> Option<Sense> {
    match comparison {
        Comparison::Equal => Some(Sense::Is),
        Comparison::Unequal => Some(Sense::IsNot),
        Comparison::AtMost | Comparison::AtLeast => None,
    }
}

fn octets(address: std::net::IpAddr) -> Vec<u8> {
    let mut octets = Vec::with_capacity(16);
    write_address(address, &mut octets);
    octets
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ruleset::{Element, SCTP, SetKind, TCP, UDP};

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
