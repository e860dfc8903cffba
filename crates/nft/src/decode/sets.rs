//! Sets, maps and their elements.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::encode::{Key, key_of, ports_key};
use crate::netlink::{Attribute, Malformed, Received};
use crate::ruleset::{Family, Name, Ports, Set, SetKind, Verdict};
use crate::set::read_address;
use crate::set::width;
use crate::wire;

use super::{DecodeError, Fields, foreign};

/// What a set of our table is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SetHead {
    Named(SetKind),
    Map(Family),
    AnonymousAddresses(SetKind),
    AnonymousPorts,
}

/// A set's name and sort; `None` for another table's.
pub(crate) fn set(message: &Received<'_>) -> Result<Option<(Name, SetHead)>, DecodeError> {
    let fields = Fields::of_message(message)?;
    if !fields.ours()? {
        return Ok(None);
    }
    let name = fields.need(wire::set::NAME)?.str()?;
    let flags = fields.number(wire::set::FLAGS)?;
    let kind = fields.number(wire::set::KEY_TYPE)?;
    let length = fields.number(wire::set::KEY_LENGTH)?;
    let head = set_head(flags, kind, length).ok_or_else(|| foreign("set", name))?;
    Ok(Some((name.into(), head)))
}

fn set_head(flags: u32, kind: u32, length: u32) -> Option<SetHead> {
    let anonymous = wire::set::ANONYMOUS | wire::set::CONSTANT;
    let key = |flags| Key { flags, kind, length };
    if flags == wire::set::MAP {
        return Family::BOTH
            .into_iter()
            .find(|family| key_of(SetKind::Address(*family)) == key(0))
            .map(SetHead::Map);
    }
    let known = |flags| every_kind().find(|known| key_of(*known) == key(flags));
    if flags & anonymous == 0 {
        return known(flags).map(SetHead::Named);
    }
    let rest = flags & !anonymous;
    let ports = [Ports::default(), Ports::ranges([(1, 2)])];
    if ports.iter().any(|ports| ports_key(ports) == key(rest)) {
        return Some(SetHead::AnonymousPorts);
    }
    known(rest).map(SetHead::AnonymousAddresses)
}

pub(super) fn every_kind() -> impl Iterator<Item = SetKind> {
    Family::BOTH.into_iter().flat_map(|family| {
        [SetKind::Address(family), SetKind::Service(family), SetKind::Pair(family), SetKind::Block(family)]
    })
}

/// Keys of a set as they come, to be sorted out once all are there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    starts: Vec<u8>,
    ends: Vec<Vec<u8>>,
    entries: BTreeMap<Vec<u8>, Verdict>,
}

impl Keys {
    /// Adds the elements of one message.
    pub(crate) fn read(&mut self, message: &Received<'_>) -> Result<(), Malformed> {
        let fields = Fields::of_message(message)?;
        let Some(list) = fields.get(wire::element::LIST) else {
            return Ok(());
        };
        list.nested().try_for_each(|element| self.read_element(&element?))
    }

    fn read_element(&mut self, element: &Attribute<'_>) -> Result<(), Malformed> {
        let (mut key, mut flags, mut verdict) = (None, 0, None);
        for attribute in element.nested() {
            let attribute = attribute?;
            match attribute.kind {
                wire::element::KEY => key = attribute.nested().find(wire::data::VALUE)?,
                wire::element::FLAGS => flags = attribute.u32_be()?,
                wire::element::DATA => verdict = read_verdict(&attribute)?,
                _ => (),
            }
        }
        let key = key.ok_or(Malformed("element without a key"))?.value;
        match (flags & wire::element::INTERVAL_END, verdict) {
            (0, None) => self.starts.extend_from_slice(key),
            (0, Some(verdict)) => drop(self.entries.insert(key.to_vec(), verdict)),
            _ => self.ends.push(key.to_vec()),
        }
        Ok(())
    }

    /// The elements of a set.
    pub(crate) fn set(self, kind: SetKind) -> Set {
        match kind {
            SetKind::Address(_) | SetKind::Service(_) | SetKind::Pair(_) => Set::from_keys(kind, self.starts),
            SetKind::Block(family) => {
                let ranges = self.ranges(width(family));
                Set::from_keys(
                    kind,
                    ranges.into_iter().flat_map(|(first, last)| [first, last].concat()).collect(),
                )
            }
        }
    }

    /// The entries of a map.
    pub(crate) fn map(self, family: Family) -> BTreeMap<IpAddr, Verdict> {
        let entries = self.entries.into_iter();
        entries.filter_map(|(key, verdict)| Some((read_address(family, &key)?, verdict))).collect()
    }

    pub(super) fn ports(self) -> Ports {
        let port = |bytes: Vec<u8>| bytes.try_into().map_or(0, u16::from_be_bytes);
        let ranges = match self.ends.is_empty() {
            true => self.starts.chunks_exact(2).map(|key| (key.to_vec(), key.to_vec())).collect(),
            false => self.ranges(2),
        };
        Ports::ranges(ranges.into_iter().map(|(first, last)| (port(first), port(last))))
    }

    /// Closed ranges of starts and ends in any order. An end is the first value that isn't in the range any
    /// more; a start without an end goes up to the highest value.
    fn ranges(self, width: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let starts = self.starts.chunks_exact(width).map(|key| (key.to_vec(), true));
        let ends = self.ends.into_iter().map(|key| (key, false));
        // Of an end and a start at one value the end comes first.
        let mut points: Vec<(Vec<u8>, bool)> = starts.chain(ends).collect();
        points.sort_unstable();
        let mut ranges = Vec::new();
        let mut open: Option<Vec<u8>> = None;
        for (key, starts) in points {
            match (open.take(), starts) {
                (first, true) => open = first.or(Some(key)),
                (Some(first), false) => ranges.push((first, before(&key))),
                (None, false) => (),
            }
        }
        ranges.extend(open.map(|first| (first, vec![0xff; width])));
        ranges
    }
}

/// The value before this one, of the same width.
fn before(key: &[u8]) -> Vec<u8> {
    let number = crate::set::number(key).wrapping_sub(1).to_be_bytes();
    number.get(16usize.saturating_sub(key.len())..).unwrap_or_default().to_vec()
}

pub(super) fn read_verdict(data: &Attribute<'_>) -> Result<Option<Verdict>, Malformed> {
    let Some(verdict) = data.nested().find(wire::data::VERDICT)? else {
        return Ok(None);
    };
    let fields = Fields::of(verdict.nested())?;
    let chain = || fields.need(wire::data::VERDICT_CHAIN)?.str().map(Name::from);
    match fields.need(wire::data::VERDICT_CODE)?.u32_be()?.cast_signed() {
        wire::data::ACCEPT => Ok(Some(Verdict::Accept)),
        wire::data::DROP => Ok(Some(Verdict::Drop)),
        wire::data::RETURN => Ok(Some(Verdict::Return)),
        wire::data::JUMP => Ok(Some(Verdict::Jump(chain()?))),
        wire::data::GOTO => Ok(Some(Verdict::Goto(chain()?))),
        _ => Ok(None),
    }
}
