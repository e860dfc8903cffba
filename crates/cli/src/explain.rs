//! `portcullis explain`.

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use policy::analyse::explain::{self, Line, Meaning, Otherwise, Together};
use policy::analyse::names;
use policy::index::Index;
use policy::model::{Action, Cluster, Direction, EndpointId, Policy, Tier};
use serde::Serialize;

use crate::manifests::{self, Files};
use crate::{Outcome, output};

/// Say what policies mean, which pods they select, and what results for a workload
///
/// A policy is named namespace/name, or just name where it has no namespace; a workload as in `can`. Without
/// a name, all policies are explained.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A policy or a workload
    #[arg(value_name = "POLICY | WORKLOAD")]
    name: Option<String>,
    #[command(flatten)]
    files: Files,
    /// How to print the answer
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

/// All that is explained.
struct Explained<'a> {
    policies: Vec<Meaning<'a>>,
    pods: Vec<explain::Result<'a>>,
}

/// Reads everything, explains, and prints.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let Some(cluster) = manifests::states(&args.files, &[])?.pop() else { bail!("there is no cluster") };
    let index = Index::compile(&cluster);
    let explained = explained(&cluster, &index, args.name.as_deref())?;
    let rendered = match args.output {
        Output::Text => text(&explained),
        Output::Json => json(&explained)?,
    };
    output::print(&rendered).context("cannot write the answer")?;
    Ok(Outcome::Clean)
}

fn explained<'a>(cluster: &'a Cluster, index: &Index, name: Option<&str>) -> Result<Explained<'a>> {
    let meant = |policy: &&Policy| name.is_none_or(|name| is_named(policy, name));
    let mut policies: Vec<&Policy> = cluster.policies.values().filter(meant).collect();
    policies.sort_by(|a, b| a.order().cmp(&b.order()));
    let policies: Vec<Meaning<'a>> =
        policies.into_iter().map(|policy| explain::policy(cluster, index, policy)).collect();
    let pods = match name.map(|name| pods(cluster, index, name)) {
        None => Vec::new(),
        Some(Ok(pods)) => pods,
        Some(Err(_)) if !policies.is_empty() => Vec::new(),
        Some(Err(error)) => return Err(error.context("no policy has that name")),
    };
    Ok(Explained { policies, pods })
}

fn is_named(policy: &Policy, name: &str) -> bool {
    match &policy.id.namespace {
        Some(namespace) => name.split_once('/') == Some((namespace, &policy.id.name)),
        None => *policy.id.name == *name,
    }
}

fn pods<'a>(cluster: &'a Cluster, index: &Index, name: &str) -> Result<Vec<explain::Result<'a>>> {
    let ends = names::ends(cluster, index, &names::source(name)?)?;
    let results = explain::pods(cluster, index, &ends.pods);
    if results.is_empty() {
        bail!("`{name}` means no pod with a network of its own, and no policy is about anything else");
    }
    Ok(results)
}

fn text(explained: &Explained<'_>) -> String {
    let policies = explained.policies.iter().map(meaning);
    let pods = explained.pods.iter().map(result);
    let all: Vec<String> = policies.chain(pods).collect();
    if all.is_empty() { "there are no policies\n".to_owned() } else { all.join("\n") }
}

fn meaning(meaning: &Meaning<'_>) -> String {
    let Meaning { policy, pods, sides } = meaning;
    let priority = match policy.tier {
        Tier::NetworkPolicy => String::new(),
        Tier::Admin | Tier::Baseline => format!(", {} tier, priority {}", policy.tier, policy.priority),
    };
    let mut text = format!("{} ({}){priority}\n", policy.id, policy.origin);
    text += &format!("  selects  {}: {}\n", policy.subject, listed(pods));
    for side in sides {
        let otherwise = match side.otherwise {
            Otherwise::Denied => "denied, unless another NetworkPolicy allows it",
            Otherwise::Next => "left to what is asked next",
        };
        text += &table(side.direction, &side.rules, otherwise, false);
    }
    for direction in [Direction::Ingress, Direction::Egress] {
        if sides.iter().all(|side| side.direction != direction) {
            text += &format!("  {direction:<7}  it says nothing\n");
        }
    }
    text
}

fn result(result: &explain::Result<'_>) -> String {
    let mut text = format!("{}\n", listed(&result.pods));
    match result.policies.as_slice() {
        [] => text += "  selected by  no policy\n",
        policies => {
            for (at, policy) in policies.iter().enumerate() {
                let lead = if at == 0 { "selected by" } else { "" };
                text += &format!("  {lead:<11}  {} ({})\n", policy.id, policy.origin);
            }
        }
    }
    for side in &result.sides {
        text += &table(side.direction, &side.rules, &otherwise(side), true);
    }
    text
}

fn otherwise(side: &Together) -> String {
    match side.isolating.as_slice() {
        [] => "allowed".to_owned(),
        policies => {
            let names: Vec<String> = policies.iter().map(ToString::to_string).collect();
            format!("denied: {} isolate{} it", names.join(", "), if names.len() == 1 { "s" } else { "" })
        }
    }
}

/// The rules of one direction, a line a peer, and what happens to the rest.
fn table(direction: Direction, rules: &[Line], otherwise: &str, with_policy: bool) -> String {
    let rows: Vec<[String; 5]> = rules.iter().flat_map(|rule| rows(direction, rule, with_policy)).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths = [width(0), width(1), width(2), width(3)];
    let lead = |at: usize| if at == 0 { direction.to_string() } else { String::new() };
    let mut text = String::new();
    for (at, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths.iter().chain([&0]));
        let cells: Vec<String> =
            cells.map(|(cell, width)| format!("{cell:<width$}", width = *width)).collect();
        text += &format!("  {:<7}  {}\n", lead(at), cells.join("  ").trim_end());
    }
    let rest = if rows.is_empty() { "everything is" } else { "the rest is" };
    text + &format!("  {:<7}  {rest} {otherwise}\n", lead(rows.len()))
}

fn rows(direction: Direction, rule: &Line, with_policy: bool) -> Vec<[String; 5]> {
    let action = match rule.action {
        Action::Accept => "allows",
        Action::Deny => "denies",
        Action::Pass => "passes",
    };
    let preposition = match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let number = match with_policy {
        true => format!("{} rule {}", rule.policy, rule.rule),
        false => format!("rule {}", rule.rule),
    };
    let row = |(at, peer): (usize, &String)| {
        let [number, action, origin] = match at {
            0 => [number.clone(), action.to_owned(), format!("({})", rule.origin)],
            _ => [String::new(), "or".to_owned(), String::new()],
        };
        [number, action, format!("{preposition} {peer}"), format!("over {}", rule.ports), origin]
    };
    rule.peers.iter().enumerate().map(row).collect()
}

fn listed(pods: &[&EndpointId]) -> String {
    const MOST: usize = 6;
    let shown: Vec<String> = pods.iter().take(MOST).map(ToString::to_string).collect();
    match (pods.len(), pods.len().checked_sub(MOST)) {
        (0, _) => "no pod now".to_owned(),
        (_, None | Some(0)) => shown.join(", "),
        (_, Some(more)) => format!("{} and {more} more", shown.join(", ")),
    }
}

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

fn json(explained: &Explained<'_>) -> serde_json::Result<String> {
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
