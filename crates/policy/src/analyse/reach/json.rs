//! Reachability as JSON: `docs/reach.schema.json` says what is in it.

use std::fmt::Write as _;

use hashbrown::HashMap;
use ipnet::IpNet;

use super::groups::{Line, Many};
use super::{Reach, Unit};
use crate::analyse::names::Addresses;
use crate::model::{Family, Protocol};
use crate::ports::PortSet;
use crate::rows::Families;

/// One connection: who, to whom, on which ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// A unit's id, or a CIDR.
    pub source: String,
    /// A unit's id, or a CIDR.
    pub destination: String,
    /// Over which family.
    pub family: Family,
    /// Not empty.
    pub ports: PortSet,
}

/// Calls `each` with every connection: between units in their order, and for each unit then those to and
/// from the address space outside.
pub fn connections(reach: &Reach<'_>, families: Families, mut each: impl FnMut(Connection)) {
    let mut outside = Outside::default();
    for source in &reach.units {
        for destination in &reach.units {
            for passing in reach.between(source, destination, families) {
                let (source, destination) = (source.id.clone(), destination.id.clone());
                each(Connection { source, destination, family: passing.family, ports: passing.ports });
            }
        }
        for family in asked(families) {
            for (net, ports) in outside.of(reach, source, family, Way::Out) {
                let (source, destination) = (source.id.clone(), net.to_string());
                each(Connection { source, destination, family, ports: ports.clone() });
            }
            for (net, ports) in outside.of(reach, source, family, Way::In) {
                let (source, destination) = (net.to_string(), source.id.clone());
                each(Connection { source, destination, family, ports: ports.clone() });
            }
        }
    }
}

