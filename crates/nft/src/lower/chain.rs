//! A program's stages as chains.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::index::Index;
use policy::model::{Action, Direction, Protocol, RuleId, Tier};
use policy::program::{Clause, Fallback, PeerMatch, PortList, PortMatch, Program, Stage};
use sha2::{Digest, Sha256};

use super::sets::Sets;
use super::{LOG_BYTES, LOG_GROUP, STRAY_CHAIN, log_prefix, own_set, subject_side, suffix};
use crate::ruleset::{Chain, Family, Log, Match, Name, Ports, Rule, Sense, Set, Side, Verdict};

/// The chains of a node's programs, and the sets that they name.
pub(super) struct Chains<'a> {
    index: &'a Index,
    sets: Sets<'a>,
    chains: BTreeMap<Name, Arc<Chain>>,
    /// Entry chains by the program's place in memory; programs are shared, and live as long as the index.
    entries: BTreeMap<(*const Program, Family), Name>,
}

impl<'a> Chains<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        let stray = Rule::new([]).counted().verdict(Verdict::Drop).comment("packet of no known flow");
        let stray = Chain { base: None, rules: vec![stray] };
        let chains = [(STRAY_CHAIN.into(), Arc::new(stray))].into();
        Chains { index, sets: Sets::new(index), chains, entries: BTreeMap::new() }
    }

    pub(super) fn finish(self) -> (BTreeMap<Name, Arc<Set>>, BTreeMap<Name, Arc<Chain>>) {
        (self.sets.finish(), self.chains)
    }

    /// The chain in which a packet of a pod with this program begins: that of its first stage.
    pub(super) fn entry(&mut self, program: &'a Arc<Program>, family: Family) -> Name {
        let key = (Arc::as_ptr(program), family);
        if let Some(known) = self.entries.get(&key) {
            return known.clone();
        }
        let mut next = None;
        for stage in program.stages.iter().rev() {
            let rules = self.stage(program.direction, stage, family, next.as_ref());
            next = Some(self.name(program.direction, family, rules));
        }
        let entry = match next {
            Some(entry) => entry,
            None => {
                self.name(program.direction, family, vec![Rule::new([]).verdict(allowed(program.direction))])
            }
        };
        self.entries.insert(key, entry.clone());
        entry
    }

    /// Puts rules into the chain that is named by them.
    fn name(&mut self, direction: Direction, family: Family, rules: Vec<Rule>) -> Name {
        let name: Name = format!("{direction}_{}_{}", suffix(family), hash(&format!("{rules:?}"))).into();
        self.chains.entry(name.clone()).or_insert_with(|| Arc::new(Chain { base: None, rules }));
        name
    }

    fn stage(
        &mut self,
        direction: Direction,
        stage: &Stage,
        family: Family,
        next: Option<&Name>,
    ) -> Vec<Rule> {
        let mut rules = Vec::new();
        for clause in &stage.clauses {
            let matches = self.clause_matches(direction, clause, family);
            rules.extend(matches.into_iter().map(|matches| self.outcome(direction, clause, matches, next)));
        }
        if stage.tier == Tier::NetworkPolicy {
            // All rules of this tier accept, so this one may come last, where allowed flows don't pay for it.
            let own = Rule::new([Match::Pair(family, own_set(family))]).verdict(allowed(direction));
            rules.push(own.comment("a pod to itself through its Service"));
        }
        rules.push(match &stage.default {
            Fallback::Pass => Rule::new([]).verdict(onward(direction, next)),
            Fallback::Isolate(id, _) => self.denial(*id, Vec::new()),
        });
        rules
    }

    fn outcome(
        &self,
        direction: Direction,
        clause: &Clause,
        matches: Vec<Match>,
        next: Option<&Name>,
    ) -> Rule {
        let accepting =
            |verdict| Rule::new(matches.clone()).verdict(verdict).comment(&self.readable(clause.rule));
        match clause.outcome {
            Action::Accept => accepting(allowed(direction)),
            Action::Pass => accepting(onward(direction, next)),
            Action::Deny => self.denial(clause.rule, matches),
        }
    }

    /// Counted, logged under the rule's id, dropped (D19).
    fn denial(&self, id: RuleId, matches: Vec<Match>) -> Rule {
        let log = Log { prefix: log_prefix(id).into(), group: LOG_GROUP, snaplen: LOG_BYTES };
        Rule::new(matches).counted().logged(log).verdict(Verdict::Drop).comment(&self.readable(id))
    }

    fn readable(&self, id: RuleId) -> String {
        self.index.rule_name(id).map_or_else(|| id.to_string(), |name| name.to_string())
    }

    /// The alternatives under which a clause holds for packets of that family.
    fn clause_matches(&mut self, direction: Direction, clause: &Clause, family: Family) -> Vec<Vec<Match>> {
        let side = match subject_side(direction) {
            Side::Source => Side::Destination,
            Side::Destination => Side::Source,
        };
        let peers: Vec<Option<Match>> = match &clause.peers {
            PeerMatch::Any => vec![None],
            PeerMatch::Of(sets) => {
                let addresses = self.sets.addresses(sets, family).into_iter();
                addresses.map(|one| one.map(|one| Match::Address(side, Sense::Is, one))).collect()
            }
        };
        let ports: Vec<Option<Match>> = match &clause.ports {
            PortMatch::Any => vec![None],
            PortMatch::Of(list) => numbered(list).map(Some).collect(),
        };
        // Ports first: comparing one costs less than looking up an address, and fewer packets have it.
        let both = peers.iter().flat_map(|peer| ports.iter().map(move |port| [port.clone(), peer.clone()]));
        let mut alternatives: Vec<Vec<Match>> =
            both.map(|pair| pair.into_iter().flatten().collect()).collect();
        if let PortMatch::Of(list) = &clause.ports
            && !list.names.is_empty()
        {
            let services = self.sets.services(&clause.peers, &list.names, family);
            alternatives.push(vec![Match::Service(family, services)]);
        }
        alternatives
    }
}

/// Allowed in this direction: egress goes back to the base chain, which still asks ingress.
fn allowed(direction: Direction) -> Verdict {
    match direction {
        Direction::Egress => Verdict::Return,
        Direction::Ingress => Verdict::Accept,
    }
}

/// Where a stage that decides nothing leads.
fn onward(direction: Direction, next: Option<&Name>) -> Verdict {
    next.map_or_else(|| allowed(direction), |next| Verdict::Goto(next.clone()))
}

/// One match for each protocol of a list.
fn numbered(list: &PortList) -> impl Iterator<Item = Match> {
    let mut by_protocol: BTreeMap<Protocol, Vec<(u16, u16)>> = BTreeMap::new();
    for (protocol, from, to) in &list.ranges {
        by_protocol.entry(*protocol).or_default().push((*from, *to));
    }
    by_protocol.into_iter().map(|(protocol, ranges)| match ranges.as_slice() {
        [(0, u16::MAX)] => Match::Protocol(protocol.number()),
        _ => Match::Port(protocol.number(), Ports::ranges(ranges)),
    })
}

/// 128 bits of SHA-256: nobody can make two chains or sets of one name.
pub(super) fn hash(meaning: &str) -> String {
    Sha256::digest(meaning).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
