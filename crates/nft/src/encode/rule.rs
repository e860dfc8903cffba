//! Rules, with the anonymous sets that are part of them.

use crate::expression::{Anonymous, Comparison, Expression, SetName, spell};
use crate::netlink::{APPEND, CREATE, Message};
use crate::ruleset::{Log, Ports, Rule, Sense};
use crate::wire;

use super::elements::{RawElement, element_lists, interval, raw_elements, write_verdict};
use super::{Key, in_table, key_of};

/// Gives numbers to the anonymous sets of a batch.
#[derive(Default)]
pub(crate) struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

/// A rule, after the anonymous sets that are part of it.
pub(super) fn add_rule(chain: &str, rule: &Rule, numbers: &mut Numbers) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut message = in_table(wire::NEW_RULE, CREATE | APPEND);
    message.str(wire::rule::CHAIN, chain);
    message.nested(wire::rule::EXPRESSIONS, |list| {
        for expression in spell(rule) {
            let mut number = 0;
            if let Expression::Lookup { set: SetName::Anonymous(set), .. } = &expression {
                number = numbers.next();
                messages.extend(add_anonymous(set, number));
            }
            write_expression(list, &expression, number);
        }
    });
    if let Some(comment) = rule.comment_text() {
        message.bytes(wire::rule::USERDATA, &comment_userdata(comment));
    }
    messages.push(message);
    messages
}

fn comment_userdata(comment: &str) -> Vec<u8> {
    let mut userdata = vec![wire::rule::COMMENT, (comment.len() + 1) as u8];
    userdata.extend_from_slice(comment.as_bytes());
    userdata.push(0);
    userdata
}

/// The kernel puts a number in the place of `%d`; within the batch a rule finds the set by its own number.
const ANONYMOUS_NAME: &str = "__set%d";

fn add_anonymous(set: &Anonymous, id: u32) -> Vec<Message> {
    let (key, elements): (Key, Vec<RawElement>) = match set {
        Anonymous::Addresses(set) => (key_of(set.kind()), raw_elements(set).collect()),
        Anonymous::Ports(ports) => (ports_key(ports), raw_ports(ports)),
    };
    let mut message = in_table(wire::NEW_SET, CREATE);
    message
        .str(wire::set::NAME, ANONYMOUS_NAME)
        .u32_be(wire::set::FLAGS, key.flags | wire::set::ANONYMOUS | wire::set::CONSTANT)
        .u32_be(wire::set::KEY_TYPE, key.kind)
        .u32_be(wire::set::KEY_LENGTH, key.length)
        .u32_be(wire::set::ID, id);
    let lists = element_lists(elements.into_iter(), || {
        let mut message = in_table(wire::NEW_ELEMENT, CREATE);
        message.str(wire::element::SET, ANONYMOUS_NAME).u32_be(wire::element::SET_ID, id);
        message
    });
    std::iter::once(message).chain(lists).collect()
}

/// Single ports are a hash set, ranges an interval set.
pub(crate) fn ports_key(ports: &Ports) -> Key {
    let single = ports.as_slice().iter().all(|(first, last)| first == last);
    let flags = if single { 0 } else { wire::set::INTERVAL };
    Key { flags, kind: wire::set::TYPE_SERVICE, length: 2 }
}

fn raw_ports(ports: &Ports) -> Vec<RawElement> {
    let intervals = ports_key(ports).flags & wire::set::INTERVAL != 0;
    let raw = ports.as_slice().iter().flat_map(|(first, last)| {
        let [start, end] = interval(&first.to_be_bytes(), &last.to_be_bytes());
        [start, end.filter(|_| intervals)]
    });
    raw.flatten().collect()
}

fn write_expression(list: &mut Message, expression: &Expression, set: u32) {
    use wire::expression as w;
    let name = match expression {
        Expression::State => "ct",
        Expression::Meta { .. } => "meta",
        Expression::Payload { .. } => "payload",
        Expression::Mask(_) => "bitwise",
        Expression::Compare(..) => "cmp",
        Expression::Lookup { .. } | Expression::Dispatch(_) => "lookup",
        Expression::Counter => "counter",
        Expression::Log(_) => "log",
        Expression::Verdict(_) => "immediate",
    };
    list.nested(wire::LIST_ELEMENT, |out| {
        out.str(w::NAME, name).nested(w::DATA, |out| write_data(out, expression, set));
    });
}

