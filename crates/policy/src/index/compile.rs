//! Policies to clauses, clauses to programs.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::identity::Mention;
use super::matching::mentioned;
use crate::model::{
    Attribute, ContainerPort, Direction, Family, Peer, Peers, Policy, PolicyId, Port, Ports, Protocol, Rule,
    RuleId, Text, Tier,
};
use crate::program::{Clause, Fallback, PeerId, PeerMatch, PeerSet, PortList, PortMatch, Program, Stage};

/// A policy with its rules as clauses. Names of ports are still to be resolved in ingress clauses.
#[derive(Clone)]
pub(super) struct Compiled {
    pub(super) policy: Policy,
    pub(super) subject: PeerId,
    ingress: Option<Vec<Clause>>,
    egress: Option<Vec<Clause>>,
}

impl Compiled {
    pub(super) fn new(policy: Policy) -> Self {
        let rules = |direction| {
            let rules = policy.rules(direction)?;
            Some(
                rules
                    .iter()
                    .enumerate()
                    .filter_map(|(at, rule)| clause(&policy.id, direction, at, rule))
                    .collect(),
            )
        };
        let (ingress, egress) = (rules(Direction::Ingress), rules(Direction::Egress));
        Compiled { subject: peer_id(&Peer::Pods(policy.subject.clone())), ingress, egress, policy }
    }

    /// The subject, and every peer of every rule, as often as they stand there.
    pub(super) fn peers(&self) -> Vec<Peer> {
        let subject = Peer::Pods(self.policy.subject.clone());
        let listed = self.all_rules().filter_map(|rule| match &rule.peers {
            Peers::Any => None,
            Peers::Of(peers) => Some(peers.iter().cloned()),
        });
        std::iter::once(subject).chain(listed.flatten()).collect()
    }

    /// The attributes and port names that it mentions, as often as it does.
    pub(super) fn mentions(&self) -> Vec<Mention> {
        let mut all = Vec::new();
        for peer in self.peers() {
            match peer {
                Peer::Pods(selector) => {
                    mentioned(&selector, &mut |of: &Attribute| all.push(Mention::Attribute(of.clone())));
                }
                Peer::Block(_) | Peer::Nodes(_) | Peer::Domains(_) => (),
            }
        }
        all.extend(self.all_rules().flat_map(|rule| port_names(&rule.ports)).map(Mention::PortName));
        all
    }

    fn all_rules(&self) -> impl Iterator<Item = &Rule> {
        [&self.policy.ingress, &self.policy.egress].into_iter().flatten().flatten()
    }

    fn clauses(&self, direction: Direction) -> Option<&[Clause]> {
        match direction {
            Direction::Ingress => self.ingress.as_deref(),
            Direction::Egress => self.egress.as_deref(),
        }
    }

    /// Whether its programs differ between pods whose named ports differ.
    pub(super) fn asks_own_ports(&self, direction: Direction) -> bool {
        let named = |clause: &Clause| match &clause.ports {
            PortMatch::Any => false,
            PortMatch::Of(list) => !list.names.is_empty(),
        };
        match direction {
            Direction::Ingress => self.ingress.iter().flatten().any(named),
            Direction::Egress => false,
        }
    }
}

/// The program of a pod with these named ports that `policies`, sorted by their order, select.
pub(super) fn program(direction: Direction, policies: &[&Compiled], ports: &[ContainerPort]) -> Program {
    let stage = |tier: Tier| {
        let speaking = policies.iter().filter(|compiled| compiled.policy.tier == tier);
        let speaking: Vec<_> = speaking.filter_map(|one| Some((*one, one.clauses(direction)?))).collect();
        let clauses: Vec<Clause> = match direction {
            Direction::Egress => speaking.iter().flat_map(|(_, clauses)| clauses.iter().cloned()).collect(),
            Direction::Ingress => {
                let clauses = speaking.iter().flat_map(|(_, clauses)| clauses.iter());
                clauses.filter_map(|clause| resolved(clause, ports)).collect()
            }
        };
        let default = fallback(tier, direction, speaking.iter().map(|(one, _)| &one.policy.id));
        (default != Fallback::Pass || !clauses.is_empty()).then_some(Stage { tier, clauses, default })
    };
    Program { direction, stages: Tier::ALL.into_iter().filter_map(stage).collect() }
}

