//! What could be edited for each need, the smallest first and the tightest last.

use std::collections::BTreeSet;

use super::edit::{Edit, What};
use super::needs::{Blocker, Need, Others, Want};
use super::peers::{of_namespace, peers, ports};
use super::tight::selectors;
use crate::analyse::can::{Miss, Near};
use crate::decision::RuleName;
use crate::index::Index;
use crate::model::{
    Action, Cluster, Direction, Origin, Policy, PolicyId, PolicyKind, Port, Ports, Rule, Selector, Text, Tier,
};
use crate::ports::PortSet;

pub(super) fn candidates(cluster: &Cluster, index: &Index, needs: &[Need]) -> Vec<Vec<Vec<Edit>>> {
    let mut taken: BTreeSet<PolicyId> = cluster.policies.keys().cloned().collect();
    let mut each = |need: &Need| match &need.blocker {
        Blocker::Isolation(isolating) => {
            let near = of_near(cluster, index, need);
            let own = of_isolating(cluster, index, need, isolating);
            near.into_iter()
                .chain(own)
                .map(|edit| vec![edit])
                .chain([new(cluster, index, need, &mut taken)])
                .collect()
        }
        Blocker::Rule(policy, at) => {
            let Some(policy) = index.policy(policy) else { return Vec::new() };
            let before = before(cluster, index, need, policy, *at);
            let earlier = earlier(policy).map(|like| new_cluster(cluster, index, need, &like, &mut taken));
            [vec![before]].into_iter().chain(earlier).collect()
        }
    };
    needs.iter().map(&mut each).filter(|candidates: &Vec<Vec<Edit>>| !candidates.is_empty()).collect()
}

/// The rule that came nearest, about what it missed.
fn of_near(cluster: &Cluster, index: &Index, need: &Need) -> Option<Edit> {
    let [Want { others, ports: wanted, near: Some(Near { rule, misses, .. }) }] = need.wants.as_slice()
    else {
        return None;
    };
    let RuleName::Rule { policy, index: at, .. } = index.rule_name(*rule)? else { return None };
    let is_port = |miss: &Miss| matches!(miss, Miss::Ports(_));
    let is_nobody = |miss: &Miss| matches!(miss, Miss::Nobody);
    let there = index.policy(&policy)?.rules(need.direction)?.get(at)?;
    let what = match (misses.iter().filter(|miss| is_port(miss)).count(), misses.len()) {
        (_, _) if misses.iter().any(is_nobody) => return None,
        (1, 1) => match (ports(policy.kind, wanted), &there.ports) {
            (Ports::Of(more), Ports::Of(listed)) if !listed.is_empty() => What::Ports(at, more),
            (Ports::Any | Ports::Of(_), Ports::Any | Ports::Of(_)) => return None,
        },
        // On other ports it would open this end to more, though the other end may deny that today.
        (0, _) if is_within(&there.ports, wanted) => {
            let place = (policy.kind, policy.namespace.as_ref());
            What::Peers(at, peers(cluster, index, place, others))
        }
        (_, _) => return None,
    };
    Some(Edit { policy, direction: need.direction, what })
}

/// Whether a rule is about these ports only.
fn is_within(ports: &Ports, wanted: &PortSet) -> bool {
    let is_wanted = |port: &Port| match port {
        Port::Protocol(protocol) => PortSet::of([(*protocol, 1, u16::MAX)]).without(wanted).is_empty(),
        Port::Range(protocol, from, to) => PortSet::of([(*protocol, *from, *to)]).without(wanted).is_empty(),
        Port::Named(..) => false,
    };
    match ports {
        Ports::Any => *wanted == PortSet::all(),
        Ports::Of(ports) => ports.iter().all(is_wanted),
    }
}

/// Another rule in a policy that is about exactly the pods in need.
fn of_isolating(cluster: &Cluster, index: &Index, need: &Need, isolating: &[PolicyId]) -> Option<Edit> {
    let [want] = need.wants.as_slice() else { return None };
    let pods = || cluster.endpoints.values().filter(|pod| pod.id.namespace == need.namespace);
    let is_exact = |policy: &&Policy| {
        let is_selected = |pod| index.selects(&policy.subject, pod);
        pods().filter(|pod| pod.is_policed()).all(|pod| is_selected(pod) == need.subjects.contains(&pod.id))
    };
    let policy = isolating.iter().filter_map(|id| index.policy(id)).find(is_exact)?;
    let at = policy.rules(need.direction)?.len();
    let place = (policy.id.kind, policy.id.namespace.as_ref());
    let rule = rule(cluster, index, place, want);
    Some(Edit { policy: policy.id.clone(), direction: need.direction, what: What::Rule(at, rule) })
}

/// A new NetworkPolicy for each selector that it takes.
fn new(cluster: &Cluster, index: &Index, need: &Need, taken: &mut BTreeSet<PolicyId>) -> Vec<Edit> {
    let namespace = Some(need.namespace.clone());
    let rules = rules(cluster, index, (PolicyKind::NetworkPolicy, namespace.as_ref()), need);
    let subjects = selectors(cluster, &need.namespace, &need.subjects);
    let each = subjects.into_iter().map(|pods| {
        let id = free(taken, PolicyKind::NetworkPolicy, namespace.clone(), &name(cluster, need));
        let subject = Selector::namespace(&need.namespace).and(pods);
        policy(id, (Tier::NetworkPolicy, 0), subject, need.direction, rules.clone())
    });
    each.collect()
}

