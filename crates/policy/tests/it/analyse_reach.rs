//! Who can talk to whom, held against the specification and the programs flow by flow.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use policy::analyse::names::{self, Addresses};
use policy::analyse::reach::csv;
use policy::analyse::reach::groups::{Line, Many, lines};
use policy::analyse::reach::json::{Connection, connections};
use policy::analyse::reach::words::Words;
use policy::analyse::reach::{Reach, Unit};
use policy::decision::Verdict;
use policy::index::Index;
use policy::model::{Cluster, Direction, Endpoint, EndpointId, Family, Flow, Host, Path, Protocol, Text};
use policy::ports::PortSet;
use policy::rows::csv::FamilyColumn;
use policy::rows::{Actor, Families, Options, OwnPods, Pair, PodPorts, ProtocolPort, Row, rows, split};
use policy::spec;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::given::{corpus, scenarios};
use crate::worlds::random::{cluster, config};

/// Around every number that a random policy may name.
const PORTS: [u16; 14] = [1, 52, 53, 54, 79, 80, 81, 82, 252, 253, 280, 8080, 8279, 65535];

fn asked() -> impl Iterator<Item = (Protocol, u16)> {
    let with_ports = Protocol::WITH_PORTS.into_iter().flat_map(|protocol| PORTS.map(|port| (protocol, port)));
    with_ports.chain([(Protocol::Other(1), 0), (Protocol::Other(47), 0)])
}

/// Holds a set of ports against all that decides the flows from one address to another.
fn check(cluster: &Cluster, index: &Index, source: IpAddr, destination: IpAddr, ports: &PortSet) {
    for (protocol, port) in asked() {
        let flow = Flow::direct(source, destination, protocol, port);
        let decided = index.decide(&flow).verdict() == Verdict::Accept;
        assert_eq!(ports.contains(protocol, port), decided, "{flow:?}");
        assert_eq!(spec::decide(cluster, &flow).verdict() == Verdict::Accept, decided, "{flow:?}");
    }
}

fn unit<'r, 'a>(reach: &'r Reach<'a>, pod: &Endpoint) -> &'r Unit<'a> {
    reach.units.iter().find(|unit| unit.pods.iter().any(|there| there.id == pod.id)).unwrap()
}

/// Every pair of pods, family by family.
fn check_pods(cluster: &Cluster, index: &Index, reach: &Reach<'_>) -> usize {
    let mut pairs = 0;
    let pods: Vec<&Endpoint> = reach.units.iter().flat_map(|unit| unit.pods.iter().copied()).collect();
    for source in pods.iter().filter(|pod| !pod.host_network) {
        for destination in &pods {
            let (from, to) = (unit(reach, source), unit(reach, destination));
            for family in Family::BOTH {
                let (Some(a), Some(b)) = (source.address(family), destination.address(family)) else {
                    continue;
                };
                if a == b {
                    continue;
                }
                let found = reach.between(from, to, Families::Only(family));
                let nothing = PortSet::default();
                check(cluster, index, a, b, found.first().map_or(&nothing, |passing| &passing.ports));
                pairs += 1;
            }
        }
    }
    pairs
}

/// An address that no pod and no node has, against every unit.
fn check_outside(cluster: &Cluster, index: &Index, reach: &Reach<'_>, address: IpAddr) {
    let family = Family::of(&address);
    let holding = reach.plane(family).pieces.iter().filter(|piece| piece.addresses.contains(&address));
    let [piece] = holding.collect::<Vec<_>>()[..] else { panic!("{address} is not in one piece") };
    for unit in &reach.units {
        let Some(own) = unit.pods.iter().find_map(|pod| pod.address(family)) else { continue };
        check(cluster, index, address, own, &reach.inwards(piece, unit, family));
        if unit.is_source {
            check(cluster, index, own, address, &reach.outwards(unit, piece, family));
        }
    }
}

fn is_taken(cluster: &Cluster, address: &IpAddr) -> bool {
    let pods = cluster.endpoints.values().any(|pod| pod.addresses.contains(address));
    pods || cluster.nodes.values().any(|node| node.addresses.contains(address))
}

/// Mostly near those of the world.
pub(crate) fn any_address() -> impl Strategy<Value = IpAddr> {
    let near = 0..80_u8;
    prop_oneof![
        3 => near.clone().prop_map(|at| Ipv4Addr::new(10, 0, 0, at).into()),
        3 => near.prop_map(|at| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, at.into()).into()),
        1 => any::<u32>().prop_map(|bits| Ipv4Addr::from(bits).into()),
        1 => any::<u128>().prop_map(|bits| Ipv6Addr::from(bits).into()),
    ]
}

