//! Blocks that hold what their author may not have thought of.

use std::net::IpAddr;

use indexmap::IndexMap;

use super::effect::{RuleAt, rules};
use super::scene::{Group, Other, Pod, Scene};
use super::{Finding, about, listed, rule_of};
use crate::decision::{Reason, RuleName, Verdict};
use crate::model::{
    Block, Direction, EndpointId, Family, Peer, Peers, Policy, Protocol, Rule, RuleId, Service, Tier,
};
use crate::program::{PeerId, PeerMatch, PeerSet, Program};

/// Where clouds hand out credentials to whoever asks.
const METADATA: [&str; 2] = ["169.254.169.254", "fd00:ec2::254"];

/// So many pods are enough to show what is meant.
const EXAMPLES: usize = 3;

/// Blocks that decide about pods, blocks that are Services' addresses, and ways to the cloud's metadata.
pub(super) fn blocks(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let policies = scene.cluster.policies.values().filter(|policy| policy.tier == Tier::NetworkPolicy);
    for policy in policies {
        for (at, rule) in rules(policy) {
            let peers = match &rule.peers {
                Peers::Any => continue,
                Peers::Of(peers) => peers,
            };
            for peer in peers {
                match peer {
                    Peer::Block(block) => {
                        findings.extend(over_pods(scene, policy, (&at, rule), block));
                        findings.extend(over_service(scene, policy, (&at, rule), block));
                    }
                    Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_) => (),
                }
            }
        }
    }
    findings.extend(metadata(scene));
    findings
}

/// Pods that get in only because a block holds their addresses.
fn over_pods(
    scene: &Scene<'_>,
    policy: &Policy,
    (at, rule): (&RuleAt, &Rule),
    block: &Block,
) -> Option<Finding> {
    let id = RuleId::rule(&policy.id, at.direction, at.index);
    let family = Family::of(&block.cidr.addr());
    let kinds = scene.kinds.iter().filter_map(|place| scene.pods.get(*place));
    let inside: Vec<&Pod<'_>> = kinds.filter(|pod| holds(block, pod.end.address())).collect();
    let decides = |group: &Group<'_>, narrow: &Program, pod: &Pod<'_>| {
        let mut others = scene.subjects(group).filter(|subject| subject.end.address() != pod.end.address());
        others.next().is_some_and(|subject| {
            let party = pod.end.party(subject.end.address());
            narrow.allowed(&party) != group.program.allowed(&party)
        })
    };
    let mut found: Vec<&EndpointId> = Vec::new();
    for group in scene.groups_of(&policy.id, at.direction).filter(|group| group.family == family) {
        let narrow = narrowed(scene, group.program, id, block);
        let mut others = group.meetings.iter().map(Other::party);
        if others.any(|party| narrow.allowed(&party) != group.program.allowed(&party)) {
            let here = inside.iter().filter(|pod| decides(group, &narrow, pod));
            found.extend(here.take(EXAMPLES).map(|pod| &pod.pod.id));
        }
    }
    found.sort();
    found.dedup();
    found.truncate(EXAMPLES);
    if found.is_empty() {
        return None;
    }
    let title = format!("`{block}` in {} rule {} of `{}` holds pods", at.direction, at.index + 1, policy.id);
    let mut finding = about("PC550", policy, Some(rule), title);
    let way = match at.direction {
        Direction::Ingress => "connections from",
        Direction::Egress => "connections to",
    };
    finding.because = format!(
        "without the block some {way} {} would not pass, for example; not every network plugin applies blocks to pods",
        listed(found)
    );
    finding.fix = "say pods with selectors, and except the pod network from the block".to_owned();
    Some(finding)
}

/// The program with one block taken out of one rule.
fn narrowed(scene: &Scene<'_>, program: &Program, rule: RuleId, block: &Block) -> Program {
    let is_it = |id: PeerId| matches!(scene.index.peer(id), Some(Peer::Block(there)) if there == block);
    let mut program = program.clone();
    for clause in
        program.stages.iter_mut().flat_map(|stage| &mut stage.clauses).filter(|one| one.rule == rule)
    {
        clause.peers = match &clause.peers {
            PeerMatch::Any => PeerMatch::Any,
            PeerMatch::Of(sets) => {
                let rest: Vec<PeerSet> = sets.iter().filter(|set| !is_it(set.id())).copied().collect();
                PeerMatch::Of(rest.into())
            }
        };
    }
    program
}

