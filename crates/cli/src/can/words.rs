//! Chains and groups in words, for people and programs alike.

use std::collections::{BTreeMap, BTreeSet};

use policy::analyse::can::{Chain, Group, Link, MadeUp, Miss, Near, Part, Who};
use policy::decision::{Exemption, Reason, RuleName, Verdict};
use policy::index::Index;
use policy::model::{
    Action, Attribute, Cluster, Direction, Endpoint, EndpointId, Origin, PolicyId, RuleId, Workload,
};
use policy::program::Step;

/// What one tier said, with the names of what said it.
pub(crate) struct Said {
    pub(crate) tier: String,
    pub(crate) outcome: &'static str,
    /// The rule's policy, or those that isolate the pod, with where they are written.
    pub(crate) policies: Vec<(PolicyId, Origin)>,
    /// The rule's number, from 1.
    pub(crate) rule: Option<usize>,
    /// The name that its author gave it.
    pub(crate) name: Option<String>,
}

pub(crate) fn said(index: &Index, step: &Step) -> Said {
    let outcome = match (step.outcome, step.reason) {
        (Action::Accept, _) => "accepts",
        (Action::Deny, _) => "denies",
        (Action::Pass, Some(_)) => "passes",
        (Action::Pass, None) => "says nothing",
    };
    let silent = Said { tier: step.tier.to_string(), outcome, policies: vec![], rule: None, name: None };
    let id = match step.reason {
        Some(Reason::Rule(id) | Reason::Isolation(id)) => id,
        Some(Reason::NoPolicy | Reason::Exempt(_)) | None => return silent,
    };
    match index.rule_name(id) {
        Some(RuleName::Rule { policy, index: at, name, .. }) => Said {
            policies: vec![(policy, rule_origin(index, id))],
            rule: Some(at + 1),
            name: name.map(|name| name.to_string()),
            ..silent
        },
        Some(RuleName::Isolation { policies, .. }) => {
            let origin =
                |id: &PolicyId| index.policy(id).map_or_else(nowhere, |policy| policy.origin.clone());
            Said { policies: policies.into_iter().map(|id| (id.clone(), origin(&id))).collect(), ..silent }
        }
        None => silent,
    }
}

fn rule_origin(index: &Index, id: RuleId) -> Origin {
    let origin = |name: RuleName| match name {
        RuleName::Rule { policy, direction, index: at, .. } => {
            Some(index.policy(&policy)?.rules(direction)?.get(at)?.origin.clone())
        }
        RuleName::Isolation { .. } => None,
    };
    index.rule_name(id).and_then(origin).unwrap_or_else(nowhere)
}

fn nowhere() -> Origin {
    Origin { file: "-".into(), line: 0 }
}

/// One direction on one line, tier by tier.
pub(crate) fn link(index: &Index, link: &Link) -> String {
    match link.ruling.reason {
        Reason::Exempt(Exemption::NotAPod) => return "not a pod: no policy applies".to_owned(),
        Reason::Exempt(Exemption::Loopback) => return "a pod reaches itself without leaving it".to_owned(),
        Reason::Exempt(Exemption::OwnNode) => return "a pod's own node always reaches it".to_owned(),
        Reason::Rule(_) | Reason::Isolation(_) | Reason::NoPolicy | Reason::Exempt(Exemption::OwnService) => {
        }
    }
    let spoken: Vec<String> = link.steps.iter().filter_map(|step| words(index, step)).collect();
    match (spoken.is_empty(), link.ruling.reason) {
        (true, _) if link.steps.is_empty() => "no policy selects it".to_owned(),
        (true, _) => "no rule is about it, and no policy isolates it".to_owned(),
        (false, Reason::NoPolicy) => format!("{}; nothing after that is about it", spoken.join("; then ")),
        (false, Reason::Rule(_) | Reason::Isolation(_) | Reason::Exempt(_)) => spoken.join("; then "),
    }
}

/// What a tier said; nothing where it had nothing to say.
fn words(index: &Index, step: &Step) -> Option<String> {
    let said = said(index, step);
    match step.reason {
        None => None,
        Some(Reason::Exempt(_) | Reason::NoPolicy) => {
            Some(format!("{} tier: a pod reaches itself through its Service", said.tier))
        }
        Some(Reason::Rule(_)) => {
            let (policy, origin) = said.policies.first()?;
            let name = said.name.map(|name| format!(" `{name}`")).unwrap_or_default();
            let rule = said.rule.unwrap_or_default();
            Some(format!("{policy} rule {rule}{name} {} ({origin})", said.outcome))
        }
        Some(Reason::Isolation(_)) => {
            let each = said.policies.iter().map(|(policy, origin)| format!("{policy} ({origin})"));
            let several = if said.policies.len() == 1 { "isolates" } else { "isolate" };
            let none = if said.policies.len() == 1 { "no rule of it" } else { "no rule of them" };
            Some(format!("{} {several} it, {none} allows this", each.collect::<Vec<_>>().join(", ")))
        }
    }
}

/// Where the policies are written that had the last word on some flows: on a denial those of the first end
/// that denies, with the rule that came nearest to letting them pass.
pub(crate) fn blamed(index: &Index, part: &Part<Chain>) -> Vec<Origin> {
    let ends = [(Direction::Egress, &part.answer.egress), (Direction::Ingress, &part.answer.ingress)];
    let denying = ends.iter().find(|(_, link)| link.ruling.verdict == Verdict::Deny);
    let Some((direction, link)) = denying else {
        return ends.iter().flat_map(|(_, link)| settled_by(index, link)).collect();
    };
    let nearest = policy::analyse::can::near(index, &part.example, *direction, link.ruling);
    let nearest = nearest.map(|near| rule_origin(index, near.rule));
    nearest.into_iter().chain(settled_by(index, link)).collect()
}

