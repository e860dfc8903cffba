//! From what was seen to the lines of a table.

use std::collections::{HashMap, HashSet};

use policy::decision::Verdict;
use policy::index::Index;
use policy::model::Family;
use policy::rows::csv::{Expected, ExpectedRow};
use policy::rows::{Pair, Part, Row, split};

use super::reason::why;
use super::report::{Answer, Expectation, Kernel, Line};

/// A row, and what became of each of its pairs.
pub(crate) struct Asked {
    pub(crate) row: Row,
    pub(crate) seen: Vec<lab::Seen>,
}

/// What the kernel said of each flow in a state, by the flow's ends.
pub(crate) type Verdicts = HashMap<String, Verdict>;

/// The lines of a table: each row whole, or in parts where its pods don't agree.
pub(crate) fn lines(
    index: &Index,
    asked: &[Asked],
    expected: Option<&Expected>,
    before: &Verdicts,
) -> Vec<Line> {
    let of_row = |asked: &Asked| {
        let pairs = asked.row.pairs.iter().zip(&asked.seen);
        let answers: Vec<Answer> =
            pairs.map(|(pair, seen)| answer(index, &asked.row, pair, seen, expected)).collect();
        split(&asked.row, &answers, Answer::key)
    };
    let line = |Part { row, answer }: Part<Answer>| {
        let now = answer.kernel.verdict();
        let earlier = row.pairs.iter().filter_map(|pair| before.get(&name(&row, pair)).copied());
        let before = earlier.into_iter().find(|verdict| now.is_some_and(|now| now != *verdict));
        Line { row, answer, before }
    };
    asked.iter().flat_map(of_row).map(line).collect()
}

fn answer(index: &Index, row: &Row, pair: &Pair, seen: &lab::Seen, expected: Option<&Expected>) -> Answer {
    let engine = seen.decision;
    let twin = pair.twin.map(|flow| index.decide(&flow));
    let twin = twin.filter(|twin| twin.verdict() != engine.verdict());
    Answer {
        engine,
        why: why(index, &engine),
        kernel: kernel(&seen.outcome),
        attempts: seen.attempts,
        expected: match expected.map(|expected| expected.of(row, pair)) {
            None => Expectation::NotAsked,
            Some(None) => Expectation::Missing,
            Some(Some((_, verdict))) => Expectation::Verdict(verdict),
        },
        twin: twin.map(|decision| (decision.verdict(), why(index, &decision))),
    }
}

/// What the kernel said, for the next state to compare with.
pub(crate) fn verdicts(asked: &[Asked]) -> Verdicts {
    let all =
        asked.iter().flat_map(|asked| asked.row.pairs.iter().zip(&asked.seen).map(|both| (&asked.row, both)));
    all.filter_map(|(row, (pair, seen))| Some((name(row, pair), kernel(&seen.outcome).verdict()?))).collect()
}

/// What a flow is called in every state, whatever its addresses.
fn name(row: &Row, pair: &Pair) -> String {
    let family = Family::of(&pair.flow.destination);
    format!("{} {} {}/{} {family}", pair.source, pair.destination, row.port, row.protocol)
}

/// The lines of the expected table that no row answers to, as they stand there.
pub(crate) fn unanswered(expected: &Expected, asked: &[Asked]) -> Vec<String> {
    let pairs = asked.iter().flat_map(|asked| asked.row.pairs.iter().map(|pair| (&asked.row, pair)));
    let used: HashSet<usize> =
        pairs.filter_map(|(row, pair)| expected.of(row, pair)).map(|(place, _)| place).collect();
    let unused = expected.rows().iter().enumerate().filter(|(place, _)| !used.contains(place));
    unused.map(|(_, row)| described(row)).collect()
}

fn described(row: &ExpectedRow) -> String {
    let (protocol, port) = row.key.port;
    format!(
        "line {}: {} to {} on {port}/{protocol}, {}",
        row.line, row.key.source, row.key.destination, row.verdict
    )
}

/// What the kernel said, with the rule that its log named.
fn kernel(outcome: &lab::Outcome) -> Kernel {
    match outcome {
        lab::Outcome::Allowed => Kernel::Allowed,
        lab::Outcome::Refused => Kernel::Refused,
        lab::Outcome::Denied { by } => Kernel::Denied(by.as_deref().and_then(nft::lower::logged_rule)),
        lab::Outcome::Failed(cause) => Kernel::Failed(cause.clone()),
    }
}
