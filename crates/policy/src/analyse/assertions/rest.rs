//! "And nobody else": whom a test's lines of one kind leave out.

use std::net::IpAddr;

use indexmap::IndexMap;

use crate::analyse::names::{Addresses, Asked, Ends, Target, everyone};
use crate::model::{Cluster, Endpoint, Path};
use crate::ports::PortSet;

/// A line `source -> destination`, as far as a cluster knows it.
#[derive(Clone)]
pub(super) struct Line<'a> {
    pub(super) sources: Ends<'a>,
    pub(super) targets: Vec<Target<'a>>,
}

/// On which ports of the destination nobody else is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ports {
    /// Those of the lines.
    Same,
    /// On all: those that no line names are closed to everyone.
    Every,
}

/// The lines that speak of somebody, each with its ports.
type Covering = Vec<(usize, PortSet)>;

/// Everyone but these.
pub(super) fn everyone_but<'a, 'e>(cluster: &'a Cluster, ends: impl Iterator<Item = &'e Ends<'a>>) -> Ends<'a>
where
    'a: 'e,
{
    let named = ends.fold(Addresses::default(), |all, ends| all.and(&ends.all_addresses()));
    let Ends { mut pods, mut hosts, addresses } = everyone(cluster);
    let mut rest: Vec<IpAddr> = Vec::new();
    // Who is named by one of two addresses stays with the other.
    let mut is_other = |all: &[IpAddr]| {
        let is_named = all.iter().any(|one| named.contains(one));
        rest.extend(all.iter().filter(|one| is_named && !named.contains(one)));
        !is_named
    };
    pods.retain(|pod| is_other(&pod.addresses));
    hosts.retain(|host| is_other(&host.addresses));
    Ends { pods, hosts, addresses: addresses.without(&named).and(&rest.iter().collect()) }
}

/// All protocols and ports of these.
pub(super) fn whole(ends: Ends<'_>) -> Target<'_> {
    Target { ends, asked: Asked::Everything, path: Path::Direct }
}

/// For the line at `at`: who else must not reach what it names. What an earlier line names too is left to
/// that one.
pub(super) fn rest<'a>(
    cluster: &'a Cluster,
    lines: &[Line<'a>],
    at: usize,
    ports: Ports,
) -> Vec<(Ends<'a>, Target<'a>)> {
    let Some(line) = lines.get(at) else { return Vec::new() };
    let mut all = Vec::new();
    for (covering, addresses) in cells(lines, &line.destinations()) {
        let scope = match ports {
            Ports::Same => line.ports_at(&addresses),
            Ports::Every => PortSet::all(),
        };
        for (speaking, ports) in atoms(&scope, &covering) {
            let first = speaking.first().or(covering.first().map(|(line, _)| line));
            if first == Some(&at) {
                let named = speaking.iter().filter_map(|line| lines.get(*line)).map(|line| &line.sources);
                let others = everyone_but(cluster, named);
                all.extend(targets(&addresses, &ports).map(|target| (others.clone(), target)));
            }
        }
    }
    all
}

/// For the line at `at`: what else its sources must not reach. Sources of which an earlier line speaks too are
/// left to that one.
pub(super) fn beyond<'a>(cluster: &'a Cluster, lines: &[Line<'a>], at: usize) -> Vec<(Ends<'a>, Target<'a>)> {
    let Some(line) = lines.get(at) else { return Vec::new() };
    let speaks = |line: &Line<'a>, pod: &Endpoint| line.sources.pods.iter().any(|other| other.id == pod.id);
    let mut alike: IndexMap<Vec<usize>, Ends<'a>> = IndexMap::new();
    for pod in &line.sources.pods {
        let speaking = lines.iter().enumerate().filter(|(_, line)| speaks(line, pod)).map(|(place, _)| place);
        alike.entry(speaking.collect()).or_default().pods.push(pod);
    }
    let of_cell = |(speaking, sources): (Vec<usize>, Ends<'a>)| {
        let own: Vec<Line<'a>> = speaking.iter().filter_map(|place| lines.get(*place)).cloned().collect();
        unnamed(cluster, &own).into_iter().map(move |target| (sources.clone(), target))
    };
    alike.into_iter().filter(|(speaking, _)| speaking.first() == Some(&at)).flat_map(of_cell).collect()
}

/// Everything to which no line leads.
fn unnamed<'a>(cluster: &'a Cluster, lines: &[Line<'a>]) -> Vec<Target<'a>> {
    let ends = lines.iter().flat_map(|line| &line.targets).map(|target| &target.ends);
    let mut all = vec![whole(everyone_but(cluster, ends))];
    let destinations = lines.iter().fold(Addresses::default(), |all, line| all.and(&line.destinations()));
    for (covering, addresses) in cells(lines, &destinations) {
        let named = covering.iter().fold(PortSet::default(), |all, (_, ports)| all.or(ports));
        all.extend(targets(&addresses, &PortSet::all().without(&named)));
    }
    all
}

impl Line<'_> {
    /// The addresses that it leads to.
    fn destinations(&self) -> Addresses {
        self.targets.iter().fold(Addresses::default(), |all, target| all.and(&target.ends.all_addresses()))
    }

    /// The ports on which it leads to some of these.
    fn ports_at(&self, addresses: &Addresses) -> PortSet {
        let here =
            self.targets.iter().filter(|target| !overlap(&target.ends.all_addresses(), addresses).is_empty());
        here.fold(PortSet::default(), |ports, target| ports.or(&target.asked.into()))
    }
}

fn targets<'a>(addresses: &Addresses, ports: &PortSet) -> impl Iterator<Item = Target<'a>> + use<'a> {
    let ends = Ends { addresses: addresses.clone(), ..Ends::default() };
    let each = Asked::all_of(ports).into_iter();
    each.map(move |asked| Target { ends: ends.clone(), asked, path: Path::Direct })
}

/// Destinations in parts of which the same lines speak, on the same ports.
fn cells(lines: &[Line<'_>], destinations: &Addresses) -> Vec<(Covering, Addresses)> {
    let mut pieces = vec![destinations.clone()];
    for target in lines.iter().flat_map(|line| &line.targets) {
        let here = target.ends.all_addresses();
        let cut = |piece: &Addresses| [overlap(piece, &here), piece.without(&here)];
        pieces = pieces.iter().flat_map(cut).filter(|piece| !piece.is_empty()).collect();
    }
    let mut cells: IndexMap<Covering, Addresses> = IndexMap::new();
    for piece in pieces {
        let of = |(at, line): (usize, &Line<'_>)| {
            Some((at, line.ports_at(&piece))).filter(|(_, ports)| !ports.is_empty())
        };
        let cell = cells.entry(lines.iter().enumerate().filter_map(of).collect()).or_default();
        *cell = std::mem::take(cell).and(&piece);
    }
    cells.into_iter().collect()
}

fn overlap(one: &Addresses, other: &Addresses) -> Addresses {
    one.without(&one.without(other))
}

/// The ports in parts of which the same lines speak; with those lines.
fn atoms(scope: &PortSet, covering: &Covering) -> Vec<(Vec<usize>, PortSet)> {
    let mut atoms = vec![(Vec::new(), scope.clone())];
    for (line, ports) in covering {
        let cut = |(speaking, atom): (Vec<usize>, PortSet)| {
            let more = speaking.iter().copied().chain([*line]).collect();
            [(more, atom.and(ports)), (speaking, atom.without(ports))]
        };
        atoms = atoms.into_iter().flat_map(cut).filter(|(_, atom)| !atom.is_empty()).collect();
    }
    atoms
}