/// The register of 32 bits with that number.
fn register(word: u32) -> u32 {
    wire::expression::FIRST_REGISTER + word
}

fn write_data(out: &mut Message, expression: &Expression, set: u32) {
    use wire::expression as w;
    match expression {
        Expression::State => {
            out.u32_be(w::CT_TO, register(0)).u32_be(w::CT_KEY, w::CT_STATE);
        }
        Expression::Meta { key, to } => {
            out.u32_be(w::META_TO, register(*to)).u32_be(w::META_KEY, *key);
        }
        Expression::Payload { base, offset, length, to } => {
            out.u32_be(w::PAYLOAD_TO, register(*to))
                .u32_be(w::PAYLOAD_BASE, *base)
                .u32_be(w::PAYLOAD_OFFSET, *offset)
                .u32_be(w::PAYLOAD_LENGTH, *length);
        }
        Expression::Mask(mask) => write_mask(out, mask),
        Expression::Compare(how, value) => {
            out.u32_be(w::COMPARE_FROM, register(0)).u32_be(w::COMPARE_HOW, comparison_number(*how)).nested(
                w::COMPARE_WITH,
                |data| {
                    data.bytes(wire::data::VALUE, value);
                },
            );
        }
        Expression::Lookup { set: name, sense } => write_lookup(out, name, *sense, set),
        Expression::Dispatch(map) => {
            out.str(w::LOOKUP_SET, map)
                .u32_be(w::LOOKUP_FROM, register(0))
                .u32_be(w::LOOKUP_TO, w::VERDICT_REGISTER);
        }
        Expression::Counter => {
            out.u64_be(w::COUNTER_BYTES, 0).u64_be(w::COUNTER_PACKETS, 0);
        }
        Expression::Log(log) => write_log(out, log),
        Expression::Verdict(verdict) => {
            out.u32_be(w::IMMEDIATE_TO, w::VERDICT_REGISTER)
                .nested(w::IMMEDIATE_DATA, |data| write_verdict(data, verdict));
        }
    }
}

fn write_mask(out: &mut Message, mask: &[u8]) {
    use wire::expression as w;
    out.u32_be(w::BITWISE_FROM, register(0))
        .u32_be(w::BITWISE_TO, register(0))
        .u32_be(w::BITWISE_LENGTH, mask.len() as u32)
        .nested(w::BITWISE_MASK, |data| {
            data.bytes(wire::data::VALUE, mask);
        })
        .nested(w::BITWISE_XOR, |data| {
            data.bytes(wire::data::VALUE, &vec![0; mask.len()]);
        });
}

fn write_lookup(out: &mut Message, name: &SetName, sense: Sense, id: u32) {
    use wire::expression as w;
    match name {
        SetName::Named(name) => out.str(w::LOOKUP_SET, name),
        SetName::Anonymous(_) => out.str(w::LOOKUP_SET, ANONYMOUS_NAME).u32_be(w::LOOKUP_SET_ID, id),
    };
    out.u32_be(w::LOOKUP_FROM, register(0));
    if sense == Sense::IsNot {
        out.u32_be(w::LOOKUP_FLAGS, w::LOOKUP_INVERTED);
    }
}

fn write_log(out: &mut Message, log: &Log) {
    use wire::expression as w;
    out.u16_be(w::LOG_GROUP, log.group).str(w::LOG_PREFIX, &log.prefix);
    if log.snaplen != 0 {
        out.u32_be(w::LOG_SNAPLEN, log.snaplen);
    }
}

pub(crate) fn comparison_number(how: Comparison) -> u32 {
    match how {
        Comparison::Equal => 0,
        Comparison::Unequal => 1,
        Comparison::AtMost => 3,
        Comparison::AtLeast => 5,
    }
}