fn holds(many: &Many, unit: u32) -> bool {
    many.units.binary_search(&unit).is_ok()
}

fn port_of<'a>(lines: impl Iterator<Item = &'a Line>) -> PortSet {
    lines.fold(PortSet::default(), |all, line| all.or(&line.ports))
}

/// The lines say exactly what the pairs get.
fn check_lines(reach: &Reach<'_>, lines: &[Line]) {
    for (from, source) in (0..).zip(&reach.units) {
        for (to, destination) in (0..).zip(&reach.units).filter(|(to, _)| *to != from) {
            let said =
                lines.iter().filter(|line| holds(&line.sources, from) && holds(&line.destinations, to));
            let found = reach.between(source, destination, Families::Natural).pop();
            assert_eq!(port_of(said), found.map(|passing| passing.ports).unwrap_or_default());
        }
        for family in Family::BOTH {
            for piece in &reach.plane(family).pieces {
                let inside = |many: &Many| piece.addresses.without(&many.outside).is_empty();
                let out =
                    lines.iter().filter(|line| holds(&line.sources, from) && inside(&line.destinations));
                assert_eq!(port_of(out), reach.outwards(source, piece, family));
                let into =
                    lines.iter().filter(|line| inside(&line.sources) && holds(&line.destinations, from));
                assert_eq!(port_of(into), reach.inwards(piece, source, family));
            }
        }
    }
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn random_worlds_are_reached_as_decided(cluster in cluster(), outside in vec(any_address(), 12)) {
        let index = Index::compile(&cluster);
        let reach = Reach::of(&cluster, &index);
        check_pods(&cluster, &index, &reach);
        for address in outside.iter().filter(|address| !is_taken(&cluster, address)) {
            check_outside(&cluster, &index, &reach, *address);
        }
    }

    #[test]
    fn the_lines_of_random_worlds_say_what_their_pairs_get(cluster in cluster()) {
        let index = Index::compile(&cluster);
        let reach = Reach::of(&cluster, &index);
        check_lines(&reach, &lines(&reach, Families::Natural));
    }

    #[test]
    fn pieces_are_as_few_as_behave_differently(cluster in cluster()) {
        let index = Index::compile(&cluster);
        let reach = Reach::of(&cluster, &index);
        for family in Family::BOTH {
            let pieces = &reach.plane(family).pieces;
            let all = pieces.iter().fold(Addresses::default(), |all, piece| all.and(&piece.addresses));
            let whole = Addresses::all();
            prop_assert_eq!(all.ranges(family), whole.ranges(family));
            let behaviour = pieces.iter().map(|piece| {
                let units = reach.units.iter();
                let own: Vec<_> = units
                    .filter(|unit| unit.is_source)
                    .map(|unit| (reach.inwards(piece, unit, family), reach.outwards(unit, piece, family)))
                    .collect();
                own
            });
            let mut behaviour: Vec<_> = behaviour.collect();
            behaviour.sort();
            behaviour.dedup();
            prop_assert_eq!(behaviour.len(), pieces.len());
        }
    }

    #[test]
    fn a_program_allows_what_it_accepts(cluster in cluster(), peer in any_address()) {
        let index = Index::compile(&cluster);
        for path in [Path::Direct, Path::Service] {
            for pod in cluster.endpoints.values() {
                let Some(address) = pod.address(Family::of(&peer)) else { continue };
                let subject = match path { Path::Direct => peer, Path::Service => address };
                let end = index.end(subject);
                for direction in [Direction::Ingress, Direction::Egress] {
                    let Some(program) = index.program(&pod.id, direction) else { continue };
                    let party = end.party(address);
                    let allowed = program.allowed(&party);
                    for (protocol, port) in asked() {
                        let accepted = program.eval(&party, protocol, port).verdict == Verdict::Accept;
                        prop_assert_eq!(allowed.contains(protocol, port), accepted);
                    }
                }
            }
        }
    }
}

#[test]
fn the_corpus_is_reached_as_it_says() {
    let Some(steps) = corpus::steps() else { return };
    let mut flows = 0;
    for step in &steps {
        let index = Index::compile(&step.cluster);
        let reach = Reach::of(&step.cluster, &index);
        for row in &step.rows {
            let flow = &row.flow;
            let (Some(from), Some(to)) = (index.owner(flow.source), index.owner(flow.destination)) else {
                continue;
            };
            if flow.source == flow.destination {
                continue;
            }
            flows += 1;
            let families = Families::Only(Family::of(&flow.source));
            let found = reach.between(unit(&reach, from), unit(&reach, to), families);
            let is_allowed = found.iter().any(|passing| passing.ports.contains(flow.protocol, flow.port));
            assert_eq!(is_allowed, row.verdict == Verdict::Accept, "{}: {}", step.title, row.text);
        }
    }
    assert!(flows > 50_000, "{flows} flows");
}

