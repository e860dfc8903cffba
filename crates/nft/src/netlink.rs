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

use std::iter::FusedIterator;

/// Message types below this one are netlink's own, whatever the protocol.
const FIRST_PROTOCOL_TYPE: u16 = 16;
const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;

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
/// `NLM_F_DUMP_INTR`: what is dumped changed meanwhile.
const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_CAPPED`: the error doesn't repeat the request's payload.
const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes with the kernel's own words follow the error.
const ACK_ATTRIBUTES: u16 = 0x200;

const MESSAGE_HEADER: usize = 16;
const ATTRIBUTE_HEADER: usize = 4;
/// The longest value that the 16-bit length of an attribute can say.
pub const LONGEST_VALUE: usize = u16::MAX as usize - ATTRIBUTE_HEADER;

const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;

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

/// One message under construction. Methods chain; a value that is too long is reported by `encode`.
#[derive(Clone, Debug)]
pub struct Message {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
    fault: Option<TooLong>,
}

impl Message {
    /// A request of that type. `flags` are added to `REQUEST`.
    pub fn new(kind: u16, flags: u16) -> Self {
        Message { kind, flags: flags | REQUEST, body: Vec::new(), fault: None }
    }

    /// The fixed header that a family puts before the attributes, such as `ifinfomsg`, padded to 4 bytes.
    pub fn header(&mut self, bytes: &[u8]) -> &mut Self {
        self.body.extend_from_slice(bytes);
        self.pad();
        self
    }

    /// Adds flags, such as `ACK` on the last message of a batch.
    pub fn add_flags(&mut self, flags: u16) -> &mut Self {
        self.flags |= flags;
        self
    }

    /// An attribute of these bytes.
    pub fn bytes(&mut self, kind: u16, value: &[u8]) -> &mut Self {
        let length = self.checked_length(kind, value.len());
        self.body.extend_from_slice(&length.to_ne_bytes());
        self.body.extend_from_slice(&kind.to_ne_bytes());
        self.body.extend_from_slice(value);
        self.pad();
        self
    }

    /// An attribute without a value, whose presence is what counts.
    pub fn flag(&mut self, kind: u16) -> &mut Self {
        self.bytes(kind, &[])
    }

    /// One byte.
    pub fn u8(&mut self, kind: u16, value: u8) -> &mut Self {
        self.bytes(kind, &[value])
    }

    /// 16 bits in network order.
    pub fn u16_be(&mut self, kind: u16, value: u16) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// 32 bits in network order, as netfilter has them.
    pub fn u32_be(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// 32 bits in the machine's order, as rtnetlink has them.
    pub fn u32(&mut self, kind: u16, value: u32) -> &mut Self {
        self.bytes(kind, &value.to_ne_bytes())
    }

    /// 64 bits in network order.
    pub fn u64_be(&mut self, kind: u16, value: u64) -> &mut Self {
        self.bytes(kind, &value.to_be_bytes())
    }

    /// A string with its closing NUL.
    pub fn str(&mut self, kind: u16, value: &str) -> &mut Self {
        let mut bytes = Vec::with_capacity(value.len() + 1);
        bytes.extend_from_slice(value.as_bytes());
        bytes.push(0);
        self.bytes(kind, &bytes)
    }

    /// An attribute of attributes, marked as nested.
    pub fn nested(&mut self, kind: u16, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let start = self.body.len();
        self.body.extend_from_slice(&[0; 2]);
        self.body.extend_from_slice(&(kind | NESTED).to_ne_bytes());
        fill(self);
        let length = self.checked_length(kind, self.body.len() - start - ATTRIBUTE_HEADER);
        overwrite(&mut self.body, start, &length.to_ne_bytes());
        self
    }

    /// How many bytes the message will take.
    pub fn size(&self) -> usize {
        MESSAGE_HEADER + self.body.len()
    }

    /// The finished message.
    pub fn encode(&self, sequence: u32) -> Result<Vec<u8>, TooLong> {
        let mut out = Vec::with_capacity(self.size());
        self.encode_into(&mut out, sequence)?;
        Ok(out)
    }

    /// Appends the finished message to others.
    pub fn encode_into(&self, out: &mut Vec<u8>, sequence: u32) -> Result<(), TooLong> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        out.extend_from_slice(&(self.size() as u32).to_ne_bytes());
        out.extend_from_slice(&self.kind.to_ne_bytes());
        out.extend_from_slice(&self.flags.to_ne_bytes());
        out.extend_from_slice(&sequence.to_ne_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&self.body);
        Ok(())
    }

    fn pad(&mut self) {
        self.body.resize(aligned(self.body.len()), 0);
    }

    fn checked_length(&mut self, kind: u16, length: usize) -> u16 {
        if length > LONGEST_VALUE {
            self.fault.get_or_insert(TooLong { kind, length });
            return 0;
        }
        (length + ATTRIBUTE_HEADER) as u16
    }
}

/// One message as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received<'a> {
    /// Its type.
    pub kind: u16,
    /// Its flags.
    pub flags: u16,
    /// The request it answers.
    pub sequence: u32,
    /// All after the netlink header.
    pub payload: &'a [u8],
}

/// What a received message is to netlink itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Something of the protocol's own.
    Object,
    /// All went well.
    Acknowledged,
    /// The kernel refused a request.
    Refused(Refusal),
    /// The end of a dump.
    Done,
    /// Nothing of interest.
    Noise,
}

/// Why the kernel refused a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The positive error number.
    pub errno: i32,
    /// The kernel's own words, where it had any.
    pub detail: Option<String>,
}

impl<'a> Received<'a> {
    /// The attributes that follow a family header of `header` bytes.
    pub fn body(&self, header: usize) -> Result<&'a [u8], Malformed> {
        self.payload.get(aligned(header)..).ok_or(Malformed("shorter than its family header"))
    }

    /// Whether what is being dumped changed meanwhile, so that the dump has to be repeated.
    pub fn interrupted(&self) -> bool {
        self.flags & DUMP_INTERRUPTED != 0
    }

    /// What the message is.
    pub fn sort(&self) -> Result<Sort, Malformed> {
        match self.kind {
            TYPE_ERROR => self.verdict(),
            // The end of a dump carries an error number too; 0 nearly always.
            TYPE_DONE => Ok(match errno(self.payload) {
                Some(errno) if errno != 0 => Sort::Refused(Refusal { errno, detail: None }),
                Some(_) | None => Sort::Done,
            }),
            kind if kind < FIRST_PROTOCOL_TYPE => Ok(Sort::Noise),
            _ => Ok(Sort::Object),
        }
    }

    fn verdict(&self) -> Result<Sort, Malformed> {
        match errno(self.payload).ok_or(Malformed("error without a number"))? {
            0 => Ok(Sort::Acknowledged),
            errno => Ok(Sort::Refused(Refusal { errno, detail: self.detail() })),
        }
    }

    /// The kernel's words follow the header of the refused request, and its payload unless that was cut.
    fn detail(&self) -> Option<String> {
        const MESSAGE: u16 = 1;
        if self.flags & ACK_ATTRIBUTES == 0 {
            return None;
        }
        let request = self.payload.get(4..)?;
        let length = if self.flags & CAPPED != 0 { MESSAGE_HEADER } else { word(request)? as usize };
        let attributes = Attributes::new(request.get(aligned(length)..)?);
        attributes.flatten().find(|a| a.kind == MESSAGE).and_then(|a| a.str().ok()).map(str::to_owned)
    }
}

/// The messages in what one `recv` returned.
pub fn messages(bytes: &[u8]) -> Messages<'_> {
    Messages { rest: bytes }
}

/// See [`messages`]. After an error it ends.
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Received<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let taken = take_message(self.rest);
        self.rest = taken.map_or(&[], |(_, rest)| rest);
        Some(taken.map(|(message, _)| message).ok_or(Malformed("message longer than what was received")))
    }
}

impl FusedIterator for Messages<'_> {}

fn take_message(bytes: &[u8]) -> Option<(Received<'_>, &[u8])> {
    let length = word(bytes)? as usize;
    let whole = bytes.get(..length)?;
    let message = Received {
        kind: half(whole.get(4..)?)?,
        flags: half(whole.get(6..)?)?,
        sequence: word(whole.get(8..)?)?,
        payload: whole.get(MESSAGE_HEADER..)?,
    };
    Some((message, bytes.get(aligned(length)..).unwrap_or(&[])))
}

/// One attribute as it was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its type, without the flags that share the field.
    pub kind: u16,
    /// Its value.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// One byte.
    pub fn u8(&self) -> Result<u8, Malformed> {
        Ok(u8::from_ne_bytes(self.array()?))
    }

    /// 16 bits in network order.
    pub fn u16_be(&self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    /// 32 bits in network order.
    pub fn u32_be(&self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    /// 32 bits in the machine's order.
    pub fn u32(&self) -> Result<u32, Malformed> {
        Ok(u32::from_ne_bytes(self.array()?))
    }

    /// 64 bits in network order.
    pub fn u64_be(&self) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    /// Exactly `N` bytes.
    pub fn array<const N: usize>(&self) -> Result<[u8; N], Malformed> {
        self.value.try_into().map_err(|_| Malformed("attribute of the wrong size"))
    }

    /// A string, up to its first NUL.
    pub fn str(&self) -> Result<&'a str, Malformed> {
        let text = self.value.split(|byte| *byte == 0).next().unwrap_or(&[]);
        std::str::from_utf8(text).map_err(|_| Malformed("string that is not UTF-8"))
    }

    /// The attributes inside.
    pub fn nested(&self) -> Attributes<'a> {
        Attributes::new(self.value)
    }
}

/// Attributes one after another. After an error it ends.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// The attributes in these bytes.
    pub fn new(bytes: &'a [u8]) -> Self {
        Attributes { rest: bytes }
    }

    /// The first attribute of that type.
    pub fn find(mut self, kind: u16) -> Result<Option<Attribute<'a>>, Malformed> {
        self.try_fold(None, |found: Option<Attribute<'a>>, attribute| {
            let attribute = attribute?;
            Ok(found.or((attribute.kind == kind).then_some(attribute)))
        })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let taken = take_attribute(self.rest);
        self.rest = taken.map_or(&[], |(_, rest)| rest);
        Some(taken.map(|(attribute, _)| attribute).ok_or(Malformed("attribute longer than its message")))
    }
}

impl FusedIterator for Attributes<'_> {}

fn take_attribute(bytes: &[u8]) -> Option<(Attribute<'_>, &[u8])> {
    let length = usize::from(half(bytes)?);
    let kind = half(bytes.get(2..)?)? & TYPE_MASK;
    let value = bytes.get(ATTRIBUTE_HEADER..length)?;
    Some((Attribute { kind, value }, bytes.get(aligned(length)..).unwrap_or(&[])))
}

/// The positive error number at the start of an error.
fn errno(payload: &[u8]) -> Option<i32> {
    word(payload).map(|number| (number as i32).wrapping_neg())
}

fn word(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk().map(|chunk| u32::from_ne_bytes(*chunk))
}

fn half(bytes: &[u8]) -> Option<u16> {
    bytes.first_chunk().map(|chunk| u16::from_ne_bytes(*chunk))
}

fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (old, new) in bytes.iter_mut().skip(at).zip(with) {
        *old = *new;
    }
}

#[cfg(test)]
mod tests {
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
