//! The scenarios in `examples/`: clusters whose policies come step by step, with a table for each state.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use policy::decision::Verdict;
use policy::model::{Cluster, Family, Flow};

use super::cases::read_port;
use super::{cluster, read_hosts, read_objects};

/// A cluster after one of its steps.
pub(crate) struct Step {
    /// Scenario and table: `three-tier 3-database-allow-backend`.
    pub(crate) title: String,
    pub(crate) cluster: Cluster,
    pub(crate) rows: Vec<Row>,
}

/// A line of a table. A workload stands for each of its pods, so that a line is about several flows.
pub(crate) struct Row {
    /// As the table has it.
    pub(crate) text: String,
    pub(crate) flows: Vec<Flow>,
    pub(crate) verdict: Verdict,
}

/// All states of all scenarios: the examples with tables.
pub(crate) fn steps() -> Vec<Step> {
    let folder = super::workspace().join("examples");
    files(&folder)
        .iter()
        .filter(|path| path.join("expect").is_dir())
        .flat_map(|path| scenario(path))
        .collect()
}

fn scenario(folder: &Path) -> Vec<Step> {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let hosts = read_hosts(name, &read(&folder.join("hosts.csv")));
    let mut objects = read_objects(name, &read(&folder.join("cluster.yaml")));
    let steps = files(&folder.join("steps"));
    let tables = files(&folder.join("expect"));
    assert_eq!(tables.len(), steps.len() + 1, "{name}: a table for each step, and one before");
    let mut states = vec![state(name, &tables[0], cluster(&objects, &hosts))];
    for (step, table) in steps.iter().zip(&tables[1..]) {
        objects.overlay(read_objects(name, &read(step)));
        states.push(state(name, table, cluster(&objects, &hosts)));
    }
    states
}

fn state(scenario: &str, table: &Path, cluster: Cluster) -> Step {
    let title = format!("{scenario} {}", table.file_stem().unwrap().to_str().unwrap());
    let rows = read(table).lines().skip(1).map(|line| row(&title, &cluster, line)).collect();
    Step { title, cluster, rows }
}

fn row(title: &str, cluster: &Cluster, line: &str) -> Row {
    let cells: Vec<&str> = line.split(',').collect();
    let [from, to, port, verdict] = cells[..] else { panic!("{title}: `{line}` has not 4 columns") };
    let flows = Family::BOTH.into_iter().map(|family| flows(cluster, from, to, port, family));
    let flows = flows.into_iter().find(|flows| !flows.is_empty());
    let verdict = match verdict {
        "allow" => Verdict::Accept,
        "deny" => Verdict::Deny,
        other => panic!("{title}: `{other}` is no verdict"),
    };
    let flows = flows.unwrap_or_else(|| panic!("{title}: `{line}` is about no flow"));
    Row { text: line.into(), flows, verdict }
}

/// Between different pods.
fn flows(cluster: &Cluster, from: &str, to: &str, port: &str, family: Family) -> Vec<Flow> {
    let (protocol, port) = read_port(port, family);
    let (from, to) = (addresses(cluster, from, family), addresses(cluster, to, family));
    let pairs = from.iter().flat_map(|source| to.iter().map(move |destination| (*source, *destination)));
    let different = pairs.filter(|(source, destination)| source != destination);
    different.map(|(source, destination)| Flow::direct(source, destination, protocol, port)).collect()
}

/// Of a host, of a workload's pods, or of a pod.
fn addresses(cluster: &Cluster, end: &str, family: Family) -> Vec<IpAddr> {
    let (namespace, name) = end.split_once('/').unwrap();
    if namespace == "external" {
        return cluster.hosts[name].address(family).into_iter().collect();
    }
    let within = cluster.endpoints.values().filter(|pod| pod.id.namespace.as_ref() == namespace);
    let meant = within
        .filter(|pod| [&pod.workload.name, &pod.id.name].into_iter().any(|known| known.as_ref() == name));
    meant.filter_map(|pod| pod.address(family)).collect()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// In order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
