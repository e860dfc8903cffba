//! Rulesets put into the kernel, and looked at afterwards.

use std::collections::BTreeSet;
use std::io;

use crate::batch::{Batch, TooLarge, batches};
use crate::diff::diff;
use crate::encode;
use crate::netlink::Message;
use crate::ruleset::{Name, Ruleset, SetKind, TABLE};
use crate::transaction::{Step, Transaction};

use super::socket::{Protocol, RequestError, Socket};
use super::table::{self, ReadError};

/// How often a commit that somebody's change got in the way of is begun again.
const ATTEMPTS: usize = 8;
/// More elements than this are read back with the whole set.
const FEW_ELEMENTS: usize = 256;

/// Why a ruleset could not be put in place. The old one is still enforced, except after `Mismatch`.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// No socket.
    #[error("cannot open a netfilter socket")]
    Open(#[source] io::Error),
    /// The kernel refused a step.
    #[error("kernel refused `{step}`")]
    Refused {
        /// The step, as `nft` would write it.
        step: String,
        /// The kernel's answer.
        source: RequestError,
    },
    /// What has to change at once is larger than the socket can send.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Our table could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// What was read back isn't what was written.
    #[error("{what} is not as it was written")]
    Mismatch {
        /// What differs.
        what: String,
    },
    /// Somebody changed the kernel's rules each time.
    #[error("the ruleset kept changing while it was written")]
    Restless,
}

/// What a commit did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommitReport {
    /// What was changed.
    pub transaction: Transaction,
    /// In how many batches.
    pub batches: usize,
    /// How many bytes they took.
    pub bytes: usize,
    /// The generation of the kernel's rules since then.
    pub generation: u32,
    /// How often it was tried; more than 1 where somebody else changed rules meanwhile.
    pub attempts: usize,
}

/// Keeps our table in the kernel as it is wanted. It is the only one that writes to it.
#[derive(Debug)]
pub struct Committer {
    socket: Socket,
    known: Option<Known>,
}

/// What our table held when we last looked.
#[derive(Debug)]
struct Known {
    ruleset: Ruleset,
    generation: u32,
}

/// What one attempt came to.
enum Attempt {
    Done(CommitReport),
    /// Somebody changed something meanwhile.
    Overtaken,
}

impl Committer {
    /// For the calling thread's network namespace.
    pub fn open() -> Result<Self, CommitError> {
        Ok(Self::with_socket(Socket::open(Protocol::Netfilter).map_err(CommitError::Open)?))
    }

    /// With a netfilter socket of the caller's own, whose namespace and send buffer it chose.
    pub fn with_socket(socket: Socket) -> Self {
        Committer { socket, known: None }
    }

    /// Makes our table hold exactly this ruleset. What is there is read at first, and whenever somebody else
    /// has changed the kernel's rules since; otherwise only what differs is written, and only that is read
    /// back.
    pub fn sync(&mut self, wanted: &Ruleset) -> Result<CommitReport, CommitError> {
        let mut result = Err(CommitError::Restless);
        for attempt in 1..=ATTEMPTS {
            result = match self.attempt(wanted) {
                Ok(Attempt::Done(report)) => return Ok(CommitReport { attempts: attempt, ..report }),
                Ok(Attempt::Overtaken) => Err(CommitError::Restless),
                Err(error @ CommitError::Mismatch { .. }) => Err(error),
                Err(error) => {
                    self.known = None;
                    return Err(error);
                }
            };
            self.known = None;
        }
        result
    }

    /// Takes our table away, with all that it holds.
    pub fn cleanup(&mut self) -> Result<(), CommitError> {
        self.known = None;
        if !table::has_table(&mut self.socket)? {
            return Ok(());
        }
        let messages = [encode::batch_begin(None), encode::delete_table(), encode::batch_end()];
        let refused = |source| CommitError::Refused { step: format!("delete table inet {TABLE}"), source };
        self.socket.exchange(&messages, 1, |_| Ok(())).map_err(refused)
    }

    fn attempt(&mut self, wanted: &Ruleset) -> Result<Attempt, CommitError> {
        let (current, generation, known) = self.current()?;
        let transaction = match &current {
            Some(current) => diff(current, wanted),
            // Something is there that we can't read. It is ours all the same.
            None => Transaction::replace(wanted),
        };
        let batches = batches(&transaction, self.socket.send_limit())?;
        let mut report = CommitReport { generation, batches: batches.len(), ..CommitReport::default() };
        for batch in batches {
            report.bytes += batch.bytes();
            match self.commit(batch, report.generation, &transaction) {
                Ok(()) => report.generation = next(report.generation),
                Err(error) if overtaken(&error) => return Ok(Attempt::Overtaken),
                Err(error) => return Err(error),
            }
        }
        // Also where there was nothing to commit: then nothing else has told us of a change yet.
        if table::generation(&mut self.socket).map_err(ReadError::from)? != report.generation {
            return Ok(Attempt::Overtaken);
        }
        match known {
            true => verify(&mut self.socket, &transaction, wanted)?,
            false => verify_all(&mut self.socket, wanted)?,
        }
        self.known = Some(Known { ruleset: wanted.clone(), generation: report.generation });
        report.transaction = transaction;
        Ok(Attempt::Done(report))
    }

    /// What our table holds (`None`: something we can't read), at which generation, and whether we knew. What
    /// we knew may be out of date; the kernel then refuses what is built on it.
    fn current(&mut self) -> Result<(Option<Ruleset>, u32, bool), CommitError> {
        if let Some(known) = self.known.take() {
            return Ok((Some(known.ruleset), known.generation, true));
        }
        let generation = table::generation(&mut self.socket).map_err(ReadError::from)?;
        match table::read(&mut self.socket) {
            Ok((ruleset, generation)) => Ok((Some(ruleset.unwrap_or_default()), generation, false)),
            Err(ReadError::Decode(_)) => Ok((None, generation, false)),
            Err(error) => Err(error.into()),
        }
    }

