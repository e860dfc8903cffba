//! "And nobody else": whom a test's lines of one kind leave out.

use indexmap::IndexMap;

use crate::analyse::names::{Addresses, Asked, Ends, Target};
use crate::model::{Cluster, Endpoint, Path};
use crate::ports::PortSet;

/// A line `source -> destination`, as far as a cluster knows it.
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

/// Everyone but these: all other addresses, whoever has them.
pub(super) fn everyone_but<'a, 'e>(cluster: &'a Cluster, ends: impl Iterator<Item = &'e Ends<'a>>) -> Ends<'a>
where
    'a: 'e,
{
    let named = ends.fold(Addresses::default(), |all, ends| all.and(&ends.all_addresses()));
    let hosts = cluster.hosts.values();
    let is_named = |addresses: &[std::net::IpAddr]| addresses.iter().any(|one| named.contains(one));
    // A pod whose family is asked by itself would lose its name.
    let pods = cluster.endpoints.values().filter(|pod| pod.is_policed() && !is_named(&pod.addresses));
    let pods: Vec<&Endpoint> = pods.filter(|pod| !pod.addresses.is_empty()).collect();
    let of_pods: Addresses = pods.iter().flat_map(|pod| &pod.addresses).collect();
    let hosts: Vec<_> = hosts.filter(|host| !is_named(&host.addresses)).collect();
    let of_hosts: Addresses = hosts.iter().flat_map(|host| &host.addresses).collect();
    let addresses = Addresses::all().without(&named).without(&of_pods).without(&of_hosts);
    Ends { pods, hosts, addresses }
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
    for target in &line.targets {
        for (covering, ends) in cells(lines, &target.ends) {
            let scope = match ports {
                Ports::Same => PortSet::from(target.asked),
                Ports::Every => PortSet::all(),
            };
            for (speaking, ports) in atoms(&scope, &covering) {
                let first = speaking.first().or(covering.first().map(|(line, _)| line));
                if first != Some(&at) {
                    continue;
                }
                let named = speaking.iter().filter_map(|line| lines.get(*line)).map(|line| &line.sources);
                let others = everyone_but(cluster, named);
                let each = Asked::all_of(&ports).into_iter();
                all.extend(each.map(|asked| {
                    let target = Target { ends: ends.clone(), asked, path: Path::Direct };
                    (others.clone(), target)
                }));
            }
        }
    }
    all
}

/// A destination in parts of which the same lines speak, on the same ports.
fn cells<'a>(lines: &[Line<'a>], ends: &Ends<'a>) -> Vec<(Covering, Ends<'a>)> {
    let covering = |holds: &dyn Fn(&Ends<'a>) -> bool| -> Covering {
        let of = |(at, line): (usize, &Line<'a>)| {
            let here = line.targets.iter().filter(|target| holds(&target.ends));
            let ports = here.fold(PortSet::default(), |ports, target| ports.or(&target.asked.into()));
            (!ports.is_empty()).then_some((at, ports))
        };
        lines.iter().enumerate().filter_map(of).collect()
    };
    let mut cells: IndexMap<Covering, Ends<'a>> = IndexMap::new();
    for pod in &ends.pods {
        let key = covering(&|ends| ends.pods.iter().any(|other| other.id == pod.id));
        cells.entry(key).or_default().pods.push(pod);
    }
    for host in &ends.hosts {
        let key = covering(&|ends| ends.hosts.iter().any(|other| other.name == host.name));
        cells.entry(key).or_default().hosts.push(host);
    }
    for piece in pieces(lines, &ends.addresses) {
        let key = covering(&|ends| !overlap(&ends.addresses, &piece).is_empty());
        let cell = cells.entry(key).or_default();
        cell.addresses = std::mem::take(&mut cell.addresses).and(&piece);
    }
    cells.into_iter().collect()
}

/// Addresses in pieces that each line names as a whole or not at all.
fn pieces(lines: &[Line<'_>], addresses: &Addresses) -> Vec<Addresses> {
    let mut pieces = vec![addresses.clone()];
    for target in lines.iter().flat_map(|line| &line.targets) {
        let cut = |piece: &Addresses| {
            [overlap(piece, &target.ends.addresses), piece.without(&target.ends.addresses)]
        };
        pieces = pieces.iter().flat_map(cut).filter(|piece| !piece.is_empty()).collect();
    }
    pieces.retain(|piece| !piece.is_empty());
    pieces
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
