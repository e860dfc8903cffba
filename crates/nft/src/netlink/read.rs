//! Messages as they were received.

use std::iter::FusedIterator;

use super::{ATTRIBUTE_HEADER, MESSAGE_HEADER, Malformed, aligned};

const TYPE_MASK: u16 = 0x3fff;

/// Message types below this one are netlink's own, whatever the protocol.
const FIRST_PROTOCOL_TYPE: u16 = 16;
pub(super) const TYPE_ERROR: u16 = 2;
const TYPE_DONE: u16 = 3;

/// `NLM_F_DUMP_INTR`: what is dumped changed meanwhile.
const DUMP_INTERRUPTED: u16 = 0x10;
/// `NLM_F_CAPPED`: the error doesn't repeat the request's payload.
pub(super) const CAPPED: u16 = 0x100;
/// `NLM_F_ACK_TLVS`: attributes with the kernel's own words follow the error.
pub(super) const ACK_ATTRIBUTES: u16 = 0x200;

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
