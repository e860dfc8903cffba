//! May these talk to those? `portcullis can`.
//!
//! The two sides are cut into classes that no policy of the other side can tell apart (pods of one program
//! and the same memberships, addresses in the same blocks), ports at the bounds that the programs name. One
//! flow of each kind is decided, so the answer holds for all of them, however many there are.

mod classes;
mod made_up;
mod near;
mod pieces;
mod survey;

use crate::decision::{Decision, Exemption, Reason, Ruling, Verdict};
use crate::index::{End, Index};
use crate::model::{Cluster, Direction, Family, Flow, Path};
use crate::program::Step;
use crate::rows::Families;

use super::names::{Ends, Target};

pub use classes::Who;
pub use made_up::MadeUp;
pub(super) use near::ports;
pub use near::{Miss, Near, near};
pub(super) use survey::survey_some;
use survey::{Classes, survey_of};
pub use survey::{Group, Part};

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question<'a> {
    /// Who opens connections.
    pub sources: Ends<'a>,
    /// To whom, on which ports.
    pub targets: Vec<Target<'a>>,
    /// Over which families.
    pub families: Families,
}

/// The whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// In a word.
    pub word: Word,
    /// All flows, by what settled them; those that are denied first.
    pub parts: Vec<Part<Chain>>,
    /// Flows that get another verdict over IPv6, where the question is about IPv4 (D22).
    pub otherwise: Vec<Part<Chain>>,
    /// Flows of which nobody can say, because objects can't be read in full; as the narrow reading has them.
    pub unknown: Vec<Part<Chain>>,
    /// Pods whose verdict hangs on an address that we made up (D21).
    pub made_up: Vec<MadeUp>,
}

/// The answer in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// All of it may pass.
    Yes,
    /// Nothing of it may.
    No,
    /// Some of it may.
    Partly,
    /// Nobody can say whether all of it may, or nothing.
    Unknown,
}

/// A cluster with its index, in the two readings of what can't be read in full
/// ([`Bounds`](crate::manifest::Bounds)): the narrow one first.
#[derive(Clone, Copy)]
pub struct Readings<'a> {
    /// What is allowed here is allowed.
    pub narrow: (&'a Cluster, &'a Index),
    /// What is denied here is denied.
    pub wide: (&'a Cluster, &'a Index),
}

/// What settled a flow, at both of its ends.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Chain {
    /// At the source.
    pub egress: Link,
    /// At the destination.
    pub ingress: Link,
}

/// What settled a flow at one end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The final word.
    pub ruling: Ruling,
    /// What each tier said, up to the one that had it.
    pub steps: Vec<Step>,
}

impl Chain {
    /// What the flow gets in the end.
    pub fn verdict(&self) -> Verdict {
        self.decision().verdict()
    }

    /// The same without the steps.
    pub fn decision(&self) -> Decision {
        Decision { egress: self.egress.ruling, ingress: self.ingress.ruling }
    }
}

/// Answers a question; `None` where no flow is asked about, for want of a family that both sides have.
pub fn can(cluster: &Cluster, index: &Index, question: &Question<'_>) -> Option<Answer> {
    let classes = classes(cluster, index, question);
    let mut answer = answered(parts_of(&classes, index, question), Vec::new())?;
    answer.made_up = made_up::made_up(cluster, index, &answer.parts);
    answer.otherwise = otherwise(&classes, index, question);
    Some(answer)
}

/// The same where some objects can't be read in full: what both readings say is known. Answers `None` as
/// [`can`] does.
pub fn can_within(readings: &Readings<'_>, question: &Question<'_>) -> Option<Answer> {
    let ((cluster, narrow), (_, wide)) = (readings.narrow, readings.wide);
    // The readings select the same pods and name the same peers, so their classes are the same.
    let each = question.targets.iter().flat_map(|target| {
        let both = |flow: &Flow, source: &End<'_>, destination: &End<'_>| {
            let (from, to) = (wide.end(flow.source), wide.end(flow.destination));
            (chain(narrow, flow, source, destination), chain(wide, flow, &from, &to))
        };
        survey::survey(cluster, narrow, &question.sources, target, question.families, both)
    });
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for part in each {
        let (least, most) = part.answer.clone();
        match (least.verdict(), most.verdict()) {
            (Verdict::Accept, Verdict::Accept) => known.push(part.with(least)),
            (Verdict::Deny, Verdict::Deny) => known.push(part.with(most)),
            (Verdict::Deny, Verdict::Accept) | (Verdict::Accept, Verdict::Deny) => {
                unknown.push(part.with(least));
            }
        }
    }
    if known.is_empty() && unknown.is_empty() {
        known = own(question);
    }
    let mut answer = answered(known, unknown)?;
    answer.made_up = made_up::made_up(cluster, narrow, &answer.parts);
    Some(answer)
}

fn answered(mut parts: Vec<Part<Chain>>, unknown: Vec<Part<Chain>>) -> Option<Answer> {
    let count = |verdict| parts.iter().filter(|part| part.answer.verdict() == verdict).count();
    let word = match (count(Verdict::Accept), count(Verdict::Deny), unknown.len()) {
        (0, 0, 0) => return None,
        (1.., 1.., _) => Word::Partly,
        (_, _, 1..) => Word::Unknown,
        (_, 0, 0) => Word::Yes,
        (0, _, 0) => Word::No,
    };
    parts.sort_by_key(|part| std::cmp::Reverse(part.answer.verdict()));
    Some(Answer { word, parts, otherwise: Vec::new(), unknown, made_up: Vec::new() })
}

