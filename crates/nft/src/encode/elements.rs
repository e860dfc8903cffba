//! Elements of sets and entries of maps.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::netlink::{CREATE, Message};
use crate::ruleset::{Name, Set, SetKind, Verdict};
use crate::set::{number, width, write_address};
use crate::wire;

use super::in_table;

/// The bytes of one list of elements; netlink's limit is just below 64 KiB.
const LONGEST_LIST: usize = 60_000;

/// One key as the kernel has it; of an interval its start, or the address after its end.
pub(super) struct RawElement {
    key: Vec<u8>,
    ends: bool,
    verdict: Option<Verdict>,
}

pub(super) fn elements(kind: u16, flags: u16, name: &str, set: &Set) -> Vec<Message> {
    element_lists(raw_elements(set), || {
        let mut message = in_table(kind, flags);
        message.str(wire::element::SET, name);
        message
    })
}

/// Asks for elements of a set, each in a message of its own: the kernel stops at the first that isn't there.
pub(crate) fn get_elements(name: &str, set: &Set) -> Vec<Message> {
    raw_elements(set).map(|element| get_element(name, &element)).collect()
}

fn get_element(name: &str, element: &RawElement) -> Message {
    let mut message = in_table(wire::GET_ELEMENT, 0);
    message.str(wire::element::SET, name);
    message.nested(wire::element::LIST, |list| write_element(list, element));
    message
}

pub(super) fn add_entries(name: &str, entries: &BTreeMap<IpAddr, Verdict>) -> Vec<Message> {
    let raw = entries.iter().map(|(address, verdict)| raw_entry(*address, Some(verdict.clone())));
    element_lists(raw, || {
        let mut message = in_table(wire::NEW_ELEMENT, CREATE);
        message.str(wire::element::SET, name);
        message
    })
}

pub(super) fn delete_entries(name: &str, entries: &BTreeMap<IpAddr, Verdict>) -> Vec<Message> {
    element_lists(entries.keys().map(|address| raw_entry(*address, None)), || {
        let mut message = in_table(wire::DELETE_ELEMENT, 0);
        message.str(wire::element::SET, name);
        message
    })
}

/// Asks for entries of a map, as for elements.
pub(crate) fn get_entries(name: &str, addresses: impl Iterator<Item = IpAddr>) -> Vec<Message> {
    addresses.map(|address| get_element(name, &raw_entry(address, None))).collect()
}

fn raw_entry(address: IpAddr, verdict: Option<Verdict>) -> RawElement {
    let mut key = Vec::with_capacity(16);
    write_address(address, &mut key);
    RawElement { key, ends: false, verdict }
}

pub(super) fn raw_elements(set: &Set) -> impl Iterator<Item = RawElement> + '_ {
    let kind = set.kind();
    set.keys().flat_map(move |key| match kind {
        SetKind::Address(_) | SetKind::Service(_) | SetKind::Pair(_) => {
            [Some(RawElement { key: key.to_vec(), ends: false, verdict: None }), None].into_iter().flatten()
        }
        SetKind::Block(family) => {
            let (first, last) = key.split_at(width(family));
            interval(first, last).into_iter().flatten()
        }
    })
}

/// A range as its start and the value after its end; one that goes to the very end has no end.
pub(super) fn interval(first: &[u8], last: &[u8]) -> [Option<RawElement>; 2] {
    let all_ones = last.iter().all(|byte| *byte == 0xff);
    let after = (number(last).wrapping_add(1)).to_be_bytes();
    let after = after.get(16 - last.len()..).unwrap_or_default().to_vec();
    [
        Some(RawElement { key: first.to_vec(), ends: false, verdict: None }),
        (!all_ones).then_some(RawElement { key: after, ends: true, verdict: None }),
    ]
}

/// Elements cut into as many messages as their size asks for.
pub(super) fn element_lists(
    elements: impl Iterator<Item = RawElement>,
    begin: impl Fn() -> Message,
) -> Vec<Message> {
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

pub(super) fn write_verdict(out: &mut Message, verdict: &Verdict) {
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
