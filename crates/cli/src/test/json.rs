//! What became of assertions, for programs; `docs/test.md` describes every field.

use anyhow::Result;
use serde::Serialize;

use super::Report;
use super::judge::{Assertion, Failure, Found, Judged, Outlook, word};
use crate::can::json::{Flows, flows};

#[derive(Serialize)]
struct Document {
    passed: usize,
    failed: usize,
    unanswered: usize,
    files: Vec<File>,
}

#[derive(Serialize)]
struct File {
    file: String,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    line: u32,
    assertions: Vec<Claim>,
}

#[derive(Serialize)]
struct Claim {
    kind: &'static str,
    text: String,
    line: u32,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    blamed: Vec<Place>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    flows: Vec<Flows>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kernel: Vec<String>,
}

#[derive(Serialize)]
struct Place {
    file: String,
    line: u32,
}

pub(super) fn render(outlook: &Outlook<'_>, reports: &[Report<'_>]) -> Result<String> {
    let all = || reports.iter().flat_map(|report| &report.tests).flat_map(|test| &test.assertions);
    let count = |status: &str| all().filter(|one| word(&one.outcome) == status).count();
    let document = Document {
        passed: count("passed"),
        failed: count("failed"),
        unanswered: count("error"),
        files: reports.iter().map(|report| file(outlook, report)).collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn file(outlook: &Outlook<'_>, report: &Report<'_>) -> File {
    let test = |judged: &Judged<'_>| Test {
        name: judged.test.name.clone(),
        line: judged.test.origin.line,
        assertions: judged.assertions.iter().map(|one| claim(outlook, one)).collect(),
    };
    File { file: report.file.clone(), tests: report.tests.iter().map(test).collect() }
}

fn claim(outlook: &Outlook<'_>, assertion: &Assertion<'_>) -> Claim {
    let (mut parts, mut kernel, mut reason) = (Vec::new(), Vec::new(), None);
    match &assertion.outcome {
        Found::Held => (),
        Found::Unanswered(why) => reason = Some(why.clone()),
        Found::Failed(failures) => {
            for failure in failures {
                match failure {
                    Failure::Engine(one) => parts.push(flows(outlook.cluster, outlook.index, &one.part)),
                    Failure::Kernel(sentence) => kernel.push(sentence.clone()),
                }
            }
        }
    }
    let blamed = assertion.blamed(outlook).into_iter();
    Claim {
        kind: assertion.written.claim.kind(),
        text: assertion.written.text.clone(),
        line: assertion.written.origin.line,
        status: word(&assertion.outcome),
        reason,
        blamed: blamed.map(|origin| Place { file: origin.file.to_string(), line: origin.line }).collect(),
        flows: parts,
        kernel,
    }
}
