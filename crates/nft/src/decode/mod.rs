//! What the kernel says our table holds, as the values it was made from.

mod rule;
mod sets;

use crate::encode::hook_number;
use crate::netlink::{Attribute, Attributes, Malformed, Received};
use crate::ruleset::{Base, Family, Hook, Name, SetKind, TABLE};
use crate::wire;

use sets::every_kind;

pub use rule::Counter;
pub(crate) use rule::{RawRule, rule};
pub(crate) use sets::{Keys, SetHead, set};

/// Why a part of our table isn't one that we could have written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message is broken.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// Something that we never write.
    #[error("{what} `{name}` is not of our making")]
    Foreign {
        /// What it is.
        what: &'static str,
        /// Its name, or its chain's.
        name: String,
    },
}

fn foreign(what: &'static str, name: &str) -> DecodeError {
    DecodeError::Foreign { what, name: name.to_owned() }
}

/// The attributes of one object, each by its number.
struct Fields<'a>(Vec<Attribute<'a>>);

impl<'a> Fields<'a> {
    fn of(attributes: Attributes<'a>) -> Result<Self, Malformed> {
        Ok(Fields(attributes.collect::<Result<_, _>>()?))
    }

    fn of_message(message: &Received<'a>) -> Result<Self, Malformed> {
        Self::of(Attributes::new(message.body(wire::GENERIC_HEADER)?))
    }

    fn get(&self, kind: u16) -> Option<&Attribute<'a>> {
        self.0.iter().find(|attribute| attribute.kind == kind)
    }

    fn need(&self, kind: u16) -> Result<&Attribute<'a>, Malformed> {
        self.get(kind).ok_or(Malformed("attribute missing"))
    }

    fn number(&self, kind: u16) -> Result<u32, Malformed> {
        self.get(kind).map_or(Ok(0), Attribute::u32_be)
    }

    /// Whether it is about our table.
    fn ours(&self) -> Result<bool, Malformed> {
        Ok(self.get(wire::TABLE).map(Attribute::str).transpose()? == Some(TABLE))
    }
}

/// Whether our table is as we make it: neither dormant nor owned by a process.
pub(crate) fn table(message: &Received<'_>) -> Result<Option<()>, DecodeError> {
    match Fields::of_message(message)?.number(wire::table::FLAGS)? {
        0 => Ok(Some(())),
        _ => Err(foreign("table", TABLE)),
    }
}

/// A chain's name and hook; `None` for another table's.
pub(crate) fn chain(message: &Received<'_>) -> Result<Option<(Name, Option<Base>)>, DecodeError> {
    let fields = Fields::of_message(message)?;
    if !fields.ours()? {
        return Ok(None);
    }
    let name = fields.need(wire::chain::NAME)?.str()?;
    let base = fields.get(wire::chain::HOOK).map(|hook| base(hook, &fields, name)).transpose()?;
    Ok(Some((name.into(), base)))
}

fn base(hook: &Attribute<'_>, chain: &Fields<'_>, name: &str) -> Result<Base, DecodeError> {
    let fields = Fields::of(hook.nested())?;
    let number = fields.number(wire::chain::HOOK_NUMBER)?;
    let hook = [Hook::Forward, Hook::Input].into_iter().find(|hook| hook_number(*hook) == number);
    let kind = chain.need(wire::chain::TYPE)?.str()?;
    match hook {
        Some(hook) if kind == "filter" && chain.number(wire::chain::POLICY)? == wire::chain::ACCEPT => {
            let priority = fields.number(wire::chain::HOOK_PRIORITY)?.cast_signed();
            Ok(Base { hook, priority })
        }
        Some(_) | None => Err(foreign("chain", name)),
    }
}

/// The number of the ruleset's generation.
pub(crate) fn generation(message: &Received<'_>) -> Result<u32, Malformed> {
    const ID: u16 = 1;
    Fields::of_message(message)?.need(ID)?.u32_be()
}

/// Reads bytes as everything that the kernel ever sends us, and says how many readings made sense. It is there
/// to be given arbitrary bytes: whatever they are, nothing but an error may come of it.
pub fn readings(bytes: &[u8]) -> usize {
    let messages = crate::netlink::messages(bytes);
    messages.map(|message| message.map_or(0, |message| readings_of(&message))).sum()
}

fn readings_of(message: &Received<'_>) -> usize {
    let mut keys = Keys::default();
    let elements = keys.read(message).is_ok();
    let sizes = every_kind().map(|kind| keys.clone().set(kind).len()).sum::<usize>()
        + keys.clone().ports().as_slice().len()
        + keys.clone().map(Family::V4).len();
    let rule = rule(message).ok().flatten().map(|rule| {
        let anonymous = rule.anonymous().cloned();
        let heads = [SetHead::AnonymousPorts, SetHead::AnonymousAddresses(SetKind::Block(Family::V6))];
        let sets = anonymous.zip(heads).map(|(name, head)| (name, (head, keys.clone()))).collect();
        rule.finish(&sets).is_ok()
    });
    let made_sense = [
        message.sort().is_ok(),
        elements && sizes > 0,
        table(message).is_ok(),
        chain(message).is_ok_and(|chain| chain.is_some()),
        set(message).is_ok_and(|set| set.is_some()),
        rule == Some(true),
        generation(message).is_ok(),
        crate::conntrack::entry(message).is_ok(),
        crate::nflog::packet(message).is_ok_and(|packet| packet.is_some()),
    ];
    made_sense.into_iter().filter(|sense| *sense).count()
}
