//! Objects that can't be read in full, read as narrowly and as widely as they may be meant.
//!
//! Whatever such an object's author meant, a flow that the narrow reading allows is allowed, and one that the
//! wide reading denies is denied. Where the two differ nobody can say (`--keep-going`). The narrow reading of
//! a policy is mostly the one that a node enforces (D14).

use crate::model::{
    Action, Attribute, Cluster, Origin, Peer, Peers, Policy, PolicyId, PolicyKind, Ports, Rule, Selector,
    Text, Tier,
};

use super::objects::Objects;

/// A policy in its two readings.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    pub(super) narrow: Policy,
    pub(super) wide: Policy,
}

/// What was read of a policy's object.
#[derive(Clone, Debug)]
pub(super) struct Understood {
    /// As a node enforces it, closed where it can't be read (D14); `None` where it doesn't apply it at all.
    pub(super) policy: Option<Policy>,
    /// Where it could not be read in full.
    pub(super) doubt: Option<Box<Doubt>>,
}

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Narrow,
    Wide,
}

/// A cluster of which some objects could not be read in full, in two readings.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// What is allowed here is allowed.
    pub narrow: Cluster,
    /// What is denied here is denied.
    pub wide: Cluster,
    /// The objects that are to blame where the two differ, and where they are written.
    pub unreadable: Vec<(String, Origin)>,
}

impl Objects {
    /// The two readings of `cluster`, made of these objects; `None` where all of them could be read.
    pub fn bounds(&self, cluster: &Cluster) -> Option<Bounds> {
        if self.unreadable.is_empty() && self.unreadable_namespaces.is_empty() {
            return None;
        }
        let (mut narrow, mut wide) = (cluster.clone(), cluster.clone());
        let mut unreadable = Vec::new();
        for (id, doubt) in &self.unreadable {
            narrow.policies.insert(id.clone(), doubt.narrow.clone());
            wide.policies.insert(id.clone(), doubt.wide.clone());
            unreadable.push((id.to_string(), doubt.narrow.origin.clone()));
        }
        for (name, origin) in &self.unreadable_namespaces {
            for doubt in namespace(name, origin) {
                narrow.policies.insert(doubt.narrow.id.clone(), doubt.narrow);
                wide.policies.insert(doubt.wide.id.clone(), doubt.wide);
            }
            unreadable.push((format!("Namespace {name}"), origin.clone()));
        }
        Some(Bounds { narrow, wide, unreadable })
    }
}

/// Nobody knows the namespace's labels: which policies select its pods, and which rules mean them, is unknown.
fn namespace(name: &Text, origin: &Origin) -> [Doubt; 2] {
    let own = || Selector::is_in(Attribute::NamespaceName, vec![name.clone()]);
    let policy = |what: &str, subject: Selector, peers: Peers, reading| {
        let action = match reading {
            Reading::Narrow => Action::Deny,
            Reading::Wide => Action::Accept,
        };
        let rule = Rule { name: None, action, peers, ports: Ports::Any, origin: origin.clone() };
        let name = format!("{what} the unreadable namespace {name}").into();
        Policy {
            id: PolicyId { kind: PolicyKind::ClusterNetworkPolicy, namespace: None, name },
            tier: Tier::Admin,
            priority: FIRST,
            subject,
            ingress: Some(vec![rule.clone()]),
            egress: Some(vec![rule]),
            origin: origin.clone(),
        }
    };
    let subjects = |reading| policy("pods of", own(), Peers::Any, reading);
    let peers =
        |reading| policy("peers in", Selector::everything(), Peers::Of(vec![Peer::Pods(own())]), reading);
    [
        Doubt { narrow: subjects(Reading::Narrow), wide: subjects(Reading::Wide) },
        Doubt { narrow: peers(Reading::Narrow), wide: peers(Reading::Wide) },
    ]
}

/// Before every priority that a policy may have.
pub(super) const FIRST: i32 = -1;

/// A rule as it was read, with whether all of it was.
pub(super) type ReadRule = (Rule, bool);

/// All rules of one direction in a reading: those that were read in full as they are.
pub(super) fn side(rules: &[ReadRule], reading: Reading) -> Vec<Rule> {
    let one = |(rule, is_sound): &ReadRule| match is_sound {
        true => rule.clone(),
        false => Rule { name: rule.name.clone(), ..settled(reading, rule.action, &rule.origin) },
    };
    rules.iter().map(one).collect()
}

/// A rule of which nobody knows whom it is about. What accepts: nobody, or everyone. What denies: everyone, or
/// nobody. What passes on may be followed by anything: everyone is denied, or accepted.
pub(super) fn settled(reading: Reading, action: Action, origin: &Origin) -> Rule {
    let (action, peers) = match (reading, action) {
        (Reading::Narrow, Action::Accept) => (Action::Accept, Peers::Of(Vec::new())),
        (Reading::Wide, Action::Deny) => (Action::Deny, Peers::Of(Vec::new())),
        (Reading::Wide, Action::Accept | Action::Pass) => (Action::Accept, Peers::Any),
        (Reading::Narrow, Action::Deny | Action::Pass) => (Action::Deny, Peers::Any),
    };
    Rule { name: None, action, peers, ports: Ports::Any, origin: origin.clone() }
}
