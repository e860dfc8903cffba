//! Every flow between two sides, class by class: exact, and never pair by pair.

use std::net::IpAddr;

use indexmap::IndexMap;

use super::classes::{Class, Side, Who};
use super::pieces::{first, joined, pieces};
use crate::analyse::names::{Addresses, Asked, Ends, Target};
use crate::index::{End, Index};
use crate::model::{Cluster, Direction, Family, Flow, Path};
use crate::rows::Families;

/// One side of some flows: members, and addresses that nobody has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Group {
    /// Pods, hosts and nodes, sorted.
    pub members: Vec<Who>,
    /// Addresses that no pod and no node has.
    pub addresses: Addresses,
}

/// Flows with one answer.
#[derive(Clone, Debug)]
pub struct Part<K> {
    /// From each of these ...
    pub sources: Group,
    /// ... to each of these (a pod to itself aside, unless it comes back through a Service),
    pub destinations: Group,
    /// over these protocols and ports,
    pub ports: Vec<Asked>,
    /// and this family:
    pub family: Family,
    /// the answer.
    pub answer: K,
    /// One of the flows.
    pub example: Flow,
}

impl<K> Part<K> {
    /// The same flows with another answer.
    pub(super) fn with<L>(self, answer: L) -> Part<L> {
        let Part { sources, destinations, ports, family, example, .. } = self;
        Part { sources, destinations, ports, family, answer, example }
    }
}

/// A question between two classes.
struct Between<'a> {
    target: &'a Target<'a>,
    family: Family,
    source: IpAddr,
    destination: IpAddr,
    /// A pod with itself, which comes back through a Service.
    is_own: bool,
}

/// The two sides of a question in classes that the policies of `index` don't tell apart.
pub(super) struct Classes {
    from: Vec<Class>,
    to: Vec<Class>,
}

impl Classes {
    /// Of large sides this is most of the work of a survey: several can be made of the same classes.
    pub(super) fn of(cluster: &Cluster, index: &Index, sources: &Ends<'_>, target: &Target<'_>) -> Self {
        let from = Side::new(cluster, index, sources, Direction::Egress);
        let to = Side::new(cluster, index, &target.ends, Direction::Ingress);
        let (asked_of_from, asked_of_to) = (to.asking(), from.asking());
        let from = from.classes(cluster, index, &asked_of_from);
        Classes { from, to: to.classes(cluster, index, &asked_of_to) }
    }

    /// Whether there may be two that have both families.
    pub(super) fn have_both_families(&self) -> bool {
        let has =
            |side: &[Class]| side.iter().any(|class| Family::BOTH.iter().all(|family| class.has(*family)));
        has(&self.from) && has(&self.to)
    }
}

/// All flows from `sources` to `target`, with what `answer` says of them, in as few parts as their answers
/// allow. The classes are those of `index`: `answer` must not tell apart what it can't.
pub(in crate::analyse) fn survey<K: Clone + Eq + std::hash::Hash>(
    cluster: &Cluster,
    index: &Index,
    sources: &Ends<'_>,
    target: &Target<'_>,
    families: Families,
    answer: impl Fn(&Flow, &End<'_>, &End<'_>) -> K,
) -> Vec<Part<K>> {
    survey_some(cluster, index, sources, target, families, |flow, source, destination| {
        Some(answer(flow, source, destination))
    })
}

/// The same, without the flows of which `answer` has nothing to say.
pub(in crate::analyse) fn survey_some<K: Clone + Eq + std::hash::Hash>(
    cluster: &Cluster,
    index: &Index,
    sources: &Ends<'_>,
    target: &Target<'_>,
    families: Families,
    answer: impl Fn(&Flow, &End<'_>, &End<'_>) -> Option<K>,
) -> Vec<Part<K>> {
    survey_of(&Classes::of(cluster, index, sources, target), index, target, families, answer)
}

/// The same of classes that are known.
pub(super) fn survey_of<K: Clone + Eq + std::hash::Hash>(
    Classes { from, to }: &Classes,
    index: &Index,
    target: &Target<'_>,
    families: Families,
    answer: impl Fn(&Flow, &End<'_>, &End<'_>) -> Option<K>,
) -> Vec<Part<K>> {
    let mut found: Found<K> = IndexMap::new();
    for (a, source) in from.iter().enumerate() {
        for (b, destination) in to.iter().enumerate() {
            for between in questions(source, destination, target, families) {
                for ((answer, ports), example) in answers(index, &between, &answer) {
                    let key = (between.family, answer, ports, between.is_own);
                    found
                        .entry(key)
                        .or_insert_with(|| (example, IndexMap::new()))
                        .1
                        .entry(a)
                        .or_default()
                        .push(b);
                }
            }
        }
    }
    found.into_iter().flat_map(|(key, cases)| parts(key, cases, from, to)).collect()
}

