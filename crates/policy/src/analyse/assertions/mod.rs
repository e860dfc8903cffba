//! Tests of policies: what a user claims about a cluster, held against what its policies do.
//! `portcullis test`.
//!
//! ```yaml
//! tests:
//! - name: tiers talk only downwards
//!   allow: [frontend/web -> backend/api:80]
//!   deny: [frontend/* -> database/*]
//!   only: [backend/api -> database/postgres:5432]
//!   exactly: [backend/api -> database/postgres:5432]
//!   reaches: [backend/api -> database/postgres:5432, backend/api -> kube-system/coredns:53/udp]
//!   isolated: [sandbox/*]
//! ```
//! Every claim becomes questions, each with the verdict that all of its flows must get ([`wanted`]); the same
//! questions can be put to a kernel. What the engine says is [`super::can`].

mod rest;

use super::can::{Chain, Part, Question, Readings, parts};
use super::names::{Destination, Ends, Name, NameError, Target, destinations, ends};
use crate::decision::{Exemption, Reason, Verdict};
use crate::index::Index;
use crate::model::{Cluster, Origin};
use crate::rows::Families;

use rest::{Line, Ports, beyond, everyone_but, rest};

/// One test: claims under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// What it shows, in its author's words.
    pub name: String,
    /// In the order of the file; at least one.
    pub assertions: Vec<Assertion>,
    /// Where it starts.
    pub origin: Origin,
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assertion {
    /// What is claimed.
    pub claim: Claim,
    /// As it was written, without the word for its kind.
    pub text: String,
    /// Where.
    pub origin: Origin,
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// All of it may pass.
    Allow(Name, Destination),
    /// Nothing of it may pass.
    Deny(Name, Destination),
    /// All of it may pass, and to the same ports from nobody else.
    Only(Name, Destination),
    /// All of it may pass, and nothing else reaches the destination, on whatever port.
    Exactly(Name, Destination),
    /// All of it may pass, and the source reaches nothing else, on whatever port.
    Reaches(Name, Destination),
    /// Nothing from outside the set reaches it, and it reaches nothing outside.
    Isolated(Name),
}

/// Flows with the verdict that all of them must get.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Which flows.
    pub question: Question<'a>,
    /// What each must get.
    pub verdict: Verdict,
    /// What a pod's own node may do.
    pub own_node: OwnNode,
}

/// A pod's own node reaches it whatever policies say (D6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnNode {
    /// Not meant: the claim speaks of "nobody else".
    Aside,
    /// Meant like anybody.
    Asked,
}

impl Claim {
    /// The word for its kind, as files have it.
    pub fn kind(&self) -> &'static str {
        match self {
            Claim::Allow(..) => "allow",
            Claim::Deny(..) => "deny",
            Claim::Only(..) => "only",
            Claim::Exactly(..) => "exactly",
            Claim::Reaches(..) => "reaches",
            Claim::Isolated(_) => "isolated",
        }
    }
}

/// The questions that an assertion of `test` stands for. Those of one kind, `only`, `exactly` or
/// `reaches`, speak together: what may be is what any of them names.
///
/// Without `families`, what is to be allowed is asked as [`super::can`] asks, over IPv4 where both ends have
/// it; what is to be denied over both: a leak is one over either.
///
/// # Errors
/// Where a name means nobody.
pub fn wanted<'a>(
    cluster: &'a Cluster,
    index: &Index,
    test: &Test,
    assertion: &Assertion,
    families: Option<Families>,
) -> Result<Vec<Wanted<'a>>, NameError> {
    let open = families.unwrap_or(Families::Natural);
    let closed = families.unwrap_or(Families::Both);
    let asked = |source: &Name, destination: &Destination, families| {
        Ok(Question {
            sources: ends(cluster, index, source)?,
            targets: destinations(cluster, index, destination)?,
            families,
        })
    };
    let denied = |(sources, target): (Ends<'a>, Target<'a>)| Wanted {
        question: Question { sources, targets: vec![target], families: closed },
        verdict: Verdict::Deny,
        own_node: OwnNode::Aside,
    };
    let all = |question, verdict| Wanted { question, verdict, own_node: OwnNode::Asked };
    match &assertion.claim {
        Claim::Allow(from, to) => Ok(vec![all(asked(from, to, open)?, Verdict::Accept)]),
        Claim::Deny(from, to) => Ok(vec![all(asked(from, to, closed)?, Verdict::Deny)]),
        Claim::Only(from, to) | Claim::Exactly(from, to) | Claim::Reaches(from, to) => {
            let lines = lines(cluster, index, test, assertion)?;
            let at = own_place(test, assertion);
            let rest = match &assertion.claim {
                Claim::Only(..) => rest(cluster, &lines, at, Ports::Same),
                Claim::Exactly(..) => rest(cluster, &lines, at, Ports::Every),
                Claim::Reaches(..) => beyond(cluster, &lines, at),
                Claim::Allow(..) | Claim::Deny(..) | Claim::Isolated(_) => Vec::new(),
            };
            let named = all(asked(from, to, open)?, Verdict::Accept);
            Ok(std::iter::once(named).chain(rest.into_iter().map(denied)).collect())
        }
        Claim::Isolated(name) => {
            let set = ends(cluster, index, name)?;
            let others = everyone_but(cluster, std::iter::once(&set));
            Ok(vec![denied((others.clone(), rest::whole(set.clone()))), denied((set, rest::whole(others)))])
        }
    }
}

