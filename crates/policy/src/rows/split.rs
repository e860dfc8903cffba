//! A workload stands for its pods while they agree.

use super::{Actor, End, Pair, Row};

/// A row whose flows all got the same answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<A> {
    /// The row, or a part of it.
    pub row: Row,
    /// The answer to all its flows.
    pub answer: A,
}

/// The row itself where all answers agree; else one row for each pod of the side that makes the difference,
/// or of both sides. `answers` stand in the order of `row.pairs`; `key` is what has to agree, and a part's
/// answer is that of its first flow.
pub fn split<A: Clone, K: PartialEq>(row: &Row, answers: &[A], key: impl Fn(&A) -> K) -> Vec<Part<A>> {
    let answered: Vec<(&Pair, &A)> = row.pairs.iter().zip(answers).collect();
    let ways: [Way; 4] = [
        |_| (None, None),
        |pair| (Some(&pair.source), None),
        |pair| (None, Some(&pair.destination)),
        |pair| (Some(&pair.source), Some(&pair.destination)),
    ];
    let mut apart = ways.into_iter().map(|way| slices(&answered, way));
    let parts = apart.find(|slices| slices.iter().all(|slice| slice.agrees(&key))).unwrap_or_default();
    parts.into_iter().filter_map(|slice| slice.part(row)).collect()
}

/// Which ends of a pair get a row of their own.
type Way = for<'a> fn(&'a Pair) -> Ends<'a>;

type Ends<'a> = (Option<&'a Actor>, Option<&'a Actor>);

/// The flows that one row would stand for.
struct Slice<'a, A> {
    ends: Ends<'a>,
    flows: Vec<(&'a Pair, &'a A)>,
}

fn slices<'a, A>(answered: &[(&'a Pair, &'a A)], way: Way) -> Vec<Slice<'a, A>> {
    let mut slices = indexmap::IndexMap::<Ends<'a>, Vec<(&'a Pair, &'a A)>>::new();
    for (pair, answer) in answered {
        slices.entry(way(pair)).or_default().push((pair, answer));
    }
    slices.into_iter().map(|(ends, flows)| Slice { ends, flows }).collect()
}

impl<A: Clone> Slice<'_, A> {
    fn agrees<K: PartialEq>(&self, key: impl Fn(&A) -> K) -> bool {
        let mut keys = self.flows.iter().map(|(_, answer)| key(answer));
        let Some(first) = keys.next() else { return true };
        keys.all(|key| key == first)
    }

    fn part(self, of: &Row) -> Option<Part<A>> {
        let answer = self.flows.first()?.1.clone();
        let (source, destination) = self.ends;
        let row = Row {
            source: source.map_or_else(|| of.source.clone(), end),
            destination: destination.map_or_else(|| of.destination.clone(), end),
            pairs: self.flows.into_iter().map(|(pair, _)| pair.clone()).collect(),
            ..*of
        };
        Some(Part { row, answer })
    }
}

fn end(actor: &Actor) -> End {
    match actor {
        Actor::Pod(pod) => End::Pod(pod.clone()),
        Actor::Host(name) => End::Host(name.clone()),
    }
}
