//! The report as JSON; `docs/lab.md` describes every field.

use policy::decision::{Reason, Ruling};
use policy::model::RuleId;
use serde::Serialize;

use super::report::{Answer, Change, Expectation, How, Kernel, Line, Report, StateReport};

/// All states, as one object.
#[derive(Serialize)]
struct Document<'a> {
    clean: bool,
    probes: usize,
    seconds: f64,
    states: Vec<State<'a>>,
}

#[derive(Serialize)]
struct State<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<&'a str>,
    changes: Vec<Changed<'a>>,
    mismatches: usize,
    unexpected: usize,
    notes: &'a [String],
    expected_but_absent: &'a [String],
    rows: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Changed<'a> {
    change: &'static str,
    object: &'a str,
}

#[derive(Serialize)]
struct Row<'a> {
    source: String,
    destination: String,
    port: String,
    family: u8,
    flows: usize,
    engine: Engine<'a>,
    kernel: Packets<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    other_family: Option<OtherFamily<'a>>,
    mismatch: bool,
    unexpected: bool,
}

#[derive(Serialize)]
struct Engine<'a> {
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    egress: Direction,
    ingress: Direction,
}

#[derive(Serialize)]
struct Direction {
    verdict: String,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
}

#[derive(Serialize)]
struct Packets<'a> {
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<&'a str>,
    attempts: usize,
}

#[derive(Serialize)]
struct OtherFamily<'a> {
    verdict: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

/// Indented, with a line end.
pub(crate) fn render(report: &Report) -> serde_json::Result<String> {
    let document = Document {
        clean: report.is_clean(),
        probes: report.probes,
        seconds: report.seconds,
        states: report.states.iter().map(state).collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn state(state: &StateReport) -> State<'_> {
    State {
        step: state.step.as_deref(),
        changes: state.changes.iter().map(changed).collect(),
        mismatches: state.mismatches(),
        unexpected: state.unexpected(),
        notes: &state.notes,
        expected_but_absent: &state.unanswered,
        rows: state.lines.iter().map(row).collect(),
    }
}

fn changed(change: &Change) -> Changed<'_> {
    let how = match change.how {
        How::Added => "added",
        How::Replaced => "replaced",
        How::Removed => "removed",
    };
    Changed { change: how, object: &change.object }
}

fn row(line: &Line) -> Row<'_> {
    let Line { row, answer, before } = line;
    Row {
        source: row.source.to_string(),
        destination: row.destination.to_string(),
        port: format!("{}/{}", row.port, row.protocol),
        family: match row.family {
            policy::model::Family::V4 => 4,
            policy::model::Family::V6 => 6,
        },
        flows: row.pairs.len(),
        engine: engine(answer),
        kernel: packets(answer),
        expected: match answer.expected {
            Expectation::NotAsked | Expectation::Missing => None,
            Expectation::Verdict(verdict) => Some(verdict.to_string()),
        },
        before: before.map(|verdict| verdict.to_string()),
        other_family: answer.twin.as_ref().map(|(verdict, why)| OtherFamily {
            verdict: verdict.to_string(),
            reason: why.as_ref().map(|why| why.full.as_str()),
        }),
        mismatch: answer.is_mismatch(),
        unexpected: answer.is_unexpected(),
    }
}

fn engine(answer: &Answer) -> Engine<'_> {
    Engine {
        verdict: answer.engine.verdict().to_string(),
        reason: answer.why.as_ref().map(|why| why.full.as_str()),
        egress: direction(&answer.engine.egress),
        ingress: direction(&answer.engine.ingress),
    }
}

fn direction(ruling: &Ruling) -> Direction {
    let (by, rule): (_, Option<RuleId>) = match ruling.reason {
        Reason::Rule(rule) => ("rule", Some(rule)),
        Reason::Isolation(rule) => ("isolation", Some(rule)),
        Reason::NoPolicy => ("no-policy", None),
        Reason::Exempt(_) => ("exempt", None),
    };
    Direction { verdict: ruling.verdict.to_string(), by, rule: rule.map(|rule| rule.to_string()) }
}

fn packets(answer: &Answer) -> Packets<'_> {
    let (verdict, rule, cause) = match &answer.kernel {
        Kernel::Allowed => ("allow", None, None),
        Kernel::Refused => ("refused", None, None),
        Kernel::Denied(rule) => ("deny", rule.map(|rule| rule.to_string()), None),
        Kernel::Failed(cause) => ("failed", None, Some(cause.as_str())),
    };
    Packets { verdict, rule, cause, attempts: answer.attempts }
}
