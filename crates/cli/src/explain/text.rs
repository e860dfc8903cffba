//! Policies in sentences and a table.

use comfy_table::{ContentArrangement, Table};
use indexmap::IndexMap;
use policy::analyse::can::{Group, Who};
use policy::analyse::explain::{self, Line, Meaning, Otherwise, Side, Together, words};
use policy::analyse::names::Addresses;
use policy::model::{Action, Cluster, Direction, EndpointId, Origin, Tier};

use super::Explained;
use crate::{can, output};

/// Of many names only so many are shown.
const MOST_NAMES: usize = 6;

const HEADER: [&str; 5] = ["type", "target", "rule", "peer", "port"];

pub(super) fn render(cluster: &Cluster, explained: &Explained<'_>) -> String {
    let Explained { policies, pods } = explained;
    if policies.is_empty() && pods.is_empty() {
        return "there are no policies\n".to_owned();
    }
    let sentences: Vec<String> = policies
        .iter()
        .map(|one| of_policy(cluster, one))
        .chain(pods.iter().map(|one| of_pods(cluster, one)))
        .collect();
    let rows: Vec<[String; 5]> =
        of_targets(policies).into_iter().chain(pods.iter().flat_map(|one| of_result(cluster, one))).collect();
    sentences.join("\n") + &table(&rows)
}

