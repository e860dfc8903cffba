//! Which ports two programs can tell apart.

use std::collections::BTreeSet;

use crate::analyse::names::Asked;
use crate::index::End;
use crate::model::{Direction, Protocol};
use crate::program::{PortMatch, Program};

/// A protocol without ports; programs know all of them alike (D9).
const ICMP: Protocol = Protocol::Other(1);

/// What is asked, in pieces within which no port differs from another for a flow between these ends.
pub(super) fn pieces(asked: Asked, source: &End<'_>, destination: &End<'_>) -> Vec<Asked> {
    match asked {
        Asked::WithoutPorts => vec![Asked::WithoutPorts],
        Asked::Ports(protocol, from, to) => cut(protocol, from, to, source, destination),
        Asked::Everything => {
            let with = Protocol::WITH_PORTS.into_iter();
            with.flat_map(|protocol| cut(protocol, 1, u16::MAX, source, destination))
                .chain([Asked::WithoutPorts])
                .collect()
        }
    }
}

/// The protocol and the first port of a piece.
pub(super) fn first(piece: Asked) -> (Protocol, u16) {
    match piece {
        Asked::Ports(protocol, from, _) => (protocol, from),
        Asked::Everything | Asked::WithoutPorts => (ICMP, 0),
    }
}

/// Pieces of one answer, as few as possible.
pub(super) fn joined(pieces: impl IntoIterator<Item = Asked>) -> Vec<Asked> {
    let mut all: Vec<Asked> = Vec::new();
    for piece in pieces {
        match (all.last_mut(), piece) {
            (Some(Asked::Ports(before, _, last)), Asked::Ports(protocol, from, to))
                if *before == protocol && last.checked_add(1) == Some(from) =>
            {
                *last = to;
            }
            (Some(_) | None, _) => all.push(piece),
        }
    }
    let whole = |protocol| Asked::Ports(protocol, 1, u16::MAX);
    let everything = Protocol::WITH_PORTS.map(whole).into_iter().chain([Asked::WithoutPorts]);
    if all.iter().copied().eq(everything) { vec![Asked::Everything] } else { all }
}

fn cut(protocol: Protocol, from: u16, to: u16, source: &End<'_>, destination: &End<'_>) -> Vec<Asked> {
    let mut starts = BTreeSet::from([from]);
    if from < to {
        let programs = [source.program(Direction::Egress), destination.program(Direction::Ingress)];
        for program in programs.into_iter().flatten() {
            starts.extend(bounds(program, protocol));
        }
        let named = destination.identity().map_or(&[][..], |identity| &identity.ports);
        for port in named.iter().filter(|port| port.protocol == protocol) {
            starts.extend([Some(port.port), port.port.checked_add(1)].into_iter().flatten());
        }
    }
    let starts: Vec<u16> = starts.range(from..=to).copied().collect();
    let ends = starts.iter().skip(1).map(|next| next - 1).chain([to]);
    starts.iter().zip(ends).map(|(start, end)| Asked::Ports(protocol, *start, end)).collect()
}

/// Where a range begins, and where one has just ended.
fn bounds(program: &Program, protocol: Protocol) -> impl Iterator<Item = u16> + '_ {
    let lists =
        program.stages.iter().flat_map(|stage| &stage.clauses).filter_map(|clause| match &clause.ports {
            PortMatch::Any => None,
            PortMatch::Of(list) => Some(list),
        });
    let ranges = lists.flat_map(|list| &list.ranges).filter(move |range| range.0 == protocol);
    ranges.flat_map(|(_, from, to)| [Some(*from), to.checked_add(1)]).flatten()
}
