//! Entries of connection tracking, and which of them a new ruleset ends.

use std::net::IpAddr;

use crate::netlink::{Attribute, Attributes, Malformed, Message, Received};
use crate::set::{Family, read_address, write_address};
use crate::wire::{self, generic_header};

/// One flow that the kernel tracks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// As the packets look that opened it.
    pub original: Tuple,
    /// As the packets look that answer: the ends after any translation, turned round.
    pub reply: Tuple,
    /// The zone that keeps equal tuples apart; 0 is the usual one.
    pub zone: u16,
    /// The kernel's `IPS_*` bits.
    pub status: u32,
    /// Tells it from a later one with the same tuple.
    pub id: u32,
}

/// The packets of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Where they come from.
    pub source: IpAddr,
    /// Where they go.
    pub destination: IpAddr,
    /// Their protocol's number.
    pub protocol: u8,
    /// What else tells them from others.
    pub detail: Detail,
}

/// What tells flows of one protocol between two addresses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Detail {
    /// Ports: TCP, UDP, SCTP and a few more.
    Ports {
        /// The source's.
        source: u16,
        /// The destination's.
        destination: u16,
    },
    /// ICMP and ICMPv6.
    Icmp {
        /// The type of message.
        kind: u8,
        /// Its code.
        code: u8,
        /// The identifier of an echo.
        id: u16,
    },
    /// Nothing.
    None,
}

/// A flow as a policy sees it: after service translation (D3), from where it came to the pod's node (D4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Connection {
    /// Who opened it.
    pub source: IpAddr,
    /// Who answers.
    pub destination: IpAddr,
    /// The protocol's number.
    pub protocol: u8,
    /// The port of who answers; 0 for a protocol without ports.
    pub port: u16,
}

impl Entry {
    /// The flow as a policy sees it.
    pub fn connection(&self) -> Connection {
        let port = match self.reply.detail {
            Detail::Ports { source, .. } => source,
            Detail::Icmp { .. } | Detail::None => 0,
        };
        Connection {
            source: self.original.source,
            destination: self.reply.source,
            protocol: self.original.protocol,
            port,
        }
    }
}

/// The entries whose flows a policy denies by now (D11). The kernel then has to be told to forget them; that
/// their next packets aren't taken for new flows is up to the ruleset (D20).
pub fn revoked(entries: &[Entry], is_denied: impl Fn(&Connection) -> bool) -> Vec<Entry> {
    entries.iter().filter(|entry| is_denied(&entry.connection())).copied().collect()
}

mod number {
    pub(super) const GET: u16 = 1;
    pub(super) const DELETE: u16 = 2;

    pub(super) const ORIGINAL: u16 = 1;
    pub(super) const REPLY: u16 = 2;
    pub(super) const STATUS: u16 = 3;
    pub(super) const ID: u16 = 12;
    pub(super) const ZONE: u16 = 18;

    pub(super) const TUPLE_IP: u16 = 1;
    pub(super) const TUPLE_PROTOCOL: u16 = 2;
    pub(super) const SOURCE4: u16 = 1;
    pub(super) const DESTINATION4: u16 = 2;
    pub(super) const SOURCE6: u16 = 3;
    pub(super) const DESTINATION6: u16 = 4;
    pub(super) const PROTOCOL: u16 = 1;
    pub(super) const SOURCE_PORT: u16 = 2;
    pub(super) const DESTINATION_PORT: u16 = 3;
    /// Identifier, type and code, of ICMP and then of ICMPv6.
    pub(super) const ICMP: [u16; 3] = [4, 5, 6];
    pub(super) const ICMPV6: [u16; 3] = [7, 8, 9];
}

/// Asks for all entries of both families.
pub(crate) fn get_all() -> Message {
    let mut message = Message::new(wire::CONNTRACK | number::GET, 0);
    message.header(&generic_header(0, 0));
    message
}

/// Forgets all entries of both families.
pub(crate) fn delete_all() -> Message {
    let mut message = Message::new(wire::CONNTRACK | number::DELETE, 0);
    message.header(&generic_header(0, 0));
    message
}

/// Forgets one entry, if it is still the same.
pub(crate) fn delete(entry: &Entry) -> Message {
    let family = match Family::of(&entry.original.source) {
        Family::V4 => wire::IPV4,
        Family::V6 => wire::IPV6,
    };
    let mut message = Message::new(wire::CONNTRACK | number::DELETE, 0);
    message.header(&generic_header(family, 0));
    message.nested(number::ORIGINAL, |tuple| write_tuple(tuple, &entry.original));
    if entry.zone != 0 {
        message.u16_be(number::ZONE, entry.zone);
    }
    message.u32_be(number::ID, entry.id);
    message
}

fn write_tuple(out: &mut Message, tuple: &Tuple) {
    let (source, destination, icmp) = match Family::of(&tuple.source) {
        Family::V4 => (number::SOURCE4, number::DESTINATION4, number::ICMP),
        Family::V6 => (number::SOURCE6, number::DESTINATION6, number::ICMPV6),
    };
    out.nested(number::TUPLE_IP, |ip| {
        ip.bytes(source, &octets(tuple.source)).bytes(destination, &octets(tuple.destination));
    });
    out.nested(number::TUPLE_PROTOCOL, |protocol| {
        protocol.u8(number::PROTOCOL, tuple.protocol);
        match tuple.detail {
            Detail::Ports { source, destination } => {
                protocol.u16_be(number::SOURCE_PORT, source).u16_be(number::DESTINATION_PORT, destination);
            }
            Detail::Icmp { kind, code, id } => {
                let [id_number, kind_number, code_number] = icmp;
                protocol.u16_be(id_number, id).u8(kind_number, kind).u8(code_number, code);
            }
            Detail::None => (),
        }
    });
}

