//! What edits change, flow by flow.

use std::net::IpAddr;

use super::edit::Edit;
use super::needs::address_of;
use crate::analyse::can::{Chain, Group, Part, Question, parts, survey_some};
use crate::analyse::names::{Addresses, Asked, Ends, Target};
use crate::decision::Verdict;
use crate::index::{Change, End, Index};
use crate::model::{Cluster, Direction, EndpointId, Family, Flow, Path};
use crate::ports::PortSet;
use crate::rows::Families;

/// Flows from each of these to each of those; or of each of these to itself, through a Service.
#[derive(Clone, Debug)]
pub struct Flows {
    /// From these ...
    pub sources: Group,
    /// ... to these (a pod to itself aside),
    pub destinations: Group,
    /// over these protocols and ports,
    pub ports: PortSet,
    /// and this family.
    pub family: Family,
    /// Whether they are about pods with themselves, through a Service.
    pub is_own: bool,
}

/// What a user asked about in one family.
struct AskedAbout {
    sources: Addresses,
    destinations: Addresses,
    ports: PortSet,
    path: Path,
    family: Family,
}

/// A copy of the cluster on which edits are tried.
pub(super) struct Trial {
    pub(super) cluster: Cluster,
    pub(super) index: Index,
}

impl Trial {
    /// Makes the edits, and says whose programs differ then: those that send, those that receive.
    pub(super) fn edit(&mut self, edits: &[Edit]) -> [Vec<EndpointId>; 2] {
        let mut touched: [Vec<EndpointId>; 2] = Default::default();
        for edit in edits {
            let before = self.cluster.policies.get(&edit.policy);
            let Some(policy) = edit.applied(before) else { continue };
            self.cluster.policies.insert(edit.policy.clone(), policy.clone());
            let delta = self.index.apply(Change::Policy(Box::new(policy)));
            let [egress, ingress] = &mut touched;
            match edit.direction {
                Direction::Egress => egress.extend(delta.programs),
                Direction::Ingress => ingress.extend(delta.programs),
            }
        }
        touched
    }

    /// Takes them back: what an index holds doesn't depend on what was there before.
    pub(super) fn undo(&mut self, edits: &[Edit], cluster: &Cluster) {
        for edit in edits {
            let change = match cluster.policies.get(&edit.policy) {
                Some(policy) => Change::Policy(Box::new(policy.clone())),
                None => Change::PolicyGone(edit.policy.clone()),
            };
            self.index.apply(change);
        }
        self.cluster.policies.clone_from(&cluster.policies);
    }
}

/// What edits do, by every flow decided before and after that they could be about.
#[derive(Default)]
pub(super) struct Effect {
    pub(super) left: Vec<Part<Chain>>,
    pub(super) opened: Vec<Flows>,
    pub(super) closed: Vec<Flows>,
}

/// `before` is the index before the edits of `trial`, of which `touched` are the pods.
pub(super) fn effect(
    before: &Index,
    trial: &Trial,
    question: &Question<'_>,
    touched: [Vec<EndpointId>; 2],
) -> Effect {
    let Trial { cluster, index } = trial;
    let [from, to] = touched.map(|pods| addresses(cluster, index, &pods));
    let all = Addresses::all();
    let changes = [(from.clone(), all.clone()), (all.without(&from), to)]
        .into_iter()
        .filter(|(from, to)| !from.is_empty() && !to.is_empty())
        .flat_map(|(from, to)| changes(cluster, (before, index), from, to));
    let asked = asked(question);
    let mut effect = Effect::default();
    for (flows, verdict) in changes {
        match verdict {
            Verdict::Accept => effect.opened.extend(asked.iter().fold(vec![flows], |rest, asked| {
                rest.into_iter().flat_map(|flows| less(cluster, flows, asked)).collect()
            })),
            Verdict::Deny => effect.closed.push(flows),
        }
    }
    let left = parts(cluster, index, question).into_iter();
    effect.left = left.filter(|part| part.answer.verdict() == Verdict::Deny).collect();
    effect
}

