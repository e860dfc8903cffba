//! Packets that a rule has logged.

use crate::encode::hook_number;
use crate::netlink::{Attributes, Malformed, Message, Received};
pub use crate::packet::Headers;
use crate::ruleset::{Hook, Name};
use crate::wire::{self, generic_header};

/// A packet that a rule has logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// The rule's log prefix: the id of the policy's rule.
    pub prefix: Name,
    /// Where; `None` for a place that we don't hook.
    pub hook: Option<Hook>,
    /// The index of the device that it came in by; 0 for none.
    pub input: u32,
    /// The index of the device that it would leave by; 0 for none.
    pub output: u32,
    /// Its addresses and ports, where the packet could be read.
    pub headers: Option<Headers>,
}

mod number {
    pub(super) const PACKET: u16 = 0;
    pub(super) const CONFIGURE: u16 = 1;

    pub(super) const COMMAND: u16 = 1;
    pub(super) const MODE: u16 = 2;
    pub(super) const TIMEOUT: u16 = 4;
    pub(super) const THRESHOLD: u16 = 5;
    pub(super) const BIND: u8 = 1;
    pub(super) const COPY_PACKET: u8 = 2;

    pub(super) const HEADER: u16 = 1;
    pub(super) const INPUT: u16 = 4;
    pub(super) const OUTPUT: u16 = 5;
    pub(super) const PAYLOAD: u16 = 9;
    pub(super) const PREFIX: u16 = 10;
}

/// Asks for the packets of a group, so many bytes of each, one by one as they come.
pub(crate) fn bind(group: u16, bytes: u32) -> [Message; 2] {
    let begin = || {
        let mut message = Message::new(wire::LOG | number::CONFIGURE, 0);
        message.header(&generic_header(0, group));
        message
    };
    let (mut bind, mut configure) = (begin(), begin());
    bind.u8(number::COMMAND, number::BIND);
    let [a, b, c, d] = bytes.to_be_bytes();
    configure
        .bytes(number::MODE, &[a, b, c, d, number::COPY_PACKET, 0])
        // By default the kernel waits for a hundred packets, or for a second.
        .u32_be(number::TIMEOUT, 1)
        .u32_be(number::THRESHOLD, 1);
    [bind, configure]
}

/// The packet that a message carries; `None` for another kind of message.
pub(crate) fn packet(message: &Received<'_>) -> Result<Option<Logged>, Malformed> {
    if message.kind != wire::LOG | number::PACKET {
        return Ok(None);
    }
    let mut logged = Logged { prefix: "".into(), hook: None, input: 0, output: 0, headers: None };
    for attribute in Attributes::new(message.body(wire::GENERIC_HEADER)?) {
        let attribute = attribute?;
        match attribute.kind {
            number::HEADER => logged.hook = hook(attribute.value),
            number::INPUT => logged.input = attribute.u32_be()?,
            number::OUTPUT => logged.output = attribute.u32_be()?,
            number::PAYLOAD => logged.headers = Headers::parse(attribute.value),
            number::PREFIX => logged.prefix = attribute.str()?.into(),
            _ => (),
        }
    }
    Ok(Some(logged))
}

fn hook(header: &[u8]) -> Option<Hook> {
    let number = u32::from(*header.get(2)?);
    [Hook::Forward, Hook::Input].into_iter().find(|hook| hook_number(*hook) == number)
}
