//! Netlink messages as bytes: built attribute by attribute, and read back without trusting a single length.
//!
//! Nothing here does I/O; `kernel::Socket` sends what is built here and receives what is read here.
//!
//! ```
//! use nft::netlink::{Attributes, Message, messages};
//!
//! let mut message = Message::new(16, 0);
//! message.header(&[0; 4]).str(1, "veth0").nested(18, |info| {
//!     info.str(1, "veth");
//! });
//! let bytes = message.encode(7)?;
//! let received = messages(&bytes).next().unwrap()?;
//! assert_eq!(received.sequence, 7);
//! let name = Attributes::new(received.body(4)?).next().unwrap()?;
//! assert_eq!(name.str()?, "veth0");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod build;
mod read;

pub use build::Message;
pub use read::{Attribute, Attributes, Messages, Received, Refusal, Sort, messages};

/// `NLM_F_REQUEST`, set on every message that is sent.
pub const REQUEST: u16 = 0x1;
/// `NLM_F_ACK`: the kernel answers even when all went well.
pub const ACK: u16 = 0x4;
/// `NLM_F_DUMP`: every object, not one.
pub const DUMP: u16 = 0x300;
/// `NLM_F_EXCL`: fail where the object exists.
pub const EXCLUSIVE: u16 = 0x200;
/// `NLM_F_CREATE`: make the object.
pub const CREATE: u16 = 0x400;
/// `NLM_F_REPLACE`: put it in the place of one that exists.
pub const REPLACE: u16 = 0x100;
/// `NLM_F_APPEND`: put it at the end.
pub const APPEND: u16 = 0x800;

const MESSAGE_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// The longest value that the 16-bit length of an attribute can say.
pub const LONGEST_VALUE: usize = u16::MAX as usize - ATTRIBUTE_HEADER;

/// An attribute's value doesn't fit its 16-bit length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("netlink attribute {kind} is {length} bytes long, and {LONGEST_VALUE} is the most")]
pub struct TooLong {
    /// The attribute's type.
    pub kind: u16,
    /// The length of its value.
    pub length: usize,
}

/// What was received isn't what the protocol says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed netlink message: {0}")]
pub struct Malformed(pub &'static str);

fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

#[cfg(test)]
mod tests {
    use super::read::{ACK_ATTRIBUTES, CAPPED, TYPE_ERROR};
    use super::*;

    #[test]
    fn attributes_are_padded_and_lengths_are_not() {
        let mut message = Message::new(16, ACK);
        message.header(&[1]).bytes(3, b"abc").nested(4, |inner| {
            inner.u16_be(1, 0x0102);
        });
        let bytes = message.encode(9).unwrap();
        assert_eq!(bytes.len(), 16 + 4 + 8 + 12);
        let received = messages(&bytes).next().unwrap().unwrap();
        assert_eq!((received.kind, received.flags, received.sequence), (16, ACK | REQUEST, 9));
        let read: Vec<_> = Attributes::new(received.body(1).unwrap()).map(Result::unwrap).collect();
        assert_eq!(read[0], Attribute { kind: 3, value: b"abc" });
        assert_eq!(read[1].nested().next().unwrap().unwrap().u16_be(), Ok(0x0102));
    }

    #[test]
    fn a_value_of_64_kib_is_an_error() {
        let mut message = Message::new(16, 0);
        message.bytes(1, &vec![0; LONGEST_VALUE]);
        assert!(message.encode(1).is_ok());
        message.bytes(2, &vec![0; LONGEST_VALUE + 1]);
        assert_eq!(message.encode(1), Err(TooLong { kind: 2, length: LONGEST_VALUE + 1 }));
    }

    #[test]
    fn a_nest_of_64_kib_is_an_error() {
        let mut message = Message::new(16, 0);
        message.nested(5, |inner| {
            inner.bytes(1, &[0; 40_000]).bytes(1, &[0; 40_000]);
        });
        assert_eq!(message.encode(1), Err(TooLong { kind: 5, length: 80_008 }));
    }

    #[test]
    fn an_error_names_its_number_and_the_kernels_words() {
        let mut body = (-22i32).to_ne_bytes().to_vec();
        body.extend_from_slice(&[0; 16]);
        let mut error = Message::new(TYPE_ERROR, CAPPED | ACK_ATTRIBUTES);
        error.header(&body).str(1, "no such thing");
        let bytes = error.encode(3).unwrap();
        let received = messages(&bytes).next().unwrap().unwrap();
        let refusal = Refusal { errno: 22, detail: Some("no such thing".into()) };
        assert_eq!(received.sort(), Ok(Sort::Refused(refusal)));
    }

    #[test]
    fn lengths_that_lie_are_errors_and_end_the_walk() {
        for bytes in [&[3u8, 0, 0, 0][..], &[0, 0, 0, 0], &[255, 255, 1, 0], &[5, 0]] {
            let walk: Vec<_> = Attributes::new(bytes).collect();
            assert!(walk.len() == 1 && walk[0].is_err(), "{bytes:?}");
            assert!(messages(bytes).all(|message| message.is_err()), "{bytes:?}");
        }
    }
}
