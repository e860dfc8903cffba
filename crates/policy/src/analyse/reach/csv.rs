//! The rows of a table with the engine's verdicts: those of workloads whose pods are alike are asked once for
//! all their pods, by kinds, and others flow by flow.

use std::fmt::Write as _;
use std::net::IpAddr;

use hashbrown::HashMap;

use super::{Reach, Unit};
use crate::decision::Verdict;
use crate::index::Index;
use crate::model::{Cluster, EndpointId, Family};
use crate::rows::csv::{FamilyColumn, header};
use crate::rows::{Actor, Families, Group, Options, OwnPods, Pair, PodPorts, ProtocolPort};
use crate::rows::{between, groups, is_asked, split};

/// The table of `cluster`, of which `reach` and `index` are made. Rows without a pair that `is_meant` are left
/// out.
pub fn write(
    cluster: &Cluster,
    index: &Index,
    reach: &Reach<'_>,
    families: Families,
    is_meant: impl Fn(&Actor, &Actor, ProtocolPort) -> bool,
) -> String {
    let options = Options { ports: PodPorts::Containers, own: OwnPods::Left, families };
    let groups = groups(cluster, &options.ports);
    let alike = Alike::of(reach);
    let units: Vec<Option<&Unit<'_>>> = groups.iter().map(|group| alike.unit(group)).collect();
    let asked: Vec<Vec<Asked>> = groups.iter().map(Asked::of).collect();
    let mut table = Table::new(families);
    for (from, (source, unit)) in groups.iter().zip(&units).enumerate() {
        for (to, ((destination, other), ports)) in groups.iter().zip(&units).zip(&asked).enumerate() {
            if !is_asked(source, destination, from == to, options.own) {
                continue;
            }
            match (unit, other) {
                (Some(one), Some(other)) => {
                    let is_meant = |port: ProtocolPort| {
                        source.pairs(destination, port).any(|(one, other)| is_meant(one, other, port))
                    };
                    table.add_alike(reach, source, (one, other), ports, is_meant);
                }
                (None, _) | (_, None) => table.add_pairs(index, source, destination, &is_meant),
            }
        }
    }
    table.text
}

/// Units that are whole workloads, by their first pods. Those that share an address with others are left out: a
/// flow from an address to itself passes, whatever the kinds are.
struct Alike<'r, 'a>(HashMap<&'a EndpointId, &'r Unit<'a>>);

impl<'r, 'a> Alike<'r, 'a> {
    fn of(reach: &'r Reach<'a>) -> Self {
        let mut pods: HashMap<IpAddr, usize> = HashMap::new();
        for address in reach.units.iter().flat_map(addresses) {
            *pods.entry(address).or_default() += 1;
        }
        let is_alone = |unit: &&'r Unit<'a>| addresses(unit).all(|address| pods.get(&address) == Some(&1));
        let meant = reach.units.iter().filter(|unit| !unit.is_source || is_alone(unit));
        Alike(meant.filter_map(|unit| unit.pods.first().map(|pod| (&pod.id, unit))).collect())
    }

    fn unit(&self, group: &Group) -> Option<&'r Unit<'a>> {
        let unit = match &group.members.first()?.who {
            Actor::Pod(pod) => self.0.get(pod)?,
            Actor::Host(_) => return None,
        };
        (unit.pods.len() == group.members.len()).then_some(unit)
    }
}

fn addresses(unit: &Unit<'_>) -> impl Iterator<Item = IpAddr> {
    unit.pods.iter().flat_map(|pod| pod.addresses.iter().copied())
}

/// A port of a destination, and how its rows go on after their sources.
struct Asked {
    port: ProtocolPort,
    text: String,
}

impl Asked {
    fn of(group: &Group) -> Vec<Asked> {
        let end = &group.end;
        let text = |(protocol, port)| format!(",{end},{port}/{protocol},");
        group.ports().into_iter().map(|port| Asked { port, text: text(port) }).collect()
    }
}

struct Table {
    text: String,
    families: Families,
    column: FamilyColumn,
}

impl Table {
    fn new(families: Families) -> Self {
        let column = match families {
            Families::Both => FamilyColumn::Shown,
            Families::Natural | Families::Only(_) => FamilyColumn::Left,
        };
        Table { text: header(column), families, column }
    }

    /// Pods of a unit are alike, so one look-up for each family settles all ports of all pairs.
    fn add_alike(
        &mut self,
        reach: &Reach<'_>,
        source: &Group,
        (one, other): (&Unit<'_>, &Unit<'_>),
        ports: &[Asked],
        is_meant: impl Fn(ProtocolPort) -> bool,
    ) {
        let families = reach.families(one, other, self.families);
        for Asked { port, text } in ports.iter().filter(|asked| is_meant(asked.port)) {
            for family in &families {
                let verdict = match reach.allows(one, other, *family, *port) {
                    true => Verdict::Accept,
                    false => Verdict::Deny,
                };
                // Writing to a string cannot fail.
                let _ = write!(self.text, "{}", source.end);
                self.text.push_str(text);
                self.end(verdict, *family);
            }
        }
    }

    fn add_pairs(
        &mut self,
        index: &Index,
        source: &Group,
        destination: &Group,
        is_meant: impl Fn(&Actor, &Actor, ProtocolPort) -> bool,
    ) {
        for row in between(source, destination, self.families) {
            let port = (row.protocol, row.port);
            if !row.pairs.iter().any(|pair| is_meant(&pair.source, &pair.destination, port)) {
                continue;
            }
            let decide = |pair: &Pair| index.decide(&pair.flow).verdict();
            let answers: Vec<Verdict> = row.pairs.iter().map(decide).collect();
            for part in split(&row, &answers, |verdict| *verdict) {
                let (source, destination) = (&part.row.source, &part.row.destination);
                let (port, protocol) = (row.port, row.protocol);
                let _ = write!(self.text, "{source},{destination},{port}/{protocol},");
                self.end(part.answer, row.family);
            }
        }
    }

    fn end(&mut self, verdict: Verdict, family: Family) {
        let _ = match self.column {
            FamilyColumn::Left => writeln!(self.text, "{verdict}"),
            FamilyColumn::Shown => writeln!(self.text, "{verdict},{family}"),
        };
    }
}
