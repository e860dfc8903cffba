//! Pods that everyone may reach because nobody said anything.

use std::collections::{BTreeMap, BTreeSet};

use super::scene::Scene;
use super::{Finding, isolating, listed};
use crate::model::{About, Direction, Text};
use crate::ports::PortSet;

/// What belongs to the cluster itself is rarely isolated.
const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];

/// Namespaces in which some workload takes every connection from everyone.
pub(super) fn without_default(scene: &Scene<'_>) -> Vec<Finding> {
    let mut open: BTreeMap<&Text, BTreeSet<String>> = BTreeMap::new();
    let mut all: BTreeMap<&Text, BTreeSet<String>> = BTreeMap::new();
    for group in scene.groups.iter().filter(|group| group.program.direction == Direction::Ingress) {
        let mut others = group.meetings.iter().filter(|other| !other.is_subject());
        let is_open = isolating(group.program).is_empty()
            && others.all(|other| group.program.allowed(&other.party()) == PortSet::all());
        for pod in scene.subjects(group) {
            let name = format!("{}/{}", pod.pod.id.namespace, pod.pod.workload.name);
            if is_open {
                open.entry(&pod.pod.id.namespace).or_default().insert(name.clone());
            }
            all.entry(&pod.pod.id.namespace).or_default().insert(name);
        }
    }
    let open = open.into_iter().filter(|(namespace, _)| !SYSTEM.contains(&namespace.as_ref()));
    open.map(|(namespace, open)| {
        finding(scene, namespace, &open, all.get(namespace).map_or(0, BTreeSet::len))
    })
    .collect()
}

fn finding(scene: &Scene<'_>, namespace: &Text, open: &BTreeSet<String>, all: usize) -> Finding {
    let about = About::Namespace(namespace.clone());
    let (title, fix) = match open.len() == all {
        true => (
            format!("namespace `{namespace}` has no default deny"),
            "add a NetworkPolicy with `podSelector: {}` and `policyTypes: [Ingress]`, then open what is needed",
        ),
        false => (
            format!("namespace `{namespace}` leaves {} of its {all} workloads open to everyone", open.len()),
            "add a NetworkPolicy for them, or one with `podSelector: {}` and `policyTypes: [Ingress]` for all",
        ),
    };
    Finding {
        code: "PC560",
        origin: scene.cluster.notes.get(&about).map(|note| note.origin.clone()),
        about,
        title,
        because: format!("everyone may reach every port of {}", listed(open)),
        fix: fix.to_owned(),
        related: Vec::new(),
    }
}
