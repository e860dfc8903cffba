//! Programs: what policies mean for one kind of pod in one direction, ready to be asked or to be lowered.
//!
//! A program is a list of stages. In each the first clause that matches decides; where none does, the
//! stage's default. Accept and Deny are final, Pass goes on to the next stage, and after the last stage the
//! flow is accepted. Isolation is nothing but a stage whose default is Deny.

use std::fmt;
use std::sync::Arc;

use crate::decision::{Exemption, Reason, Ruling};
use crate::model::{Action, ContainerPort, Direction, Family, PolicyId, Protocol, RuleId, Text, Tier};

/// What the policies that select a pod say about one direction.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// The direction, as seen from the pod.
    pub direction: Direction,
    /// In the order in which they are asked. Without stages everything is accepted.
    pub stages: Vec<Stage>,
}

/// All that one tier says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stage {
    /// Which tier.
    pub tier: Tier,
    /// The first that matches decides.
    pub clauses: Vec<Clause>,
    /// What happens where none matches.
    pub default: Fallback,
}

/// The default of a stage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Fallback {
    /// On to the next stage.
    Pass,
    /// Denied: these policies, sorted, isolate the pod (N5, N6).
    Isolate(RuleId, Arc<[PolicyId]>),
}

/// One rule, for one kind of subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Clause {
    /// Who is at the other end.
    pub peers: PeerMatch,
    /// Over which protocols and destination ports.
    pub ports: PortMatch,
    /// What happens then.
    pub outcome: Action,
    /// The rule it was made from.
    pub rule: RuleId,
}

/// Other ends of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PeerMatch {
    /// Every address.
    Any,
    /// Those in one of these sets.
    Of(Arc<[PeerSet]>),
}

/// A set of peers, by the hash of what defines it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeerSet {
    /// The pods that a selector matches, in either family.
    Pods(PeerId),
    /// The addresses of a block, of this family.
    Block(PeerId, Family),
    /// The addresses of nodes that a selector matches.
    Nodes(PeerId),
    /// Addresses that are learnt at run time; empty on paper.
    Domains(PeerId),
}

/// The name of a set of peers: a hash of the selector or block that defines it, so that it is the same
/// whenever and wherever the set is met. Wide enough that nobody can find two selectors of one name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u128);

/// Protocols and destination ports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PortMatch {
    /// Every protocol, also those without ports.
    Any,
    /// Those of a list.
    Of(Arc<PortList>),
}

/// Numbered and named ports. In an ingress program names are resolved already: they are the subject's own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortList {
    /// Sorted and disjoint: from and to are included. 0 to 65535 is the whole protocol.
    pub ranges: Vec<(Protocol, u16, u16)>,
    /// Names to be looked up on the peer, which is the destination (N23); sorted.
    pub names: Vec<(Option<Protocol>, Text)>,
}

/// What a program is told of the other end.
#[derive(Clone, Copy, Debug)]
pub struct Party<'a> {
    /// The family of the flow.
    pub family: Family,
    /// The selectors that match it, sorted; none where it is no pod.
    pub selectors: &'a [PeerId],
    /// The blocks that hold its addresses, sorted.
    pub blocks: &'a [PeerId],
    /// The node selectors that match it, sorted; none where it is no node.
    pub nodes: &'a [PeerId],
    /// Its named ports.
    pub ports: &'a [ContainerPort],
    /// Whether it is the subject itself, reached through a Service.
    pub is_subject: bool,
}

/// What one tier said about a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// Which tier.
    pub tier: Tier,
    /// `Pass`: the next tier is asked.
    pub outcome: Action,
    /// By what; `None` where no rule matched and the tier has no default of its own.
    pub reason: Option<Reason>,
}

impl Program {
    /// What happens to a flow with `party` over `protocol` to the destination port `port`.
    pub fn eval(&self, party: &Party<'_>, protocol: Protocol, port: u16) -> Ruling {
        let mut steps = self.steps(party, protocol, port);
        steps.find_map(Step::ruling).unwrap_or(Ruling::accept(Reason::NoPolicy))
    }

    /// What each tier says, also those after the final word.
    pub fn steps(&self, party: &Party<'_>, protocol: Protocol, port: u16) -> impl Iterator<Item = Step> {
        self.stages.iter().map(move |stage| stage.step(party, protocol, port))
    }

