//! Of what would have let a denied flow in, what came nearest, and why it didn't match.

use crate::decision::{Ruling, Verdict};
use crate::index::{End, Index};
use crate::model::{
    Action, Attribute, Block, Direction, Endpoint, Flow, Peer, Peers, Policy, Port, Ports, Rule, RuleId,
    Selector,
};
use crate::program::{Fallback, Stage};

/// A rule that almost matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The rule, by its id.
    pub rule: RuleId,
    /// In which direction.
    pub direction: Direction,
    /// Why it didn't match; at least one reason.
    pub misses: Vec<Miss>,
}

/// Why a rule didn't match.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// It is about these ports only, in words.
    Ports(String),
    /// It asks for something that the pod has otherwise, or lacks.
    Attribute {
        /// What the selector asks for.
        wanted: Selector,
        /// Of what, as `label app`.
        attribute: Option<Attribute>,
        /// What the pod has; `None` where it lacks it.
        found: Option<String>,
    },
    /// The block holds the address, but excepts it.
    Excepted(Block),
    /// The block doesn't hold the address.
    Block(Block),
    /// It selects pods, and the other end is none.
    NoPod(Selector),
    /// It selects nodes, and the other end is none of those.
    NoNode(Selector),
    /// It names domains, whose addresses are learnt at run time.
    Domains,
    /// It is about nobody.
    Nobody,
}

/// The rule that came nearest to letting `flow` pass where `ruling` denies it; `None` where there is no rule
/// that lets anything pass.
pub fn near(index: &Index, flow: &Flow, direction: Direction, ruling: Ruling) -> Option<Near> {
    match ruling.verdict {
        Verdict::Accept => return None,
        Verdict::Deny => (),
    }
    let (subject, peer) = flow.ends(direction);
    let (subject, peer) = (index.end(subject), index.end(peer));
    let program = subject.program(direction)?;
    let party = peer.party(subject.address());
    let mut steps = program.steps(&party, flow.protocol, flow.port);
    let at = steps.position(|step| step.ruling() == Some(ruling))?;
    let stage = program.stages.get(at)?;
    let nearest = candidates(index, stage, direction).into_iter().filter_map(|(policy, place, rule)| {
        let id = RuleId::rule(&policy.id, direction, place);
        // A rule whose ports the pod hasn't got is no clause of its program.
        let clause = stage.clauses.iter().find(|clause| clause.rule == id);
        let has_port = clause.is_some_and(|clause| clause.ports.holds(&party, flow.protocol, flow.port));
        let misses = misses(index, rule, &peer, has_port);
        (!misses.is_empty()).then_some((misses.iter().map(weight).sum::<u32>(), id, misses))
    });
    let (_, rule, misses) = nearest.min_by_key(|(weight, ..)| *weight)?;
    Some(Near { rule, direction, misses })
}

/// All rules of the policies of a stage that let something pass.
fn candidates<'a>(
    index: &'a Index,
    stage: &Stage,
    direction: Direction,
) -> Vec<(&'a Policy, usize, &'a Rule)> {
    let isolating = match &stage.default {
        Fallback::Isolate(_, policies) => policies.iter().filter_map(|id| index.policy(id)).collect(),
        Fallback::Pass => Vec::new(),
    };
    let speaking = stage.clauses.iter().filter_map(|clause| match index.rule_name(clause.rule)? {
        crate::decision::RuleName::Rule { policy, .. } => index.policy(&policy),
        crate::decision::RuleName::Isolation { .. } => None,
    });
    let mut policies: Vec<&Policy> = isolating.into_iter().chain(speaking).collect();
    policies.sort_by(|a, b| a.order().cmp(&b.order()));
    policies.dedup_by(|a, b| a.id == b.id);
    let rules = policies.into_iter().flat_map(|policy| {
        let rules = policy.rules(direction).unwrap_or_default();
        rules.iter().enumerate().map(move |(at, rule)| (policy, at, rule))
    });
    rules.filter(|(_, _, rule)| rule.action == Action::Accept).collect()
}

