//! Steps of a transaction as netlink messages.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::expression::{Anonymous, Comparison, Expression, SetName, spell};
use crate::netlink::{APPEND, CREATE, EXCLUSIVE, Message};
use crate::ruleset::{Base, Family, Hook, Log, Name, Ports, Rule, Sense, Set, SetKind, TABLE, Verdict};
use crate::set::{number, write_address};
use crate::transaction::Step;
use crate::wire::{self, INET, generic_header};

/// The bytes of one list of elements; netlink's limit is just below 64 KiB.
const LONGEST_LIST: usize = 60_000;

/// Gives numbers to the anonymous sets of a batch.
#[derive(Default)]
pub(crate) struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> u32 {
        self.0 += 1;
        self.0
    }
}

/// The first message of a batch. With a generation, the kernel takes the batch only while it is at that one.
pub(crate) fn batch_begin(generation: Option<u32>) -> Message {
    let mut message = Message::new(wire::BATCH_BEGIN, 0);
    message.header(&generic_header(0, wire::NFTABLES >> 8));
    if let Some(generation) = generation {
        message.u32_be(wire::BATCH_GENERATION, generation);
    }
    message
}

/// The last message of a batch.
pub(crate) fn batch_end() -> Message {
    let mut message = Message::new(wire::BATCH_END, 0);
    message.header(&generic_header(0, wire::NFTABLES >> 8));
    message
}

/// Makes sure that our table is there.
pub(crate) fn add_table() -> Message {
    let mut message = object(wire::NEW_TABLE, CREATE);
    message.str(wire::table::NAME, TABLE).u32_be(wire::table::FLAGS, 0);
    message
}

/// Our table with all that is in it.
pub(crate) fn delete_table() -> Message {
    let mut message = object(wire::DELETE_TABLE, 0);
    message.str(wire::table::NAME, TABLE);
    message
}

/// The messages of a step, in groups that must stay in one batch.
pub(crate) fn step(step: &Step, numbers: &mut Numbers) -> Vec<Vec<Message>> {
    let one = |message| vec![vec![message]];
    match step {
        Step::DeleteTable => vec![vec![add_table(), delete_table(), add_table()]],
        Step::AddSet(name, kind) => one(add_set(name, *kind)),
        Step::AddElements(name, set) => apart(elements(wire::NEW_ELEMENT, CREATE, name, set)),
        Step::DeleteElements(name, set) => apart(elements(wire::DELETE_ELEMENT, 0, name, set)),
        Step::DeleteSet(name) | Step::DeleteMap(name) => one(delete_set(name)),
        Step::AddMap(name, family) => one(add_map(name, *family)),
        Step::AddEntries(name, entries) => apart(add_entries(name, entries)),
        Step::DeleteEntries(name, entries) => apart(delete_entries(name, entries)),
        Step::AddChain(name, base) => one(add_chain(name, *base)),
        Step::AddRule(chain, rule) => vec![add_rule(chain, rule, numbers)],
        Step::FlushChain(name) => one(flush_chain(name)),
        Step::DeleteChain(name) => one(delete_chain(name)),
    }
}

fn apart(messages: Vec<Message>) -> Vec<Vec<Message>> {
    messages.into_iter().map(|message| vec![message]).collect()
}

/// A message about something in a table of family `inet`.
pub(crate) fn object(kind: u16, flags: u16) -> Message {
    let mut message = Message::new(kind, flags);
    message.header(&generic_header(INET, 0));
    message
}

/// The same, naming our table first.
pub(crate) fn in_table(kind: u16, flags: u16) -> Message {
    let mut message = object(kind, flags);
    message.str(wire::TABLE, TABLE);
    message
}

fn add_chain(name: &str, base: Option<Base>) -> Message {
    let mut message = in_table(wire::NEW_CHAIN, CREATE);
    message.str(wire::chain::NAME, name);
    if let Some(base) = base {
        message.nested(wire::chain::HOOK, |hook| {
            hook.u32_be(wire::chain::HOOK_NUMBER, hook_number(base.hook));
            hook.u32_be(wire::chain::HOOK_PRIORITY, base.priority.cast_unsigned());
        });
        message.u32_be(wire::chain::POLICY, wire::chain::ACCEPT).str(wire::chain::TYPE, "filter");
    }
    message
}

