//! As much of SCTP (RFC 9260) as it takes to ask whether a port is open, and to answer.
//!
//! The answer carries the responder's name in the state cookie, which is opaque to everybody else.

/// The kind of a chunk that this lab sends or looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Chunk {
    /// May I?
    Init {
        /// What answers are tagged with.
        tag: u32,
    },
    /// You may.
    InitAck {
        /// What further packets would be tagged with.
        tag: u32,
        /// The state cookie.
        cookie: Vec<u8>,
    },
    /// You may not.
    Abort,
}

/// A packet with one chunk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    pub(crate) verification_tag: u32,
    pub(crate) chunk: Chunk,
}

const COMMON_HEADER: usize = 12;
const CHUNK_HEADER: usize = 4;
/// Tag, window, streams out and in, first sequence number.
const INIT_FIXED: usize = 16;
const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const ABORT: u8 = 6;
const STATE_COOKIE: u16 = 7;

impl Packet {
    /// What the packet's receiver answers, if he has an answer: his name where the port is open.
    pub(crate) fn answer(&self, name: Option<&str>, own_tag: u32) -> Option<Packet> {
        let Chunk::Init { tag } = self.chunk else { return None };
        let chunk = name.map_or(Chunk::Abort, |name| Chunk::InitAck { tag: own_tag, cookie: name.into() });
        Some(Packet {
            source_port: self.destination_port,
            destination_port: self.source_port,
            verification_tag: tag,
            chunk,
        })
    }

    /// The packet as it goes on the wire, after the IP header.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend(self.source_port.to_be_bytes());
        bytes.extend(self.destination_port.to_be_bytes());
        bytes.extend(self.verification_tag.to_be_bytes());
        bytes.extend([0; 4]);
        self.chunk.encode_into(&mut bytes);
        let checksum = crc32c(&bytes).to_le_bytes();
        bytes.iter_mut().skip(8).zip(checksum).for_each(|(byte, sum)| *byte = sum);
        bytes
    }

    /// Reads a packet, after the IP header; `None` where it is none, its checksum is wrong, or its first
    /// chunk is of another kind.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Packet> {
        let checksum = u32::from_le_bytes(*bytes.get(8..)?.first_chunk()?);
        let (head, rest) = bytes.split_at_checked(COMMON_HEADER)?;
        let unsigned = [head.get(..8)?, &[0; 4], rest].concat();
        if crc32c(&unsigned) != checksum {
            return None;
        }
        Some(Packet {
            source_port: u16::from_be_bytes(*head.first_chunk()?),
            destination_port: u16::from_be_bytes(*head.get(2..)?.first_chunk()?),
            verification_tag: u32::from_be_bytes(*head.get(4..)?.first_chunk()?),
            chunk: Chunk::parse(rest)?,
        })
    }
}

impl Chunk {
    fn encode_into(&self, bytes: &mut Vec<u8>) {
        match self {
            Chunk::Init { tag } => {
                bytes.extend(chunk_header(INIT, INIT_FIXED));
                bytes.extend(init_fields(*tag));
            }
            Chunk::InitAck { tag, cookie } => {
                let padded = cookie.len().next_multiple_of(4);
                // The length of the chunk counts the padding of all parameters but the last.
                bytes.extend(chunk_header(INIT_ACK, INIT_FIXED + 4 + cookie.len()));
                bytes.extend(init_fields(*tag));
                bytes.extend(STATE_COOKIE.to_be_bytes());
                bytes.extend((4 + cookie.len() as u16).to_be_bytes());
                bytes.extend(cookie);
                bytes.resize(bytes.len() + padded - cookie.len(), 0);
            }
            Chunk::Abort => bytes.extend(chunk_header(ABORT, 0)),
        }
    }

    fn parse(bytes: &[u8]) -> Option<Chunk> {
        let length = usize::from(u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?));
        let body = bytes.get(CHUNK_HEADER..length)?;
        match *bytes.first()? {
            INIT => Some(Chunk::Init { tag: tag(body)? }),
            INIT_ACK => {
                Some(Chunk::InitAck { tag: tag(body)?, cookie: cookie(body.get(INIT_FIXED..)?)?.to_vec() })
            }
            ABORT => Some(Chunk::Abort),
            _ => None,
        }
    }
}

fn chunk_header(kind: u8, body: usize) -> [u8; CHUNK_HEADER] {
    let [high, low] = ((CHUNK_HEADER + body) as u16).to_be_bytes();
    [kind, 0, high, low]
}

