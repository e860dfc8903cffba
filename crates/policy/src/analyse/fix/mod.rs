//! What would let a denied flow pass: `portcullis can --fix`.
//!
//! Every end that denies needs an edit. For each there are candidates, from the smallest to the tightest. One
//! of each is applied to a copy of the index, and every flow of the pods that it touches is decided before and
//! after: of those that open nothing else the smallest is proposed.

mod blocks;
mod candidates;
mod document;
mod edit;
mod needs;
mod peers;
mod proof;
mod tight;
mod write;

use std::cmp::Reverse;

use super::can::{Chain, Part, Question, parts};
use crate::decision::Verdict;
use crate::index::Index;
use crate::model::Cluster;

pub use document::Document;
pub use edit::{Edit, What};
pub use proof::Flows;
use proof::{Effect, Trial};
pub use write::{document, field};

/// Edits that open what was asked about, and what they do besides.
#[derive(Clone)]
pub struct Fix {
    /// In the order in which they are made.
    pub edits: Vec<Edit>,
    /// What is still denied of what was asked about.
    pub left: Vec<Part<Chain>>,
    /// Flows that nobody asked about and that may pass then.
    pub opened: Vec<Flows>,
    /// Flows that may no longer pass then.
    pub closed: Vec<Flows>,
    /// The cluster after the edits.
    pub cluster: Cluster,
    /// The same, compiled.
    pub index: Index,
}

/// How many combinations of candidates are tried; where there are more, only the tightest of each is.
const MOST_COMBINATIONS: usize = 32;

/// The smallest edits that let all of a question pass; `None` where nothing of it is denied.
pub fn fix(cluster: &Cluster, index: &Index, question: &Question<'_>) -> Option<Fix> {
    let denied: Vec<Part<Chain>> = parts(cluster, index, question)
        .into_iter()
        .filter(|part| part.answer.verdict() == Verdict::Deny)
        .collect();
    let needs = needs::needs(cluster, index, question, &denied);
    if needs.is_empty() {
        return None;
    }
    let options = candidates::candidates(cluster, index, &needs);
    let mut trial = Trial { cluster: cluster.clone(), index: index.clone() };
    let mut best: Option<(Vec<Edit>, Effect)> = None;
    for edits in combinations(options) {
        let touched = trial.edit(&edits);
        let effect = proof::effect(index, &trial, question, touched);
        trial.undo(&edits, cluster);
        let is_exact = harm(&effect) == (0, 0, 0);
        if best.as_ref().is_none_or(|(_, best)| harm(&effect) < harm(best)) {
            best = Some((edits, effect));
        }
        if is_exact {
            break;
        }
    }
    let (edits, Effect { left, opened, closed }) = best?;
    trial.edit(&edits);
    let Trial { cluster, index } = trial;
    Some(Fix { edits, left, opened, closed, cluster, index })
}

/// What is worst comes first.
fn harm(effect: &Effect) -> (usize, usize, usize) {
    (effect.left.len(), effect.closed.len(), effect.opened.len())
}

impl Fix {
    /// Whether it lets pass what was asked about, and changes nothing else.
    pub fn is_exact(&self) -> bool {
        self.left.is_empty() && self.opened.is_empty() && self.closed.is_empty()
    }
}

/// One candidate for each need, in every way, the smallest together first.
fn combinations(options: Vec<Vec<Vec<Edit>>>) -> Vec<Vec<Edit>> {
    let count = options.iter().map(Vec::len).try_fold(1_usize, usize::checked_mul);
    let is_many = count.is_none_or(|count| count > MOST_COMBINATIONS);
    let mut all: Vec<Vec<Edit>> = vec![Vec::new()];
    for candidates in options {
        let skipped = if is_many { candidates.len().saturating_sub(1) } else { 0 };
        let tried: Vec<Vec<Edit>> = candidates.into_iter().skip(skipped).collect();
        let extended = all.iter().flat_map(|edits| tried.iter().map(move |more| [&edits[..], more].concat()));
        all = extended.collect();
    }
    all.retain(|edits| !edits.is_empty());
    all.sort_by_key(|edits| edits.iter().map(Edit::size).sum::<usize>());
    all.iter_mut().for_each(|edits| in_order(edits));
    all
}

/// What is inserted must not move the places of other edits: later places come first.
fn in_order(edits: &mut [Edit]) {
    edits.sort_by_key(|edit| (edit.policy.clone(), edit.direction, Reverse(edit.place())));
}
