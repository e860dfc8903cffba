//! What the network says about packets that it could not deliver.

use nft::nflog::Headers;

use crate::plan::Family;

/// A packet that was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreachable {
    /// Whose it was.
    pub(crate) packet: Headers,
    /// Why.
    pub(crate) reason: Reason,
}

/// Why a packet was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Nobody listens on that port.
    Port,
    /// Something else, in the standard's words.
    Other(&'static str),
}

impl Reason {
    /// In words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Reason::Port => "port unreachable",
            Reason::Other(text) => text,
        }
    }
}

/// Reads an ICMP message, after the IP header; `None` where it says something else.
pub(crate) fn parse(family: Family, message: &[u8]) -> Option<Unreachable> {
    let (kind, code) = (*message.first()?, *message.get(1)?);
    let reason = match family {
        Family::V4 => reason_v4(kind, code)?,
        Family::V6 => reason_v6(kind, code)?,
    };
    Some(Unreachable { packet: Headers::parse(message.get(8..)?)?, reason })
}

fn reason_v4(kind: u8, code: u8) -> Option<Reason> {
    Some(match (kind, code) {
        (3, 0 | 6 | 11) => Reason::Other("network unreachable"),
        (3, 1 | 7 | 12) => Reason::Other("host unreachable"),
        (3, 2) => Reason::Other("protocol unreachable"),
        (3, 3) => Reason::Port,
        (3, 9 | 10 | 13) => Reason::Other("administratively prohibited"),
        (11, _) => Reason::Other("time exceeded"),
        _ => return None,
    })
}

fn reason_v6(kind: u8, code: u8) -> Option<Reason> {
    Some(match (kind, code) {
        (1, 0) => Reason::Other("no route to destination"),
        (1, 1 | 5 | 6) => Reason::Other("administratively prohibited"),
        (1, 2 | 3) => Reason::Other("address unreachable"),
        (1, 4) => Reason::Port,
        (3, _) => Reason::Other("time exceeded"),
        (4, 1) => Reason::Other("protocol unreachable"),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_the_packet_it_is_about() {
        let mut message = vec![3, 3, 0, 0, 0, 0, 0, 0];
        message.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        message.extend([0x10, 0, 0, 53, 0, 8, 0, 0]);
        let unreachable = parse(Family::V4, &message).unwrap();
        let packet = unreachable.packet;
        assert_eq!(unreachable.reason, Reason::Port);
        assert_eq!((packet.source.to_string(), packet.source_port), ("10.0.0.1".to_owned(), 4096));
        assert_eq!((packet.destination_port, packet.protocol), (53, 17));
        message[1] = 13;
        assert_eq!(parse(Family::V4, &message).unwrap().reason, Reason::Other("administratively prohibited"));
        message[1] = 4;
        assert_eq!(parse(Family::V4, &message), None, "too big is not unreachable");
        message[0] = 8;
        assert_eq!(parse(Family::V4, &message), None, "nor is an echo");
        assert_eq!(parse(Family::V4, &[3, 3]), None);
    }
}
