//! The literate cases, asked of the specification and of the programs.

use policy::decision::{Decision, Exemption, Reason};
use policy::index::Index;
use policy::spec;

use crate::given::cases::{self, Case, Row};

#[test]
fn the_specification_decides_every_case() {
    check(|case| {
        let index = Index::compile(&case.cluster);
        case.rows
            .iter()
            .filter_map(|row| problem(&index, row, spec::decide(&case.cluster, &row.flow)))
            .collect()
    });
}

#[test]
fn the_programs_decide_every_case() {
    check(|case| {
        let index = Index::compile(&case.cluster);
        case.rows.iter().filter_map(|row| problem(&index, row, index.decide(&row.flow))).collect()
    });
}

/// Clauses about verdicts. The others are about what a manifest may say (D15, D24), about addresses
/// that we make up (D21), or about time and packets (N26-N29, C15, C16, D10, D11, D16, D17, D20).
#[test]
fn every_clause_about_verdicts_has_a_case() {
    let titles: Vec<String> = cases::all().into_iter().map(|case| case.title).collect();
    let clauses = numbered("N", 1..=25).chain(numbered("C", 1..=14));
    let clauses = clauses.chain(numbered("D", (1..=9).chain([12, 13, 14, 18, 19, 22, 23, 25])));
    let missing: Vec<String> =
        clauses.filter(|clause| !titles.iter().any(|title| names(title, clause))).collect();
    assert!(missing.is_empty(), "no case is named after {missing:?}");
}

fn numbered(letter: &str, numbers: impl Iterator<Item = u32>) -> impl Iterator<Item = String> {
    numbers.map(move |number| format!("{letter}{number}"))
}

/// Whether a clause is among those that a title begins with.
fn names(title: &str, clause: &str) -> bool {
    let is_clause = |word: &&str| word.len() > 1 && word[1..].chars().all(|digit| digit.is_ascii_digit());
    title.split(' ').take_while(is_clause).any(|word| word == clause)
}

fn check(problems: impl Fn(&Case) -> Vec<String>) {
    let mut rows = 0;
    let mut all = Vec::new();
    for case in cases::all() {
        rows += case.rows.len();
        all.extend(
            problems(&case).iter().map(|problem| format!("{}: {}\n  {problem}", case.file, case.title)),
        );
    }
    println!("{rows} rows");
    assert!(all.is_empty(), "{} of {rows} rows:\n{}", all.len(), all.join("\n"));
}

/// What is wrong about an evaluator's answer, if anything is.
fn problem(index: &Index, row: &Row, decision: Decision) -> Option<String> {
    let reasons = match decision.denial() {
        Some((_, reason)) => vec![text(index, reason)],
        None => vec![text(index, decision.egress.reason), text(index, decision.ingress.reason)],
    };
    let right_reason = row.why.as_ref().is_none_or(|why| reasons.contains(why));
    let right = decision.verdict() == row.verdict && right_reason;
    (!right).then(|| format!("{}\n  but: {} | {}", row.text, decision.verdict(), reasons.join(" / ")))
}

fn text(index: &Index, reason: Reason) -> String {
    match reason {
        Reason::Rule(id) | Reason::Isolation(id) => index.rule_name(id).unwrap().to_string(),
        Reason::NoPolicy => "no policy".into(),
        Reason::Exempt(Exemption::NotAPod) => "not a pod".into(),
        Reason::Exempt(Exemption::Loopback) => "loopback".into(),
        Reason::Exempt(Exemption::OwnNode) => "own node".into(),
        Reason::Exempt(Exemption::OwnService) => "own service".into(),
    }
}