/// The addresses of pods, as far as they are theirs.
fn addresses(cluster: &Cluster, index: &Index, pods: &[EndpointId]) -> Addresses {
    let pods = pods.iter().filter_map(|id| cluster.endpoints.get(id));
    let all = pods.flat_map(|pod| pod.addresses.iter().map(move |address| (pod, address)));
    let is_own = |pod: &crate::model::Endpoint, address: &IpAddr| {
        index.owner(*address).is_some_and(|owner| owner.id == pod.id)
    };
    all.filter(|(pod, address)| is_own(pod, address)).map(|(_, address)| address).collect()
}

/// All flows between these that get another verdict now, with that.
fn changes(
    cluster: &Cluster,
    (before, after): (&Index, &Index),
    from: Addresses,
    to: Addresses,
) -> Vec<(Flows, Verdict)> {
    let ends = |addresses| Ends { addresses, ..Ends::default() };
    let target = Target { ends: ends(to), asked: Asked::Everything, path: Path::Service };
    let differing = |flow: &Flow, source: &End<'_>, destination: &End<'_>| {
        let now = after.decide_between(flow, source, destination).verdict();
        (before.decide(flow).verdict() != now).then_some(now)
    };
    let parts = survey_some(cluster, after, &ends(from), &target, Families::Both, differing);
    parts.into_iter().map(|part| (flows(&part), part.answer)).collect()
}

fn flows<K>(part: &Part<K>) -> Flows {
    Flows {
        sources: part.sources.clone(),
        destinations: part.destinations.clone(),
        ports: part.ports.iter().fold(PortSet::default(), |all, asked| all.or(&(*asked).into())),
        family: part.family,
        is_own: part.example.source == part.example.destination,
    }
}

/// Where no family is asked for, a question is about both: what opens over the other one was meant too.
fn asked(question: &Question<'_>) -> Vec<AskedAbout> {
    let families = match question.families {
        Families::Natural | Families::Both => Family::BOTH.to_vec(),
        Families::Only(family) => vec![family],
    };
    let each = question.targets.iter().flat_map(|target| {
        families.iter().map(|family| AskedAbout {
            sources: question.sources.all_addresses(),
            destinations: target.ends.all_addresses(),
            ports: target.asked.into(),
            path: target.path,
            family: *family,
        })
    });
    each.collect()
}

/// Flows without those that are asked about.
fn less(cluster: &Cluster, flows: Flows, asked: &AskedAbout) -> Vec<Flows> {
    let is_other = asked.family != flows.family || flows.is_own && asked.path == Path::Direct;
    if is_other {
        return vec![flows];
    }
    let split = |group: &Group, by: &Addresses| {
        let (mut inside, mut outside) = (Group::default(), Group::default());
        for who in &group.members {
            let at = address_of(cluster, who, flows.family);
            let is_inside = at.is_some_and(|at| by.contains(&at));
            if is_inside { &mut inside } else { &mut outside }.members.push(who.clone());
        }
        outside.addresses = group.addresses.without(by);
        inside.addresses = group.addresses.without(&outside.addresses);
        (inside, outside)
    };
    let (sources, other_sources) = split(&flows.sources, &asked.sources);
    let with = |sources: &Group, destinations: &Group, ports: PortSet| {
        let (sources, destinations) = (sources.clone(), destinations.clone());
        Flows { sources, destinations, ports, ..flows.clone() }
    };
    let rest = if flows.is_own {
        let (both, half) = split(&sources, &asked.destinations);
        let left = flows.ports.without(&asked.ports);
        let all = flows.ports.clone();
        vec![
            with(&other_sources, &other_sources, all.clone()),
            with(&half, &half, all),
            with(&both, &both, left),
        ]
    } else {
        let (destinations, other_destinations) = split(&flows.destinations, &asked.destinations);
        let all = flows.ports.clone();
        vec![
            with(&other_sources, &flows.destinations, all.clone()),
            with(&sources, &other_destinations, all),
            with(&sources, &destinations, flows.ports.without(&asked.ports)),
        ]
    };
    rest.into_iter().filter(|flows| !flows.is_empty()).collect()
}

impl Flows {
    /// A pod that is alone on both sides means nothing.
    fn is_empty(&self) -> bool {
        let nobody = |group: &Group| group.members.is_empty() && group.addresses.is_empty();
        let is_alone = |group: &Group| group.members.len() == 1 && group.addresses.is_empty();
        let is_same = is_alone(&self.sources) && self.sources == self.destinations && !self.is_own;
        nobody(&self.sources) || nobody(&self.destinations) || self.ports.is_empty() || is_same
    }
}