/// Which pods the names of a list mean: `a/*`, `a/b`, `a/k=v`, `[k=v]/*`, and any of these but `except` others.
pub(crate) fn meant(cluster: &Cluster, index: &Index, reach: &Reach<'_>, list: &str) -> BTreeSet<EndpointId> {
    list.split(", ")
        .flat_map(|name| match name.split_once(" except ") {
            Some((all, but)) => {
                let but: BTreeSet<_> =
                    but.split(' ').flat_map(|name| pods_of(cluster, index, reach, name)).collect();
                pods_of(cluster, index, reach, all).difference(&but).cloned().collect()
            }
            None => pods_of(cluster, index, reach, name),
        })
        .collect()
}

fn pods_of(cluster: &Cluster, index: &Index, reach: &Reach<'_>, name: &str) -> BTreeSet<EndpointId> {
    let there = reach.units.iter().flat_map(|unit| &unit.pods);
    let labelled = name.strip_prefix('[').and_then(|name| name.strip_suffix("]/*"));
    if let Some((key, value)) = labelled.and_then(|label| label.split_once('=')) {
        let has = |pod: &&&Endpoint| {
            cluster.namespaces[&pod.id.namespace].labels.get(key).is_some_and(|there| there.as_ref() == value)
        };
        return there.filter(has).map(|pod| pod.id.clone()).collect();
    }
    // A name of another cluster may mean nobody here.
    let ends = names::ends(cluster, index, &names::source(name).unwrap()).unwrap_or_default();
    let meant: BTreeSet<&EndpointId> = ends.pods.iter().map(|pod| &pod.id).collect();
    there.map(|pod| &pod.id).filter(|id| meant.contains(id)).cloned().collect()
}

proptest! {
    #![proptest_config(config(192))]

    #[test]
    fn a_name_means_those_whom_it_stands_for(cluster in cluster(), some in vec(any::<bool>(), 7)) {
        let index = Index::compile(&cluster);
        let reach = Reach::of(&cluster, &index);
        let words = Words::of(&reach, &cluster);
        let units: Vec<u32> =
            (0..).zip(&reach.units).zip(some.iter().cycle()).filter(|(_, some)| **some).map(|((at, _), _)| at).collect();
        prop_assume!(!units.is_empty());
        let expected: BTreeSet<EndpointId> =
            units.iter().flat_map(|at| &reach.units[*at as usize].pods).map(|pod| pod.id.clone()).collect();
        let name = words.name(&Many { units, outside: Addresses::default() });
        prop_assert_eq!(meant(&cluster, &index, &reach, &name), expected, "{}", name);
    }
}

/// The table as the lab makes it: flow by flow.
fn flow_by_flow(
    cluster: &Cluster,
    index: &Index,
    families: Families,
    is_meant: impl Fn(&Actor, &Actor, ProtocolPort) -> bool,
) -> String {
    let options = Options { ports: PodPorts::Containers, own: OwnPods::Left, families };
    let is_meant = |row: &Row| {
        let port = (row.protocol, row.port);
        row.pairs.iter().any(|pair| is_meant(&pair.source, &pair.destination, port))
    };
    let parts = rows(cluster, &options).filter(is_meant).flat_map(|row| {
        let decide = |pair: &Pair| index.decide(&pair.flow).verdict();
        let answers: Vec<Verdict> = row.pairs.iter().map(decide).collect();
        split(&row, &answers, |verdict| *verdict)
    });
    let parts: Vec<_> = parts.collect();
    let column = match families {
        Families::Both => FamilyColumn::Shown,
        Families::Natural | Families::Only(_) => FamilyColumn::Left,
    };
    policy::rows::csv::write(parts.iter().map(|part| (&part.row, part.answer)), column)
}

const FAMILIES: [Families; 4] =
    [Families::Natural, Families::Only(Family::V4), Families::Only(Family::V6), Families::Both];

