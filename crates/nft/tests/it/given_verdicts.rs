//! Verdicts that are given, asked of the rulesets: the literate cases, the scenarios and the corpus.

use nft::lower::lower_all;
use nft::walk::{Walk, walk};
use policy::decision::Verdict;
use policy::index::Index;
use policy::model::{Cluster, Flow};

use crate::given::{cases, corpus, scenarios};

/// The rows on which the rulesets differ.
fn differing<'a>(cluster: &Cluster, rows: impl Iterator<Item = (&'a str, Flow, Verdict)>) -> Vec<String> {
    let index = Index::compile(cluster);
    let rulesets = lower_all(&index);
    let differs = |(text, flow, verdict): (&str, Flow, Verdict)| {
        let seen = match walk(&index, &rulesets, &flow) {
            Walk::Arrived => Verdict::Accept,
            Walk::Dropped { .. } => Verdict::Deny,
        };
        (seen != verdict).then(|| format!("{text}: {seen}"))
    };
    rows.filter_map(differs).collect()
}

#[test]
fn rulesets_decide_every_literate_case() {
    for case in cases::all() {
        let rows = case.rows.iter().map(|row| (row.text.as_str(), row.flow, row.verdict));
        assert_eq!(differing(&case.cluster, rows), [""; 0], "{}: {}", case.file, case.title);
    }
}

#[test]
fn rulesets_decide_every_step_of_every_scenario() {
    for step in scenarios::steps() {
        let flows = step
            .rows
            .iter()
            .flat_map(|row| row.flows.iter().map(|flow| (row.text.as_str(), *flow, row.verdict)));
        assert_eq!(differing(&step.cluster, flows), [""; 0], "{}", step.title);
    }
}

#[test]
fn rulesets_decide_the_corpus() {
    for step in corpus::steps().unwrap_or_default() {
        let rows = step.rows.iter().map(|row| (row.text.as_str(), row.flow, row.verdict));
        assert_eq!(differing(&step.cluster, rows), [""; 0], "{}", step.title);
    }
}
