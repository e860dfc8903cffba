//! Messages to be sent.

use super::{ATTRIBUTE_HEADER, LONGEST_VALUE, MESSAGE_HEADER, REQUEST, TooLong, aligned};

const NESTED: u16 = 0x8000;

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

fn overwrite(bytes: &mut [u8], at: usize, with: &[u8]) {
    for (old, new) in bytes.iter_mut().skip(at).zip(with) {
        *old = *new;
    }
}
