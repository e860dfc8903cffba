//! A program's stages as chains.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::index::Index;
use policy::model::{Action, Direction, Protocol, RuleId, Tier};
use policy::program::{Clause, Fallback, PeerMatch, PortList, PortMatch, Program, Stage};
use sha2::{Digest, Sha256};

use super::sets::Sets;
use super::{LOG_BYTES, LOG_GROUP, STRAY_CHAIN, log_prefix, own_set, suffix};
use crate::ruleset::{Chain, Family, Log, Match, Name, Ports, Rule, Sense, Set, Side, States, Verdict};

/// The SYN flag of TCP.
const SYN: u8 = 0x02;

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

    /// The chain in which a packet of a pod with this program begins.
    pub(super) fn entry(&mut self, program: &'a Arc<Program>, family: Family) -> Name {
        let key = (Arc::as_ptr(program), family);
        if let Some(known) = self.entries.get(&key) {
            return known.clone();
        }
        let mut next = None;
        for stage in program.stages.iter().skip(1).rev() {
            let rules = self.stage(program.direction, stage, family, next.as_ref());
            next = Some(self.name(program.direction, family, rules));
        }
        let mut rules = guard();
        match program.stages.first() {
            Some(stage) => rules.extend(self.stage(program.direction, stage, family, next.as_ref())),
            None => rules.push(Rule::new([]).verdict(Verdict::Accept)),
        }
        let entry = self.name(program.direction, family, rules);
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
        if stage.tier == Tier::NetworkPolicy {
            let own = Rule::new([Match::Pair(family, own_set(family))]);
            rules.push(own.verdict(Verdict::Accept).comment("a pod to itself through its Service"));
        }
        for clause in &stage.clauses {
            let matches = self.clause_matches(direction, clause, family);
            rules.extend(matches.into_iter().map(|matches| self.outcome(clause, matches, next)));
        }
        rules.push(match &stage.default {
            Fallback::Pass => Rule::new([]).verdict(onward(next)),
            Fallback::Isolate(id, _) => self.denial(*id, Vec::new()),
        });
        rules
    }

    fn outcome(&self, clause: &Clause, matches: Vec<Match>, next: Option<&Name>) -> Rule {
        let accepting =
            |verdict| Rule::new(matches.clone()).verdict(verdict).comment(&self.readable(clause.rule));
        match clause.outcome {
            Action::Accept => accepting(Verdict::Accept),
            Action::Pass => accepting(onward(next)),
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
        let side = match direction {
            Direction::Egress => Side::Destination,
            Direction::Ingress => Side::Source,
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
        let both = peers.iter().flat_map(|peer| ports.iter().map(move |port| [peer.clone(), port.clone()]));
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

/// Packets of no known flow are dropped at pods that have a program in either direction (D20).
fn guard() -> Vec<Rule> {
    let stray = || Verdict::Goto(STRAY_CHAIN.into());
    vec![
        Rule::new([Match::State(States::INVALID)]).verdict(stray()),
        Rule::new([Match::TcpFlags { mask: SYN, sense: Sense::IsNot, value: SYN }]).verdict(stray()),
    ]
}

/// Where a stage that decides nothing leads.
fn onward(next: Option<&Name>) -> Verdict {
    next.map_or(Verdict::Accept, |next| Verdict::Goto(next.clone()))
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
