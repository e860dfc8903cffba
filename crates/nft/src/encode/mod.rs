//! Steps of a transaction as netlink messages.

mod elements;
mod rule;

use crate::netlink::{CREATE, EXCLUSIVE, Message};
use crate::ruleset::{Base, Family, Hook, SetKind, TABLE};
use crate::set::width;
use crate::transaction::Step;
use crate::wire::{self, INET, generic_header};

use elements::{add_entries, delete_entries, elements};
use rule::add_rule;

pub(crate) use elements::{get_elements, get_entries};
pub(crate) use rule::{Numbers, comparison_number, ports_key};

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
    let width = width(family) as u32;
    match kind {
        SetKind::Address(_) => key(0, address, width),
        SetKind::Service(_) => {
            key(0, joined(&[address, wire::set::TYPE_PROTOCOL, wire::set::TYPE_SERVICE]), width + 8)
        }
        SetKind::Pair(_) => key(0, joined(&[address, address]), width * 2),
        SetKind::Block(_) => key(wire::set::INTERVAL, address, width),
    }
}
