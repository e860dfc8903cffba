//! Which ends deny what was asked about, and for whom.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use indexmap::IndexMap;

use crate::analyse::can::{Chain, Group, Link, Near, Part, Question, Who, near};
use crate::analyse::names::Addresses;
use crate::decision::{Reason, RuleName, Verdict};
use crate::index::Index;
use crate::model::{Cluster, Direction, EndpointId, Family, PolicyId, Text};
use crate::ports::PortSet;

/// Pods of one namespace that something denies flows.
#[derive(Clone, Debug)]
pub(super) struct Need {
    pub(super) direction: Direction,
    pub(super) blocker: Blocker,
    pub(super) namespace: Text,
    pub(super) subjects: BTreeSet<EndpointId>,
    pub(super) wants: Vec<Want>,
}

/// What denies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Blocker {
    /// No rule of these, which isolate the pods.
    Isolation(Vec<PolicyId>),
    /// This rule, by its place.
    Rule(PolicyId, usize),
}

/// What should pass.
#[derive(Clone, Debug)]
pub(super) struct Want {
    pub(super) others: Others,
    pub(super) ports: PortSet,
    /// What came nearest to letting it pass.
    pub(super) near: Option<Near>,
}

/// Who is at the other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Others {
    pub(super) pods: BTreeSet<EndpointId>,
    pub(super) addresses: Addresses,
}

type Key = (Direction, Blocker, Text, BTreeSet<EndpointId>);

pub(super) fn needs(
    cluster: &Cluster,
    index: &Index,
    question: &Question<'_>,
    denied: &[Part<Chain>],
) -> Vec<Need> {
    let mut needs: IndexMap<Key, Vec<Want>> = IndexMap::new();
    for part in denied.iter().flat_map(apart) {
        let links = [(Direction::Egress, &part.answer.egress), (Direction::Ingress, &part.answer.ingress)];
        for (direction, link) in links.iter().filter(|(_, link)| link.ruling.verdict == Verdict::Deny) {
            let Some(blocker) = blocker(index, link) else { continue };
            let want = Want {
                others: others(cluster, index, question, &part, *direction),
                ports: part.ports.iter().fold(PortSet::default(), |all, asked| all.or(&(*asked).into())),
                near: near(index, &part.example, *direction, link.ruling),
            };
            for (namespace, subjects) in subjects(cluster, index, &part, *direction) {
                let wants = needs.entry((*direction, blocker.clone(), namespace, subjects)).or_default();
                add(wants, want.clone());
            }
        }
    }
    let need = |((direction, blocker, namespace, subjects), wants)| Need {
        direction,
        blocker,
        namespace,
        subjects,
        wants,
    };
    joined(needs.into_iter().map(need))
}

/// Pods of a namespace that lack the same are one need, whichever NetworkPolicies isolate them.
fn joined(needs: impl Iterator<Item = Need>) -> Vec<Need> {
    let mut all: Vec<Need> = Vec::new();
    for need in needs {
        let Blocker::Isolation(isolating) = &need.blocker else {
            all.push(need);
            continue;
        };
        let alike = all.iter_mut().find_map(|there| match &mut there.blocker {
            Blocker::Isolation(by)
                if (there.direction, &there.namespace) == (need.direction, &need.namespace)
                    && is_same(&there.wants, &need.wants) =>
            {
                Some((by, &mut there.subjects, &mut there.wants))
            }
            Blocker::Isolation(_) | Blocker::Rule(..) => None,
        });
        match alike {
            Some((by, subjects, wants)) => {
                by.retain(|policy| isolating.contains(policy));
                subjects.extend(need.subjects);
                wants.iter_mut().for_each(|want| want.near = None);
            }
            None => all.push(need),
        }
    }
    all
}

fn is_same(some: &[Want], others: &[Want]) -> bool {
    let is_one = |a: &Want, b: &Want| a.ports == b.ports && a.others == b.others;
    some.len() == others.len() && some.iter().all(|one| others.iter().any(|other| is_one(one, other)))
}

/// Pods that reach themselves through a Service are each about nobody else.
fn apart(part: &Part<Chain>) -> Vec<Part<Chain>> {
    if part.example.source != part.example.destination {
        return vec![part.clone()];
    }
    let alone = |who: &Who| Group { members: vec![who.clone()], addresses: Addresses::default() };
    let each = part.sources.members.iter().map(alone);
    each.map(|group| Part { sources: group.clone(), destinations: group, ..part.clone() }).collect()
}

fn blocker(index: &Index, link: &Link) -> Option<Blocker> {
    let rule = match link.ruling.reason {
        Reason::Rule(rule) | Reason::Isolation(rule) => rule,
        Reason::NoPolicy | Reason::Exempt(_) => return None,
    };
    Some(match index.rule_name(rule)? {
        RuleName::Rule { policy, index, .. } => Blocker::Rule(policy, index),
        RuleName::Isolation { policies, .. } => Blocker::Isolation(policies),
    })
}

fn subjects(
    cluster: &Cluster,
    index: &Index,
    part: &Part<Chain>,
    direction: Direction,
) -> BTreeMap<Text, BTreeSet<EndpointId>> {
    let group = match direction {
        Direction::Ingress => &part.destinations,
        Direction::Egress => &part.sources,
    };
    let mut all: BTreeMap<Text, BTreeSet<EndpointId>> = BTreeMap::new();
    for address in group.members.iter().filter_map(|who| address_of(cluster, who, part.family)) {
        if let Some(pod) = index.owner(address) {
            all.entry(pod.id.namespace.clone()).or_default().insert(pod.id.clone());
        }
    }
    all
}

/// Who was named by an address stays one: the edit says what the user said.
fn others(
    cluster: &Cluster,
    index: &Index,
    question: &Question<'_>,
    part: &Part<Chain>,
    direction: Direction,
) -> Others {
    let (group, is_by_address) = match direction {
        Direction::Ingress => (&part.sources, !question.sources.addresses.is_empty()),
        Direction::Egress => {
            let by_address = |target: &crate::analyse::names::Target<'_>| !target.ends.addresses.is_empty();
            (&part.destinations, question.targets.iter().any(by_address))
        }
    };
    let mut others = Others { pods: BTreeSet::new(), addresses: group.addresses.clone() };
    let mut single: Vec<IpAddr> = Vec::new();
    for address in group.members.iter().filter_map(|who| address_of(cluster, who, part.family)) {
        match index.owner(address) {
            Some(pod) if !is_by_address => drop(others.pods.insert(pod.id.clone())),
            Some(_) | None => single.push(address),
        }
    }
    others.addresses = others.addresses.and(&single.iter().collect());
    others
}

/// The address of that family.
pub(super) fn address_of(cluster: &Cluster, who: &Who, family: Family) -> Option<IpAddr> {
    match who {
        Who::Pod(id) => cluster.endpoints.get(id)?.address(family),
        Who::Host(name) => cluster.hosts.get(name)?.address(family),
        Who::Node(_, address) => Some(*address).filter(|address| Family::of(address) == family),
    }
}

/// Others on the same ports stand together.
fn add(wants: &mut Vec<Want>, want: Want) {
    match wants.iter_mut().find(|there| there.ports == want.ports) {
        Some(there) => {
            there.others.pods.extend(want.others.pods);
            there.others.addresses = std::mem::take(&mut there.others.addresses).and(&want.others.addresses);
            there.near = there.near.take().filter(|near| want.near.as_ref() == Some(near));
        }
        None => wants.push(want),
    }
}
