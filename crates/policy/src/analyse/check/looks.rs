//! Policies that look like something else than they are.

use super::effect::{RuleAt, matched, rules};
use super::scene::{Group, Other, Pod, Scene};
use super::selects::{asks_pod, parts};
use super::{Finding, about, isolating, listed, peers_word};
use crate::model::{
    About, Attribute, Direction, EndpointId, Family, Look, Peer, Peers, Policy, Rule, RuleId, Selector, Tier,
};
use crate::ports::PortSet;
use crate::program::{Fallback, Party, Program};

const CLOSING: [&str; 6] = ["deny", "block", "isolate", "isolation", "drop", "reject"];
const OPENING: [&str; 3] = ["allow", "permit", "open"];

/// Names that say the reverse of what is done, and a `-` that makes two peers of one.
pub(super) fn looks(scene: &Scene<'_>) -> Vec<Finding> {
    let policies = scene.cluster.policies.values().filter(|policy| policy.tier == Tier::NetworkPolicy);
    let mut findings = Vec::new();
    for policy in policies {
        let words: Vec<&str> = policy.id.name.split(|sign: char| !sign.is_ascii_alphanumeric()).collect();
        let says = |known: &[&str]| words.iter().any(|word| known.contains(word));
        match (says(&CLOSING), says(&OPENING)) {
            (true, false) => findings.extend(open_all(scene, policy)),
            (false, true) => findings.extend(shut_all(scene, policy)),
            (true, true) | (false, false) => (),
        }
        findings.extend(rules(policy).filter_map(|(at, rule)| either(scene, policy, &at, rule)));
        if !findings
            .iter()
            .any(|finding| finding.code == "PC531" && finding.about == About::Policy(policy.id.clone()))
        {
            findings.extend(written(scene, policy));
        }
    }
    findings
}

/// What is written in a way that is often taken for the reverse, where the reverse would make a difference.
fn written(scene: &Scene<'_>, policy: &Policy) -> Vec<Finding> {
    let note = scene.cluster.notes.get(&About::Policy(policy.id.clone()));
    let looks = note.map(|note| note.looks.as_slice()).unwrap_or_default();
    let found = looks.iter().filter_map(|look| match look {
        Look::IngressImplied => ingress_implied(scene, policy),
        Look::EgressIgnored => egress_ignored(scene, policy),
        Look::EmptyPeers(direction, index) => empty_peers(scene, policy, *direction, *index),
    });
    found.collect()
}

fn ingress_implied(scene: &Scene<'_>, policy: &Policy) -> Option<Finding> {
    let group =
        scene.groups_of(&policy.id, Direction::Ingress).find(|group| isolates_alone(policy, group))?;
    let pods = scene.subjects(group).map(|pod| &pod.pod.id);
    let title = format!("`{}` has only egress rules, and denies all ingress", policy.id);
    let mut finding = about("PC533", policy, None, title);
    finding.because = format!(
        "without `policyTypes` a policy isolates ingress; without it {} would get more",
        listed(pods)
    );
    finding.fix = "write `policyTypes: [Egress]`, or `[Ingress, Egress]` if that is meant".to_owned();
    Some(finding)
}

fn egress_ignored(scene: &Scene<'_>, policy: &Policy) -> Option<Finding> {
    let subjects = scene.groups_of(&policy.id, Direction::Ingress).flat_map(|group| scene.subjects(group));
    let is_open =
        |pod: &&Pod<'_>| pod.end.program(Direction::Egress).is_some_and(|own| isolating(own).is_empty());
    let mut open = subjects.filter(is_open).map(|pod| &pod.pod.id).peekable();
    open.peek()?;
    let title = format!("the empty `egress` of `{}` denies nothing", policy.id);
    let mut finding = about("PC534", policy, None, title);
    finding.because = format!(
        "without `policyTypes` only rules make a policy isolate egress; nothing isolates the egress of {}",
        listed(open)
    );
    finding.fix = "write `policyTypes: [Ingress, Egress]`, or leave `egress` out".to_owned();
    Some(finding)
}

