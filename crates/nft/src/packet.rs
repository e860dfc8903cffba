//! The head of an IP packet.

use std::net::IpAddr;

use crate::set::{Family, read_address};

/// What the head of a packet says about its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Headers {
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes.
    pub destination: IpAddr,
    /// The transport protocol's number, of IPv6 after any extension headers.
    pub protocol: u8,
    /// The two ports; 0 where the protocol has none, the packet is a later fragment, or its head was cut.
    pub source_port: u16,
    /// See `source_port`.
    pub destination_port: u16,
}

impl Headers {
    /// The headers of a packet that begins with its IP header.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::parse_v4(packet),
            6 => Self::parse_v6(packet),
            _ => None,
        }
    }

    fn parse_v4(packet: &[u8]) -> Option<Self> {
        let length = usize::from(packet.first()? & 0xf) * 4;
        let protocol = *packet.get(9)?;
        let fragment = half(packet, 6)? & 0x1fff;
        let transport = if fragment == 0 { packet.get(length..).unwrap_or_default() } else { &[] };
        let source = read_address(Family::V4, packet.get(12..16)?)?;
        let destination = read_address(Family::V4, packet.get(16..20)?)?;
        Some(Self::with_ports(source, destination, protocol, transport))
    }

    fn parse_v6(packet: &[u8]) -> Option<Self> {
        const FIXED: usize = 40;
        let source = read_address(Family::V6, packet.get(8..24)?)?;
        let destination = read_address(Family::V6, packet.get(24..40)?)?;
        let (protocol, transport) = after_extensions(*packet.get(6)?, packet.get(FIXED..)?);
        Some(Self::with_ports(source, destination, protocol, transport))
    }

    fn with_ports(source: IpAddr, destination: IpAddr, protocol: u8, transport: &[u8]) -> Self {
        use crate::ruleset::{SCTP, TCP, UDP};
        let port = |at| half(transport, at).filter(|_| [TCP, UDP, SCTP].contains(&protocol)).unwrap_or(0);
        Headers { source, destination, protocol, source_port: port(0), destination_port: port(2) }
    }
}

/// The transport protocol of an IPv6 packet and where its header begins.
fn after_extensions(mut next: u8, mut rest: &[u8]) -> (u8, &[u8]) {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const DESTINATION: u8 = 60;
    loop {
        let length = match (next, rest) {
            (HOP_BY_HOP | ROUTING | DESTINATION, [_, length, ..]) => (usize::from(*length) + 1) * 8,
            (FRAGMENT, [_, _, high, low, ..]) => {
                if u16::from_be_bytes([*high, *low]) & 0xfff8 != 0 {
                    return (rest.first().copied().unwrap_or(next), &[]);
                }
                8
            }
            _ => return (next, rest),
        };
        next = rest.first().copied().unwrap_or(next);
        rest = rest.get(length..).unwrap_or_default();
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|chunk| u16::from_be_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v4(protocol: u8, fragment: u16, options: usize, transport: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45 + (options / 4) as u8, 0, 0, 0, 0, 0];
        packet.extend(fragment.to_be_bytes());
        packet.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend(vec![0; options]);
        packet.extend(transport);
        packet
    }

    fn ports(packet: &[u8]) -> Option<(u8, u16, u16)> {
        Headers::parse(packet)
            .map(|headers| (headers.protocol, headers.source_port, headers.destination_port))
    }

    #[test]
    fn ports_follow_the_options() {
        assert_eq!(ports(&v4(6, 0, 0, &[0, 80, 1, 0, 9, 9])), Some((6, 80, 256)));
        assert_eq!(ports(&v4(17, 0, 8, &[0, 80, 1, 0])), Some((17, 80, 256)));
    }

    #[test]
    fn a_later_fragment_a_cut_head_and_icmp_have_no_ports() {
        assert_eq!(ports(&v4(6, 7, 0, &[0, 80, 1, 0])), Some((6, 0, 0)));
        assert_eq!(ports(&v4(6, 0, 0, &[0])), Some((6, 0, 0)));
        assert_eq!(ports(&v4(1, 0, 0, &[8, 0, 1, 0])), Some((1, 0, 0)));
        assert_eq!(ports(&v4(6, 0, 0, &[])[..19]), None);
        assert_eq!(ports(&[]), None);
    }

    #[test]
    fn ports_follow_the_extension_headers() {
        let mut packet = vec![0x60, 0, 0, 0, 0, 0, 0, 64];
        packet.extend([0xfd; 32]);
        packet.extend([43, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend([44, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        packet.extend([132, 0, 0, 1, 0, 0, 0, 9]);
        packet.extend([0, 80, 1, 0]);
        assert_eq!(ports(&packet), Some((132, 80, 256)));
    }
}
