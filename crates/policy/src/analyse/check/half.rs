//! Rules that open one half of a connection while the other half stays shut.

use hashbrown::HashSet;

use super::effect::{RuleAt, matched, rules};
use super::scene::{Pod, Scene};
use super::selects::asks_pod;
use super::{Finding, about, isolating, listed};
use crate::model::{Direction, Family, Peer, Peers, Policy, PolicyId, Rule, RuleId, Selector, Tier};

/// Rules for certain pods, all of which deny it at their end.
pub(super) fn half_open(scene: &Scene<'_>) -> Vec<Finding> {
    let policies = scene.cluster.policies.values().filter(|policy| policy.tier == Tier::NetworkPolicy);
    let mut findings = Vec::new();
    for policy in policies {
        for (at, rule) in rules(policy) {
            let peers = match &rule.peers {
                Peers::Any => continue,
                Peers::Of(peers) => peers,
            };
            let selectors = peers.iter().filter_map(|peer| match peer {
                Peer::Pods(selector) if asks_pod(selector) => Some(selector),
                Peer::Pods(_) | Peer::Block(_) | Peer::Nodes(_) | Peer::Domains(_) => None,
            });
            findings.extend(selectors.filter_map(|selector| half(scene, policy, (&at, rule), selector)));
        }
    }
    findings
}

fn half(
    scene: &Scene<'_>,
    policy: &Policy,
    (at, rule): (&RuleAt, &Rule),
    selector: &Selector,
) -> Option<Finding> {
    let id = RuleId::rule(&policy.id, at.direction, at.index);
    let peers = scene.selected(selector);
    let mut shut: Vec<&Pod<'_>> = Vec::new();
    let mut asked = HashSet::new();
    let kind = |pod: &Pod<'_>| pod.end.identity().map(std::ptr::from_ref);
    for group in scene.groups_of(&policy.id, at.direction) {
        let clause =
            group.program.stages.iter().flat_map(|stage| &stage.clauses).find(|clause| clause.rule == id);
        let Some(clause) = clause else { continue };
        for subject in scene.subjects(group) {
            for peer in peers.iter().filter(|peer| Family::of(&peer.end.address()) == group.family) {
                let (own, there) = (subject.end.address(), peer.end.address());
                if own == there || !asked.insert((kind(subject), kind(peer))) {
                    continue;
                }
                let party = peer.end.party(own);
                let meant = matched(at.direction, std::slice::from_ref(clause), &party);
                let open = meant.and(&group.program.allowed(&party));
                if open.is_empty() {
                    continue;
                }
                let other = peer.end.program(turned(at.direction))?;
                if !other.allowed(&subject.end.party(there)).and(&open).is_empty() {
                    return None;
                }
                shut.push(peer);
            }
        }
    }
    let first = shut.first()?;
    let blamed = isolating(first.end.program(turned(at.direction))?);
    Some(finding(scene, policy, (at, rule), selector, &shut, blamed))
}

fn finding(
    scene: &Scene<'_>,
    policy: &Policy,
    (at, rule): (&RuleAt, &Rule),
    selector: &Selector,
    shut: &[&Pod<'_>],
    blamed: &[PolicyId],
) -> Finding {
    let (code, does, denies) = match at.direction {
        Direction::Egress => ("PC521", "lets out what nobody lets in", "deny it on ingress"),
        Direction::Ingress => ("PC522", "lets in what nobody lets out", "deny it on egress"),
    };
    let title = format!("{} rule {} of `{}` {does}", at.direction, at.index + 1, policy.id);
    let mut finding = about(code, policy, Some(rule), title);
    let mut names: Vec<_> = shut.iter().map(|pod| &pod.pod.id).collect();
    names.sort();
    names.dedup();
    finding.because = format!("all pods that match `{selector}` {denies}: {}", listed(names));
    finding.fix = match at.direction {
        Direction::Egress => {
            "add an ingress rule for the pods of this policy to one of their policies, or remove this"
        }
        Direction::Ingress => {
            "add an egress rule to the pods of this policy to one of their policies, or remove this"
        }
    }
    .to_owned();
    let policies = blamed.iter().filter_map(|id| scene.cluster.policies.get(id));
    finding.related = policies.take(5).map(|policy| (policy.id.to_string(), policy.origin.clone())).collect();
    finding
}

fn turned(direction: Direction) -> Direction {
    match direction {
        Direction::Ingress => Direction::Egress,
        Direction::Egress => Direction::Ingress,
    }
}