fn table(rows: &[[String; 5]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(columns());
    table.set_header(HEADER);
    rows.iter().for_each(|row| {
        table.add_row(row);
    });
    let lines = table.to_string();
    let lines = lines.lines().map(|line| format!("{}\n", line.trim_end()));
    format!("\n{}", lines.collect::<String>())
}

fn columns() -> u16 {
    u16::try_from(output::width()).unwrap_or(u16::MAX)
}

fn of_policy(cluster: &Cluster, meaning: &Meaning<'_>) -> String {
    let Meaning { policy, pods, sides } = meaning;
    let asked = match policy.tier {
        Tier::NetworkPolicy => String::new(),
        Tier::Admin | Tier::Baseline => {
            format!("  is asked in the {} tier, with priority {}\n", policy.tier, policy.priority)
        }
    };
    let said: String = [Direction::Ingress, Direction::Egress]
        .into_iter()
        .map(|direction| of_side(direction, sides.iter().find(|side| side.direction == direction)))
        .collect();
    let subject = words::pods(&policy.subject);
    format!(
        "{} ({})\n{asked}  selects {subject}: {}\n{said}",
        policy.id,
        policy.origin,
        listed(cluster, pods)
    )
}

fn of_side(direction: Direction, side: Option<&Side>) -> String {
    let Some(side) = side else { return format!("  says nothing about {direction}\n") };
    let rules = numbers(&side.rules);
    match (side.otherwise, side.rules.is_empty()) {
        (Otherwise::Denied, true) => {
            format!(
                "  isolates them for {direction}: nothing may pass, unless another NetworkPolicy allows it\n"
            )
        }
        (Otherwise::Denied, false) => format!(
            "  isolates them for {direction}: only what {rules} allow{} may pass, and what another NetworkPolicy allows\n",
            if side.rules.len() == 1 { "s" } else { "" }
        ),
        (Otherwise::Next, true) => format!("  has no rule about {direction}\n"),
        (Otherwise::Next, false) => {
            let first = if side.rules.len() == 1 { "" } else { ", the first that matches" };
            format!("  decides {direction} by {rules}{first}; the rest is left to what is asked next\n")
        }
    }
}

fn numbers(rules: &[Line]) -> String {
    match rules {
        [one] => format!("rule {}", one.rule),
        [first, second] => format!("rules {} and {}", first.rule, second.rule),
        [first, .., last] => format!("rules {} to {}", first.rule, last.rule),
        [] => "no rule".to_owned(),
    }
}

fn of_pods(cluster: &Cluster, result: &explain::Result<'_>) -> String {
    let mut text = format!("{}\n", listed(cluster, &result.pods));
    match result.policies.as_slice() {
        [] => text += "  selected by no policy\n",
        policies => {
            text += "  selected by\n";
            for policy in policies {
                text += &format!("  - {} ({})\n", policy.id, policy.origin);
            }
        }
    }
    for side in &result.sides {
        text += &of_result_side(side);
    }
    text
}

fn of_result_side(side: &Together) -> String {
    let direction = side.direction;
    match (side.isolating.is_empty(), side.rules.is_empty()) {
        (true, true) => format!("  {direction}: everything may pass\n"),
        (true, false) => format!("  {direction}: what no rule denies may pass\n"),
        (false, true) => format!("  {direction}: nothing may pass\n"),
        (false, false) => format!("  {direction}: only what a rule allows may pass\n"),
    }
}

/// Rules of all policies, those about the same pods together.
fn of_targets(policies: &[Meaning<'_>]) -> Vec<[String; 5]> {
    let mut targets: IndexMap<(Direction, String), Vec<(&Line, Otherwise)>> = IndexMap::new();
    let mut bare: IndexMap<(Direction, String), Origin> = IndexMap::new();
    for meaning in policies {
        let target = words::pods(&meaning.policy.subject);
        for side in &meaning.sides {
            let key = (side.direction, target.clone());
            if side.rules.is_empty() && side.otherwise == Otherwise::Denied {
                bare.entry(key.clone()).or_insert_with(|| meaning.policy.origin.clone());
            }
            let rules = targets.entry(key).or_default();
            rules.extend(side.rules.iter().map(|line| (line, side.otherwise)));
        }
    }
    let rows = |(key, rules): ((Direction, String), Vec<(&Line, Otherwise)>)| {
        let isolated = bare.get(&key).filter(|_| rules.is_empty());
        let (direction, target) = key.clone();
        let lead = [direction.to_string(), target];
        match isolated {
            Some(origin) => vec![row(
                &lead,
                0,
                [format!("no rule ({})", written(origin)), "nobody".to_owned(), String::new()],
            )],
            None => with_lead(&lead, rules.into_iter().map(|(line, _)| line)),
        }
    };
    targets.into_iter().flat_map(rows).collect()
}

fn of_result(cluster: &Cluster, result: &explain::Result<'_>) -> Vec<[String; 5]> {
    let of_side = |side: &Together| {
        let lead = [side.direction.to_string(), shown(&names(cluster, &result.pods))];
        with_lead(&lead, side.rules.iter())
    };
    result.sides.iter().flat_map(of_side).collect()
}

/// The type and target stand in the first row of a group only.
fn with_lead<'a>(lead: &[String; 2], rules: impl Iterator<Item = &'a Line>) -> Vec<[String; 5]> {
    let cells = rules.map(|line| {
        let peers: Vec<String> = line.peers.iter().map(|peer| with(line, peer)).collect();
        let rule = format!("{} {} ({})", line.policy.name, line.rule, written(&line.origin));
        [rule, peers.join("\nor "), ports(line)]
    });
    cells.enumerate().map(|(at, cells)| row(lead, at, cells)).collect()
}

fn row([direction, target]: &[String; 2], at: usize, [rule, peer, port]: [String; 3]) -> [String; 5] {
    match at {
        0 => [direction.clone(), target.clone(), rule, peer, port],
        _ => [String::new(), String::new(), rule, peer, port],
    }
}

/// In a NetworkPolicy every rule allows; that needs no word.
fn with(line: &Line, peer: &str) -> String {
    match (line.tier, line.action) {
        (Tier::NetworkPolicy, _) => peer.to_owned(),
        (Tier::Admin | Tier::Baseline, Action::Accept) => format!("allows {peer}"),
        (Tier::Admin | Tier::Baseline, Action::Deny) => format!("denies {peer}"),
        (Tier::Admin | Tier::Baseline, Action::Pass) => format!("passes {peer}"),
    }
}

fn ports(line: &Line) -> String {
    if line.ports == "all protocols and ports" { "all".to_owned() } else { line.ports.clone() }
}

/// The file stands with the policy.
fn written(origin: &Origin) -> String {
    if origin.line == 0 { origin.file.to_string() } else { format!("line {}", origin.line) }
}

fn listed(cluster: &Cluster, pods: &[&EndpointId]) -> String {
    match pods.len() {
        0 => "no pod now".to_owned(),
        1 => format!("{} (1 pod)", shown(&names(cluster, pods))),
        count => format!("{} ({count} pods)", shown(&names(cluster, pods))),
    }
}

/// Workloads for their pods, where all of them are meant.
fn names(cluster: &Cluster, pods: &[&EndpointId]) -> Vec<String> {
    let members = pods.iter().map(|id| Who::Pod((*id).clone())).collect();
    can::words::names(cluster, &Group { members, addresses: Addresses::default() })
}

fn shown(names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_NAMES) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}
