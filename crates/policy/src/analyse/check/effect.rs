//! What would change without a rule, or without a policy: asked of the programs, with and without it.

use std::collections::BTreeSet;
use std::sync::Arc;

use hashbrown::HashMap;
use indexmap::IndexMap;

use super::always::Cover;
use super::scene::{Group, Other, Scene};
use crate::index::Index;
use crate::model::{Action, Cluster, Direction, Peer, Peers, Policy, PolicyId, Rule, RuleId, Tier};
use crate::ports::PortSet;
use crate::program::{Clause, Fallback, Party, PeerMatch, PeerSet, Program, Stage};

/// Where a rule stands.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleAt {
    /// In which policy.
    pub policy: PolicyId,
    /// Among its rules of which direction.
    pub direction: Direction,
    /// From 0.
    pub index: usize,
}

/// What a rule or a policy does to the pods and addresses that there are. All but the first and the last: take
/// it away, and each end of every flow lets through what it did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Without it some end would let through more or less.
    Decides,
    /// Others of its tier say the same, whatever pods there will be.
    Contained,
    /// Others of its tier say the same of the pods that there are.
    NothingToday,
    /// Earlier rules of its tier decide wherever it matches.
    NeverDecides,
    /// Its tier would say something else without it, and another tier makes up for that.
    Overruled,
    /// It matches nobody, or no port that is there.
    Nobody,
    /// It hangs on names that are looked up where packets flow; on paper nobody knows.
    AtRunTime,
}

impl Effect {
    /// Whether something may change without it.
    pub fn is_some(self) -> bool {
        match self {
            Effect::Decides | Effect::AtRunTime => true,
            Effect::Contained
            | Effect::NothingToday
            | Effect::NeverDecides
            | Effect::Overruled
            | Effect::Nobody => false,
        }
    }
}

/// What something does, and what does it as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// What it does.
    pub effect: Effect,
    /// The rules that match where it does; none where it decides.
    pub by: BTreeSet<RuleId>,
}

/// What every rule and every policy of a cluster does.
#[derive(Clone, Debug, Default)]
pub struct Effects {
    /// Of each rule by itself.
    pub rules: IndexMap<RuleAt, Said>,
    /// Of each policy as a whole.
    pub policies: IndexMap<PolicyId, Said>,
}

/// What every rule and every policy of a cluster does; `index` is its index.
pub fn effects(cluster: &Cluster, index: &Index) -> Effects {
    of_scene(&Scene::of(cluster, index))
}

/// One rule or one policy while it is asked about.
pub(super) struct Part<'a> {
    pub(super) policy: &'a Policy,
    /// `None`: the whole policy.
    pub(super) rule: Option<(Direction, RuleId, &'a Rule)>,
    /// All its rules.
    ids: Vec<RuleId>,
}

pub(super) fn of_scene(scene: &Scene<'_>) -> Effects {
    let mut parts: Vec<(Option<RuleAt>, Part<'_>)> = Vec::new();
    for policy in scene.cluster.policies.values() {
        parts.push((None, Part::policy(policy)));
        for (at, rule) in rules(policy) {
            let part = Part::rule(policy, &at, rule);
            parts.push((Some(at), part));
        }
    }
    let groups = groups_of(scene, &parts);
    let mut effects = Effects::default();
    let bases: Vec<Vec<PortSet>> = scene
        .groups
        .iter()
        .map(|group| group.meetings.iter().map(|other| group.program.allowed(&other.party())).collect())
        .collect();
    for ((at, part), groups) in parts.into_iter().zip(groups) {
        let decides = groups.iter().any(|place| {
            let found = scene.groups.get(*place).zip(bases.get(*place));
            found.is_some_and(|(group, base)| part.changes(group, base))
        });
        let groups: Vec<&Group<'_>> = groups.iter().filter_map(|place| scene.groups.get(*place)).collect();
        let said = match decides {
            true => Said { effect: Effect::Decides, by: BTreeSet::new() },
            false => part.without_effect(scene, &groups),
        };
        match at {
            Some(at) => drop(effects.rules.insert(at, said)),
            None => drop(effects.policies.insert(part.policy.id.clone(), said)),
        }
    }
    effects
}

/// Every rule of a policy with its place.
pub(super) fn rules(policy: &Policy) -> impl Iterator<Item = (RuleAt, &Rule)> {
    [Direction::Ingress, Direction::Egress].into_iter().flat_map(move |direction| {
        let rules = policy.rules(direction).unwrap_or_default();
        let at = move |index| RuleAt { policy: policy.id.clone(), direction, index };
        rules.iter().enumerate().map(move |(index, rule)| (at(index), rule))
    })
}

/// The groups in whose programs each part speaks.
fn groups_of(scene: &Scene<'_>, parts: &[(Option<RuleAt>, Part<'_>)]) -> Vec<Vec<usize>> {
    let (mut of_rule, mut of_policy) = (HashMap::new(), HashMap::new());
    let mut owner: HashMap<RuleId, usize> = HashMap::new();
    for (place, (_, part)) in parts.iter().enumerate() {
        match part.rule {
            Some((_, id, _)) => {
                of_rule.insert(id, place);
                owner.extend(of_policy.get(&part.policy.id).map(|policy| (id, *policy)));
            }
            None => drop(of_policy.insert(&part.policy.id, place)),
        }
    }
    let mut all: Vec<Vec<usize>> = vec![Vec::new(); parts.len()];
    for (group_at, group) in scene.groups.iter().enumerate() {
        let mut speaking: BTreeSet<usize> = BTreeSet::new();
        for stage in &group.program.stages {
            let rules = stage.clauses.iter().map(|clause| clause.rule);
            speaking.extend(rules.flat_map(|rule| [of_rule.get(&rule), owner.get(&rule)]).flatten());
            match &stage.default {
                Fallback::Isolate(_, policies) => {
                    speaking.extend(policies.iter().filter_map(|policy| of_policy.get(policy)));
                }
                Fallback::Pass => (),
            }
        }
        for place in speaking {
            if let Some(groups) = all.get_mut(place) {
                groups.push(group_at);
            }
        }
    }
    all
}