/// All flows of a question, by what settled them; pods are asked about themselves only where nobody else is.
pub fn parts(cluster: &Cluster, index: &Index, question: &Question<'_>) -> Vec<Part<Chain>> {
    parts_of(&classes(cluster, index, question), index, question)
}

/// For each target, both sides in classes.
fn classes(cluster: &Cluster, index: &Index, question: &Question<'_>) -> Vec<Classes> {
    let each = question.targets.iter();
    each.map(|target| Classes::of(cluster, index, &question.sources, target)).collect()
}

fn parts_of(classes: &[Classes], index: &Index, question: &Question<'_>) -> Vec<Part<Chain>> {
    let settled =
        |flow: &Flow, source: &End<'_>, destination: &End<'_>| Some(chain(index, flow, source, destination));
    let each = question.targets.iter().zip(classes);
    let parts: Vec<Part<Chain>> = each
        .flat_map(|(target, classes)| survey_of(classes, index, target, question.families, settled))
        .collect();
    if parts.is_empty() { own(question) } else { parts }
}

/// What settles a flow between two different addresses.
fn chain(index: &Index, flow: &Flow, source: &End<'_>, destination: &End<'_>) -> Chain {
    let decision = index.decide_between(flow, source, destination);
    let link = |direction, ruling, subject: &End<'_>, peer: &End<'_>| Link {
        ruling,
        steps: steps(direction, ruling, flow, subject, peer),
    };
    Chain {
        egress: link(Direction::Egress, decision.egress, source, destination),
        ingress: link(Direction::Ingress, decision.ingress, destination, source),
    }
}

fn steps(direction: Direction, ruling: Ruling, flow: &Flow, subject: &End<'_>, peer: &End<'_>) -> Vec<Step> {
    match ruling.reason {
        Reason::Exempt(Exemption::NotAPod | Exemption::Loopback | Exemption::OwnNode) => Vec::new(),
        Reason::Rule(_) | Reason::Isolation(_) | Reason::NoPolicy | Reason::Exempt(Exemption::OwnService) => {
            let Some(program) = subject.program(direction) else { return Vec::new() };
            let party = peer.party(subject.address());
            let all: Vec<Step> = program.steps(&party, flow.protocol, flow.port).collect();
            let last = all.iter().position(|step| step.ruling().is_some()).map_or(all.len(), |at| at + 1);
            all.into_iter().take(last).collect()
        }
    }
}

/// Pods that are asked about themselves alone: what they send stays with them (D5).
fn own(question: &Question<'_>) -> Vec<Part<Chain>> {
    let mut parts = Vec::new();
    for target in question.targets.iter().filter(|target| target.path == Path::Direct) {
        for pod in &question.sources.pods {
            let address = Family::BOTH.into_iter().find_map(|family| pod.address(family));
            let there = target.ends.pods.iter().any(|other| other.id == pod.id);
            let (true, Some(address)) = (there, address) else { continue };
            let (protocol, port) = pieces::first(target.asked);
            let ruling = Ruling::accept(Reason::Exempt(Exemption::Loopback));
            let link = Link { ruling, steps: Vec::new() };
            let group = Group { members: vec![Who::Pod(pod.id.clone())], ..Group::default() };
            parts.push(Part {
                sources: group.clone(),
                destinations: group,
                ports: vec![target.asked],
                family: Family::of(&address),
                answer: Chain { egress: link.clone(), ingress: link },
                example: Flow::direct(address, address, protocol, port),
            });
        }
    }
    parts
}

/// What IPv6 says otherwise, where it could be used as well.
fn otherwise(classes: &[Classes], index: &Index, question: &Question<'_>) -> Vec<Part<Chain>> {
    match question.families {
        Families::Only(_) | Families::Both => return Vec::new(),
        Families::Natural => (),
    }
    let dual = question.targets.iter().zip(classes).filter(|(_, classes)| classes.have_both_families());
    let each = dual.flat_map(|(target, classes)| {
        let differing = |flow: &Flow, source: &End<'_>, destination: &End<'_>| {
            let over = |family| other(index, flow, source, destination, family);
            let (first, second) = (over(Family::V4)?, over(Family::V6)?);
            (first.verdict() != second.verdict()).then_some(second)
        };
        survey_of(classes, index, target, question.families, differing)
    });
    each.map(|part| Part { family: Family::V6, ..part }).collect()
}

/// The same flow over `family`, where both ends are pods that have it.
fn other(
    index: &Index,
    flow: &Flow,
    source: &End<'_>,
    destination: &End<'_>,
    family: Family,
) -> Option<Chain> {
    let of = |end: &End<'_>| end.pod()?.address(family);
    let flow = Flow { source: of(source)?, destination: of(destination)?, ..*flow };
    let (source, destination) = (index.end(flow.source), index.end(flow.destination));
    (flow.source != flow.destination).then(|| chain(index, &flow, &source, &destination))
}