fn octets(address: IpAddr) -> Vec<u8> {
    let mut octets = Vec::with_capacity(16);
    write_address(address, &mut octets);
    octets
}

/// The entry that a message describes.
pub(crate) fn entry(message: &Received<'_>) -> Result<Entry, Malformed> {
    let (mut original, mut reply) = (None, None);
    let (mut zone, mut status, mut id) = (0, 0, 0);
    for attribute in Attributes::new(message.body(wire::GENERIC_HEADER)?) {
        let attribute = attribute?;
        match attribute.kind {
            number::ORIGINAL => original = Some(tuple(&attribute)?),
            number::REPLY => reply = Some(tuple(&attribute)?),
            number::STATUS => status = attribute.u32_be()?,
            number::ID => id = attribute.u32_be()?,
            number::ZONE => zone = attribute.u16_be()?,
            _ => (),
        }
    }
    let missing = Malformed("conntrack entry without a tuple");
    Ok(Entry { original: original.ok_or(missing)?, reply: reply.ok_or(missing)?, zone, status, id })
}

fn tuple(attribute: &Attribute<'_>) -> Result<Tuple, Malformed> {
    let missing = Malformed("conntrack tuple without addresses or protocol");
    let (mut source, mut destination) = (None, None);
    for part in attribute.nested().find(number::TUPLE_IP)?.ok_or(missing)?.nested() {
        let part = part?;
        match part.kind {
            number::SOURCE4 => source = read_address(Family::V4, part.value),
            number::DESTINATION4 => destination = read_address(Family::V4, part.value),
            number::SOURCE6 => source = read_address(Family::V6, part.value),
            number::DESTINATION6 => destination = read_address(Family::V6, part.value),
            _ => (),
        }
    }
    let protocol = attribute.nested().find(number::TUPLE_PROTOCOL)?.ok_or(missing)?;
    let protocol_number = protocol.nested().find(number::PROTOCOL)?.ok_or(missing)?.u8()?;
    let (source, destination) = (source.ok_or(missing)?, destination.ok_or(missing)?);
    Ok(Tuple { source, destination, protocol: protocol_number, detail: detail(&protocol)? })
}

fn detail(protocol: &Attribute<'_>) -> Result<Detail, Malformed> {
    let find = |kind| protocol.nested().find(kind);
    if let (Some(source), Some(destination)) = (find(number::SOURCE_PORT)?, find(number::DESTINATION_PORT)?) {
        return Ok(Detail::Ports { source: source.u16_be()?, destination: destination.u16_be()? });
    }
    for [id, kind, code] in [number::ICMP, number::ICMPV6] {
        if let (Some(id), Some(kind), Some(code)) = (find(id)?, find(kind)?, find(code)?) {
            return Ok(Detail::Icmp { kind: kind.u8()?, code: code.u8()?, id: id.u16_be()? });
        }
    }
    Ok(Detail::None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::messages;
    use crate::ruleset::{ICMP, ICMPV6, TCP};

    fn tuple_of(source: &str, destination: &str, protocol: u8, detail: Detail) -> Tuple {
        Tuple { source: source.parse().unwrap(), destination: destination.parse().unwrap(), protocol, detail }
    }

    fn entry_of(original: Tuple, reply: Tuple) -> Entry {
        Entry { original, reply, zone: 3, status: 0, id: 77 }
    }

    fn translated() -> Entry {
        let ports = |source, destination| Detail::Ports { source, destination };
        entry_of(
            tuple_of("10.0.0.1", "10.96.0.1", TCP, ports(40_000, 80)),
            tuple_of("10.0.0.2", "10.0.0.1", TCP, ports(8080, 40_000)),
        )
    }

    #[test]
    fn a_flow_through_a_service_is_one_to_the_pod() {
        let expected = Connection {
            source: "10.0.0.1".parse().unwrap(),
            destination: "10.0.0.2".parse().unwrap(),
            protocol: TCP,
            port: 8080,
        };
        assert_eq!(translated().connection(), expected);
    }

    #[test]
    fn what_is_denied_by_now_is_revoked() {
        let echo = |kind| Detail::Icmp { kind, code: 0, id: 7 };
        let ping = entry_of(
            tuple_of("10.0.0.1", "10.0.0.2", ICMP, echo(8)),
            tuple_of("10.0.0.2", "10.0.0.1", ICMP, echo(0)),
        );
        let entries = [ping, translated()];
        assert_eq!(revoked(&entries, |connection| connection.port == 0), [ping]);
        assert_eq!(revoked(&entries, |_| false), []);
    }

    /// The message that ends a flow names it as the kernel does.
    #[test]
    fn the_entry_that_is_deleted_is_the_one_that_was_read() {
        let echo = Detail::Icmp { kind: 128, code: 0, id: 513 };
        let entries = [
            translated(),
            entry_of(
                tuple_of("fd00::1", "fd00::2", ICMPV6, echo),
                tuple_of("fd00::2", "fd00::1", ICMPV6, echo),
            ),
            entry_of(
                tuple_of("fd00::1", "fd00::2", 47, Detail::None),
                tuple_of("fd00::2", "fd00::1", 47, Detail::None),
            ),
        ];
        for entry in entries {
            // The reply is not part of a deletion, and without one it is no entry.
            let mut message = delete(&entry);
            message.nested(number::REPLY, |reply| write_tuple(reply, &entry.reply));
            let bytes = message.encode(1).unwrap();
            let received = messages(&bytes).next().unwrap().unwrap();
            assert_eq!(super::entry(&received), Ok(entry));
        }
    }
}
