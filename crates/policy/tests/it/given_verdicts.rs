//! The scenarios and the corpus, asked of the specification and of the programs.

use policy::index::Index;
use policy::model::Flow;
use policy::spec;

use crate::given::{corpus, scenarios};

#[test]
fn every_step_of_every_scenario_has_its_table() {
    let mut rows = 0;
    let mut wrong = Vec::new();
    for step in scenarios::steps() {
        let index = Index::compile(&step.cluster);
        for row in &step.rows {
            rows += 1;
            let decided = |flow: &Flow| [spec::decide(&step.cluster, flow), index.decide(flow)];
            let mut verdicts = row.flows.iter().flat_map(decided).map(|decision| decision.verdict());
            if !verdicts.all(|verdict| verdict == row.verdict) {
                wrong.push(format!("{}: {}", step.title, row.text));
            }
        }
    }
    println!("{rows} rows");
    assert!(rows > 500, "{rows} rows");
    assert!(wrong.is_empty(), "{} of {rows} rows:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_flow_of_the_corpus_has_its_verdict() {
    let Some(steps) = corpus::steps() else { return };
    let mut flows = 0;
    let mut wrong = Vec::new();
    for step in &steps {
        let index = Index::compile(&step.cluster);
        for row in &step.rows {
            flows += 1;
            let (specified, decided) = (spec::decide(&step.cluster, &row.flow), index.decide(&row.flow));
            assert_eq!(specified, decided, "{}: {}", step.title, row.text);
            if decided.verdict() != row.verdict {
                wrong.push(format!("{}: {}, {}", step.title, row.text, decided.verdict()));
            }
        }
    }
    println!("{} steps, {flows} flows", steps.len());
    assert_eq!((steps.len(), flows), (256, 109_956));
    assert!(wrong.is_empty(), "{} of {flows} flows:\n{}", wrong.len(), wrong.join("\n"));
}
