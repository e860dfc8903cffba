//! Policies for pods that have no network of their own.

use super::scene::Scene;
use super::selects::asks_pod;
use super::{Finding, about, listed};
use crate::model::{Endpoint, Phase, Policy};

/// Policies whose labels match pods on their nodes' network, which no policy selects (D8).
pub(super) fn on_host_network(scene: &Scene<'_>) -> Vec<Finding> {
    let policies = scene.cluster.policies.values().filter(|policy| asks_pod(&policy.subject));
    policies.filter_map(|policy| finding(scene, policy)).collect()
}

fn finding(scene: &Scene<'_>, policy: &Policy) -> Option<Finding> {
    let is_there = |pod: &&Endpoint| match pod.phase {
        Phase::Live | Phase::Terminating => pod.host_network,
        Phase::Ended => false,
    };
    let mut pods = scene.matching(&policy.subject).filter(is_there).map(|pod| &pod.id).peekable();
    pods.peek()?;
    let title = format!("`{}` does nothing for pods on their nodes' network", policy.id);
    let mut finding = about("PC503", policy, None, title);
    finding.because =
        format!("its labels match {}, whose packets are their node's: no policy selects them", listed(pods));
    finding.fix = "protect the node itself, or take `hostNetwork` away from the pods".to_owned();
    Some(finding)
}