fn empty_peers(scene: &Scene<'_>, policy: &Policy, direction: Direction, index: usize) -> Option<Finding> {
    let rule = policy.rules(direction)?.get(index)?;
    let id = RuleId::rule(&policy.id, direction, index);
    let decides = |group: &Group<'_>| {
        let mut without = (**group.program).clone();
        for stage in &mut without.stages {
            stage.clauses.retain(|clause| clause.rule != id);
        }
        let mut others = group.meetings.iter().map(Other::party);
        others.any(|party| without.allowed(&party) != group.program.allowed(&party))
    };
    let group = scene.groups_of(&policy.id, direction).find(|group| decides(group))?;
    let word = peers_word(direction);
    let title =
        format!("the empty `{word}` in {direction} rule {} of `{}` is everyone", index + 1, policy.id);
    let mut finding = about("PC535", policy, Some(rule), title);
    let pods = scene.subjects(group).map(|pod| &pod.pod.id);
    finding.because = format!(
        "an empty list of peers restricts nothing; by this rule everyone is let through at {}",
        listed(pods)
    );
    finding.fix = format!("for everyone leave `{word}` out; for nobody remove the rule");
    Some(finding)
}

/// It is named after closing, and one of its rules accepts everything from or to everyone.
fn open_all(scene: &Scene<'_>, policy: &Policy) -> Option<Finding> {
    let (at, rule) = rules(policy).find(|(at, _)| {
        let id = RuleId::rule(&policy.id, at.direction, at.index);
        scene.groups_of(&policy.id, at.direction).any(|group| {
            let clauses = group.program.stages.iter().flat_map(|stage| &stage.clauses);
            let own: Vec<_> = clauses.filter(|clause| clause.rule == id).cloned().collect();
            matched(at.direction, &own, &nobody(group.family)) == PortSet::all()
        })
    })?;
    let title =
        format!("`{}` denies nothing on {}: rule {} accepts everyone", policy.id, at.direction, at.index + 1);
    let mut finding = about("PC530", policy, Some(rule), title);
    finding.because =
        "a rule without peers is about everyone, and one without ports about every port: `- {}` accepts \
                       everything"
            .to_owned();
    finding.fix =
        format!("to deny, list no rule: `{}: []`; to accept everything, name the policy so", at.direction);
    Some(finding)
}

fn nobody(family: Family) -> Party<'static> {
    Party { family, selectors: &[], blocks: &[], nodes: &[], ports: &[], is_subject: false }
}

/// It is named after opening, has no rule in a direction, and by that alone closes it.
fn shut_all(scene: &Scene<'_>, policy: &Policy) -> Option<Finding> {
    let is_bare = |direction: &Direction| policy.rules(*direction).is_some_and(<[Rule]>::is_empty);
    let mut directions = [Direction::Ingress, Direction::Egress].into_iter().filter(is_bare);
    let (direction, pods) = directions.find_map(|direction| {
        let mut groups = scene.groups_of(&policy.id, direction);
        let group = groups.find(|group| isolates_alone(policy, group))?;
        Some((direction, scene.subjects(group).map(|pod| &pod.pod.id).collect::<Vec<_>>()))
    })?;
    let title = format!("`{}` accepts nothing on {direction}, and denies it all", policy.id);
    let mut finding = about("PC531", policy, None, title);
    finding.because = format!(
        "it has no {direction} rule, yet it isolates: without it {} would get more. Without `policyTypes` a policy \
         isolates ingress, also one that has only egress rules",
        listed(pods)
    );
    finding.fix = match direction {
        Direction::Ingress => "write `policyTypes: [Egress]` if ingress is none of its business",
        Direction::Egress => "write `policyTypes: [Ingress]` if egress is none of its business",
    }
    .to_owned();
    Some(finding)
}

