//! Our table as the kernel has it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::decode::{self, Counter, DecodeError, Keys, RawRule, SetHead};
use crate::encode;
use crate::netlink::{Malformed, Message, Received};
use crate::ruleset::{Base, Chain, Name, Rule, Ruleset, Set, SetKind, TABLE, Verdict, VerdictMap};
use crate::wire;

use super::socket::{RequestError, Socket};

/// How often a reading that somebody's change interrupted is begun again.
const ATTEMPTS: usize = 10;

/// Why our table could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The kernel didn't give it.
    #[error("cannot read table `{TABLE}`")]
    Request(#[from] RequestError),
    /// It holds something that isn't ours.
    #[error("cannot understand table `{TABLE}`")]
    Decode(#[from] DecodeError),
    /// It, or another table, changed each time it was being read.
    #[error("the ruleset kept changing while it was read")]
    Restless,
}

impl From<Malformed> for ReadError {
    fn from(malformed: Malformed) -> Self {
        ReadError::Decode(malformed.into())
    }
}

/// The number of the kernel's ruleset: one more with each transaction, whoever's it is.
pub fn generation(socket: &mut Socket) -> Result<u32, RequestError> {
    let mut generation = None;
    socket.ask(&[encode::object(wire::GET_GENERATION, 0)], |message| {
        generation = Some(decode::generation(message)?);
        Ok(())
    })?;
    generation.ok_or(RequestError::Unanswered)
}

/// All that our table holds, and the generation at which it did; `None` where there is no such table.
pub fn read(socket: &mut Socket) -> Result<(Option<Ruleset>, u32), ReadError> {
    for _ in 0..ATTEMPTS {
        let before = generation(socket)?;
        let ruleset = read_once(socket);
        if generation(socket)? == before {
            return Ok((ruleset?, before));
        }
    }
    Err(ReadError::Restless)
}

fn read_once(socket: &mut Socket) -> Result<Option<Ruleset>, ReadError> {
    if one(socket, &get_table(), decode::table)?.is_none() {
        return Ok(None);
    }
    let heads = collect(socket, &encode::in_table(wire::GET_SET, 0), decode::set)?;
    let chains = collect(socket, &encode::object(wire::GET_CHAIN, 0), decode::chain)?;
    let rules = collect(socket, &encode::in_table(wire::GET_RULE, 0), decode::rule)?;
    let mut ruleset = Ruleset::default();
    let mut anonymous = BTreeMap::new();
    for (name, head) in heads {
        let keys = keys(socket, &name)?;
        match head {
            SetHead::Named(kind) => drop(ruleset.sets.insert(name, Arc::new(keys.set(kind)))),
            SetHead::Map(family) => {
                let map = VerdictMap { family, entries: keys.map(family) };
                ruleset.maps.insert(name, map);
            }
            SetHead::AnonymousAddresses(_) | SetHead::AnonymousPorts => {
                anonymous.insert(name, (head, keys));
            }
        }
    }
    let mut filled: BTreeMap<Name, Vec<Rule>> = BTreeMap::new();
    for rule in rules {
        filled.entry(rule.chain.clone()).or_default().push(rule.finish(&anonymous)?);
    }
    for (name, base) in chains {
        let rules = filled.remove(&name).unwrap_or_default();
        ruleset.chains.insert(name, Arc::new(Chain { base, rules }));
    }
    Ok(Some(ruleset))
}

/// The rules of these chains. A few are asked for one by one; of many all are read at once.
pub(crate) fn rules(socket: &mut Socket, chains: &[&Name]) -> Result<BTreeMap<Name, Vec<Rule>>, ReadError> {
    const FEW: usize = 8;
    let mut raw = Vec::new();
    if chains.len() <= FEW {
        for chain in chains {
            let mut message = encode::in_table(wire::GET_RULE, 0);
            message.str(wire::rule::CHAIN, chain);
            raw.extend(collect(socket, &message, decode::rule)?);
        }
    } else {
        let wanted: std::collections::HashSet<&Name> = chains.iter().copied().collect();
        raw = collect(socket, &encode::in_table(wire::GET_RULE, 0), decode::rule)?;
        raw.retain(|rule| wanted.contains(&rule.chain));
    }
    let anonymous = anonymous_sets(socket, &raw)?;
    let mut filled: BTreeMap<Name, Vec<Rule>> =
        chains.iter().map(|chain| (Name::clone(chain), Vec::new())).collect();
    for rule in raw {
        filled.entry(rule.chain.clone()).or_default().push(rule.finish(&anonymous)?);
    }
    Ok(filled)
}

fn anonymous_sets(
    socket: &mut Socket,
    rules: &[RawRule],
) -> Result<BTreeMap<Name, (SetHead, Keys)>, ReadError> {
    let mut sets = BTreeMap::new();
    for name in rules.iter().flat_map(RawRule::anonymous) {
        let mut message = encode::in_table(wire::GET_SET, 0);
        message.str(wire::set::NAME, name);
        if let Some((name, head)) = one(socket, &message, decode::set)? {
            let keys = keys(socket, &name)?;
            sets.insert(name, (head, keys));
        }
    }
    Ok(sets)
}

/// A whole set.
pub(crate) fn set(socket: &mut Socket, name: &str, kind: SetKind) -> Result<Set, ReadError> {
    Ok(keys(socket, name)?.set(kind))
}

/// Those of these elements that a set holds, without reading the others. Not for blocks.
pub(crate) fn elements(socket: &mut Socket, name: &str, of: &Set) -> Result<Set, ReadError> {
    let mut found = Keys::default();
    socket.ask(&encode::get_elements(name, of), |message| found.read(message))?;
    Ok(found.set(of.kind()))
}

/// Those of these entries that a map holds.
pub(crate) fn entries(
    socket: &mut Socket,
    name: &str,
    family: crate::ruleset::Family,
    addresses: impl Iterator<Item = IpAddr>,
) -> Result<BTreeMap<IpAddr, Verdict>, ReadError> {
    let mut found = Keys::default();
    socket.ask(&encode::get_entries(name, addresses), |message| found.read(message))?;
    Ok(found.map(family))
}

/// Where a chain is hooked; `None` where there is no such chain.
pub(crate) fn chain(socket: &mut Socket, name: &str) -> Result<Option<Option<Base>>, ReadError> {
    let mut message = encode::in_table(wire::GET_CHAIN, 0);
    message.str(wire::chain::NAME, name);
    Ok(one(socket, &message, decode::chain)?.map(|(_, base)| base))
}

/// Whether there is a set or map of that name.
pub(crate) fn has_set(socket: &mut Socket, name: &str) -> Result<bool, ReadError> {
    let mut message = encode::in_table(wire::GET_SET, 0);
    message.str(wire::set::NAME, name);
    Ok(exists(socket, &message)?)
}

/// Whether our table is there.
pub(crate) fn has_table(socket: &mut Socket) -> Result<bool, ReadError> {
    Ok(exists(socket, &get_table())?)
}

/// What a rule has counted, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCounter {
    /// Its chain.
    pub chain: Name,
    /// Its log prefix: the id of the policy's rule.
    pub prefix: Option<Name>,
    /// Its comment.
    pub comment: Option<Name>,
    /// How much.
    pub counter: Counter,
}

