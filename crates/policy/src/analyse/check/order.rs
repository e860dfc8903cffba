//! What hangs on an order that nobody wrote down, and on readings of the API that differ.

use std::collections::BTreeSet;

use hashbrown::HashMap;
use indexmap::IndexMap;

use super::scene::{Group, Scene};
use super::{Finding, about, isolating};
use crate::decision::RuleName;
use crate::model::{Direction, Policy, PolicyId, RuleId, Tier};
use crate::program::{Clause, Program, Stage};

/// Policies of one tier and priority between which only their names decide.
pub(super) fn equal_priorities(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found: BTreeSet<(&PolicyId, &PolicyId)> = BTreeSet::new();
    let mut owners: HashMap<RuleId, Option<&Policy>> = HashMap::new();
    for group in &scene.groups {
        for (at, stage) in group.program.stages.iter().enumerate() {
            if stage.tier == Tier::NetworkPolicy {
                continue;
            }
            let policies = speaking(scene, stage, &mut owners);
            for (place, one) in policies.iter().enumerate() {
                for other in policies.iter().skip(place + 1) {
                    let pair = (&one.id, &other.id);
                    if one.priority == other.priority
                        && !found.contains(&pair)
                        && differs(group, &turned(group.program, at, one, other))
                    {
                        found.insert(pair);
                    }
                }
            }
        }
    }
    found.into_iter().filter_map(|(one, other)| equal(scene, one, other)).collect()
}

fn speaking<'a>(
    scene: &Scene<'a>,
    stage: &Stage,
    owners: &mut HashMap<RuleId, Option<&'a Policy>>,
) -> Vec<&'a Policy> {
    let mut policies: Vec<&'a Policy> = Vec::new();
    for clause in &stage.clauses {
        let owner =
            owners.entry(clause.rule).or_insert_with(|| match scene.index.rule_name(clause.rule)? {
                RuleName::Rule { policy, .. } => scene.cluster.policies.get(&policy),
                RuleName::Isolation { .. } => None,
            });
        policies.extend(owner.filter(|owner| !policies.iter().any(|known| known.id == owner.id)));
    }
    policies
}

/// The program with the second policy asked before the first.
fn turned(program: &Program, at: usize, first: &Policy, second: &Policy) -> Program {
    let ids = |policy: &Policy| -> Vec<RuleId> {
        let rules = super::effect::rules(policy).map(|(at, _)| at);
        rules.map(|at| RuleId::rule(&policy.id, at.direction, at.index)).collect()
    };
    let (first, second) = (ids(first), ids(second));
    let mut program = program.clone();
    if let Some(stage) = program.stages.get_mut(at) {
        let (moved, mut rest): (Vec<Clause>, Vec<Clause>) =
            stage.clauses.drain(..).partition(|clause| second.contains(&clause.rule));
        let place = rest.iter().position(|clause| first.contains(&clause.rule)).unwrap_or(rest.len());
        rest.splice(place..place, moved);
        stage.clauses = rest;
    }
    program
}

fn differs(group: &Group<'_>, other: &Program) -> bool {
    group
        .meetings
        .iter()
        .any(|meeting| other.allowed(&meeting.party()) != group.program.allowed(&meeting.party()))
}

fn equal(scene: &Scene<'_>, one: &PolicyId, other: &PolicyId) -> Option<Finding> {
    let (first, second) = (scene.cluster.policies.get(one)?, scene.cluster.policies.get(other)?);
    let title = format!("`{one}` and `{other}` have the same priority, and contradict each other");
    let mut finding = about("PC516", second, None, title);
    finding.because = format!(
        "both have priority {}; the API leaves open who comes first. Here it is `{one}` by its name, and the other \
         order would give other verdicts",
        second.priority
    );
    finding.fix = "give them different priorities; the lowest is asked first".to_owned();
    finding.related = vec![(one.to_string(), first.origin.clone())];
    Some(finding)
}

/// Baseline policies that decide about a direction of pods that a NetworkPolicy isolates in the other (D1).
pub(super) fn two_readings(scene: &Scene<'_>) -> Vec<Finding> {
    let mut found: IndexMap<PolicyId, PolicyId> = IndexMap::new();
    let mut owners = HashMap::new();
    for group in &scene.groups {
        let other_direction = match group.program.direction {
            Direction::Ingress => Direction::Egress,
            Direction::Egress => Direction::Ingress,
        };
        let baseline = group.program.stages.iter().find(|stage| stage.tier == Tier::Baseline);
        let Some(baseline) = baseline.filter(|_| isolating(group.program).is_empty()) else { continue };
        let others = scene.subjects(group).filter_map(|pod| pod.end.program(other_direction));
        let shield = others.filter_map(|program| isolating(program).first()).next();
        let mut without = (**group.program).clone();
        without.stages.retain(|stage| stage.tier != Tier::Baseline);
        if let Some(shield) = shield.filter(|_| differs(group, &without)) {
            for policy in speaking(scene, baseline, &mut owners) {
                found.entry(policy.id.clone()).or_insert_with(|| shield.clone());
            }
        }
    }
    found.into_iter().filter_map(|(baseline, shield)| reading(scene, &baseline, &shield)).collect()
}

fn reading(scene: &Scene<'_>, baseline: &PolicyId, shield: &PolicyId) -> Option<Finding> {
    let (policy, other) = (scene.cluster.policies.get(baseline)?, scene.cluster.policies.get(shield)?);
    let title = format!("`{baseline}` and `{shield}` together can be read in two ways");
    let mut finding = about("PC561", policy, None, title);
    finding.because = "a NetworkPolicy isolates pods in one direction only. We ask the Baseline tier about the other \
                       direction; an implementation that takes such a pod out of the Baseline tier altogether would \
                       give other verdicts"
        .to_owned();
    finding.fix = "let the NetworkPolicy name both `policyTypes`, with rules for each".to_owned();
    finding.related = vec![(shield.to_string(), other.origin.clone())];
    Some(finding)
}