fn asked(families: Families) -> Vec<Family> {
    match families {
        Families::Natural | Families::Both => Family::BOTH.to_vec(),
        Families::Only(family) => vec![family],
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    Out,
    In,
}

type Nets = Vec<(IpNet, PortSet)>;

/// What passes between units of a kind and the outside: networks merged where they get the same.
#[derive(Default)]
struct Outside {
    known: HashMap<(Way, Family, Option<u32>), Nets>,
}

impl Outside {
    fn of(&mut self, reach: &Reach<'_>, unit: &Unit<'_>, family: Family, way: Way) -> &[(IpNet, PortSet)] {
        let kind = reach.kind(unit, family);
        let key = match way {
            Way::Out => kind.filter(|_| unit.is_source).map(|(source, _)| source),
            Way::In => kind.map(|(_, destination)| destination),
        };
        self.known.entry((way, family, key)).or_insert_with(|| nets(reach, unit, family, way))
    }
}

fn nets(reach: &Reach<'_>, unit: &Unit<'_>, family: Family, way: Way) -> Vec<(IpNet, PortSet)> {
    let mut by_ports: indexmap::IndexMap<PortSet, Addresses> = indexmap::IndexMap::new();
    for piece in &reach.plane(family).pieces {
        let ports = match way {
            Way::Out => reach.outwards(unit, piece, family),
            Way::In => reach.inwards(piece, unit, family),
        };
        if !ports.is_empty() {
            let addresses = by_ports.entry(ports).or_default();
            *addresses = std::mem::take(addresses).and(&piece.addresses);
        }
    }
    let nets = by_ports
        .into_iter()
        .flat_map(|(ports, addresses)| addresses.nets().into_iter().map(move |net| (net, ports.clone())));
    nets.collect()
}

/// What nobody can say, because some objects can't be read in full.
#[derive(Clone, Debug, Default)]
pub struct Unknown {
    /// What may pass beyond what is known to.
    pub lines: Vec<Line>,
    /// What can't be read, a sentence each.
    pub unreadable: Vec<String>,
}

/// All of it as one JSON object, a line an endpoint or connection. `is_meant` is asked of each connection.
pub fn write(
    reach: &Reach<'_>,
    families: Families,
    is_meant: impl Fn(&Connection) -> Option<PortSet>,
    unknown: &Unknown,
) -> String {
    let mut text = "{\"endpoints\": [".to_owned();
    let mut between = "\n";
    for unit in &reach.units {
        let _ = write!(text, "{between}  {}", endpoint(unit));
        between = ",\n";
    }
    text.push_str("\n], \"blocks\": [");
    between = "";
    for family in asked(families) {
        for net in reach.plane(family).pieces.iter().flat_map(|piece| piece.addresses.nets()) {
            let _ = write!(text, "{between}\"{net}\"");
            between = ", ";
        }
    }
    text.push_str("], \"connections\": [");
    between = "\n";
    let mut known: HashMap<PortSet, String> = HashMap::new();
    connections(reach, families, |connection| {
        let Some(ports) = is_meant(&connection) else { return };
        let Connection { source, destination, family, .. } = connection;
        let ports = known.entry(ports).or_insert_with_key(json_ports);
        let (source, destination) = (quoted(&source), quoted(&destination));
        let _ = write!(text, "{between}  {{\"source\": {source}, \"destination\": {destination}");
        if families == Families::Both {
            let _ = write!(text, ", \"family\": {family}");
        }
        let _ = write!(text, ", {ports}}}");
        between = ",\n";
    });
    text.push_str("\n]");
    if !unknown.unreadable.is_empty() {
        let _ = write!(text, ", {}", doubts(reach, unknown));
    }
    text.push_str("}\n");
    text
}

fn doubts(reach: &Reach<'_>, Unknown { lines, unreadable }: &Unknown) -> String {
    let who = |many: &Many| {
        let units = many.units.iter().filter_map(|place| reach.units.get(*place as usize));
        let nets = many.outside.nets();
        let all = units.map(|unit| quoted(&unit.id)).chain(nets.iter().map(|net| quoted(&net.to_string())));
        all.collect::<Vec<_>>().join(", ")
    };
    let line = |line: &Line| {
        let (sources, destinations) = (who(&line.sources), who(&line.destinations));
        let ports = json_ports(&line.ports);
        format!("\n  {{\"sources\": [{sources}], \"destinations\": [{destinations}], {ports}}}")
    };
    let lines: Vec<String> = lines.iter().map(line).collect();
    let unreadable: Vec<String> = unreadable.iter().map(|sentence| quoted(sentence)).collect();
    format!("\"unknown\": [{}\n], \"unreadable\": [{}]", lines.join(","), unreadable.join(", "))
}

fn endpoint(unit: &Unit<'_>) -> String {
    let Unit { id, kind, namespace, name, pods, .. } = unit;
    let labels = labels(unit).into_iter().map(|(key, value)| format!("{}: {}", quoted(key), quoted(value)));
    format!(
        "{{\"id\": {}, \"kind\": {}, \"namespace\": {}, \"name\": {}, \"pods\": {}, \"labels\": {{{}}}}}",
        quoted(id),
        quoted(kind),
        quoted(namespace),
        quoted(name),
        pods.len(),
        labels.collect::<Vec<_>>().join(", ")
    )
}

/// The labels that all its pods have.
fn labels<'a>(unit: &Unit<'a>) -> Vec<(&'a str, &'a str)> {
    let first = unit.pods.first().copied().into_iter().flat_map(|pod| pod.labels.iter());
    let is_shared = |key: &str, value: &str| {
        unit.pods.iter().all(|pod| pod.labels.get(key).is_some_and(|there| there.as_ref() == value))
    };
    let all = first.map(|(key, value)| (key.as_ref(), value.as_ref()));
    all.filter(|(key, value)| is_shared(key, value)).collect()
}

fn json_ports(set: &PortSet) -> String {
    let all = if *set == PortSet::all() { "\"all\": true, " } else { "" };
    format!("{all}\"ports\": {}", ports(set))
}

/// `[{"protocol": "TCP", "from": 80, "to": 80}, {"protocol": "other"}]`.
pub fn ports(set: &PortSet) -> String {
    let listed = set.ranges().iter().map(|(protocol, from, to)| {
        let protocol = upper(*protocol);
        format!("{{\"protocol\": \"{protocol}\", \"from\": {from}, \"to\": {to}}}")
    });
    let other = set.has_other().then(|| "{\"protocol\": \"other\"}".to_owned());
    format!("[{}]", listed.chain(other).collect::<Vec<_>>().join(", "))
}

fn upper(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
        Protocol::Other(_) => "other",
    }
}

/// A string as JSON has it.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
