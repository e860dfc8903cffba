//! What is probably not as its author meant it.
//!
//! Every finding is decided by asking programs about the pods and addresses that there are, never by how a
//! policy is spelt: [`scene`] says who meets whom, [`effect`] what would change without something. One small
//! file a group of findings; [`codes`] says what each is about.

mod always;
mod blocks;
pub mod codes;
mod dns;
mod effect;
mod ground;
mod half;
mod hosts;
mod looks;
mod names;
mod order;
mod redundant;
mod scene;
mod selects;
mod suppress;

use crate::index::Index;
use crate::model::{About, Cluster, Direction, Origin, Policy, PolicyId, Rule};
use crate::program::{Fallback, Program};

pub use effect::{Effect, Effects, RuleAt, Said, effects};

use scene::Scene;

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which kind: [`codes`] has its page.
    pub code: &'static str,
    /// The object that it is about, and that may suppress it.
    pub about: About,
    /// Where; `None` where the object was not in the files.
    pub origin: Option<Origin>,
    /// What: lower case, no full stop, the user's words in backticks.
    pub title: String,
    /// Why it is so here.
    pub because: String,
    /// What to do about it.
    pub fix: String,
    /// Other places to look at, each with what is there.
    pub related: Vec<(String, Origin)>,
}

/// A finding that its object's author knows about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppressed {
    /// What was found.
    pub finding: Finding,
    /// Why it is meant so.
    pub reason: String,
}

/// All there is to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Policies first, in the order of the manifests.
    pub findings: Vec<Finding>,
    /// In the same order.
    pub suppressed: Vec<Suppressed>,
}

/// All there is to say; `index` is the index of `cluster`.
pub fn check(cluster: &Cluster, index: &Index) -> Checked {
    let scene = Scene::of(cluster, index);
    let mut findings = Vec::new();
    findings.extend(selects::nothing(&scene));
    findings.extend(redundant::redundant(&scene));
    findings.extend(dns::unresolved(&scene));
    findings.extend(half::half_open(&scene));
    findings.extend(names::ports(&scene));
    findings.extend(blocks::blocks(&scene));
    findings.extend(hosts::on_host_network(&scene));
    findings.extend(order::equal_priorities(&scene));
    findings.extend(order::two_readings(&scene));
    findings.extend(ground::without_default(&scene));
    findings.extend(looks::looks(&scene));
    let mut checked = suppress::suppress(cluster, findings);
    checked.findings.sort_by_key(|finding| place(cluster, finding));
    checked.suppressed.sort_by_key(|one| place(cluster, &one.finding));
    checked
}

/// Whether the object of a finding comes first, and the finding in it.
fn place(cluster: &Cluster, finding: &Finding) -> (usize, usize, u32) {
    let line = finding.origin.as_ref().map_or(0, |origin| origin.line);
    match &finding.about {
        About::Policy(id) => (0, cluster.policies.get_index_of(id).unwrap_or(usize::MAX), line),
        About::Namespace(name) => (1, cluster.namespaces.get_index_of(name).unwrap_or(usize::MAX), line),
    }
}

/// A finding about a policy, at its rule where it is about one.
fn about(code: &'static str, policy: &Policy, rule: Option<&Rule>, title: String) -> Finding {
    Finding {
        code,
        about: About::Policy(policy.id.clone()),
        origin: Some(rule.map_or(&policy.origin, |rule| &rule.origin).clone()),
        title,
        because: String::new(),
        fix: String::new(),
        related: Vec::new(),
    }
}

/// `ingress rule 1 of NetworkPolicy shop/web`.
fn named(at: &RuleAt) -> String {
    format!("{} rule {} of {}", at.direction, at.index + 1, at.policy)
}

/// The first few of a list, and how many there are besides.
fn listed<T: std::fmt::Display>(all: impl IntoIterator<Item = T>) -> String {
    const MOST: usize = 3;
    let mut all = all.into_iter();
    let mut words: Vec<String> = all.by_ref().take(MOST).map(|one| format!("`{one}`")).collect();
    match all.count() {
        0 => (),
        more => words.push(format!("{more} more")),
    }
    words.join(", ")
}

/// The NetworkPolicies that isolate the pods of a program.
fn isolating(program: &Program) -> &[PolicyId] {
    let mut defaults = program.stages.iter().map(|stage| &stage.default);
    let found = defaults.find_map(|default| match default {
        Fallback::Isolate(_, policies) => Some(&policies[..]),
        Fallback::Pass => None,
    });
    found.unwrap_or_default()
}

fn rule_of<'a>(cluster: &'a Cluster, at: &RuleAt) -> Option<(&'a Policy, &'a Rule)> {
    let policy = cluster.policies.get(&at.policy)?;
    Some((policy, policy.rules(at.direction)?.get(at.index)?))
}

/// From the subject's side: who is at the other end.
fn peers_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    }
}