fn settled_by(index: &Index, link: &Link) -> Vec<Origin> {
    let last = link.steps.last().map(|step| said(index, step));
    last.into_iter().flat_map(|said| said.policies).map(|(_, origin)| origin).collect()
}

/// A rule that almost matched, and why it didn't.
pub(crate) fn near(index: &Index, near: &Near) -> String {
    let name = index.rule_name(near.rule).map(|name| name.to_string()).unwrap_or_default();
    let why: Vec<String> = near.misses.iter().map(miss).collect();
    format!("{name} ({}): {}", rule_origin(index, near.rule), why.join("; "))
}

/// What hangs on an address that we made up.
pub(crate) fn made_up(index: &Index, made_up: &MadeUp) -> String {
    let rule = index.rule_name(made_up.rule).map(|name| name.to_string()).unwrap_or_default();
    let otherwise = match made_up.otherwise {
        Verdict::Accept => "allowed",
        Verdict::Deny => "denied",
    };
    format!(
        "made up: {} of {rule} ({}) holds a part of the pod network, and elsewhere in it this may be {otherwise}",
        made_up.block,
        rule_origin(index, made_up.rule)
    )
}

pub(crate) fn miss(miss: &Miss) -> String {
    match miss {
        Miss::Ports(ports) => format!("it is about {ports}"),
        Miss::Attribute { wanted, attribute: Some(of), found: Some(value) } => {
            format!("it wants `{wanted}`, the other end has `{}`", has(of, value))
        }
        Miss::Attribute { wanted, attribute: Some(of), found: None } => {
            format!("it wants `{wanted}`, the other end has no {}", lacking(of))
        }
        Miss::Attribute { wanted, attribute: None, .. } => format!("it wants `{wanted}`"),
        Miss::Excepted(block) => format!("its block {block} excepts the other end"),
        Miss::Block(block) => format!("its block {block} doesn't hold the other end"),
        Miss::NoPod(selector) => format!("it wants pods (`{selector}`), the other end is none"),
        Miss::NoNode(selector) => format!("it wants nodes (`{selector}`), the other end is none of them"),
        Miss::Domains => "it names domains, whose addresses are learnt where packets flow".to_owned(),
        Miss::Nobody => "it is about nobody".to_owned(),
    }
}

fn has(attribute: &Attribute, value: &str) -> String {
    format!("{attribute}={value}")
}

fn lacking(attribute: &Attribute) -> String {
    match attribute {
        Attribute::Label(key) => format!("label `{key}`"),
        Attribute::NamespaceLabel(key) => format!("label `{key}` on its namespace"),
        Attribute::NamespaceName => "namespace".to_owned(),
        Attribute::ServiceAccountName => "service account".to_owned(),
    }
}

/// A group as few names: workloads for their pods where all of them are in it.
pub(crate) fn names(cluster: &Cluster, group: &Group) -> Vec<String> {
    let pods: Vec<&EndpointId> = group.members.iter().filter_map(pod).collect();
    let others = group.members.iter().filter_map(|who| match who {
        Who::Pod(_) => None,
        Who::Host(name) => Some(format!("external/{name}")),
        Who::Node(name, address) => Some(format!("node {name} ({address})")),
    });
    let nets = group.addresses.nets();
    let nets = nets.iter().map(|net| {
        if net.prefix_len() == net.max_prefix_len() { net.addr().to_string() } else { net.to_string() }
    });
    workloads(cluster, &pods).into_iter().chain(others).chain(nets).collect()
}

fn pod(who: &Who) -> Option<&EndpointId> {
    match who {
        Who::Pod(id) => Some(id),
        Who::Host(_) | Who::Node(..) => None,
    }
}

fn workloads(cluster: &Cluster, pods: &[&EndpointId]) -> Vec<String> {
    let mut of: BTreeMap<(&str, &Workload), Vec<&EndpointId>> = BTreeMap::new();
    for pod in pods.iter().filter_map(|id| cluster.endpoints.get(*id)) {
        of.entry((&pod.id.namespace, &pod.workload)).or_default().push(&pod.id);
    }
    let mut sizes: BTreeMap<(&str, &Workload), usize> = BTreeMap::new();
    let mut kinds: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    // Large clusters are asked about a few namespaces: only their pods are worth counting.
    let here: BTreeSet<&str> = of.keys().map(|(namespace, _)| *namespace).collect();
    let near = cluster.endpoints.values().filter(|pod| here.contains(&*pod.id.namespace));
    for pod in near.filter(|pod| counts(pod)) {
        *sizes.entry((&pod.id.namespace, &pod.workload)).or_default() += 1;
        let known = kinds.entry((&pod.id.namespace, &pod.workload.name)).or_default();
        if !known.contains(&&*pod.workload.kind) {
            known.push(&pod.workload.kind);
        }
    }
    let named = |((namespace, workload), pods): ((&str, &Workload), Vec<&EndpointId>)| {
        let is_whole = sizes.get(&(namespace, workload)) == Some(&pods.len());
        let is_shared = kinds.get(&(namespace, &*workload.name)).is_some_and(|kinds| kinds.len() > 1);
        match (is_whole, is_shared) {
            (true, false) => vec![format!("{namespace}/{}", workload.name)],
            (true, true) => vec![format!("{namespace}/{}/{}", workload.kind.to_lowercase(), workload.name)],
            (false, _) => pods.iter().map(ToString::to_string).collect(),
        }
    };
    of.into_iter().flat_map(named).collect()
}

fn counts(pod: &Endpoint) -> bool {
    (pod.is_policed() || pod.host_network) && !pod.addresses.is_empty()
}