    fn commit(
        &mut self,
        batch: Batch,
        generation: u32,
        transaction: &Transaction,
    ) -> Result<(), CommitError> {
        const BEFORE: usize = 2;
        let steps = batch.steps;
        let mut messages: Vec<Message> = Vec::with_capacity(batch.messages.len() + 3);
        messages.push(encode::batch_begin(Some(generation)));
        messages.push(encode::add_table());
        messages.extend(batch.messages);
        // The acknowledgement is asked for with the last message before the end.
        let last = messages.len() - 1;
        messages.push(encode::batch_end());
        self.socket.exchange(&messages, last, |_| Ok(())).map_err(|source| {
            let index = match &source {
                RequestError::Refused { index, .. } => index.checked_sub(BEFORE),
                RequestError::Socket(_)
                | RequestError::TooLong(_)
                | RequestError::Malformed(_)
                | RequestError::Unanswered
                | RequestError::Restless => None,
            };
            let step = index.and_then(|index| transaction.steps.get(*steps.get(index)?));
            let step = step.map_or_else(|| "the transaction".to_owned(), ToString::to_string);
            CommitError::Refused { step, source }
        })
    }
}

fn overtaken(error: &CommitError) -> bool {
    match error {
        CommitError::Refused { source, .. } => source.errno() == Some(libc::ERESTART),
        CommitError::Open(_)
        | CommitError::TooLarge(_)
        | CommitError::Read(_)
        | CommitError::Mismatch { .. }
        | CommitError::Restless => false,
    }
}

/// The kernel's next generation; it leaves 0 out.
fn next(generation: u32) -> u32 {
    generation.checked_add(1).unwrap_or(1)
}

/// Whether all of our table is as wanted.
fn verify_all(socket: &mut Socket, wanted: &Ruleset) -> Result<(), CommitError> {
    let (found, _) = table::read(socket)?;
    let left = diff(&found.unwrap_or_default(), wanted);
    match left.steps.first() {
        None => Ok(()),
        Some(step) => Err(mismatch(format!("table `{TABLE}` (still to do: {step})"))),
    }
}

fn mismatch(what: String) -> CommitError {
    CommitError::Mismatch { what }
}

/// Whether what the transaction changed is as wanted.
fn verify(socket: &mut Socket, transaction: &Transaction, wanted: &Ruleset) -> Result<(), CommitError> {
    let mut chains: BTreeSet<&Name> = BTreeSet::new();
    let mut sets: BTreeSet<&Name> = BTreeSet::new();
    for step in &transaction.steps {
        match step {
            Step::DeleteTable => return verify_all(socket, wanted),
            Step::AddSet(name, _) => drop(sets.insert(name)),
            Step::AddElements(name, elements) | Step::DeleteElements(name, elements) => {
                let block = matches!(elements.kind(), SetKind::Block(_));
                if block || elements.len() > FEW_ELEMENTS {
                    sets.insert(name);
                } else if !sets.contains(name) {
                    let there = table::elements(socket, name, elements)?;
                    let added = matches!(step, Step::AddElements(..));
                    let wanted = if added { **elements == there } else { there.is_empty() };
                    check(wanted, || format!("set `{name}`"))?;
                }
            }
            Step::DeleteSet(name) | Step::DeleteMap(name) => {
                check(!table::has_set(socket, name)?, || format!("deleted set `{name}`"))?;
            }
            Step::AddMap(..) => (),
            Step::AddEntries(name, entries) | Step::DeleteEntries(name, entries) => {
                if let Some(map) = wanted.maps.get(name) {
                    let found = table::entries(socket, name, map.family, entries.keys().copied())?;
                    let same = entries.keys().all(|address| found.get(address) == map.entries.get(address));
                    check(same, || format!("map `{name}`"))?;
                }
            }
            Step::AddChain(name, base) => {
                chains.insert(name);
                check(table::chain(socket, name)? == Some(*base), || format!("chain `{name}`"))?;
            }
            Step::AddRule(name, _) => drop(chains.insert(name)),
            Step::FlushChain(name) => {
                if wanted.chains.contains_key(name) {
                    chains.insert(name);
                }
            }
            Step::DeleteChain(name) => {
                check(table::chain(socket, name)?.is_none(), || format!("deleted chain `{name}`"))?;
            }
        }
    }
    verify_sets(socket, &sets, wanted)?;
    verify_chains(socket, &chains, wanted)
}

fn verify_sets(socket: &mut Socket, sets: &BTreeSet<&Name>, wanted: &Ruleset) -> Result<(), CommitError> {
    for (name, set) in wanted.sets.iter().filter(|(name, _)| sets.contains(name)) {
        let found = table::set(socket, name, set.kind())?;
        check(found == **set, || format!("set `{name}`"))?;
    }
    Ok(())
}

fn verify_chains(socket: &mut Socket, chains: &BTreeSet<&Name>, wanted: &Ruleset) -> Result<(), CommitError> {
    let names: Vec<&Name> = chains.iter().copied().collect();
    for (name, rules) in table::rules(socket, &names)? {
        let same = wanted.chains.get(&name).is_some_and(|chain| chain.rules == rules);
        check(same, || format!("chain `{name}`"))?;
    }
    Ok(())
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), CommitError> {
    if holds { Ok(()) } else { Err(mismatch(what())) }
}
