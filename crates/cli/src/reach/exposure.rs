//! `--exposure`: what is open wider than one may think.

use std::fmt::Write as _;

use indexmap::IndexMap;
use policy::analyse::exposure::{Exposure, exposures};
use policy::analyse::names::{self, Addresses};
use policy::analyse::reach::Reach;
use policy::analyse::reach::groups::Many;
use policy::analyse::reach::json::{ports, quoted};
use policy::analyse::reach::words::Words;
use policy::index::Index;
use policy::model::{Cluster, Direction};
use policy::ports::PortSet;

use super::select::Filter;

/// Workloads that are open, with the ports that are asked for.
pub(crate) fn open(cluster: &Cluster, index: &Index, reach: &Reach<'_>, filter: &Filter) -> Vec<Exposure> {
    let internet = names::internet(cluster);
    let meant = |open: &Exposure| u32::try_from(open.unit).is_ok_and(|place| filter.unit(reach, place).1);
    let all = exposures(reach, index, &internet).into_iter().filter(meant);
    let asked = |open: Exposure| Exposure {
        from_internet: filter.ports(&open.from_internet),
        to_internet: filter.ports(&open.to_internet),
        from_cluster: filter.ports(&open.from_cluster),
        from_nobody_yet: (open.from_nobody_yet.into_iter())
            .map(|(selector, ports)| (selector, filter.ports(&ports)))
            .filter(|(_, ports)| !ports.is_empty())
            .collect(),
        ..open
    };
    all.map(asked).filter(Exposure::is_open).collect()
}

/// Sections of lines; each line names all workloads that it is true of.
pub(crate) fn table(cluster: &Cluster, reach: &Reach<'_>, all: &[Exposure]) -> String {
    let mut sections: IndexMap<String, IndexMap<String, Vec<u32>>> = IndexMap::new();
    for open in all {
        let place = u32::try_from(open.unit).unwrap_or(u32::MAX);
        for (section, line) in findings(open) {
            sections.entry(section).or_default().entry(line).or_default().push(place);
        }
    }
    let words = Words::of(reach, cluster);
    let mut text = String::new();
    for (section, lines) in &sections {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{section}");
        for (line, units) in lines {
            let name = words.name(&Many { units: units.clone(), outside: Addresses::default() });
            let _ = writeln!(text, "  {name} : {line}");
        }
    }
    if text.is_empty() { "nothing is exposed\n".to_owned() } else { text }
}

/// One object, a line a workload: `docs/exposure.schema.json` says what is in it.
pub(crate) fn json(reach: &Reach<'_>, all: &[Exposure]) -> String {
    let line = |open: &Exposure| {
        let id = reach.units.get(open.unit).map_or("", |unit| unit.id.as_str());
        let nobody = open.from_nobody_yet.iter().map(|(selector, open)| {
            format!("{{\"pods\": {}, \"ports\": {}}}", quoted(&selector.to_string()), ports(open))
        });
        let ways = open.unisolated.iter().map(|direction| quoted(way(*direction)));
        let list = |values: Vec<String>| format!("[{}]", values.join(", "));
        let fields = [
            ("workload", quoted(id)),
            ("from_internet", ports(&open.from_internet)),
            ("to_internet", ports(&open.to_internet)),
            ("from_cluster", ports(&open.from_cluster)),
            ("from_nobody_yet", list(nobody.collect())),
            ("unisolated", list(ways.collect())),
        ];
        let fields = fields.map(|(name, value)| format!("\"{name}\": {value}"));
        format!("\n  {{{}}}", fields.join(", "))
    };
    let lines: Vec<String> = all.iter().map(line).collect();
    format!("{{\"exposures\": [{}\n]}}\n", lines.join(","))
}

/// The sections that a workload is named in, with what is said of it there.
fn findings(open: &Exposure) -> Vec<(String, String)> {
    let ports =
        |title: &str, ports: &PortSet| (!ports.is_empty()).then(|| (title.to_owned(), ports.to_string()));
    let named = [
        ports("open from the internet", &open.from_internet),
        ports("open to the internet", &open.to_internet),
        ports("open to every pod of the cluster", &open.from_cluster),
    ];
    let nobody = open.from_nobody_yet.iter().map(|(selector, open)| {
        let title = "open to pods that don't exist yet".to_owned();
        (title, format!("{open} from any pod with {selector}"))
    });
    let ways: Vec<&str> = open.unisolated.iter().map(|direction| way(*direction)).collect();
    let title = "isolated by no NetworkPolicy".to_owned();
    let unisolated = (!ways.is_empty()).then(|| (title, ways.join(" and ")));
    named.into_iter().flatten().chain(nobody).chain(unisolated).collect()
}

fn way(direction: Direction) -> &'static str {
    match direction {
        Direction::Ingress => "ingress",
        Direction::Egress => "egress",
    }
}
