//! Rules and what they have counted.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::encode::comparison_number;
use crate::expression::{Anonymous, Comparison, Expression, SetName, unspell};
use crate::netlink::{Attribute, Attributes, Malformed, Received};
use crate::ruleset::{Log, Name, Rule, Sense};
use crate::wire;

use super::sets::{Keys, SetHead, read_verdict};
use super::{DecodeError, Fields, foreign};

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