/// A rule before the one that denies.
fn before(cluster: &Cluster, index: &Index, need: &Need, policy: &Policy, at: usize) -> Edit {
    let place = (policy.id.kind, None);
    let want = together(&need.wants);
    let rule = rule(cluster, index, place, &want);
    Edit { policy: policy.id.clone(), direction: need.direction, what: What::Rule(at, rule) }
}

/// Where a new policy comes before that one; `None` where there is no room.
fn earlier(policy: &Policy) -> Option<(PolicyKind, Tier, i32)> {
    let priority = policy.priority.checked_sub(1).filter(|priority| *priority >= 0)?;
    let kind = match policy.id.kind {
        PolicyKind::AdminNetworkPolicy => PolicyKind::AdminNetworkPolicy,
        PolicyKind::BaselineAdminNetworkPolicy
        | PolicyKind::ClusterNetworkPolicy
        | PolicyKind::NetworkPolicy => PolicyKind::ClusterNetworkPolicy,
    };
    Some((kind, policy.tier, priority))
}

fn new_cluster(
    cluster: &Cluster,
    index: &Index,
    need: &Need,
    (kind, tier, priority): &(PolicyKind, Tier, i32),
    taken: &mut BTreeSet<PolicyId>,
) -> Vec<Edit> {
    let rules = rules(cluster, index, (*kind, None), need);
    let subjects = selectors(cluster, &need.namespace, &need.subjects);
    let each = subjects.into_iter().map(|pods| {
        let id = free(taken, *kind, None, &format!("{}-{}", need.namespace, name(cluster, need)));
        let subject = of_namespace(&need.namespace, pods);
        policy(id, (*tier, *priority), subject, need.direction, rules.clone())
    });
    each.collect()
}

fn policy(
    id: PolicyId,
    (tier, priority): (Tier, i32),
    subject: Selector,
    direction: Direction,
    rules: Vec<Rule>,
) -> Edit {
    let (ingress, egress) = match direction {
        Direction::Ingress => (Some(rules), None),
        Direction::Egress => (None, Some(rules)),
    };
    let policy = Policy { id: id.clone(), tier, priority, subject, ingress, egress, origin: proposed() };
    Edit { policy: id, direction, what: What::New(Box::new(policy)) }
}

fn rules(cluster: &Cluster, index: &Index, place: (PolicyKind, Option<&Text>), need: &Need) -> Vec<Rule> {
    need.wants.iter().map(|want| rule(cluster, index, place, want)).collect()
}

fn rule(cluster: &Cluster, index: &Index, place: (PolicyKind, Option<&Text>), want: &Want) -> Rule {
    Rule {
        name: None,
        action: Action::Accept,
        peers: crate::model::Peers::Of(peers(cluster, index, place, &want.others)),
        ports: ports(place.0, &want.ports),
        origin: proposed(),
    }
}

/// All wants as one, which is wider than they are.
fn together(wants: &[Want]) -> Want {
    let mut all = Want { others: Others::default(), ports: PortSet::default(), near: None };
    for want in wants {
        all.others.pods.extend(want.others.pods.iter().cloned());
        all.others.addresses = all.others.addresses.and(&want.others.addresses);
        all.ports = all.ports.or(&want.ports);
    }
    all
}

/// It isn't written anywhere yet.
fn proposed() -> Origin {
    Origin { file: "proposed".into(), line: 0 }
}

/// `allow-from-web`, `allow-to-10.0.0.0-8`.
fn name(cluster: &Cluster, need: &Need) -> String {
    let preposition = match need.direction {
        Direction::Ingress => "from",
        Direction::Egress => "to",
    };
    let all = together(&need.wants).others;
    let workloads: BTreeSet<&str> = all
        .pods
        .iter()
        .filter_map(|id| cluster.endpoints.get(id))
        .map(|pod| pod.workload.name.as_ref())
        .collect();
    let nets = all.addresses.nets();
    let others = match (workloads.first(), workloads.len(), nets.as_slice()) {
        (Some(one), 1, []) => (*one).to_owned(),
        (None, _, [net]) => net.to_string(),
        (None, _, _) => "addresses".to_owned(),
        (Some(_), _, _) => "several".to_owned(),
    };
    let is_fit = |letter: char| letter.is_ascii_alphanumeric() || letter == '.';
    let fit: String = others
        .to_lowercase()
        .chars()
        .map(|letter| if is_fit(letter) { letter } else { '-' })
        .take(40)
        .collect();
    format!("allow-{preposition}-{}", fit.trim_matches(['-', '.']))
}

/// A name that no policy has.
fn free(taken: &mut BTreeSet<PolicyId>, kind: PolicyKind, namespace: Option<Text>, name: &str) -> PolicyId {
    let numbered = (2..).map(|number: u32| format!("{name}-{number}"));
    let mut names = [name.to_owned()].into_iter().chain(numbered);
    let id = |name: String| PolicyId { kind, namespace: namespace.clone(), name: name.into() };
    let id = names.by_ref().map(id).find(|id| !taken.contains(id));
    let id = id.unwrap_or_else(|| PolicyId { kind, namespace, name: name.into() });
    taken.insert(id.clone());
    id
}
