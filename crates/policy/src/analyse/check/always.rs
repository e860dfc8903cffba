//! Whether other NetworkPolicies say the same of every pod that there may ever be.

use super::effect::{Part, matched, rules, sets};
use super::scene::{Group, Scene};
use crate::analyse::names::{address, range};
use crate::model::{
    Attribute, Block, Direction, Family, NAMESPACE_NAME_LABEL, Peer, Peers, Policy, PolicyId, Port, Ports,
    Rule, RuleId, Selector, Tier,
};
use crate::program::{Clause, Party, PeerId, PeerSet};

/// What others that select all that a policy selects say.
pub(super) struct Cover<'s, 'a> {
    scene: &'s Scene<'a>,
    part: &'s Part<'s>,
    /// Policies that select whatever the part's policy selects.
    wider: Vec<&'s Policy>,
    clauses: Vec<Clause>,
}

impl<'s, 'a> Cover<'s, 'a> {
    pub(super) fn new(scene: &'s Scene<'a>, group: &Group<'a>, part: &'s Part<'s>) -> Self {
        let policies = scene.cluster.policies.values().filter(|policy| policy.tier == Tier::NetworkPolicy);
        let is_other = |policy: &&Policy| part.rule.is_some() || policy.id != part.policy.id;
        let wider: Vec<&Policy> = policies
            .filter(is_other)
            .filter(|policy| implies(&part.policy.subject, &policy.subject))
            .collect();
        // Names of ports mean other numbers on other pods.
        let sound = wider.iter().flat_map(|policy| rules(policy)).filter(|(_, rule)| !has_names(rule));
        let ids: Vec<RuleId> =
            sound.map(|(at, _)| RuleId::rule(&at.policy, at.direction, at.index)).collect();
        let own = part.rule.map(|(_, id, _)| id);
        let stages = group.program.stages.iter().filter(|stage| stage.tier == Tier::NetworkPolicy);
        let clauses = stages.flat_map(|stage| &stage.clauses);
        let clauses = clauses.filter(|clause| ids.contains(&clause.rule) && Some(clause.rule) != own);
        Cover { scene, part, wider, clauses: clauses.cloned().collect() }
    }

    /// Whether all that the part says is said by them.
    pub(super) fn is_whole(&self) -> bool {
        if self.part.policy.tier != Tier::NetworkPolicy {
            return false;
        }
        match self.part.rule {
            Some((direction, id, rule)) => self.has_rule(direction, id, rule),
            None => {
                let isolates = |direction: &Direction| self.part.policy.rules(*direction).is_some();
                let mut directions = [Direction::Ingress, Direction::Egress].into_iter().filter(isolates);
                directions.all(|direction| self.wider.iter().any(|wider| wider.rules(direction).is_some()))
                    && rules(self.part.policy).all(|(at, rule)| {
                        self.has_rule(at.direction, id(&at.policy, at.direction, at.index), rule)
                    })
            }
        }
    }

    fn has_rule(&self, direction: Direction, id: RuleId, rule: &Rule) -> bool {
        let group = self.scene.groups.iter().flat_map(|group| &group.program.stages);
        let clause = group.flat_map(|stage| &stage.clauses).find(|clause| clause.rule == id);
        let Some(clause) = clause.filter(|_| !has_names(rule)) else { return false };
        let clauses: Vec<Clause> = match self.part.rule {
            Some(_) => self.clauses.clone(),
            None => self.of_direction(direction),
        };
        match (&rule.peers, sets(clause)) {
            (Peers::Any, _) | (_, None) => {
                Family::BOTH.into_iter().all(|family| has(direction, &clauses, clause, &nobody(family)))
            }
            (Peers::Of(_), Some(own)) => own.iter().all(|set| self.has_set(direction, &clauses, clause, set)),
        }
    }

    /// Of a whole policy the group that came first has but one direction.
    fn of_direction(&self, direction: Direction) -> Vec<Clause> {
        let wider = |clause: &&Clause| {
            self.wider.iter().flat_map(|policy| rules(policy)).any(|(at, rule)| {
                at.direction == direction
                    && !has_names(rule)
                    && id(&at.policy, direction, at.index) == clause.rule
            })
        };
        let groups = self.scene.groups.iter().filter(|group| group.program.direction == direction);
        let of_subject = groups.filter(|group| {
            self.scene.subjects(group).any(|pod| self.scene.index.selects(&self.part.policy.subject, pod.pod))
        });
        let stages = of_subject.take(1).flat_map(|group| &group.program.stages);
        stages.flat_map(|stage| &stage.clauses).filter(wider).cloned().collect()
    }

