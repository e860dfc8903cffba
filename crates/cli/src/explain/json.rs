//! What policies mean, for programs; `docs/explain.md` describes every field.

use policy::analyse::explain::{self, Line, Meaning, Otherwise, Together};
use policy::model::Action;
use serde::Serialize;

use super::Explained;

#[derive(Serialize)]
struct Document {
    policies: Vec<PolicyOut>,
    pods: Vec<PodsOut>,
}

#[derive(Serialize)]
struct PolicyOut {
    policy: String,
    tier: String,
    priority: i32,
    file: String,
    line: u32,
    subject: String,
    pods: Vec<String>,
    sides: Vec<SideOut>,
}

#[derive(Serialize)]
struct PodsOut {
    pods: Vec<String>,
    policies: Vec<String>,
    sides: Vec<SideOut>,
}

#[derive(Serialize)]
struct SideOut {
    direction: String,
    rules: Vec<RuleOut>,
    otherwise: &'static str,
    isolating: Vec<String>,
}

#[derive(Serialize)]
struct RuleOut {
    policy: String,
    tier: String,
    rule: usize,
    action: &'static str,
    peers: Vec<String>,
    ports: String,
    file: String,
    line: u32,
}

pub(super) fn render(explained: &Explained<'_>) -> serde_json::Result<String> {
    let policy = |meaning: &Meaning<'_>| PolicyOut {
        policy: meaning.policy.id.to_string(),
        tier: meaning.policy.tier.to_string(),
        priority: meaning.policy.priority,
        file: meaning.policy.origin.file.to_string(),
        line: meaning.policy.origin.line,
        subject: meaning.policy.subject.to_string(),
        pods: meaning.pods.iter().map(ToString::to_string).collect(),
        sides: meaning.sides.iter().map(side_of_policy).collect(),
    };
    let pods = |result: &explain::Result<'_>| PodsOut {
        pods: result.pods.iter().map(ToString::to_string).collect(),
        policies: result.policies.iter().map(|policy| policy.id.to_string()).collect(),
        sides: result.sides.iter().map(side_of_pods).collect(),
    };
    let document = Document {
        policies: explained.policies.iter().map(policy).collect(),
        pods: explained.pods.iter().map(pods).collect(),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn side_of_policy(side: &explain::Side) -> SideOut {
    let otherwise = match side.otherwise {
        Otherwise::Denied => "deny",
        Otherwise::Next => "next",
    };
    let rules = side.rules.iter().map(rule).collect();
    SideOut { direction: side.direction.to_string(), rules, otherwise, isolating: Vec::new() }
}

fn side_of_pods(side: &Together) -> SideOut {
    SideOut {
        direction: side.direction.to_string(),
        rules: side.rules.iter().map(rule).collect(),
        otherwise: if side.isolating.is_empty() { "allow" } else { "deny" },
        isolating: side.isolating.iter().map(ToString::to_string).collect(),
    }
}

fn rule(line: &Line) -> RuleOut {
    RuleOut {
        policy: line.policy.to_string(),
        tier: line.tier.to_string(),
        rule: line.rule,
        action: match line.action {
            Action::Accept => "accept",
            Action::Deny => "deny",
            Action::Pass => "pass",
        },
        peers: line.peers.clone(),
        ports: line.ports.clone(),
        file: line.origin.file.to_string(),
        line: line.origin.line,
    }
}
