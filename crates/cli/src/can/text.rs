//! The answer for people.

use policy::analyse::can::{Answer, Chain, Group, Part, Word, near};
use policy::analyse::names::Addresses;
use policy::decision::Verdict;
use policy::index::Index;
use policy::model::{Cluster, Direction, Family};

use super::words;

/// Of a long answer only so many parts, and of a group only so many names, are shown.
const MOST_PARTS: usize = 20;
const MOST_NAMES: usize = 4;

/// What the user asked, to be named as the user does.
pub(crate) struct Asked<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) index: &'a Index,
    pub(crate) source: (&'a str, &'a Addresses),
    pub(crate) destination: (&'a str, &'a Addresses),
    /// What can't be read in full, a sentence each.
    pub(crate) doubts: &'a [String],
}

pub(super) fn render(asked: &Asked<'_>, answer: &Answer) -> String {
    let word = match answer.word {
        Word::Yes => "yes",
        Word::No => "no",
        Word::Partly => "partly",
        Word::Unknown => "unknown",
    };
    let mut text = format!("{word}\n");
    match answer.parts.as_slice() {
        [one] if answer.unknown.is_empty() => text += &lines(&reasons(asked.index, one), ""),
        parts => text += &many(asked, parts),
    }
    text += &unknown(asked, &answer.unknown);
    for made_up in &answer.made_up {
        let pods: Vec<String> = made_up.pods.iter().map(ToString::to_string).collect();
        text += &format!("address  of {} is {}\n", some(&pods), words::made_up(asked.index, made_up));
    }
    if !answer.otherwise.is_empty() {
        text += "\nIPv6 would get another verdict:\n";
        text += &many(asked, &answer.otherwise);
    }
    text
}

/// What hangs on objects that can't be read.
fn unknown(asked: &Asked<'_>, parts: &[Part<Chain>]) -> String {
    let lines = parts.iter().take(MOST_PARTS).map(|part| format!("unknown  {}\n", flows(asked, part)));
    let more = match parts.len().checked_sub(MOST_PARTS) {
        None | Some(0) => String::new(),
        Some(more) => format!("and {more} more; --output json has them all\n"),
    };
    let doubts = asked.doubts.iter().filter(|_| !parts.is_empty());
    lines.chain([more]).chain(doubts.map(|doubt| format!("         {doubt}\n"))).collect()
}

fn many(asked: &Asked<'_>, parts: &[Part<Chain>]) -> String {
    let mut text: String = parts.iter().take(MOST_PARTS).map(|part| one(asked, part)).collect();
    if parts.len() > MOST_PARTS {
        text += &format!("and {} more; --output json has them all\n", parts.len() - MOST_PARTS);
    }
    text
}

pub(crate) fn one(asked: &Asked<'_>, part: &Part<Chain>) -> String {
    let verdict = part.answer.verdict().to_string();
    let reasons = lines(&reasons(asked.index, part), "       ");
    format!("{verdict:<5}  {}\n{reasons}", flows(asked, part))
}

/// `a -> b : 80/tcp`.
fn flows(asked: &Asked<'_>, part: &Part<Chain>) -> String {
    let side = |group, of| some(&names(asked.cluster, group, part.family, of));
    let (from, to) = (side(&part.sources, asked.source), side(&part.destinations, asked.destination));
    let ports: Vec<String> = part.ports.iter().map(ToString::to_string).collect();
    let family = match part.family {
        Family::V4 => "",
        Family::V6 => " over IPv6",
    };
    format!("{from} -> {to} : {}{family}", some(&ports))
}

/// A group as few names. Addresses are named as the user did where all of a family are meant, but those
/// that somebody has: these are named by themselves.
fn names(cluster: &Cluster, group: &Group, family: Family, (name, all): (&str, &Addresses)) -> Vec<String> {
    // What lies inside a large cluster takes a while to say, and mostly nobody asks.
    let is_absent = || !all.without(&group.addresses).without(&inside(cluster)).ranges(family).is_empty();
    if group.addresses.is_empty() || is_absent() {
        return words::names(cluster, group);
    }
    let members = Group { members: group.members.clone(), addresses: Addresses::default() };
    words::names(cluster, &members).into_iter().chain([name.to_owned()]).collect()
}

fn inside(cluster: &Cluster) -> Addresses {
    let pods = cluster.endpoints.values().flat_map(|pod| &pod.addresses);
    pods.chain(cluster.nodes.values().flat_map(|node| &node.addresses)).collect()
}

pub(super) fn some(names: &[String]) -> String {
    let shown = names.iter().take(MOST_NAMES).cloned().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_NAMES) {
        None | Some(0) => shown,
        Some(more) => format!("{shown} and {more} more"),
    }
}

/// What settled it, and on a no what was nearest.
pub(crate) fn reasons(index: &Index, part: &Part<Chain>) -> Vec<(&'static str, String)> {
    let Chain { egress, ingress } = &part.answer;
    let mut all = vec![("egress", words::link(index, egress)), ("ingress", words::link(index, ingress))];
    for (direction, link) in [(Direction::Egress, egress), (Direction::Ingress, ingress)] {
        if link.ruling.verdict == Verdict::Deny {
            let nearest = near(index, &part.example, direction, link.ruling);
            all.extend(nearest.map(|near| ("nearest", words::near(index, &near))));
        }
    }
    all
}

fn lines(reasons: &[(&str, String)], indent: &str) -> String {
    reasons.iter().map(|(what, text)| format!("{indent}{what:<7}  {text}\n")).collect()
}
