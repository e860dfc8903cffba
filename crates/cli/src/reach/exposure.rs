//! `--exposure`: what is open wider than one may think.

use std::fmt::Write as _;

use anyhow::Result;
use indexmap::IndexMap;
use policy::analyse::exposure::{Exposure, exposures};
use policy::analyse::names::{self, Addresses, Name};
use policy::analyse::reach::Reach;
use policy::analyse::reach::groups::Many;
use policy::analyse::reach::words::Words;
use policy::index::Index;
use policy::model::{Cluster, Direction};
use policy::ports::PortSet;

use super::select::Filter;

/// What is said where nothing is open.
pub(crate) const NOTHING: &str = "nothing is exposed\n";

/// Sections of lines; each line names all workloads that it is true of.
pub(crate) fn exposure(
    cluster: &Cluster,
    index: &Index,
    reach: &Reach<'_>,
    filter: &Filter,
) -> Result<String> {
    let internet = names::ends(cluster, index, &Name::Internet)?.addresses;
    let mut sections: IndexMap<String, IndexMap<String, Vec<u32>>> = IndexMap::new();
    for open in exposures(reach, index, &internet).iter().filter(|open| open.is_open()) {
        let place = u32::try_from(open.unit).unwrap_or(u32::MAX);
        if filter.unit(reach, place).1 {
            for (section, line) in findings(open, filter) {
                sections.entry(section).or_default().entry(line).or_default().push(place);
            }
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
    Ok(if text.is_empty() { NOTHING.to_owned() } else { text })
}

/// The sections that a workload is named in, with what is said of it there.
fn findings(open: &Exposure, filter: &Filter) -> Vec<(String, String)> {
    let ports = |title: &str, ports: &PortSet| {
        let ports = filter.ports(ports);
        (!ports.is_empty()).then(|| (title.to_owned(), ports.to_string()))
    };
    let named = [
        ports("open from the internet", &open.from_internet),
        ports("open to the internet", &open.to_internet),
        ports("open to every pod of the cluster", &open.from_cluster),
    ];
    let nobody = open.from_nobody_yet.iter().filter_map(|(selector, open)| {
        let ports = filter.ports(open);
        let title = "open to pods that don't exist yet".to_owned();
        (!ports.is_empty()).then(|| (title, format!("{ports} from any pod with {selector}")))
    });
    let ways: Vec<&str> = open
        .unisolated
        .iter()
        .map(|direction| match direction {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        })
        .collect();
    let title = "isolated by no NetworkPolicy".to_owned();
    let unisolated = (!ways.is_empty()).then(|| (title, ways.join(" and ")));
    named.into_iter().flatten().chain(nobody).chain(unisolated).collect()
}