/// Whether its subjects would get more if it didn't isolate them.
fn isolates_alone(policy: &Policy, group: &Group<'_>) -> bool {
    let mut open = (**group.program).clone();
    for stage in &mut open.stages {
        if let Fallback::Isolate(_, policies) = &stage.default
            && policies.iter().all(|id| *id == policy.id)
        {
            stage.default = Fallback::Pass;
        }
    }
    isolating(group.program).iter().all(|id| *id == policy.id)
        && group
            .meetings
            .iter()
            .any(|other| open.allowed(&other.party()) != group.program.allowed(&other.party()))
}

/// Two peers, one of namespaces and one of pods here, where one peer of such pods in such namespaces would select
/// some pod, and both together let more pass.
fn either(scene: &Scene<'_>, policy: &Policy, at: &RuleAt, rule: &Rule) -> Option<Finding> {
    let peers = match &rule.peers {
        Peers::Any => return None,
        Peers::Of(peers) => peers,
    };
    let [Peer::Pods(one), Peer::Pods(other)] = peers.as_slice() else { return None };
    let (wide, here) = if is_wide(one) { (one, other) } else { (other, one) };
    let own: Vec<Selector> = parts(here).into_iter().filter(|part| !names_namespace(part)).collect();
    if !is_wide(wide) || own.is_empty() || !own.iter().all(asks_pod) || own.len() == parts(here).len() {
        return None;
    }
    let both = wide.clone().and(Selector::all(own));
    if scene.selected(&both).is_empty() {
        return None;
    }
    let more = extra(scene, policy, at, (wide, here), &both);
    if more.is_empty() {
        return None;
    }
    let title = format!(
        "{} rule {} of `{}` is about either, perhaps both are meant",
        at.direction,
        at.index + 1,
        policy.id
    );
    let mut finding = about("PC532", policy, Some(rule), title);
    finding.because = format!(
        "`-` before `podSelector` makes a second peer: all pods of the namespaces, and these pods of the policy's own. \
         As one peer, `{both}`, it would not be about {}",
        listed(more)
    );
    finding.fix =
        "take away the second `-` if pods with these labels in those namespaces are meant".to_owned();
    Some(finding)
}

/// All pods of some namespaces.
fn is_wide(selector: &Selector) -> bool {
    !asks_pod(selector) && !parts(selector).iter().any(names_namespace)
}

fn names_namespace(part: &Selector) -> bool {
    matches!(part, Selector::In(Attribute::NamespaceName, _))
}

/// The pods that the rule lets through and the narrow reading wouldn't.
fn extra<'a>(
    scene: &Scene<'a>,
    policy: &Policy,
    at: &RuleAt,
    (wide, here): (&Selector, &Selector),
    both: &Selector,
) -> Vec<&'a EndpointId> {
    let id = RuleId::rule(&policy.id, at.direction, at.index);
    let either = scene.selected(wide).into_iter().chain(scene.selected(here));
    let others: Vec<&Pod<'a>> = either.filter(|pod| !scene.index.selects(both, pod.pod)).collect();
    let mut found: Vec<&'a EndpointId> = Vec::new();
    for group in scene.groups_of(&policy.id, at.direction) {
        let mut without: Program = (**group.program).clone();
        for stage in &mut without.stages {
            stage.clauses.retain(|clause| clause.rule != id);
        }
        let Some(subject) = scene.subjects(group).next().map(|pod| pod.end.address()) else { continue };
        let asked = others.iter().filter(|pod| Family::of(&pod.end.address()) == group.family);
        let asked = asked.filter(|pod| pod.end.address() != subject);
        found.extend(asked.filter(|pod| differs(group, &without, pod, subject)).map(|pod| &pod.pod.id));
    }
    found.sort();
    found.dedup();
    found
}

fn differs(group: &Group<'_>, without: &Program, pod: &Pod<'_>, subject: std::net::IpAddr) -> bool {
    let party = pod.end.party(subject);
    without.allowed(&party) != group.program.allowed(&party)
}