pub(crate) fn hook_number(hook: Hook) -> u32 {
    match hook {
        Hook::Forward => wire::chain::FORWARD,
        Hook::Input => wire::chain::LOCAL_IN,
    }
}

fn delete_chain(name: &str) -> Message {
    let mut message = in_table(wire::DELETE_CHAIN, 0);
    message.str(wire::chain::NAME, name);
    message
}

/// Without a handle it is all rules of the chain.
fn flush_chain(name: &str) -> Message {
    let mut message = in_table(wire::DELETE_RULE, 0);
    message.str(wire::rule::CHAIN, name);
    message
}

fn add_set(name: &str, kind: SetKind) -> Message {
    let mut message = in_table(wire::NEW_SET, CREATE | EXCLUSIVE);
    let key = key_of(kind);
    message
        .str(wire::set::NAME, name)
        .u32_be(wire::set::FLAGS, key.flags)
        .u32_be(wire::set::KEY_TYPE, key.kind)
        .u32_be(wire::set::KEY_LENGTH, key.length)
        // Unused for a named set, but a set has to have one.
        .u32_be(wire::set::ID, u32::MAX);
    message
}

fn add_map(name: &str, family: Family) -> Message {
    let mut message = in_table(wire::NEW_SET, CREATE | EXCLUSIVE);
    let key = key_of(SetKind::Address(family));
    message
        .str(wire::set::NAME, name)
        .u32_be(wire::set::FLAGS, wire::set::MAP)
        .u32_be(wire::set::KEY_TYPE, key.kind)
        .u32_be(wire::set::KEY_LENGTH, key.length)
        .u32_be(wire::set::DATA_TYPE, wire::set::VERDICT_DATA)
        .u32_be(wire::set::ID, u32::MAX);
    message
}

fn delete_set(name: &str) -> Message {
    let mut message = in_table(wire::DELETE_SET, 0);
    message.str(wire::set::NAME, name);
    message
}

/// What the kernel, and `nft`, want to know of a set's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) flags: u32,
    pub(crate) kind: u32,
    pub(crate) length: u32,
}

pub(crate) fn key_of(kind: SetKind) -> Key {
    let family = kind.family();
    let address = match family {
        Family::V4 => wire::set::TYPE_IPV4,
        Family::V6 => wire::set::TYPE_IPV6,
    };
    let joined = |types: &[u32]| types.iter().fold(0, |all, one| all << wire::set::TYPE_BITS | one);
    let key = |flags, kind, length| Key { flags, kind, length };
    let width = family.width() as u32;
    match kind {
        SetKind::Address(_) => key(0, address, width),
        SetKind::Service(_) => {
            key(0, joined(&[address, wire::set::TYPE_PROTOCOL, wire::set::TYPE_SERVICE]), width + 8)
        }
        SetKind::Pair(_) => key(0, joined(&[address, address]), width * 2),
        SetKind::Block(_) => key(wire::set::INTERVAL, address, width),
    }
}

/// One key as the kernel has it; of an interval its start, or the address after its end.
struct RawElement {
    key: Vec<u8>,
    ends: bool,
    verdict: Option<Verdict>,
}

fn elements(kind: u16, flags: u16, name: &str, set: &Set) -> Vec<Message> {
    element_lists(raw_elements(set), || {
        let mut message = in_table(kind, flags);
        message.str(wire::element::SET, name);
        message
    })
}

/// Asks for those elements of a set that are named.
pub(crate) fn get_elements(name: &str, set: &Set) -> Vec<Message> {
    elements(wire::GET_ELEMENT, 0, name, set)
}

fn add_entries(name: &str, entries: &BTreeMap<IpAddr, Verdict>) -> Vec<Message> {
    let raw = entries.iter().map(|(address, verdict)| raw_entry(*address, Some(verdict.clone())));
    element_lists(raw, || {
        let mut message = in_table(wire::NEW_ELEMENT, CREATE);
        message.str(wire::element::SET, name);
        message
    })
}

