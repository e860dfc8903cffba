//! What a policy means, and what results for a pod. `portcullis explain`.

pub mod words;

use std::sync::Arc;

use indexmap::IndexMap;

use crate::index::Index;
use crate::model::{Action, Cluster, Direction, Endpoint, EndpointId, Origin, Policy, PolicyId, Tier};
use crate::program::{Fallback, Program};

use super::can::ports;
use words::peers;

/// What one policy means.
#[derive(Clone, Debug)]
pub struct Meaning<'a> {
    /// The policy.
    pub policy: &'a Policy,
    /// The pods it selects now, in the order of the manifests.
    pub pods: Vec<&'a EndpointId>,
    /// What it says, ingress first.
    pub sides: Vec<Side>,
}

/// What a policy says about one direction.
#[derive(Clone, Debug)]
pub struct Side {
    /// Which direction.
    pub direction: Direction,
    /// Its rules, in order.
    pub rules: Vec<Line>,
    /// What happens to what no rule is about.
    pub otherwise: Otherwise,
}

/// What happens to what no rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// It is denied, where no other NetworkPolicy allows it.
    Denied,
    /// The next policy, or the next tier, is asked; after the last one it is allowed.
    Next,
}

/// A rule in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Of which policy.
    pub policy: PolicyId,
    /// In which tier.
    pub tier: Tier,
    /// Its number, from 1.
    pub rule: usize,
    /// What it does.
    pub action: Action,
    /// With whom, one each.
    pub peers: Vec<String>,
    /// Over which protocols and ports.
    pub ports: String,
    /// Where it is written.
    pub origin: Origin,
}

/// What results for pods that the same policies select.
#[derive(Clone, Debug)]
pub struct Result<'a> {
    /// The pods.
    pub pods: Vec<&'a EndpointId>,
    /// The policies that select them, in the order in which they are asked.
    pub policies: Vec<&'a Policy>,
    /// What they say together, ingress first.
    pub sides: [Together; 2],
}

/// What all policies of a pod say together about one direction.
#[derive(Clone, Debug)]
pub struct Together {
    /// Which direction.
    pub direction: Direction,
    /// All rules, in the order in which they are asked.
    pub rules: Vec<Line>,
    /// The policies that isolate the pods; without them, what no rule is about is allowed.
    pub isolating: Vec<PolicyId>,
}

/// What a policy means.
pub fn policy<'a>(cluster: &'a Cluster, index: &Index, policy: &'a Policy) -> Meaning<'a> {
    let pods =
        cluster.endpoints.values().filter(|pod| selects(index, policy, pod)).map(|pod| &pod.id).collect();
    let side = |direction| {
        let rules = lines(policy, direction)?;
        let otherwise = match policy.tier {
            Tier::NetworkPolicy => Otherwise::Denied,
            Tier::Admin | Tier::Baseline => Otherwise::Next,
        };
        Some(Side { direction, rules, otherwise })
    };
    let sides = [Direction::Ingress, Direction::Egress].into_iter().filter_map(side).collect();
    Meaning { policy, pods, sides }
}

/// What results for each of `pods`; those with the same policies and programs stand together. Pods that no
/// policy can be about (on their node's network, or ended) are left out.
pub fn pods<'a>(cluster: &'a Cluster, index: &Index, pods: &[&'a Endpoint]) -> Vec<Result<'a>> {
    let mut together: IndexMap<[usize; 2], (&'a Endpoint, Vec<&'a EndpointId>)> = IndexMap::new();
    for pod in pods.iter().filter(|pod| pod.is_policed()) {
        let programs =
            [Direction::Ingress, Direction::Egress].map(|direction| index.program(&pod.id, direction));
        let key = programs.map(|program| program.map_or(0, |program| Arc::as_ptr(program).addr()));
        together.entry(key).or_insert_with(|| (pod, Vec::new())).1.push(&pod.id);
    }
    together.into_values().map(|(first, pods)| result(cluster, index, first, pods)).collect()
}

fn result<'a>(
    cluster: &'a Cluster,
    index: &Index,
    first: &Endpoint,
    pods: Vec<&'a EndpointId>,
) -> Result<'a> {
    let selecting = cluster.policies.values().filter(|policy| selects(index, policy, first));
    let mut policies: Vec<&Policy> = selecting.collect();
    policies.sort_by(|a, b| a.order().cmp(&b.order()));
    let side = |direction| Together {
        direction,
        rules: policies.iter().filter_map(|policy| lines(policy, direction)).flatten().collect(),
        isolating: index.program(&first.id, direction).map(|program| isolating(program)).unwrap_or_default(),
    };
    Result { pods, sides: [side(Direction::Ingress), side(Direction::Egress)], policies }
}

fn isolating(program: &Program) -> Vec<PolicyId> {
    let isolating = program.stages.iter().filter_map(|stage| match &stage.default {
        Fallback::Isolate(_, policies) => Some(policies.to_vec()),
        Fallback::Pass => None,
    });
    isolating.flatten().collect()
}

fn selects(index: &Index, policy: &Policy, pod: &Endpoint) -> bool {
    pod.is_policed() && index.selects(&policy.subject, pod)
}

fn lines(policy: &Policy, direction: Direction) -> Option<Vec<Line>> {
    let rules = policy.rules(direction)?.iter().enumerate();
    let line = rules.map(|(at, rule)| Line {
        policy: policy.id.clone(),
        tier: policy.tier,
        rule: at + 1,
        action: rule.action,
        peers: peers(&rule.peers),
        ports: ports(&rule.ports),
        origin: rule.origin.clone(),
    });
    Some(line.collect())
}
