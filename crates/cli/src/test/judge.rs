//! What the engine says of assertions.

use policy::analyse::assertions::{
    self, Contradictions, OwnNode, Test, Wanted, violations, violations_within, wanted,
};
use policy::analyse::can::{Chain, Part, Readings};
use policy::analyse::names::Addresses;
use policy::decision::Verdict;
use policy::index::Index;
use policy::manifest::Bounds;
use policy::model::{Cluster, Family, Origin};
use policy::rows::Families;

use crate::can::{text, without_port, words};
use crate::manifests;

/// What "everybody else" is called, as far as nobody has the addresses.
const OTHERS: &str = "any other address";

/// What assertions are held against.
pub(super) struct Outlook<'a> {
    pub(super) cluster: &'a Cluster,
    pub(super) index: &'a Index,
    /// Over which families; `None`: as each kind of claim is asked by default.
    pub(super) families: Option<Families>,
    /// Where some objects can't be read in full.
    pub(super) doubted: Option<&'a Doubted<'a>>,
}

/// A cluster in the two readings of what can't be read.
pub(super) struct Doubted<'a> {
    pub(super) bounds: &'a Bounds,
    pub(super) narrow: Index,
    pub(super) wide: Index,
}

impl Doubted<'_> {
    fn readings(&self) -> Readings<'_> {
        Readings { narrow: (&self.bounds.narrow, &self.narrow), wide: (&self.bounds.wide, &self.wide) }
    }
}

/// A test with what became of its assertions.
pub(super) struct Judged<'a> {
    pub(super) test: &'a Test,
    pub(super) assertions: Vec<Assertion<'a>>,
}

/// An assertion with what became of it.
pub(super) struct Assertion<'a> {
    pub(super) written: &'a assertions::Assertion,
    pub(super) outcome: Found,
}

/// What became of an assertion.
pub(super) enum Found {
    /// It holds.
    Held,
    /// It doesn't: these flows get the other verdict.
    Failed(Vec<Failure>),
    /// Nobody can say, and why.
    Unanswered(String),
}

/// Flows that get another verdict than is claimed.
pub(super) enum Failure {
    /// As the engine has it.
    Engine(Box<Flows>),
    /// What packets found and the engine doesn't say, in a sentence.
    Kernel(String),
}

/// Flows of a question, with what the addresses of both sides are called where all of them are meant.
pub(super) struct Flows {
    pub(super) part: Part<Chain>,
    source: (String, Addresses),
    destination: (String, Addresses),
}

impl Assertion<'_> {
    pub(super) fn holds(&self) -> bool {
        match self.outcome {
            Found::Held => true,
            Found::Failed(_) | Found::Unanswered(_) => false,
        }
    }

    pub(super) fn is_unanswered(&self) -> bool {
        match self.outcome {
            Found::Unanswered(_) => true,
            Found::Held | Found::Failed(_) => false,
        }
    }

    /// `deny a/* -> b/*`.
    pub(super) fn words(&self) -> String {
        format!("{} {}", self.written.claim.kind(), self.written.text)
    }

    /// Where the policies are that have to do with a failure; none where no policy has.
    pub(super) fn blamed(&self, outlook: &Outlook<'_>) -> Vec<Origin> {
        let failures = match &self.outcome {
            Found::Failed(failures) => failures.as_slice(),
            Found::Held | Found::Unanswered(_) => &[],
        };
        let mut all: Vec<Origin> = failures.iter().flat_map(|failure| failure.blamed(outlook)).collect();
        let mut known = std::collections::HashSet::new();
        all.retain(|origin| known.insert(origin.clone()));
        all
    }
}

impl Failure {
    /// A headline, and the chain that settled it.
    pub(super) fn told(&self, outlook: &Outlook<'_>) -> String {
        let flows = match self {
            Failure::Kernel(sentence) => return format!("{sentence}\n"),
            Failure::Engine(flows) => flows,
        };
        let named = |(name, addresses): &'_ (String, Addresses)| (name.clone(), addresses.clone());
        let (source, destination) = (named(&flows.source), named(&flows.destination));
        let asked = text::Asked {
            cluster: outlook.cluster,
            index: outlook.index,
            source: (&source.0, &source.1),
            destination: (&destination.0, &destination.1),
            doubts: &[],
        };
        text::one(&asked, &flows.part)
    }