fn delete_entries(name: &str, entries: &BTreeMap<IpAddr, Verdict>) -> Vec<Message> {
    element_lists(entries.keys().map(|address| raw_entry(*address, None)), || {
        let mut message = in_table(wire::DELETE_ELEMENT, 0);
        message.str(wire::element::SET, name);
        message
    })
}

/// Asks for those entries of a map that are named.
pub(crate) fn get_entries(name: &str, addresses: impl Iterator<Item = IpAddr>) -> Vec<Message> {
    element_lists(addresses.map(|address| raw_entry(address, None)), || {
        let mut message = in_table(wire::GET_ELEMENT, 0);
        message.str(wire::element::SET, name);
        message
    })
}

fn raw_entry(address: IpAddr, verdict: Option<Verdict>) -> RawElement {
    let mut key = Vec::with_capacity(16);
    write_address(address, &mut key);
    RawElement { key, ends: false, verdict }
}

fn raw_elements(set: &Set) -> impl Iterator<Item = RawElement> + '_ {
    let kind = set.kind();
    set.keys().flat_map(move |key| match kind {
        SetKind::Address(_) | SetKind::Service(_) | SetKind::Pair(_) => {
            [Some(RawElement { key: key.to_vec(), ends: false, verdict: None }), None].into_iter().flatten()
        }
        SetKind::Block(family) => {
            let (first, last) = key.split_at(family.width());
            interval(first, last).into_iter().flatten()
        }
    })
}

/// A range as its start and the value after its end; one that goes to the very end has no end.
fn interval(first: &[u8], last: &[u8]) -> [Option<RawElement>; 2] {
    let all_ones = last.iter().all(|byte| *byte == 0xff);
    let after = (number(last).wrapping_add(1)).to_be_bytes();
    let after = after.get(16 - last.len()..).unwrap_or_default().to_vec();
    [
        Some(RawElement { key: first.to_vec(), ends: false, verdict: None }),
        (!all_ones).then_some(RawElement { key: after, ends: true, verdict: None }),
    ]
}

/// Elements cut into as many messages as their size asks for.
fn element_lists(elements: impl Iterator<Item = RawElement>, begin: impl Fn() -> Message) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut elements = elements.peekable();
    while elements.peek().is_some() {
        let mut message = begin();
        let room = message.size() + LONGEST_LIST;
        message.nested(wire::element::LIST, |list| {
            while list.size() < room && elements.peek().is_some() {
                elements.next().iter().for_each(|element| write_element(list, element));
            }
        });
        messages.push(message);
    }
    messages
}

fn write_element(list: &mut Message, element: &RawElement) {
    list.nested(wire::LIST_ELEMENT, |out| {
        out.nested(wire::element::KEY, |key| {
            key.bytes(wire::data::VALUE, &element.key);
        });
        if element.ends {
            out.u32_be(wire::element::FLAGS, wire::element::INTERVAL_END);
        }
        if let Some(verdict) = &element.verdict {
            out.nested(wire::element::DATA, |data| write_verdict(data, verdict));
        }
    });
}

fn write_verdict(out: &mut Message, verdict: &Verdict) {
    let (code, chain): (i32, Option<&Name>) = match verdict {
        Verdict::Accept => (wire::data::ACCEPT, None),
        Verdict::Drop => (wire::data::DROP, None),
        Verdict::Return => (wire::data::RETURN, None),
        Verdict::Jump(chain) => (wire::data::JUMP, Some(chain)),
        Verdict::Goto(chain) => (wire::data::GOTO, Some(chain)),
    };
    out.nested(wire::data::VERDICT, |out| {
        out.u32_be(wire::data::VERDICT_CODE, code.cast_unsigned());
        if let Some(chain) = chain {
            out.str(wire::data::VERDICT_CHAIN, chain);
        }
    });
}

/// A rule, after the anonymous sets that are part of it.
fn add_rule(chain: &str, rule: &Rule, numbers: &mut Numbers) -> Vec<Message> {
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
