//! Ports that a rule gives by name.

use std::collections::BTreeSet;

use super::effect::{RuleAt, rules};
use super::scene::{Pod, Scene};
use super::{Finding, about, listed};
use crate::analyse::names::suggest::nearest;
use crate::model::{Direction, Peer, Peers, Policy, Port, Ports, Protocol, Rule, Selector, Text};
use crate::program::is_named;

/// Names that no destination has, and names that mean different numbers.
pub(super) fn ports(scene: &Scene<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for policy in scene.cluster.policies.values() {
        for (at, rule) in rules(policy) {
            let listed = match &rule.ports {
                Ports::Any => continue,
                Ports::Of(ports) => ports,
            };
            for port in listed {
                match port {
                    Port::Named(protocol, name) => {
                        let destinations = destinations(scene, policy, at.direction, rule);
                        let name = (*protocol, name.clone());
                        findings.extend(named(policy, (&at, rule), &name, &destinations));
                    }
                    Port::Protocol(_) | Port::Range(..) => (),
                }
            }
        }
    }
    findings
}

/// The pods whose names count: the subjects on ingress, the peers on egress.
fn destinations<'s, 'a>(
    scene: &'s Scene<'a>,
    policy: &Policy,
    direction: Direction,
    rule: &Rule,
) -> Vec<&'s Pod<'a>> {
    match (direction, &rule.peers) {
        (Direction::Ingress, _) => scene.selected(&policy.subject),
        (Direction::Egress, Peers::Any) => scene.selected(&Selector::everything()),
        (Direction::Egress, Peers::Of(peers)) => {
            let selectors = peers.iter().filter_map(|peer| match peer {
                Peer::Pods(selector) => Some(selector),
                Peer::Block(_) | Peer::Nodes(_) | Peer::Domains(_) => None,
            });
            selectors.flat_map(|selector| scene.selected(selector)).collect()
        }
    }
}

fn named(
    policy: &Policy,
    (at, rule): (&RuleAt, &Rule),
    name: &(Option<Protocol>, Text),
    destinations: &[&Pod<'_>],
) -> Option<Finding> {
    let all = || destinations.iter().flat_map(|pod| pod.pod.ports.iter().map(move |port| (pod, port)));
    let mut meant: BTreeSet<(Protocol, u16)> = BTreeSet::new();
    let mut pods = BTreeSet::new();
    for (pod, port) in all().filter(|(_, port)| is_named(port, name, port.protocol, port.port)) {
        if meant.insert((port.protocol, port.port)) {
            pods.insert(&pod.pod.id);
        }
    }
    let whose = listed(destinations.iter().map(|pod| &pod.pod.id).collect::<BTreeSet<_>>());
    let subject = format!("{} rule {} of `{}`", at.direction, at.index + 1, policy.id);
    match meant.len() {
        0 if destinations.is_empty() => None,
        0 => {
            let title = format!("no pod has the port `{}` that {subject} names", name.1);
            let mut finding = about("PC540", policy, Some(rule), title);
            finding.because =
                format!("a name is looked up among the container ports of the destination: {whose}");
            let known: Vec<&str> = all().filter_map(|(_, port)| port.name.as_deref()).collect();
            finding.fix = match nearest(&name.1, known.iter().copied()) {
                Some(near) if near != *name.1 => format!("did you mean `{near}`?"),
                Some(_) => "the port of that name has another protocol: give it as `protocol`".to_owned(),
                None => "give the container's port that name, or write its number".to_owned(),
            };
            Some(finding)
        }
        1 => None,
        _ => {
            let title = format!("the port `{}` of {subject} is not the same on all pods", name.1);
            let mut finding = about("PC541", policy, Some(rule), title);
            let numbers = meant.iter().map(|(protocol, port)| format!("{port}/{protocol}"));
            finding.because = format!("it means {}, for example on {}", listed(numbers), listed(pods));
            finding.fix = "if one number is meant, write it; else suppress this with the reason".to_owned();
            Some(finding)
        }
    }
}