proptest! {
    #![proptest_config(config(128))]

    #[test]
    fn the_table_of_random_worlds_is_that_of_their_flows(
        mut cluster in cluster(), hosts in vec(any_address(), 0..3), alone in any::<bool>(), meant in 1..4_usize,
    ) {
        for (at, address) in hosts.into_iter().enumerate() {
            let name: Text = format!("host{at}").into();
            let host = Host { name: name.clone(), addresses: vec![address], ports: vec![(Protocol::Tcp, 80)] };
            cluster.hosts.insert(name, host);
        }
        for pod in cluster.endpoints.values_mut().filter(|_| alone) {
            pod.workload.name = pod.id.name.clone();
        }
        let index = Index::compile(&cluster);
        let reach = Reach::of(&cluster, &index);
        // Some are asked for only, by the length of their names.
        let is_meant = |from: &Actor, to: &Actor, port: ProtocolPort|
            (from.to_string().len() + to.to_string().len() + usize::from(port.1)).is_multiple_of(meant);
        for families in FAMILIES {
            let table = csv::write(&cluster, &index, &reach, families, is_meant);
            prop_assert_eq!(table, flow_by_flow(&cluster, &index, families, is_meant));
        }
    }
}

/// What the connections of JSON say of a pair: a unit by its id, an address by the networks that hold it.
fn connected(all: &[Connection], source: &End<'_>, destination: &End<'_>, family: Family) -> PortSet {
    let is_at = |end: &End<'_>, text: &str| match end {
        End::Unit(unit) => text == unit.id,
        End::Address(address) => text.parse::<IpNet>().is_ok_and(|net| net.contains(address)),
    };
    let mut about = all.iter().filter(|one| {
        one.family == family && is_at(source, &one.source) && is_at(destination, &one.destination)
    });
    let ports = about.next().map(|one| one.ports.clone()).unwrap_or_default();
    assert_eq!(about.next(), None, "a pair stands twice");
    ports
}

enum End<'r> {
    Unit(&'r Unit<'r>),
    Address(IpAddr),
}

proptest! {
    #![proptest_config(config(64))]

    #[test]
    fn connections_are_complete(cluster in cluster(), outside in vec(any_address(), 12)) {
        let index = Index::compile(&cluster);
        let reach = Reach::of(&cluster, &index);
        let mut all = Vec::new();
        connections(&reach, Families::Both, |connection| all.push(connection));
        for (one, other) in reach.units.iter().flat_map(|one| reach.units.iter().map(move |other| (one, other))) {
            for family in Family::BOTH {
                let found = reach.between(one, other, Families::Only(family)).pop();
                let said = connected(&all, &End::Unit(one), &End::Unit(other), family);
                prop_assert_eq!(said, found.map(|passing| passing.ports).unwrap_or_default());
            }
        }
        for address in outside.into_iter().filter(|address| !is_taken(&cluster, address)) {
            let (family, there) = (Family::of(&address), End::Address(address));
            for unit in &reach.units {
                let Some(own) = unit.pods.iter().find_map(|pod| pod.address(family)) else { continue };
                check(&cluster, &index, address, own, &connected(&all, &there, &End::Unit(unit), family));
                if unit.is_source {
                    check(&cluster, &index, own, address, &connected(&all, &End::Unit(unit), &there, family));
                }
            }
        }
    }
}

#[test]
fn the_scenarios_are_reached_as_their_tables_say() {
    let mut flows = 0;
    for step in scenarios::steps() {
        let (cluster, index) = (&step.cluster, Index::compile(&step.cluster));
        let reach = Reach::of(cluster, &index);
        check_pods(cluster, &index, &reach);
        check_lines(&reach, &lines(&reach, Families::Natural));
        for (row, flow) in step.rows.iter().flat_map(|row| row.flows.iter().map(move |flow| (row, flow))) {
            let family = Family::of(&flow.source);
            let piece = |address: &IpAddr| {
                reach.plane(family).pieces.iter().find(|piece| piece.addresses.contains(address)).unwrap()
            };
            let ports = match (index.owner(flow.source), index.owner(flow.destination)) {
                (Some(from), Some(to)) => {
                    let found =
                        reach.between(unit(&reach, from), unit(&reach, to), Families::Only(family)).pop();
                    found.map(|passing| passing.ports).unwrap_or_default()
                }
                (Some(from), None) => reach.outwards(unit(&reach, from), piece(&flow.destination), family),
                (None, Some(to)) => reach.inwards(piece(&flow.source), unit(&reach, to), family),
                (None, None) => panic!("{}: {} is between hosts", step.title, row.text),
            };
            let is_allowed = ports.contains(flow.protocol, flow.port);
            assert_eq!(is_allowed, row.verdict == Verdict::Accept, "{}: {}", step.title, row.text);
            flows += 1;
        }
        for families in FAMILIES {
            let table = csv::write(cluster, &index, &reach, families, |_, _, _| true);
            assert_eq!(table, flow_by_flow(cluster, &index, families, |_, _, _| true), "{}", step.title);
        }
    }
    assert!(flows > 500, "{flows} flows");
}