/// By family, answer, ports and whether it is about pods with themselves: which classes with which.
type Found<K> = IndexMap<(Family, K, Vec<Asked>, bool), (Flow, IndexMap<usize, Vec<usize>>)>;

/// For each family that is asked: a pair of different addresses; through a Service also one with itself.
fn questions<'a>(
    source: &Class,
    destination: &Class,
    target: &'a Target<'a>,
    families: Families,
) -> Vec<Between<'a>> {
    let both = |family: &Family| source.has(*family) && destination.has(*family);
    let asked: Vec<Family> = match families {
        Families::Natural => Family::BOTH.into_iter().find(both).into_iter().collect(),
        Families::Only(family) => [family].into_iter().filter(both).collect(),
        Families::Both => Family::BOTH.into_iter().filter(both).collect(),
    };
    let mut all = Vec::new();
    for family in asked {
        // Two pods may for a while have one address.
        let mut from = source.addresses(family);
        let first = from.next();
        let second = from.find(|other| Some(*other) != first);
        let pair = first.into_iter().chain(second).find_map(|from| {
            let to = destination.addresses(family).find(|to| *to != from)?;
            Some((from, to))
        });
        all.extend(pair.map(|(source, destination)| Between {
            target,
            family,
            source,
            destination,
            is_own: false,
        }));
        if target.path == Path::Service {
            let there: hashbrown::HashSet<IpAddr> = destination.addresses(family).collect();
            let own = source.addresses(family).find(|address| there.contains(address));
            all.extend(own.map(|own| Between {
                target,
                family,
                source: own,
                destination: own,
                is_own: true,
            }));
        }
    }
    all
}

/// What is said of each piece of what is asked; pieces with one answer together.
fn answers<K: Clone + Eq + std::hash::Hash>(
    index: &Index,
    between: &Between<'_>,
    answer: impl Fn(&Flow, &End<'_>, &End<'_>) -> Option<K>,
) -> Vec<((K, Vec<Asked>), Flow)> {
    let (source, destination) = (index.end(between.source), index.end(between.destination));
    let path = if between.is_own { Path::Service } else { Path::Direct };
    let mut all: IndexMap<K, (Flow, Vec<Asked>)> = IndexMap::new();
    for piece in pieces(between.target.asked, &source, &destination) {
        let (protocol, port) = first(piece);
        let flow = Flow { source: between.source, destination: between.destination, protocol, port, path };
        let Some(answer) = answer(&flow, &source, &destination) else { continue };
        all.entry(answer).or_insert_with(|| (flow, Vec::new())).1.push(piece);
    }
    all.into_iter().map(|(answer, (flow, pieces))| ((answer, joined(pieces)), flow)).collect()
}

/// Sources with the same destinations stand together.
fn parts<K: Clone>(
    (family, answer, ports, is_own): (Family, K, Vec<Asked>, bool),
    (example, cases): (Flow, IndexMap<usize, Vec<usize>>),
    from: &[Class],
    to: &[Class],
) -> Vec<Part<K>> {
    let mut together: IndexMap<Vec<usize>, Vec<usize>> = IndexMap::new();
    for (source, destinations) in cases {
        together.entry(destinations).or_default().push(source);
    }
    let part = |(destinations, sources): (Vec<usize>, Vec<usize>)| {
        let (mut sources, mut destinations) = (group(&sources, from), group(&destinations, to));
        if is_own {
            sources.members.retain(|who| destinations.members.contains(who));
            destinations = sources.clone();
        } else {
            // A pod is like others that may be asked about it, and isn't asked about itself.
            leave_out(&mut sources, &destinations);
            leave_out(&mut destinations, &sources);
        }
        Part { sources, destinations, ports: ports.clone(), family, answer: answer.clone(), example }
    };
    together.into_iter().map(part).collect()
}

/// Takes the one at the other end out of a group.
fn leave_out(group: &mut Group, other: &Group) {
    if let (true, [one], true) =
        (other.addresses.is_empty(), other.members.as_slice(), group.members.len() > 1)
    {
        group.members.retain(|who| who != one);
    }
}

fn group(which: &[usize], classes: &[Class]) -> Group {
    let meant = || which.iter().filter_map(|at| classes.get(*at));
    let mut members: Vec<Who> = meant().flat_map(|class| &class.units).map(|unit| unit.who.clone()).collect();
    members.sort();
    members.dedup();
    let addresses = meant().fold(Addresses::default(), |all, class| all.and(&class.addresses));
    Group { members, addresses }
}
