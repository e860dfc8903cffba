//! From instructions back to the rule.

use ipnet::IpNet;

use crate::ruleset::{Addresses, Family, Match, Ports, Rule, Sense, Side, States};
use crate::set::read_address;
use crate::wire::expression as wire;

use super::{
    Anonymous, Comparison, Expression, FLAGS_OFFSET, PORT_OFFSET, SetName, TYPE_OFFSET, family_number, spell,
};

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

fn family_of(number: u8) -> Option<Family> {
    Family::BOTH.into_iter().find(|family| family_number(*family) == number)
}

fn sense(comparison: Comparison) -> Option<Sense> {
    match comparison {
        Comparison::Equal => Some(Sense::Is),
        Comparison::Unequal => Some(Sense::IsNot),
        Comparison::AtMost | Comparison::AtLeast => None,
    }
}
