//! What is asked: may this packet open a connection?

use std::fmt;
use std::net::IpAddr;

/// As seen from the pod that a policy selects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// To the subject.
    Ingress,
    /// From the subject.
    Egress,
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Both, IPv4 first.
    pub const BOTH: [Family; 2] = [Family::V4, Family::V6];

    /// The family of an address.
    pub fn of(address: &IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Family::V4,
            IpAddr::V6(_) => Family::V6,
        }
    }
}

/// A transport protocol. Only the first three have ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP, 6.
    Tcp,
    /// UDP, 17.
    Udp,
    /// SCTP, 132.
    Sctp,
    /// Any other, by its number: ICMP is 1, ICMPv6 is 58.
    Other(u8),
}

impl Protocol {
    /// The three that have ports.
    pub const WITH_PORTS: [Protocol; 3] = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];

    /// The number in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Protocol::Tcp => 6,
            Protocol::Udp => 17,
            Protocol::Sctp => 132,
            Protocol::Other(number) => number,
        }
    }

    /// The protocol of this number; 6, 17 and 132 are never `Other`.
    pub fn from_number(number: u8) -> Self {
        match number {
            6 => Protocol::Tcp,
            17 => Protocol::Udp,
            132 => Protocol::Sctp,
            other => Protocol::Other(other),
        }
    }
}

/// How a packet came to its destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// Sent to the address it reaches.
    Direct,
    /// Sent to a Service and translated. Matters only to a pod that reaches itself (D5, C14).
    Service,
}

/// A new connection, as addresses see it: the source as it arrives at the pod's node (D4), the destination
/// after service translation (D3). Who owns an address is the cluster's to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Flow {
    /// Who opens the connection.
    pub source: IpAddr,
    /// To whom. Same family as `source`.
    pub destination: IpAddr,
    /// Over what.
    pub protocol: Protocol,
    /// The destination port; 0 for a protocol without ports.
    pub port: u16,
    /// Directly or through a Service.
    pub path: Path,
}

impl Flow {
    /// A flow sent straight to its destination.
    pub fn direct(source: IpAddr, destination: IpAddr, protocol: Protocol, port: u16) -> Self {
        Flow { source, destination, protocol, port, path: Path::Direct }
    }

    /// The (subject, peer) ends, as a policy of `direction` sees them.
    pub fn ends(&self, direction: Direction) -> (IpAddr, IpAddr) {
        match direction {
            Direction::Ingress => (self.destination, self.source),
            Direction::Egress => (self.source, self.destination),
        }
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        })
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "4",
            Family::V6 => "6",
        })
    }
}

/// `tcp`, `udp`, `sctp`, or the protocol's number.
impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Protocol::Tcp => f.write_str("tcp"),
            Protocol::Udp => f.write_str("udp"),
            Protocol::Sctp => f.write_str("sctp"),
            Protocol::Other(number) => write!(f, "{number}"),
        }
    }
}
