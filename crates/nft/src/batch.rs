//! A transaction cut to what a socket can send at once.
//!
//! A batch is one datagram and takes effect as a whole. An unprivileged process can send some 400 KiB at
//! once; a first ruleset may take megabytes. So what packets can't reach yet (new sets and maps with their
//! elements, new chains with their rules) goes ahead in batches of its own, and one small batch then puts it
//! all in the packets' way. Where a batch fails half way, what went ahead is still unreachable, and the next
//! commit finds it and clears it away.
//!
//! If even the rest doesn't fit, because sets in use change by tens of thousands of elements at once, these
//! elements go first, in batches of their own. That is not one step any more: for some milliseconds a set
//! holds a part of its new elements, as if the pods had come and gone one after another. Rules change as a
//! whole all the same.

use std::collections::HashSet;

use crate::encode::{self, Numbers};
use crate::netlink::Message;
use crate::ruleset::Name;
use crate::transaction::{Step, Transaction};

/// Messages that take effect together, each with the index of its step.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) messages: Vec<Message>,
    pub(crate) steps: Vec<usize>,
    bytes: usize,
}

/// What has to be one batch is larger than the socket can send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a change that has to be made at once takes {bytes} bytes, and the socket sends at most {limit}")]
pub struct TooLarge {
    /// How large it is.
    pub bytes: usize,
    /// What the socket can send.
    pub limit: usize,
}

/// What begins and ends a batch, generously.
const FRAME: usize = 256;

/// The batches of a transaction, each at most `limit` bytes long, in their order.
pub(crate) fn batches(transaction: &Transaction, limit: usize) -> Result<Vec<Batch>, TooLarge> {
    let room = limit.saturating_sub(FRAME);
    let units = units(transaction);
    let ahead = transaction.steps.len() - behind(&transaction.steps).len();
    let elements = |step: &Step| matches!(step, Step::AddElements(..) | Step::DeleteElements(..));
    let changed = behind(&transaction.steps).iter().take_while(|step| elements(step)).count();
    let (unseen, rest): (Vec<_>, Vec<_>) = units.into_iter().partition(|unit| unit.step() < ahead);
    let size = |units: &[Batch]| units.iter().map(|unit| unit.bytes).sum::<usize>();

    if size(&unseen) + size(&rest) <= room {
        return Ok(packed(unseen.into_iter().chain(rest), room));
    }
    let mut batches = packed(unseen, room);
    let (first, last): (Vec<_>, Vec<_>) = if size(&rest) <= room {
        (Vec::new(), rest)
    } else {
        rest.into_iter().partition(|unit| unit.step() < ahead + changed)
    };
    batches.extend(packed(first, room));
    if size(&last) > room {
        return Err(TooLarge { bytes: size(&last) + FRAME, limit });
    }
    batches.extend(packed(last, room));
    Ok(batches)
}

/// The steps from the first on that a packet could notice.
fn behind(steps: &[Step]) -> &[Step] {
    let mut new: HashSet<&Name> = HashSet::new();
    let unseen = steps.iter().take_while(|step| match step {
        Step::AddSet(name, _) | Step::AddMap(name, _) | Step::AddChain(name, None) => {
            new.insert(name);
            true
        }
        // A new thing is filled right after it was made, but all chains are made before the first is filled.
        Step::AddElements(name, _) | Step::AddEntries(name, _) | Step::AddRule(name, _) => new.contains(name),
        Step::DeleteTable
        | Step::DeleteElements(..)
        | Step::DeleteSet(_)
        | Step::DeleteEntries(..)
        | Step::DeleteMap(_)
        | Step::AddChain(_, Some(_))
        | Step::FlushChain(_)
        | Step::DeleteChain(_) => false,
    });
    let unseen = unseen.count();
    steps.get(unseen..).unwrap_or_default()
}

/// Groups of messages that can't be parted, each as a small batch.
fn units(transaction: &Transaction) -> Vec<Batch> {
    let mut numbers = Numbers::default();
    let mut units = Vec::new();
    for (index, step) in transaction.steps.iter().enumerate() {
        for messages in encode::step(step, &mut numbers) {
            let bytes = messages.iter().map(Message::size).sum();
            let steps = vec![index; messages.len()];
            units.push(Batch { messages, steps, bytes });
        }
    }
    units
}

/// As many units as there is room for in each batch.
fn packed(units: impl IntoIterator<Item = Batch>, room: usize) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for unit in units {
        match batches.last_mut() {
            Some(batch) if batch.bytes + unit.bytes <= room => {
                batch.bytes += unit.bytes;
                batch.messages.extend(unit.messages);
                batch.steps.extend(unit.steps);
            }
            Some(_) | None => batches.push(unit),
        }
    }
    batches
}

impl Batch {
    fn step(&self) -> usize {
        self.steps.first().copied().unwrap_or_default()
    }