    /// Whether it says nothing at all.
    pub fn is_empty(&self) -> bool {
        self.stages.is_empty()
    }
}

impl Step {
    /// The final word, if it is one.
    pub fn ruling(self) -> Option<Ruling> {
        let reason = self.reason?;
        match self.outcome {
            Action::Accept => Some(Ruling::accept(reason)),
            Action::Deny => Some(Ruling::deny(reason)),
            Action::Pass => None,
        }
    }
}

impl Stage {
    fn step(&self, party: &Party<'_>, protocol: Protocol, port: u16) -> Step {
        let step = |outcome, reason| Step { tier: self.tier, outcome, reason };
        if self.tier == Tier::NetworkPolicy && party.is_subject {
            return step(Action::Accept, Some(Reason::Exempt(Exemption::OwnService)));
        }
        let decisive = self
            .clauses
            .iter()
            .find(|clause| clause.ports.holds(party, protocol, port) && clause.peers.holds(party));
        match (decisive, &self.default) {
            (Some(clause), _) => step(clause.outcome, Some(Reason::Rule(clause.rule))),
            (None, Fallback::Isolate(id, _)) => step(Action::Deny, Some(Reason::Isolation(*id))),
            (None, Fallback::Pass) => step(Action::Pass, None),
        }
    }
}

impl PeerMatch {
    /// Whether `party` is meant.
    pub fn holds(&self, party: &Party<'_>) -> bool {
        match self {
            PeerMatch::Any => true,
            PeerMatch::Of(sets) => sets.iter().any(|set| set.holds(party)),
        }
    }
}

impl PeerSet {
    /// The hash that names it.
    pub fn id(&self) -> PeerId {
        match self {
            PeerSet::Pods(id) | PeerSet::Block(id, _) | PeerSet::Nodes(id) | PeerSet::Domains(id) => *id,
        }
    }

    /// Whether `party` is in it.
    pub fn holds(&self, party: &Party<'_>) -> bool {
        match self {
            PeerSet::Pods(id) => party.selectors.binary_search(id).is_ok(),
            PeerSet::Block(id, family) => *family == party.family && party.blocks.binary_search(id).is_ok(),
            PeerSet::Nodes(id) => party.nodes.binary_search(id).is_ok(),
            PeerSet::Domains(_) => false,
        }
    }
}

impl PortMatch {
    /// Whether the port is meant; names are looked up on `party`.
    pub fn holds(&self, party: &Party<'_>, protocol: Protocol, port: u16) -> bool {
        match self {
            PortMatch::Any => true,
            PortMatch::Of(list) => list.holds(party, protocol, port),
        }
    }
}

impl PortList {
    /// The list of `ranges` in normal form: sorted, and what overlaps or touches is one.
    pub fn new(mut ranges: Vec<(Protocol, u16, u16)>, mut names: Vec<(Option<Protocol>, Text)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(Protocol, u16, u16)> = Vec::with_capacity(ranges.len());
        for (protocol, from, to) in ranges {
            match merged.last_mut() {
                Some(last) if last.0 == protocol && from <= last.2.saturating_add(1) => {
                    last.2 = last.2.max(to)
                }
                Some(_) | None => merged.push((protocol, from, to)),
            }
        }
        names.sort_unstable();
        names.dedup();
        PortList { ranges: merged, names }
    }

    /// Whether nothing can match it.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty() && self.names.is_empty()
    }

    fn holds(&self, party: &Party<'_>, protocol: Protocol, port: u16) -> bool {
        self.ranges.iter().any(|(of, from, to)| *of == protocol && (*from..=*to).contains(&port))
            || self
                .names
                .iter()
                .any(|name| party.ports.iter().any(|there| is_named(there, name, protocol, port)))
    }
}

/// Whether a container port is `port` of `protocol` and goes by that name (N23, C10).
pub(crate) fn is_named(
    there: &ContainerPort,
    name: &(Option<Protocol>, Text),
    protocol: Protocol,
    port: u16,
) -> bool {
    let (of, name) = name;
    (there.protocol, there.port) == (protocol, port)
        && there.name.as_ref() == Some(name)
        && of.is_none_or(|of| of == protocol)
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