fn weight(miss: &Miss) -> u32 {
    match miss {
        Miss::Ports(_) | Miss::Attribute { found: Some(_), .. } | Miss::Excepted(_) => 2,
        Miss::Attribute { found: None, .. } => 3,
        Miss::Block(_) => 5,
        Miss::NoPod(_) | Miss::NoNode(_) => 8,
        Miss::Domains | Miss::Nobody => 16,
    }
}

/// Why a rule doesn't match; nothing where it does. `has_port`: whether its ports are the flow's.
fn misses(index: &Index, rule: &Rule, peer: &End<'_>, has_port: bool) -> Vec<Miss> {
    let mut all = match &rule.peers {
        Peers::Any => Vec::new(),
        Peers::Of(peers) => {
            let each = peers.iter().map(|listed| peer_misses(index, listed, peer));
            let least = each.min_by_key(|misses| misses.iter().map(weight).sum::<u32>());
            least.unwrap_or_else(|| vec![Miss::Nobody])
        }
    };
    if !has_port {
        all.push(Miss::Ports(ports(&rule.ports)));
    }
    all
}

fn peer_misses(index: &Index, listed: &Peer, peer: &End<'_>) -> Vec<Miss> {
    match (listed, peer.pod()) {
        (Peer::Pods(selector), Some(pod)) => unmatched(index, selector, pod),
        (Peer::Pods(selector), None) => vec![Miss::NoPod(selector.clone())],
        (Peer::Block(block), _) => {
            let holds = |net: &ipnet::IpNet| net.contains(&peer.address());
            match (holds(&block.cidr), block.except.iter().any(holds)) {
                (true, false) => Vec::new(),
                (true, true) => vec![Miss::Excepted(block.clone())],
                (false, _) => vec![Miss::Block(block.clone())],
            }
        }
        (Peer::Nodes(selector), _) => vec![Miss::NoNode(selector.clone())],
        (Peer::Domains(_), _) => vec![Miss::Domains],
    }
}

/// The parts of a selector that a pod doesn't match; of alternatives those of the nearest.
fn unmatched(index: &Index, selector: &Selector, pod: &Endpoint) -> Vec<Miss> {
    if index.selects(selector, pod) {
        return Vec::new();
    }
    let miss = |attribute: Option<&Attribute>| Miss::Attribute {
        wanted: selector.clone(),
        attribute: attribute.cloned(),
        found: attribute.and_then(|attribute| index.attribute(attribute, pod)),
    };
    match selector {
        Selector::All(parts) => parts.iter().flat_map(|part| unmatched(index, part, pod)).collect(),
        Selector::Any(parts) => {
            let each = parts.iter().map(|part| unmatched(index, part, pod));
            each.min_by_key(|misses| misses.iter().map(weight).sum::<u32>())
                .unwrap_or_else(|| vec![miss(None)])
        }
        Selector::In(attribute, _) | Selector::Has(attribute) => vec![miss(Some(attribute))],
        Selector::Not(inner) => match inner.as_ref() {
            Selector::In(attribute, _) | Selector::Has(attribute) => vec![miss(Some(attribute))],
            Selector::All(_) | Selector::Any(_) | Selector::Not(_) => vec![miss(None)],
        },
    }
}

/// `80/tcp, 8000-8010/udp, http/tcp`.
pub(in crate::analyse) fn ports(ports: &Ports) -> String {
    let one = |port: &Port| match port {
        Port::Protocol(protocol) => format!("all {protocol} ports"),
        Port::Range(protocol, from, to) if from == to => format!("{from}/{protocol}"),
        Port::Range(protocol, from, to) => format!("{from}-{to}/{protocol}"),
        Port::Named(Some(protocol), name) => format!("{name}/{protocol}"),
        Port::Named(None, name) => name.to_string(),
    };
    match ports {
        Ports::Any => "all protocols and ports".to_owned(),
        Ports::Of(ports) if ports.is_empty() => "no port".to_owned(),
        Ports::Of(ports) => ports.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}