    /// How many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::net::Ipv4Addr;
    use std::sync::Arc;

    use super::*;
    use crate::diff::diff;
    use crate::ruleset::{
        Base, Chain, Element, Family, Hook, Match, Rule, Ruleset, Set, SetKind, Side, Verdict, VerdictMap,
    };

    fn addresses(from: u32, count: u32) -> Arc<Set> {
        let elements = (from..from + count).map(|number| Element::Address(Ipv4Addr::from(number).into()));
        Arc::new(Set::collect(SetKind::Address(Family::V4), elements))
    }

    /// A hooked chain that dispatches to a chain that looks up a set.
    fn ruleset(set: &str, content: Arc<Set>) -> Ruleset {
        let pod = Ipv4Addr::LOCALHOST.into();
        let lookup = Match::Service(Family::V4, set.into());
        let base = Some(Base { hook: Hook::Forward, priority: 0 });
        let dispatch = Rule::new([]).dispatch(Side::Source, Family::V4, "pods");
        let chain = |base, rule| Arc::new(Chain { base, rules: vec![rule] });
        Ruleset {
            sets: BTreeMap::from([(set.into(), content)]),
            maps: BTreeMap::from([(
                "pods".into(),
                VerdictMap {
                    family: Family::V4,
                    entries: BTreeMap::from([(pod, Verdict::Goto(format!("pod-{set}").into()))]),
                },
            )]),
            chains: BTreeMap::from([
                (format!("pod-{set}").into(), chain(None, Rule::new([lookup]).verdict(Verdict::Accept))),
                ("egress".into(), chain(base, dispatch)),
            ]),
        }
    }

    /// The steps of each batch.
    fn steps(transaction: &Transaction, limit: usize) -> Vec<Vec<Step>> {
        let batches = batches(transaction, limit).unwrap();
        assert!(batches.iter().all(|batch| batch.bytes() <= limit));
        let steps = |batch: &Batch| {
            let mut steps = batch.steps.clone();
            steps.dedup();
            steps.iter().map(|step| transaction.steps[*step].clone()).collect()
        };
        batches.iter().map(steps).collect()
    }

    #[test]
    fn what_fits_is_one_batch() {
        let transaction = diff(&Ruleset::default(), &ruleset("a", addresses(0, 1000)));
        assert_eq!(steps(&transaction, 1 << 20), [transaction.steps]);
    }

    #[test]
    fn what_packets_reach_changes_in_the_last_batch_alone() {
        let before = ruleset("a", addresses(0, 10));
        let after = ruleset("b", addresses(0, 100_000));
        let transaction = diff(&before, &after);
        let batches = steps(&transaction, 400_000);
        assert!(batches.len() > 3);
        let (last, ahead) = batches.split_last().unwrap();
        let unseen = [
            "set inet portcullis b ",
            "element inet portcullis b ",
            "chain inet portcullis pod-b",
            "rule inet portcullis pod-b ",
        ];
        let seen = |step: &Step| {
            let step = step.to_string();
            !unseen.iter().any(|what| step.strip_prefix("add ").is_some_and(|rest| rest.starts_with(what)))
        };
        assert!(!ahead.iter().flatten().any(seen), "{ahead:?}");
        assert_eq!(last.iter().filter(|step| seen(step)).count(), 5, "{last:?}");
    }

    #[test]
    fn elements_of_a_set_in_use_go_first_where_they_are_too_many() {
        let before = ruleset("a", addresses(0, 60_000));
        let mut after = ruleset("b", addresses(7, 7));
        after.sets.insert("a".into(), addresses(1 << 20, 60_000));
        let transaction = diff(&before, &after);
        let batches = steps(&transaction, 400_000);
        let (last, first) = batches.split_last().unwrap();
        assert!(batches.len() > 4);
        assert!(last.iter().any(|step| matches!(step, Step::DeleteEntries(..))));
        assert!(!last.iter().any(|step| matches!(step, Step::DeleteElements(..) | Step::AddElements(..))));
        assert!(first.iter().flatten().any(|step| matches!(step, Step::DeleteElements(..))));
    }

    #[test]
    fn what_has_to_be_at_once_and_does_not_fit_is_an_error() {
        let rules = (0..5000).map(|number| {
            Rule::new([Match::Protocol(number as u8)]).comment(&"x".repeat(100)).verdict(Verdict::Accept)
        });
        let base = Some(Base { hook: Hook::Forward, priority: 0 });
        let chain = Arc::new(Chain { base, rules: rules.collect() });
        let chains = BTreeMap::from([("egress".into(), chain)]);
        let transaction = diff(&Ruleset::default(), &Ruleset { chains, ..Ruleset::default() });
        assert!(batches(&transaction, 400_000).is_err());
    }
}
