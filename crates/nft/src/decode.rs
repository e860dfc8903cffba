//! What the kernel says our table holds, as the values it was made from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::encode::{Key, comparison_number, hook_number, key_of, ports_key};
use crate::expression::{Anonymous, Comparison, Expression, SetName, unspell};
use crate::netlink::{Attribute, Attributes, Malformed, Received};
use crate::ruleset::{Base, Family, Hook, Log, Name, Ports, Rule, Sense, Set, SetKind, TABLE, Verdict};
use crate::set::read_address;
use crate::wire;

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

fn every_kind() -> impl Iterator<Item = SetKind> {
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
                let ranges = self.ranges(family.width());
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

    fn ports(self) -> Ports {
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

fn read_verdict(data: &Attribute<'_>) -> Result<Option<Verdict>, Malformed> {
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

/// A rule as it was read, before the anonymous sets that it names are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawRule {
    pub(crate) chain: Name,
    expressions: Vec<Option<Expression>>,
    comment: Option<String>,
    pub(crate) counter: Option<Counter>,
}

/// What a rule has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// A rule; `None` for another table's.
pub(crate) fn rule(message: &Received<'_>) -> Result<Option<RawRule>, DecodeError> {
    let fields = Fields::of_message(message)?;
    if !fields.ours()? {
        return Ok(None);
    }
    let mut rule = RawRule {
        chain: fields.need(wire::rule::CHAIN)?.str()?.into(),
        expressions: Vec::new(),
        comment: fields.get(wire::rule::USERDATA).and_then(|userdata| comment(userdata.value)),
        counter: None,
    };
    if let Some(list) = fields.get(wire::rule::EXPRESSIONS) {
        for item in list.nested() {
            let item = Fields::of(item?.nested())?;
            let name = item.need(wire::expression::NAME)?.str()?;
            let data = item.get(wire::expression::DATA).map_or(&[][..], |data| data.value);
            let data = Fields::of(Attributes::new(data))?;
            if name == "counter" {
                rule.counter = Some(read_counter(&data)?);
            }
            rule.expressions.push(read_expression(name, &data)?);
        }
    }
    Ok(Some(rule))
}

fn comment(mut userdata: &[u8]) -> Option<String> {
    while let [kind, length, rest @ ..] = userdata {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *kind == wire::rule::COMMENT {
            let text = value.strip_suffix(&[0]).unwrap_or(value);
            return String::from_utf8(text.to_vec()).ok();
        }
        userdata = rest;
    }
    None
}

impl RawRule {
    /// The anonymous sets that it looks up.
    pub(crate) fn anonymous(&self) -> impl Iterator<Item = &Name> {
        self.expressions.iter().flatten().filter_map(|expression| {
            let Expression::Lookup { set: SetName::Named(name), .. } = expression else {
                return None;
            };
            is_anonymous(name).then_some(name)
        })
    }

    /// What log prefix and comment say that it is.
    pub(crate) fn names(&self) -> (Option<&str>, Option<&str>) {
        let prefix = self.expressions.iter().flatten().find_map(|expression| {
            let Expression::Log(log) = expression else {
                return None;
            };
            Some(&*log.prefix)
        });
        (prefix, self.comment.as_deref())
    }

    /// The rule with the anonymous sets in their places.
    pub(crate) fn finish(self, anonymous: &BTreeMap<Name, (SetHead, Keys)>) -> Result<Rule, DecodeError> {
        let expressions = self.expressions.into_iter().map(|expression| resolve(expression?, anonymous));
        let expressions: Option<Vec<_>> = expressions.collect();
        expressions
            .and_then(|expressions| unspell(&expressions, self.comment.as_deref()))
            .ok_or_else(|| foreign("a rule of chain", &self.chain))
    }
}

/// What the kernel makes of the name under which we create anonymous sets.
pub(crate) fn is_anonymous(name: &str) -> bool {
    name.starts_with("__set")
}

fn resolve(expression: Expression, sets: &BTreeMap<Name, (SetHead, Keys)>) -> Option<Expression> {
    if let Expression::Lookup { set: SetName::Named(name), sense } = &expression
        && is_anonymous(name)
    {
        let set = match sets.get(name)? {
            (SetHead::AnonymousAddresses(kind), keys) => {
                Anonymous::Addresses(Arc::new(keys.clone().set(*kind)))
            }
            (SetHead::AnonymousPorts, keys) => Anonymous::Ports(keys.clone().ports()),
            (SetHead::Named(_) | SetHead::Map(_), _) => return None,
        };
        return Some(Expression::Lookup { set: SetName::Anonymous(set), sense: *sense });
    }
    Some(expression)
}

fn read_counter(data: &Fields<'_>) -> Result<Counter, Malformed> {
    use wire::expression as w;
    let read = |kind| data.get(kind).map_or(Ok(0), Attribute::u64_be);
    Ok(Counter { packets: read(w::COUNTER_PACKETS)?, bytes: read(w::COUNTER_BYTES)? })
}

/// `None` for an instruction that we never write.
fn read_expression(name: &str, data: &Fields<'_>) -> Result<Option<Expression>, Malformed> {
    use wire::expression as w;
    let at_start = |kind| Ok::<_, Malformed>(register(data.number(kind)?) == Some(0));
    let expression = match name {
        "ct" => (at_start(w::CT_TO)? && data.number(w::CT_KEY)? == w::CT_STATE).then_some(Expression::State),
        "meta" => {
            let key = data.number(w::META_KEY)?;
            register(data.number(w::META_TO)?).map(|to| Expression::Meta { key, to })
        }
        "payload" => {
            let (base, offset) = (data.number(w::PAYLOAD_BASE)?, data.number(w::PAYLOAD_OFFSET)?);
            let length = data.number(w::PAYLOAD_LENGTH)?;
            register(data.number(w::PAYLOAD_TO)?).map(|to| Expression::Payload { base, offset, length, to })
        }
        "bitwise" => read_mask(data)?.filter(|_| at_start(w::BITWISE_FROM) == Ok(true)),
        "cmp" => {
            let value = value(data, w::COMPARE_WITH)?;
            let how =
                comparison(data.number(w::COMPARE_HOW)?).filter(|_| at_start(w::COMPARE_FROM) == Ok(true));
            how.map(|how| Expression::Compare(how, value))
        }
        "lookup" => read_lookup(data)?.filter(|_| at_start(w::LOOKUP_FROM) == Ok(true)),
        "counter" => Some(Expression::Counter),
        "log" => read_log(data)?.map(Expression::Log),
        "immediate" => {
            let verdict = data.get(w::IMMEDIATE_DATA).map(read_verdict).transpose()?.flatten();
            verdict.map(Expression::Verdict)
        }
        _ => None,
    };
    Ok(expression)
}

/// The word at which a register begins: of the four of 16 bytes, or of the sixteen of 4 bytes.
fn register(number: u32) -> Option<u32> {
    match number {
        1..=4 => Some((number - 1) * 4),
        8..=23 => Some(number - wire::expression::FIRST_REGISTER),
        _ => None,
    }
}

fn value(data: &Fields<'_>, kind: u16) -> Result<Vec<u8>, Malformed> {
    let value = data.need(kind)?.nested().find(wire::data::VALUE)?;
    Ok(value.ok_or(Malformed("value missing"))?.value.to_vec())
}

fn comparison(number: u32) -> Option<Comparison> {
    [Comparison::Equal, Comparison::Unequal, Comparison::AtMost, Comparison::AtLeast]
        .into_iter()
        .find(|how| comparison_number(*how) == number)
}

fn read_mask(data: &Fields<'_>) -> Result<Option<Expression>, Malformed> {
    use wire::expression as w;
    let plain = data.number(w::BITWISE_HOW)? == 0 && register(data.number(w::BITWISE_TO)?) == Some(0);
    if !plain || value(data, w::BITWISE_XOR)?.iter().any(|byte| *byte != 0) {
        return Ok(None);
    }
    Ok(Some(Expression::Mask(value(data, w::BITWISE_MASK)?)))
}

fn read_lookup(data: &Fields<'_>) -> Result<Option<Expression>, Malformed> {
    use wire::expression as w;
    let name: Name = data.need(w::LOOKUP_SET)?.str()?.into();
    if data.get(w::LOOKUP_TO).is_some() {
        let to = data.number(w::LOOKUP_TO)?;
        return Ok((to == w::VERDICT_REGISTER).then_some(Expression::Dispatch(name)));
    }
    let sense = match data.number(w::LOOKUP_FLAGS)? {
        0 => Sense::Is,
        _ => Sense::IsNot,
    };
    Ok(Some(Expression::Lookup { set: SetName::Named(name), sense }))
}

fn read_log(data: &Fields<'_>) -> Result<Option<Log>, Malformed> {
    use wire::expression as w;
    let Some(group) = data.get(w::LOG_GROUP) else {
        return Ok(None);
    };
    let prefix = data.get(w::LOG_PREFIX).map_or(Ok(""), Attribute::str)?.into();
    Ok(Some(Log { prefix, group: group.u16_be()?, snaplen: data.number(w::LOG_SNAPLEN)? }))
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