/// What the lines of a test that are of the assertion's kind mean, in their order.
fn lines<'a>(
    cluster: &'a Cluster,
    index: &Index,
    test: &Test,
    assertion: &Assertion,
) -> Result<Vec<Line<'a>>, NameError> {
    let alike = test.assertions.iter().filter(|other| other.claim.kind() == assertion.claim.kind());
    let mut lines = Vec::new();
    for other in alike {
        match &other.claim {
            Claim::Only(from, to) | Claim::Exactly(from, to) | Claim::Reaches(from, to) => lines.push(Line {
                sources: ends(cluster, index, from)?,
                targets: destinations(cluster, index, to)?,
            }),
            Claim::Allow(..) | Claim::Deny(..) | Claim::Isolated(_) => (),
        }
    }
    Ok(lines)
}

/// Which of the lines of its kind the assertion is.
fn own_place(test: &Test, assertion: &Assertion) -> usize {
    let alike = test.assertions.iter().filter(|other| other.claim.kind() == assertion.claim.kind());
    alike.take_while(|other| !std::ptr::eq(*other, assertion)).count()
}

/// The flows that don't get what is wanted, by what settled them; none where the claim holds.
///
/// # Errors
/// Where no flow is asked about, because the two sides have no address family in common: nothing was shown.
pub fn violations(cluster: &Cluster, index: &Index, wanted: &Wanted<'_>) -> Result<Vec<Part<Chain>>, NoFlow> {
    let parts = parts(cluster, index, &wanted.question);
    // Of "nobody else" there may be nobody.
    if parts.is_empty() && wanted.own_node == OwnNode::Asked {
        return Err(NoFlow);
    }
    let is_aside = |part: &Part<Chain>| {
        wanted.own_node == OwnNode::Aside
            && part.answer.ingress.ruling.reason == Reason::Exempt(Exemption::OwnNode)
    };
    let differs = |part: &Part<Chain>| part.answer.verdict() != wanted.verdict && !is_aside(part);
    Ok(parts.into_iter().filter(differs).collect())
}

/// What contradicts a claim, where some objects can't be read in full.
#[derive(Clone, Debug)]
pub struct Contradictions {
    /// Flows that are known not to get what is wanted.
    pub known: Vec<Part<Chain>>,
    /// Flows that may not get it.
    pub possible: Vec<Part<Chain>>,
}

/// What is known to contradict a claim, and what may.
///
/// # Errors
/// As [`violations`].
pub fn violations_within(readings: &Readings<'_>, wanted: &Wanted<'_>) -> Result<Contradictions, NoFlow> {
    let in_reading = |(cluster, index)| violations(cluster, index, wanted);
    let (narrow, wide) = (in_reading(readings.narrow)?, in_reading(readings.wide)?);
    Ok(match wanted.verdict {
        Verdict::Deny => Contradictions { known: narrow, possible: wide },
        Verdict::Accept => Contradictions { known: wide, possible: narrow },
    })
}

/// A question about no flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the two sides have no address family in common")]
pub struct NoFlow;