    /// Whether it says of IPv6 what another says of IPv4, about the same pods.
    pub(super) fn repeats(&self, others: &[Failure]) -> bool {
        let Failure::Engine(own) = self else { return false };
        let is_plain = own.part.sources.addresses.is_empty() && own.part.destinations.addresses.is_empty();
        let is_same = |other: &Failure| match other {
            Failure::Kernel(_) => false,
            Failure::Engine(other) => {
                let (own, other) = (&own.part, &other.part);
                (&own.sources, &own.destinations, &own.ports)
                    == (&other.sources, &other.destinations, &other.ports)
                    && own.answer == other.answer
                    && other.family == Family::V4
            }
        };
        is_plain && own.part.family == Family::V6 && others.iter().any(is_same)
    }

    fn blamed(&self, outlook: &Outlook<'_>) -> Vec<Origin> {
        match self {
            Failure::Kernel(_) => Vec::new(),
            Failure::Engine(flows) => words::blamed(outlook.index, &flows.part),
        }
    }
}

/// What the engine says of all of them.
pub(super) fn all<'a>(outlook: &Outlook<'_>, tests: &[&'a Test]) -> Vec<Judged<'a>> {
    let one = |test: &&'a Test| {
        let judged = |written| Assertion { written, outcome: assertion(outlook, test, written) };
        Judged { test, assertions: test.assertions.iter().map(judged).collect() }
    };
    tests.iter().map(one).collect()
}

fn assertion(outlook: &Outlook<'_>, test: &Test, written: &assertions::Assertion) -> Found {
    match wanted(outlook.cluster, outlook.index, test, written, outlook.families) {
        Ok(wanted) => found(outlook, written, &wanted),
        Err(error) => Found::Unanswered(error.to_string()),
    }
}

fn found(outlook: &Outlook<'_>, written: &assertions::Assertion, wanted: &[Wanted<'_>]) -> Found {
    let (mut failures, mut doubts) = (Vec::new(), 0);
    for wanted in wanted {
        let found = match outlook.doubted {
            None => violations(outlook.cluster, outlook.index, wanted)
                .map(|known| Contradictions { known, possible: Vec::new() }),
            Some(doubted) => violations_within(&doubted.readings(), wanted),
        };
        match found {
            Ok(Contradictions { known, possible }) => {
                failures.extend(known.into_iter().map(|part| flows(written, wanted, part)));
                doubts += possible.len();
            }
            Err(error) => return Found::Unanswered(error.to_string()),
        }
    }
    let unreadable = outlook.doubted.filter(|_| doubts > 0);
    match (failures.is_empty(), unreadable) {
        (false, _) => Found::Failed(failures),
        (true, None) => Found::Held,
        (true, Some(doubted)) => Found::Unanswered(manifests::doubts(doubted.bounds).join("\n")),
    }
}

fn flows(written: &assertions::Assertion, wanted: &Wanted<'_>, part: Part<Chain>) -> Failure {
    let (from, to) = match (wanted.own_node, written.text.split_once("->")) {
        (OwnNode::Asked, Some((from, to))) => (from.trim(), without_port(to.trim())),
        (OwnNode::Asked, None) | (OwnNode::Aside, _) => (OTHERS, OTHERS),
    };
    let of_targets = wanted.question.targets.iter();
    let there = of_targets.fold(Addresses::default(), |all, target| all.and(&target.ends.addresses));
    let source = (from.to_owned(), wanted.question.sources.addresses.clone());
    Failure::Engine(Box::new(Flows { part, source, destination: (to.to_owned(), there) }))
}

/// In a word, for formats that have one.
pub(super) fn word(outcome: &Found) -> &'static str {
    match outcome {
        Found::Held => "passed",
        Found::Failed(_) => "failed",
        Found::Unanswered(_) => "error",
    }
}

/// What a kernel must say of a flow.
pub(super) fn verb(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "allows",
        Verdict::Deny => "denies",
    }
}
