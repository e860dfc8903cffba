//! What is known at the end: states, their rows, and how engine, kernel and expectation agree.

use policy::decision::{Decision, Verdict};
use policy::model::RuleId;
use policy::rows::Row;

/// All states of one run.
#[derive(Debug)]
pub(crate) struct Report {
    /// In order; the first is the cluster of `-f`.
    pub(crate) states: Vec<StateReport>,
    /// How many probes were sent in all, control and repeats included.
    pub(crate) probes: usize,
    /// From the first namespace to the last answer.
    pub(crate) seconds: f64,
}

/// One state.
#[derive(Debug)]
pub(crate) struct StateReport {
    /// The step's file; `None` for the cluster itself.
    pub(crate) step: Option<String>,
    /// What the step changed.
    pub(crate) changes: Vec<Change>,
    /// What holds for the whole table.
    pub(crate) notes: Vec<String>,
    /// Its rows in order.
    pub(crate) lines: Vec<Line>,
    /// Lines of the expected table that no row answers to, as a person reads them.
    pub(crate) unanswered: Vec<String>,
}

/// An object that differs from the state before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) how: How,
    /// `NetworkPolicy shop/web`, `pod shop/web-0`.
    pub(crate) object: String,
    pub(crate) is_policy: bool,
}

/// How an object differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    Added,
    Replaced,
    Removed,
}

/// A row with its answer.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) row: Row,
    pub(crate) answer: Answer,
    /// The kernel's verdict in the state before, where it was another.
    pub(crate) before: Option<Verdict>,
}

/// All that was said about a flow.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) engine: Decision,
    /// The reason of the engine's denial.
    pub(crate) why: Option<Why>,
    pub(crate) kernel: Kernel,
    /// How often it was asked.
    pub(crate) attempts: usize,
    pub(crate) expected: Expectation,
    /// The engine's verdict over the other family, where it is another (D22).
    pub(crate) twin: Option<(Verdict, Option<Why>)>,
}

/// A reason, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    pub(crate) full: String,
    /// In fewer words, where the full reason takes too much room.
    pub(crate) brief: String,
}

/// What became of a flow's packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// The other end answered, with its own name.
    Allowed,
    /// The other end was reached; nothing listens on the port.
    Refused,
    /// Dropped, by the rule that the kernel's log names.
    Denied(Option<RuleId>),
    /// Neither: why.
    Failed(String),
}

/// What the expected table says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expectation {
    /// There is no table for this state.
    NotAsked,
    /// There is a table, and it has no such row.
    Missing,
    /// This.
    Verdict(Verdict),
}

impl Kernel {
    /// `None` where the packets gave no verdict.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        match self {
            Kernel::Allowed | Kernel::Refused => Some(Verdict::Accept),
            Kernel::Denied(_) => Some(Verdict::Deny),
            Kernel::Failed(_) => None,
        }
    }
}

impl Answer {
    /// What pods have to agree on to share a row.
    pub(crate) fn key(&self) -> (Verdict, Option<Verdict>, Expectation) {
        (self.engine.verdict(), self.kernel.verdict(), self.expected)
    }

    /// Whether engine and kernel say different things.
    pub(crate) fn is_mismatch(&self) -> bool {
        self.kernel.verdict() != Some(self.engine.verdict())
    }

    /// Whether the kernel does something else than the table expects.
    pub(crate) fn is_unexpected(&self) -> bool {
        match self.expected {
            Expectation::NotAsked => false,
            Expectation::Missing => true,
            Expectation::Verdict(expected) => self.kernel.verdict() != Some(expected),
        }
    }
}

impl StateReport {
    /// Rows on which engine and kernel differ.
    pub(crate) fn mismatches(&self) -> usize {
        self.lines.iter().filter(|line| line.answer.is_mismatch()).count()
    }

    /// Rows that differ from the expected table, and lines of it without a row.
    pub(crate) fn unexpected(&self) -> usize {
        self.lines.iter().filter(|line| line.answer.is_unexpected()).count() + self.unanswered.len()
    }

    /// Rows whose verdict differs from the state before.
    pub(crate) fn changed(&self) -> usize {
        self.lines.iter().filter(|line| line.before.is_some()).count()
    }
}

impl Report {
    /// Whether anything differs that should not.
    pub(crate) fn is_clean(&self) -> bool {
        self.states.iter().all(|state| state.mismatches() == 0 && state.unexpected() == 0)
    }
}