impl<'a> Part<'a> {
    pub(super) fn policy(policy: &'a Policy) -> Self {
        let ids = rules(policy).map(|(at, _)| RuleId::rule(&policy.id, at.direction, at.index));
        Part { policy, rule: None, ids: ids.collect() }
    }

    pub(super) fn rule(policy: &'a Policy, at: &RuleAt, rule: &'a Rule) -> Self {
        let id = RuleId::rule(&policy.id, at.direction, at.index);
        Part { policy, rule: Some((at.direction, id, rule)), ids: vec![id] }
    }

    /// The program without it.
    pub(super) fn left_out(&self, program: &Program) -> Program {
        let mut program = program.clone();
        for stage in &mut program.stages {
            stage.clauses.retain(|clause| !self.is_origin(clause));
            if let (Fallback::Isolate(_, policies), None) = (&stage.default, self.rule)
                && policies.iter().all(|policy| *policy == self.policy.id)
            {
                stage.default = Fallback::Pass;
            }
        }
        // Without clauses and without a default a stage says nothing, not even to a pod about itself.
        program.stages.retain(|stage| !stage.clauses.is_empty() || stage.default != Fallback::Pass);
        program
    }

    fn is_origin(&self, clause: &Clause) -> bool {
        self.ids.contains(&clause.rule)
    }

    /// Whether the subjects of a group would let through more or less without it.
    fn changes(&self, group: &Group<'_>, base: &[PortSet]) -> bool {
        let without = self.left_out(group.program);
        let isolates = self.rule.is_none();
        let own: Vec<&Clause> = self.clauses(group.program).map(|(_, clause)| clause).collect();
        group.meetings.iter().zip(base).any(|(other, base)| {
            let party = other.party();
            (isolates || own.iter().any(|clause| clause.peers.holds(&party)))
                && without.allowed(&party) != *base
        })
    }