fn init_fields(tag: u32) -> [u8; INIT_FIXED] {
    let [a, b, c, d] = tag.to_be_bytes();
    // A window of 64 KiB, one stream each way, and the tag again as the first sequence number.
    [a, b, c, d, 0, 1, 0, 0, 0, 1, 0, 1, a, b, c, d]
}

/// A tag is never 0 in an INIT.
fn tag(body: &[u8]) -> Option<u32> {
    body.get(..INIT_FIXED)?.first_chunk().map(|tag| u32::from_be_bytes(*tag)).filter(|tag| *tag != 0)
}

/// The state cookie among the parameters of an INIT-ACK.
fn cookie(mut parameters: &[u8]) -> Option<&[u8]> {
    loop {
        let kind = u16::from_be_bytes(*parameters.first_chunk()?);
        let length = usize::from(u16::from_be_bytes(*parameters.get(2..)?.first_chunk()?));
        let value = parameters.get(4..length)?;
        if kind == STATE_COOKIE {
            return Some(value);
        }
        parameters = parameters.get(length.next_multiple_of(4)..)?;
    }
}

/// The checksum of RFC 9260, appendix A: Castagnoli's polynomial, reflected.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| (sum >> 8) ^ entry((sum as u8) ^ byte))
}

fn entry(byte: u8) -> u32 {
    const TABLE: [u32; 256] = table();
    TABLE.get(usize::from(byte)).copied().unwrap_or_default()
}

#[expect(clippy::indexing_slicing, reason = "evaluated when this is compiled")]
const fn table() -> [u32; 256] {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut sum = index as u32;
        let mut bit = 0;
        while bit < 8 {
            sum = (sum >> 1) ^ (POLYNOMIAL * (sum & 1));
            bit += 1;
        }
        table[index] = sum;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init() -> Packet {
        Packet {
            source_port: 4000,
            destination_port: 9999,
            verification_tag: 0,
            chunk: Chunk::Init { tag: 0x0102_0304 },
        }
    }

    #[test]
    fn checksums_are_those_of_rfc_3720() {
        let ascending: Vec<u8> = (0..32).collect();
        let descending: Vec<u8> = (0..32).rev().collect();
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(&ascending), 0x46dd_794e);
        assert_eq!(crc32c(&descending), 0x113f_db5c);
    }

    #[test]
    fn an_open_port_answers_with_its_name_and_the_askers_tag() {
        for name in ["a", "ab", "abc", "shop/web-0", ""] {
            let answer = init().answer(Some(name), 7).unwrap();
            assert_eq!(Packet::parse(&answer.encode()), Some(answer.clone()));
            assert_eq!((answer.source_port, answer.destination_port), (9999, 4000));
            assert_eq!(answer.verification_tag, 0x0102_0304);
            assert_eq!(answer.chunk, Chunk::InitAck { tag: 7, cookie: name.into() });
            assert_eq!(answer.encode().len() % 4, 0);
        }
    }

    #[test]
    fn a_closed_port_aborts_and_answers_are_not_answered() {
        let abort = init().answer(None, 7).unwrap();
        assert_eq!(abort.chunk, Chunk::Abort);
        assert_eq!(Packet::parse(&abort.encode()), Some(abort.clone()));
        assert_eq!(abort.answer(Some("x"), 7), None);
    }

    #[test]
    fn the_first_bytes_of_an_init_are_where_the_rfc_has_them() {
        let bytes = init().encode();
        assert_eq!(bytes.len(), 32);
        assert_eq!(bytes[..8], [0x0f, 0xa0, 0x27, 0x0f, 0, 0, 0, 0]);
        assert_eq!(bytes[12..20], [1, 0, 0, 20, 1, 2, 3, 4]);
    }

    #[test]
    fn no_cut_and_no_flipped_bit_is_taken_for_a_packet() {
        let bytes = init().answer(Some("shop/web"), 7).unwrap().encode();
        for length in 0..bytes.len() {
            assert_eq!(Packet::parse(&bytes[..length]), None, "{length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Packet::parse(&flipped), None, "{bit}");
        }
    }

    #[test]
    fn lengths_that_lie_are_no_packets() {
        assert_eq!(Chunk::parse(&[2, 0, 0, 3]), None);
        assert_eq!(Chunk::parse(&[2, 0, 255, 255, 0]), None);
        assert_eq!(cookie(&[0, 9, 0, 0, 0, 9, 0, 0]), None);
        assert_eq!(cookie(&[0, 9, 0, 6, 1, 1, 0, 0, 0, 7, 0, 5, 42]), Some(&[42][..]));
    }
}
