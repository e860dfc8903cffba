//! The answer for programs; `docs/can.md` describes every field.

use policy::analyse::can::{self, Answer, Chain, Link, Part, Word, near};
use policy::analyse::names::Asked;
use policy::decision::{Exemption, Reason, Verdict};
use policy::index::Index;
use policy::model::{Cluster, Direction, Family};
use serde::Serialize;

use super::{fix, words};

#[derive(Serialize)]
struct Document {
    answer: &'static str,
    parts: Vec<Flows>,
    other_family: Vec<Flows>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown: Vec<Unknown>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unreadable: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    made_up: Vec<MadeUp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<fix::Proposal>,
}

#[derive(Serialize)]
struct MadeUp {
    pods: Vec<String>,
    block: String,
    rule: String,
    otherwise: String,
    text: String,
}

#[derive(Serialize)]
struct Unknown {
    family: u8,
    sources: Vec<String>,
    destinations: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    ports: Vec<Ports>,
}

#[derive(Serialize)]
pub(crate) struct Flows {
    verdict: String,
    family: u8,
    sources: Vec<String>,
    destinations: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    all: Option<bool>,
    ports: Vec<Ports>,
    egress: Settled,
    ingress: Settled,
}

#[derive(Serialize)]
pub(super) struct Ports {
    protocol: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u16>,
}

#[derive(Serialize)]
struct Settled {
    verdict: String,
    by: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<String>,
    steps: Vec<Step>,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<Nearest>,
}

#[derive(Serialize)]
struct Step {
    tier: String,
    outcome: &'static str,
    policies: Vec<Policy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Serialize)]
struct Policy {
    policy: String,
    file: String,
    line: u32,
}

#[derive(Serialize)]
struct Nearest {
    rule: String,
    text: String,
    misses: Vec<String>,
}

pub(super) fn render(
    cluster: &Cluster,
    index: &Index,
    answer: &Answer,
    doubts: &[String],
    fix: Option<fix::Proposal>,
) -> serde_json::Result<String> {
    let all = |parts: &[Part<Chain>]| parts.iter().map(|part| flows(cluster, index, part)).collect();
    let document = Document {
        answer: match answer.word {
            Word::Yes => "yes",
            Word::No => "no",
            Word::Partly => "partly",
            Word::Unknown => "unknown",
        },
        parts: all(&answer.parts),
        other_family: all(&answer.otherwise),
        unknown: answer.unknown.iter().map(|part| unknown(cluster, index, part)).collect(),
        unreadable: doubts.to_vec(),
        made_up: answer.made_up.iter().map(|one| made_up(index, one)).collect(),
        fix,
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn made_up(index: &Index, made_up: &can::MadeUp) -> MadeUp {
    MadeUp {
        pods: made_up.pods.iter().map(ToString::to_string).collect(),
        block: made_up.block.to_string(),
        rule: made_up.rule.to_string(),
        otherwise: made_up.otherwise.to_string(),
        text: words::made_up(index, made_up),
    }
}

fn unknown(cluster: &Cluster, index: &Index, part: &Part<Chain>) -> Unknown {
    let Flows { family, sources, destinations, all, ports, .. } = flows(cluster, index, part);
    Unknown { family, sources, destinations, all, ports }
}

pub(crate) fn flows(cluster: &Cluster, index: &Index, part: &Part<Chain>) -> Flows {
    let is_all = part.ports == [Asked::Everything];
    Flows {
        verdict: part.answer.verdict().to_string(),
        family: match part.family {
            Family::V4 => 4,
            Family::V6 => 6,
        },
        sources: words::names(cluster, &part.sources),
        destinations: words::names(cluster, &part.destinations),
        all: is_all.then_some(true),
        ports: part.ports.iter().filter_map(ports).collect(),
        egress: settled(index, part, Direction::Egress, &part.answer.egress),
        ingress: settled(index, part, Direction::Ingress, &part.answer.ingress),
    }
}

pub(super) fn ports(asked: &Asked) -> Option<Ports> {
    match asked {
        Asked::Everything => None,
        Asked::WithoutPorts => Some(Ports { protocol: "other".to_owned(), from: None, to: None }),
        Asked::Ports(protocol, from, to) => {
            Some(Ports { protocol: protocol.to_string().to_uppercase(), from: Some(*from), to: Some(*to) })
        }
    }
}

fn settled(index: &Index, part: &Part<Chain>, direction: Direction, link: &Link) -> Settled {
    let (by, rule) = match link.ruling.reason {
        Reason::Rule(rule) => ("rule", Some(rule)),
        Reason::Isolation(rule) => ("isolation", Some(rule)),
        Reason::NoPolicy => ("no-policy", None),
        Reason::Exempt(Exemption::NotAPod) => ("not-a-pod", None),
        Reason::Exempt(Exemption::Loopback) => ("loopback", None),
        Reason::Exempt(Exemption::OwnNode) => ("own-node", None),
        Reason::Exempt(Exemption::OwnService) => ("own-service", None),
    };
    let nearest = match link.ruling.verdict {
        Verdict::Accept => None,
        Verdict::Deny => near(index, &part.example, direction, link.ruling),
    };
    Settled {
        verdict: link.ruling.verdict.to_string(),
        by,
        rule: rule.map(|rule| rule.to_string()),
        steps: link.steps.iter().map(|one| step(index, one)).collect(),
        text: words::link(index, link),
        nearest: nearest.map(|near| Nearest {
            rule: near.rule.to_string(),
            text: words::near(index, &near),
            misses: near.misses.iter().map(words::miss).collect(),
        }),
    }
}

fn step(index: &Index, step: &policy::program::Step) -> Step {
    let words::Said { tier, outcome, policies, rule, name } = words::said(index, step);
    let policy = |(id, origin): (policy::model::PolicyId, policy::model::Origin)| Policy {
        policy: id.to_string(),
        file: origin.file.to_string(),
        line: origin.line,
    };
    Step { tier, outcome, policies: policies.into_iter().map(policy).collect(), rule, name }
}