    fn has_set(&self, direction: Direction, clauses: &[Clause], own: &Clause, set: &PeerSet) -> bool {
        let Some(peer) = self.scene.index.peer(set.id()) else { return false };
        match peer {
            Peer::Pods(selector) => {
                let mut selectors: Vec<PeerId> = clauses
                    .iter()
                    .filter_map(sets)
                    .flatten()
                    .filter(|there| match self.scene.index.peer(there.id()) {
                        Some(Peer::Pods(wider)) => implies(selector, wider),
                        Some(Peer::Block(_) | Peer::Nodes(_) | Peer::Domains(_)) | None => false,
                    })
                    .map(PeerSet::id)
                    .collect();
                selectors.sort_unstable();
                Family::BOTH.into_iter().all(|family| {
                    has(direction, clauses, own, &Party { selectors: &selectors, ..nobody(family) })
                })
            }
            Peer::Block(block) => self.has_block(direction, clauses, own, block),
            Peer::Nodes(_) => {
                let nodes = [set.id()];
                Family::BOTH
                    .into_iter()
                    .all(|family| has(direction, clauses, own, &Party { nodes: &nodes, ..nobody(family) }))
            }
            Peer::Domains(_) => false,
        }
    }

    /// Blocks are about addresses, whoever comes to have them: all of it is asked, piece by piece.
    fn has_block(&self, direction: Direction, clauses: &[Clause], own: &Clause, block: &Block) -> bool {
        let family = Family::of(&block.cidr.addr());
        let (first, last) = range(&block.cidr);
        let blocks =
            clauses.iter().filter_map(sets).flatten().filter_map(|set| self.scene.index.peer(set.id()));
        let mut starts = vec![first];
        for there in blocks.chain([&Peer::Block(block.clone())]) {
            match there {
                Peer::Block(there) => {
                    for (from, to) in std::iter::once(&there.cidr).chain(&there.except).map(range) {
                        starts.extend([Some(from), to.checked_add(1)].into_iter().flatten());
                    }
                }
                Peer::Pods(_) | Peer::Nodes(_) | Peer::Domains(_) => (),
            }
        }
        let inside = |start: &u128| {
            (first..=last).contains(start)
                && !block.except.iter().any(|except| except.contains(&address(family, *start)))
        };
        starts.into_iter().filter(inside).all(|start| {
            let blocks = self.scene.index.blocks_holding(address(family, start));
            has(direction, clauses, own, &Party { blocks: &blocks, ..nobody(family) })
        })
    }
}

fn has(direction: Direction, clauses: &[Clause], own: &Clause, party: &Party<'_>) -> bool {
    let wanted = Clause { peers: crate::program::PeerMatch::Any, ..own.clone() };
    let wanted = matched(direction, &[wanted], party);
    wanted.without(&matched(direction, clauses, party)).is_empty()
}

fn nobody(family: Family) -> Party<'static> {
    Party { family, selectors: &[], blocks: &[], nodes: &[], ports: &[], is_subject: false }
}

fn id(policy: &PolicyId, direction: Direction, index: usize) -> RuleId {
    RuleId::rule(policy, direction, index)
}

fn has_names(rule: &Rule) -> bool {
    match &rule.ports {
        Ports::Any => false,
        Ports::Of(ports) => ports.iter().any(|port| matches!(port, Port::Named(..))),
    }
}

/// Whether every pod that the first selector matches is matched by the second, whatever labels it has. `false`
/// where that isn't plain to see.
pub(super) fn implies(narrow: &Selector, wide: &Selector) -> bool {
    if narrow == wide {
        return true;
    }
    match (narrow, wide) {
        (_, Selector::All(parts)) => parts.iter().all(|part| implies(narrow, part)),
        (Selector::Any(parts), _) => parts.iter().all(|part| implies(part, wide)),
        (_, Selector::Any(parts)) => parts.iter().any(|part| implies(narrow, part)),
        (Selector::All(parts), _) => parts.iter().any(|part| implies(part, wide)),
        (Selector::In(one, less), Selector::In(other, more)) => {
            is_same(one, other) && less.iter().all(|value| more.contains(value))
        }
        (Selector::In(one, _), Selector::Has(other)) => is_same(one, other),
        (Selector::In(one, values), Selector::Not(not)) => match not.as_ref() {
            Selector::In(other, never) => {
                is_same(one, other) && !values.iter().any(|value| never.contains(value))
            }
            Selector::All(_) | Selector::Any(_) | Selector::Not(_) | Selector::Has(_) => false,
        },
        (Selector::Not(one), Selector::Not(other)) => implies(other, one),
        (Selector::Has(one), Selector::Has(other)) => is_same(one, other),
        (Selector::Has(_) | Selector::Not(_), Selector::In(..))
        | (Selector::Has(_), Selector::Not(_))
        | (Selector::Not(_), Selector::Has(_)) => false,
    }
}

/// A namespace's name is also one of its labels.
fn is_same(one: &Attribute, other: &Attribute) -> bool {
    let is_name = |of: &Attribute| match of {
        Attribute::NamespaceName => true,
        Attribute::NamespaceLabel(key) => key.as_ref() == NAMESPACE_NAME_LABEL,
        Attribute::Label(_) | Attribute::ServiceAccountName => false,
    };
    one == other || (is_name(one) && is_name(other))
}