fn holds(block: &Block, address: IpAddr) -> bool {
    block.cidr.contains(&address) && !block.except.iter().any(|except| except.contains(&address))
}

/// A narrow block around the address of a Service whose pods can't be reached: rules see the pods' addresses.
fn over_service(
    scene: &Scene<'_>,
    policy: &Policy,
    (at, rule): (&RuleAt, &Rule),
    block: &Block,
) -> Option<Finding> {
    // Wider ones are hardly meant for Services.
    let narrowest = match Family::of(&block.cidr.addr()) {
        Family::V4 => 12,
        Family::V6 => 96,
    };
    if at.direction == Direction::Ingress || block.cidr.prefix_len() < narrowest {
        return None;
    }
    let services = scene.cluster.services.values();
    let mut inside =
        services.filter(|service| service.addresses.iter().any(|address| holds(block, *address)));
    let service = inside.find(|service| is_shut(scene, policy, service))?;
    let title =
        format!("`{block}` in egress rule {} of `{}` is the address of a Service", at.index + 1, policy.id);
    let mut finding = about("PC551", policy, Some(rule), title);
    finding.because = format!(
        "rules see the address of a pod behind `{}`, not the Service's own; those pods can't be reached",
        service.id
    );
    finding.fix = match &service.selector {
        Some(selector) => format!("name the pods behind it: `{selector}`, with their own ports"),
        None => "name the pods or addresses behind it".to_owned(),
    };
    Some(finding)
}

/// Whether the pods of a policy reach none of the pods behind a Service.
fn is_shut(scene: &Scene<'_>, policy: &Policy, service: &Service) -> bool {
    let Some(selector) = &service.selector else { return false };
    let behind = scene.selected(selector);
    let reaches = |group: &Group<'_>, pod: &&&Pod<'_>| {
        scene.subjects(group).next().is_some_and(|subject| {
            subject.end.address() == pod.end.address()
                || !group.program.allowed(&pod.end.party(subject.end.address())).is_empty()
        })
    };
    let mut groups = scene.groups_of(&policy.id, Direction::Egress).peekable();
    !behind.is_empty()
        && groups.peek().is_some()
        && !groups.any(|group| {
            let same = |pod: &&&Pod<'_>| Family::of(&pod.end.address()) == group.family;
            behind.iter().filter(same).any(|pod| reaches(group, &pod))
        })
}

/// Rules that let pods reach the cloud's metadata.
fn metadata(scene: &Scene<'_>) -> Vec<Finding> {
    let mut open: IndexMap<RuleId, Vec<&EndpointId>> = IndexMap::new();
    for address in METADATA.iter().filter_map(|text| text.parse::<IpAddr>().ok()) {
        let end = scene.index.end(address);
        let groups = scene.groups.iter().filter(|group| group.program.direction == Direction::Egress);
        for group in groups.filter(|group| group.family == Family::of(&address)) {
            for subject in scene.subjects(group) {
                let ruling = group.program.eval(&end.party(subject.end.address()), Protocol::Tcp, 80);
                if let (Verdict::Accept, Reason::Rule(rule)) = (ruling.verdict, ruling.reason) {
                    open.entry(rule).or_default().push(&subject.pod.id);
                }
            }
        }
    }
    open.into_iter().filter_map(|(rule, pods)| opened(scene, rule, pods)).collect()
}

fn opened(scene: &Scene<'_>, id: RuleId, mut pods: Vec<&EndpointId>) -> Option<Finding> {
    let at = match scene.index.rule_name(id)? {
        RuleName::Rule { policy, direction, index, .. } => RuleAt { policy, direction, index },
        RuleName::Isolation { .. } => return None,
    };
    let (policy, rule) = rule_of(scene.cluster, &at)?;
    let title = format!("egress rule {} of `{}` opens the cloud's metadata address", at.index + 1, policy.id);
    let mut finding = about("PC552", policy, Some(rule), title);
    pods.sort();
    pods.dedup();
    finding.because = format!("169.254.169.254 hands out the node's credentials to {}", listed(pods));
    finding.fix = match &rule.peers {
        Peers::Any => "deny it with a cluster policy, or name who is meant",
        Peers::Of(_) => "except 169.254.169.254/32 from the block",
    }
    .to_owned();
    Some(finding)
}
