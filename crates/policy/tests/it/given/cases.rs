//! Reads the literate cases: `tests/cases/*.md`, as its README has it.

use std::fs;
use std::net::IpAddr;
use std::path::{Path as FilePath, PathBuf};

use policy::decision::Verdict;
use policy::model::{Cluster, EndpointId, Family, Flow, Path, Protocol};

use super::{cluster, read_hosts, read_objects, read_what_can_be_read};

/// A heading with its manifest and its table.
pub(crate) struct Case {
    /// The file's name.
    pub(crate) file: String,
    /// Beginning with the clauses that it is about.
    pub(crate) title: String,
    pub(crate) cluster: Cluster,
    pub(crate) rows: Vec<Row>,
}

/// A row of a case's table.
pub(crate) struct Row {
    /// As it is written, for messages.
    pub(crate) text: String,
    pub(crate) flow: Flow,
    pub(crate) verdict: Verdict,
    /// The reason that the table gives, if it gives one.
    pub(crate) why: Option<String>,
}

/// All cases of all files.
pub(crate) fn all() -> Vec<Case> {
    let folder = super::workspace().join("crates/policy/tests/cases");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let readme = folder.join("README.md");
    let world = Section::new("", &fs::read_to_string(&readme).unwrap());
    files.iter().filter(|file| **file != readme).flat_map(|file| cases(file, &world)).collect()
}

fn cases(file: &FilePath, world: &Section) -> Vec<Case> {
    let text = fs::read_to_string(file).unwrap();
    let name = file.file_name().unwrap().to_str().unwrap();
    let sections = text.split("\n## ").skip(1).map(|section| {
        let (title, body) = section.split_once('\n').unwrap();
        Section::new(title, body)
    });
    sections.map(|section| section.case(name, world)).collect()
}

/// What stands below one heading.
struct Section {
    title: String,
    yaml: String,
    /// It is to be read though it has errors.
    keep_going: bool,
    csv: String,
    table: Vec<String>,
}

impl Section {
    fn new(title: &str, body: &str) -> Section {
        let mut section = Section {
            title: title.into(),
            yaml: String::new(),
            keep_going: false,
            csv: String::new(),
            table: Vec::new(),
        };
        let mut fence = "";
        for line in body.lines() {
            match (fence, line.strip_prefix("```")) {
                ("", Some(opened)) => {
                    fence = opened;
                    section.keep_going |= opened == "yaml keep-going";
                }
                (_, Some(_)) => fence = "",
                ("yaml" | "yaml keep-going", None) => section.yaml += &format!("{line}\n"),
                ("csv", None) => section.csv += &format!("{line}\n"),
                ("", None) if line.starts_with('|') => section.table.push(line.to_owned()),
                (_, None) => (),
            }
        }
        section
    }

    fn case(self, file: &str, world: &Section) -> Case {
        let place = format!("{file}: {}", self.title);
        let read = if self.keep_going { read_what_can_be_read } else { read_objects };
        let objects = read(&place, &format!("{}---\n{}", world.yaml, self.yaml));
        let cluster = cluster(&objects, &read_hosts(&place, &world.csv));
        assert!(self.table.len() > 2, "{place} has no rows");
        let rows = self.table.iter().skip(2).map(|row| read_row(&place, &cluster, row)).collect();
        Case { file: file.into(), title: self.title, cluster, rows }
    }
}

fn read_row(place: &str, cluster: &Cluster, text: &str) -> Row {
    let cells: Vec<&str> = text.trim_matches('|').split('|').map(str::trim).collect();
    let [from, to, port, verdict, why] = cells[..] else { panic!("{place}: `{text}` has not 5 columns") };
    let (to, path) = match to.strip_prefix("service ") {
        Some(to) => (to, Path::Service),
        None => (to, Path::Direct),
    };
    let (source, destination) = addresses(cluster, from, to).unwrap_or_else(|| panic!("{place}: `{text}`"));
    let (protocol, port) = read_port(port, Family::of(&destination));
    let verdict = match verdict {
        "allow" => Verdict::Accept,
        "deny" => Verdict::Deny,
        other => panic!("{place}: `{other}` is no verdict"),
    };
    let flow = Flow { source, destination, protocol, port, path };
    Row { text: text.into(), flow, verdict, why: Some(why.to_owned()).filter(|why| !why.is_empty()) }
}

/// IPv4 where both ends have it, else IPv6.
fn addresses(cluster: &Cluster, from: &str, to: &str) -> Option<(IpAddr, IpAddr)> {
    let of = |family| Some((address(cluster, from, family)?, address(cluster, to, family)?));
    Family::BOTH.into_iter().find_map(of)
}

fn address(cluster: &Cluster, end: &str, family: Family) -> Option<IpAddr> {
    if let Ok(address) = end.parse() {
        return (Family::of(&address) == family).then_some(address);
    }
    match end.split_once('/')? {
        ("node", name) => cluster.nodes.get(name)?.address(family),
        ("external", name) => cluster.hosts.get(name)?.address(family),
        (namespace, name) => {
            let id = EndpointId { namespace: namespace.into(), name: name.into() };
            cluster.endpoints.get(&id)?.address(family)
        }
    }
}

pub(super) fn read_port(text: &str, family: Family) -> (Protocol, u16) {
    match text.split_once('/') {
        Some((port, "tcp")) => (Protocol::Tcp, port.parse().unwrap()),
        Some((port, "udp")) => (Protocol::Udp, port.parse().unwrap()),
        Some((port, "sctp")) => (Protocol::Sctp, port.parse().unwrap()),
        None if text == "icmp" && family == Family::V4 => (Protocol::Other(1), 0),
        None if text == "icmp" => (Protocol::Other(58), 0),
        Some(_) | None => panic!("`{text}` is no port"),
    }
}
