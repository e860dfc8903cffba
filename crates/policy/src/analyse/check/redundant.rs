//! Rules and policies without which nothing would change.

use super::always::implies;
use super::effect::{Effect, RuleAt, Said, of_scene, rules};
use super::scene::Scene;
use super::{Finding, about, named, rule_of};
use crate::decision::RuleName;
use crate::model::{Direction, Origin, Policy, RuleId, Tier};

/// What is said by others already.
pub(super) fn redundant(scene: &Scene<'_>) -> Vec<Finding> {
    let effects = of_scene(scene);
    let policies = effects.policies.iter().filter_map(|(id, said)| {
        let policy = scene.cluster.policies.get(id)?;
        whole(scene, policy, said)
    });
    let mut findings: Vec<Finding> = policies.collect();
    for (at, said) in &effects.rules {
        let of_policy = effects.policies.get(&at.policy).map(|said| said.effect);
        if matches!(of_policy, Some(Effect::Contained | Effect::Nobody)) {
            continue;
        }
        findings.extend(single(scene, at, said));
    }
    findings
}

fn whole(scene: &Scene<'_>, policy: &Policy, said: &Said) -> Option<Finding> {
    match said.effect {
        Effect::Contained => {
            let wider = wider(scene, policy);
            if wider.is_empty() {
                return None;
            }
            let title = format!("`{}` adds nothing to other policies", policy.id);
            let mut finding = about("PC512", policy, None, title);
            finding.because =
                "other policies isolate all pods that it selects, and accept all that it accepts, \
                               whatever pods there are"
                    .to_owned();
            finding.fix = "remove it, or say in it what the others don't".to_owned();
            finding.related =
                wider.iter().map(|there| (there.id.to_string(), there.origin.clone())).collect();
            Some(finding)
        }
        Effect::Decides
        | Effect::NothingToday
        | Effect::NeverDecides
        | Effect::Overruled
        | Effect::Nobody
        | Effect::AtRunTime => None,
    }
}

/// The policies that select and isolate all that a policy does. One without rules is the ground that others
/// stand on: it is only in the way where another without rules is the same.
fn wider<'a>(scene: &Scene<'a>, policy: &Policy) -> Vec<&'a Policy> {
    let is_ground = |policy: &Policy| rules(policy).next().is_none();
    let shares = |other: &Policy| {
        [Direction::Ingress, Direction::Egress]
            .into_iter()
            .any(|direction| policy.rules(direction).is_some() && other.rules(direction).is_some())
    };
    let policies = scene.cluster.policies.values();
    let wider = policies.filter(|other| other.tier == policy.tier && other.id != policy.id);
    let wider = wider.filter(|other| implies(&policy.subject, &other.subject) && shares(other));
    wider.filter(|other| !is_ground(policy) || is_ground(other)).collect()
}

fn single(scene: &Scene<'_>, at: &RuleAt, said: &Said) -> Option<Finding> {
    let (policy, rule) = rule_of(scene.cluster, at)?;
    let (code, title, because, fix) = match (said.effect, policy.tier) {
        (Effect::Contained, _) => (
            "PC510",
            format!("{} accepts only what others accept already", words(at)),
            "all that it accepts is accepted by other rules for the same pods, whatever pods there are",
            "remove it, or narrow the others if they are too wide",
        ),
        (Effect::NothingToday, Tier::NetworkPolicy) => (
            "PC511",
            format!("{} changes nothing for the pods that there are", words(at)),
            "all that it accepts from or to today's pods and addresses is accepted by other rules too; for pods with \
             other labels it could make a difference",
            "remove it if the others are meant to cover it, or narrow the others",
        ),
        (Effect::NeverDecides, Tier::Admin | Tier::Baseline) => (
            "PC514",
            format!("{} never decides", words(at)),
            "wherever it matches, an earlier rule of its tier matches first",
            "remove it, or move it (or give its policy a lower priority) before the earlier rules",
        ),
        (Effect::Overruled, Tier::NetworkPolicy) => (
            "PC515",
            format!("{} makes no difference: a cluster policy decides", words(at)),
            "all that it accepts is decided before NetworkPolicies are asked, or would pass without it",
            "remove it, or let the cluster policy pass what NetworkPolicies shall decide",
        ),
        // A cluster policy that repeats what other tiers say guards against their change.
        (Effect::Overruled | Effect::NothingToday, Tier::Admin | Tier::Baseline)
        | (Effect::NeverDecides, Tier::NetworkPolicy)
        | (Effect::Decides | Effect::Nobody | Effect::AtRunTime, _) => return None,
    };
    let mut finding = about(code, policy, Some(rule), title);
    (finding.because, finding.fix) = (because.to_owned(), fix.to_owned());
    finding.related = places(scene, said);
    Some(finding)
}

fn words(at: &RuleAt) -> String {
    format!("{} rule {} of `{}`", at.direction, at.index + 1, at.policy)
}

/// The rules that say it as well.
fn places(scene: &Scene<'_>, said: &Said) -> Vec<(String, Origin)> {
    const MOST: usize = 5;
    let mut places: Vec<(String, Origin)> = said.by.iter().filter_map(|id| place(scene, *id)).collect();
    places.sort_by(|a, b| a.1.cmp(&b.1));
    places.truncate(MOST);
    places
}

fn place(scene: &Scene<'_>, id: RuleId) -> Option<(String, Origin)> {
    match scene.index.rule_name(id)? {
        RuleName::Rule { policy, direction, index, .. } => {
            let at = RuleAt { policy, direction, index };
            let (_, rule) = rule_of(scene.cluster, &at)?;
            Some((named(&at), rule.origin.clone()))
        }
        RuleName::Isolation { .. } => None,
    }
}