/// Only the NetworkPolicy tier isolates, and there whoever says anything does (N5, C6).
fn fallback<'a>(tier: Tier, direction: Direction, speaking: impl Iterator<Item = &'a PolicyId>) -> Fallback {
    match tier {
        Tier::Admin | Tier::Baseline => Fallback::Pass,
        Tier::NetworkPolicy => {
            let mut isolating: Vec<PolicyId> = speaking.cloned().collect();
            isolating.sort();
            match isolating.is_empty() {
                true => Fallback::Pass,
                false => Fallback::Isolate(RuleId::isolation(isolating.iter(), direction), isolating.into()),
            }
        }
    }
}

/// `None`: the rule can't match anything.
fn clause(policy: &PolicyId, direction: Direction, index: usize, rule: &Rule) -> Option<Clause> {
    let peers = match &rule.peers {
        Peers::Any => PeerMatch::Any,
        Peers::Of(peers) if peers.is_empty() => return None,
        Peers::Of(peers) => {
            let mut sets: Vec<PeerSet> = peers.iter().map(peer_set).collect();
            sets.sort_unstable();
            sets.dedup();
            PeerMatch::Of(sets.into())
        }
    };
    let ports = match &rule.ports {
        Ports::Any => PortMatch::Any,
        Ports::Of(ports) => listed(port_list(ports))?,
    };
    Some(Clause { peers, ports, outcome: rule.action, rule: RuleId::rule(policy, direction, index) })
}

/// An ingress clause for a subject with these ports: names are its own (N23).
fn resolved(clause: &Clause, own: &[ContainerPort]) -> Option<Clause> {
    let ports = match &clause.ports {
        PortMatch::Any => PortMatch::Any,
        PortMatch::Of(list) if list.names.is_empty() => PortMatch::Of(list.clone()),
        PortMatch::Of(list) => {
            let named = list.names.iter().flat_map(|name| numbers(name, own));
            listed(PortList::new(list.ranges.iter().copied().chain(named).collect(), Vec::new()))?
        }
    };
    let Clause { peers, outcome, rule, .. } = clause.clone();
    Some(Clause { peers, ports, outcome, rule })
}

fn numbers<'a>(
    (protocol, name): &'a (Option<Protocol>, Text),
    own: &'a [ContainerPort],
) -> impl Iterator<Item = (Protocol, u16, u16)> + 'a {
    let meant = own.iter().filter(move |port| {
        port.name.as_ref() == Some(name) && protocol.is_none_or(|protocol| protocol == port.protocol)
    });
    meant.map(|port| (port.protocol, port.port, port.port))
}

fn listed(list: PortList) -> Option<PortMatch> {
    (!list.is_empty()).then(|| PortMatch::Of(Arc::new(list)))
}

fn port_list(ports: &[Port]) -> PortList {
    let (mut ranges, mut names) = (Vec::new(), Vec::new());
    for port in ports {
        match port {
            Port::Protocol(protocol) => ranges.push((*protocol, 0, u16::MAX)),
            Port::Range(protocol, from, to) => ranges.push((*protocol, *from, *to)),
            Port::Named(protocol, name) => names.push((*protocol, name.clone())),
        }
    }
    PortList::new(ranges, names)
}

fn port_names(ports: &Ports) -> Vec<Text> {
    match ports {
        Ports::Any => Vec::new(),
        Ports::Of(ports) => port_list(ports).names.into_iter().map(|(_, name)| name).collect(),
    }
}

fn peer_set(peer: &Peer) -> PeerSet {
    let id = peer_id(peer);
    match peer {
        Peer::Pods(_) => PeerSet::Pods(id),
        Peer::Block(block) if block.cidr.addr().is_ipv6() => PeerSet::Block(id, Family::V6),
        Peer::Block(_) => PeerSet::Block(id, Family::V4),
        Peer::Nodes(_) => PeerSet::Nodes(id),
        Peer::Domains(_) => PeerSet::Domains(id),
    }
}

/// The name of what `peer` means. The derived debug form quotes all strings, so it is one to one.
pub(super) fn peer_id(peer: &Peer) -> PeerId {
    let digest = Sha256::digest(format!("{peer:?}"));
    PeerId(digest.iter().take(16).fold(0, |id, byte| id << 8 | u128::from(*byte)))
}

/// The name and place of each rule of a policy.
pub(super) fn rule_ids(policy: &Policy) -> impl Iterator<Item = (RuleId, Direction, usize)> + '_ {
    let of = |direction| {
        let count = policy.rules(direction).map_or(0, <[Rule]>::len);
        (0..count).map(move |index| (RuleId::rule(&policy.id, direction, index), direction, index))
    };
    of(Direction::Ingress).chain(of(Direction::Egress))
}