/// The counters of all rules in our table that have one. A rule of a policy may stand in several chains; the
/// sum over those of one prefix is what the rule has done since these chains were made.
pub fn counters(socket: &mut Socket) -> Result<Vec<RuleCounter>, ReadError> {
    let rules = collect(socket, &encode::in_table(wire::GET_RULE, 0), decode::rule)?;
    let counted = rules.into_iter().filter_map(|rule| {
        let counter = rule.counter?;
        let (prefix, comment) = rule.names();
        let (prefix, comment) = (prefix.map(Name::from), comment.map(Name::from));
        Some(RuleCounter { chain: rule.chain, prefix, comment, counter })
    });
    Ok(counted.collect())
}

fn get_table() -> Message {
    let mut message = encode::object(wire::GET_TABLE, 0);
    message.str(wire::table::NAME, TABLE);
    message
}

fn keys(socket: &mut Socket, set: &str) -> Result<Keys, ReadError> {
    let mut message = encode::in_table(wire::GET_ELEMENT, 0);
    message.str(wire::element::SET, set);
    Ok(socket.dump(&message, Keys::default, Keys::read)?)
}

fn collect<T>(
    socket: &mut Socket,
    message: &Message,
    decode: impl Fn(&Received<'_>) -> Result<Option<T>, DecodeError>,
) -> Result<Vec<T>, ReadError> {
    let all = socket.dump(message, Vec::new, |all, message| {
        all.extend(decode(message).transpose());
        Ok(())
    })?;
    Ok(all.into_iter().collect::<Result<_, _>>()?)
}

/// One object by its name; `None` where there is none.
fn one<T>(
    socket: &mut Socket,
    message: &Message,
    decode: impl Fn(&Received<'_>) -> Result<Option<T>, DecodeError>,
) -> Result<Option<T>, ReadError> {
    let mut found = None;
    socket.ask(std::slice::from_ref(message), |message| {
        found = Some(decode(message));
        Ok(())
    })?;
    Ok(found.transpose()?.flatten())
}

fn exists(socket: &mut Socket, message: &Message) -> Result<bool, RequestError> {
    let mut found = false;
    socket.ask(std::slice::from_ref(message), |_| {
        found = true;
        Ok(())
    })?;
    Ok(found)
}