    fn clauses<'p>(&'p self, program: &'p Program) -> impl Iterator<Item = (usize, &'p Clause)> {
        let all = program.stages.iter().enumerate();
        let all = all.flat_map(|(at, stage)| stage.clauses.iter().map(move |clause| (at, clause)));
        all.filter(|(_, clause)| self.is_origin(clause))
    }

    fn without_effect(&self, scene: &Scene<'_>, groups: &[&Group<'_>]) -> Said {
        if self.hangs_on_names() {
            return Said { effect: Effect::AtRunTime, by: BTreeSet::new() };
        }
        let mut tally = Tally::default();
        for group in groups {
            self.count(group, &mut tally);
        }
        let effect = match tally {
            _ if groups.is_empty() => Effect::Nobody,
            Tally { is_met: false, .. } if self.rule.is_some() => Effect::Nobody,
            Tally { decides: false, .. } if self.policy.tier != Tier::NetworkPolicy => Effect::NeverDecides,
            Tally { speaks: true, .. } => Effect::Overruled,
            _ if groups.first().is_some_and(|group| Cover::new(scene, group, self).is_whole()) => {
                Effect::Contained
            }
            _ => Effect::NothingToday,
        };
        Said { effect, by: tally.by }
    }

    fn hangs_on_names(&self) -> bool {
        let rules = match self.rule {
            Some((_, _, rule)) => vec![rule],
            None => rules(self.policy).map(|(_, rule)| rule).collect(),
        };
        let is_name = |peer: &Peer| matches!(peer, Peer::Domains(_));
        rules.iter().any(|rule| match &rule.peers {
            Peers::Any => false,
            Peers::Of(peers) => peers.iter().any(is_name),
        })
    }

    /// What it does in its tier for the subjects of a group.
    fn count(&self, group: &Group<'_>, tally: &mut Tally) {
        let (program, tier) = (group.program.as_ref(), self.policy.tier);
        let without = self.left_out(program);
        for party in group.meetings.iter().map(Other::party) {
            for (at, clause) in self.clauses(program).filter(|(_, clause)| clause.peers.holds(&party)) {
                if let Some(stage) = program.stages.get(at) {
                    self.count_clause((program.direction, stage), clause, &party, tally);
                }
            }
            tally.speaks |= said(program, tier, &party) != said(&without, tier, &party);
        }
    }

    fn count_clause(
        &self,
        (direction, stage): (Direction, &Stage),
        clause: &Clause,
        party: &Party<'_>,
        tally: &mut Tally,
    ) {
        let own = matched(direction, std::slice::from_ref(clause), party);
        if own.is_empty() {
            return;
        }
        tally.is_met = true;
        let place = stage.clauses.iter().position(|there| there.rule == clause.rule).unwrap_or(0);
        let (earlier, _) = stage.clauses.split_at(place);
        let is_first = !own.without(&matched(direction, earlier, party)).is_empty();
        tally.decides |= is_first;
        let others = match self.policy.tier {
            Tier::Admin | Tier::Baseline if !is_first => earlier,
            Tier::Admin | Tier::Baseline | Tier::NetworkPolicy => stage.clauses.as_slice(),
        };
        for there in others.iter().filter(|there| !self.is_origin(there) && there.peers.holds(party)) {
            if !matched(direction, std::slice::from_ref(there), party).and(&own).is_empty() {
                tally.by.insert(there.rule);
            }
        }
    }
}

#[derive(Default)]
struct Tally {
    /// Its peers and ports are there.
    is_met: bool,
    /// It is the first of its tier to match.
    decides: bool,
    /// Its tier would say something else without it.
    speaks: bool,
    by: BTreeSet<RuleId>,
}

/// The ports on which one of `clauses` matches.
pub(super) fn matched(direction: Direction, clauses: &[Clause], party: &Party<'_>) -> PortSet {
    let accepting = clauses.iter().cloned().map(|clause| Clause { outcome: Action::Accept, ..clause });
    // Of a tier that has no exception for a pod that reaches itself.
    alone(direction, Tier::Baseline, accepting.collect(), closed()).allowed(party)
}

/// What a tier accepts, and what it leaves to the next.
fn said(program: &Program, tier: Tier, party: &Party<'_>) -> Option<[PortSet; 2]> {
    let stage = program.stages.iter().find(|stage| stage.tier == tier)?;
    let only = |wanted: Action, default: Fallback| {
        let clauses = stage.clauses.iter().cloned().map(|clause| Clause {
            outcome: if clause.outcome == wanted { Action::Accept } else { Action::Deny },
            ..clause
        });
        alone(program.direction, tier, clauses.collect(), default).allowed(party)
    };
    let is_open = matches!(stage.default, Fallback::Pass);
    let left = if is_open { Fallback::Pass } else { closed() };
    Some([only(Action::Accept, closed()), only(Action::Pass, left)])
}

fn alone(direction: Direction, tier: Tier, clauses: Vec<Clause>, default: Fallback) -> Program {
    Program { direction, stages: vec![Stage { tier, clauses, default }] }
}

fn closed() -> Fallback {
    Fallback::Isolate(RuleId(0), Arc::from([]))
}

/// The sets of a clause; `None`: everyone.
pub(super) fn sets(clause: &Clause) -> Option<&[PeerSet]> {
    match &clause.peers {
        PeerMatch::Any => None,
        PeerMatch::Of(sets) => Some(sets),
    }
}
