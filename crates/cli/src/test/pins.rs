//! What is allowed today, as lines of a file of assertions.

use std::net::IpAddr;

use hashbrown::HashMap;
use indexmap::{IndexMap, IndexSet};
use policy::analyse::can::{Group, Who};
use policy::analyse::names::{Addresses, Asked};
use policy::decision::Verdict;
use policy::model::{Cluster, Endpoint, Protocol, Text};
use policy::ports::PortSet;

use crate::can::words;

/// How short names may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// As short ones, and everybody as two networks: also the addresses of pods that may come.
    Widest,
    /// All pods of a namespace, of the cluster, and everything outside by one name.
    Short,
    /// Workloads and networks.
    Full,
}

impl Naming {
    /// From the shortest names to the longest.
    pub(super) const ALL: [Naming; 3] = [Naming::Widest, Naming::Short, Naming::Full];
}

/// How to name whom a line is about.
pub(super) struct How<'a> {
    pub(super) naming: Naming,
    pub(super) cluster: &'a Cluster,
    /// The pods that `*/*` would mean.
    pub(super) pods: Vec<&'a Endpoint>,
    /// The addresses that `outside` means.
    pub(super) outside: &'a Addresses,
}

/// Lines that are said together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    /// The test's name.
    pub(super) name: String,
    /// Lines by their kind.
    pub(super) lines: Vec<(&'static str, Vec<String>)>,
}

/// Who may, and who may not, on which ports.
#[derive(Default)]
pub(super) struct Pins {
    allowed: Side,
    denied: Side,
}

#[derive(Default)]
struct Side {
    members: IndexMap<Who, PortSet>,
    addresses: Vec<(Addresses, PortSet)>,
}

impl Pins {
    pub(super) fn add(&mut self, verdict: Verdict, who: &Group, ports: &[Asked]) {
        let ports = ports.iter().fold(PortSet::default(), |all, asked| all.or(&(*asked).into()));
        let side = match verdict {
            Verdict::Accept => &mut self.allowed,
            Verdict::Deny => &mut self.denied,
        };
        side.add(who, &ports);
    }

    /// Who reaches a workload, and that nobody else does.
    pub(super) fn exactly(&self, unit: &str, how: &How<'_>) -> Option<Claim> {
        let lines = self.allowed.reaching(unit, how);
        let is_mixed = !lines.is_empty() && !self.denied.is_empty();
        is_mixed.then(|| Claim { name: format!("who reaches {unit}"), lines: vec![("exactly", lines)] })
    }

    /// Who reaches a workload, and who doesn't.
    pub(super) fn each_into(&self, unit: &str, how: &How<'_>) -> Option<Claim> {
        self.each(format!("who reaches {unit}"), |side| side.reaching(unit, how))
    }

    /// What a workload reaches, and that it reaches nothing else.
    pub(super) fn reaches(&self, unit: &str, how: &How<'_>) -> Option<Claim> {
        let lines = self.allowed.lines(how, |name, asked| format!("{unit} -> {}", destination(name, asked)));
        let is_mixed = !lines.is_empty() && !self.denied.is_empty();
        is_mixed.then(|| Claim { name: format!("what {unit} reaches"), lines: vec![("reaches", lines)] })
    }

    /// Whether some are allowed and some aren't.
    pub(super) fn is_mixed(&self) -> bool {
        !self.allowed.is_empty() && !self.denied.is_empty()
    }

    /// What a workload reaches outside, and what it doesn't.
    pub(super) fn each_out_of(&self, unit: &str, how: &How<'_>) -> Option<Claim> {
        let line = |name: &str, asked| format!("{unit} -> {}", destination(name, asked));
        self.each(format!("what {unit} reaches outside"), |side| side.lines(how, line))
    }

    fn each(&self, name: String, lines: impl Fn(&Side) -> Vec<String>) -> Option<Claim> {
        let kinds = [("allow", lines(&self.allowed)), ("deny", lines(&self.denied))];
        let lines: Vec<(&str, Vec<String>)> =
            kinds.into_iter().filter(|(_, lines)| !lines.is_empty()).collect();
        (!lines.is_empty()).then_some(Claim { name, lines })
    }
}

impl Side {
    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.addresses.is_empty()
    }

    fn add(&mut self, who: &Group, ports: &PortSet) {
        for member in &who.members {
            let known = self.members.entry(member.clone()).or_default();
            *known = known.or(ports);
        }
        // Parts overlap: each piece of the address space keeps all that was said of it.
        let mut rest = who.addresses.clone();
        let mut pieces = Vec::with_capacity(self.addresses.len() + 1);
        for (addresses, known) in std::mem::take(&mut self.addresses) {
            let shared = addresses.without(&addresses.without(&rest));
            rest = rest.without(&shared);
            pieces.push((addresses.without(&shared), known.clone()));
            pieces.push((shared, known.or(ports)));
        }
        pieces.push((rest, ports.clone()));
        pieces.retain(|(addresses, _)| !addresses.is_empty());
        self.addresses = pieces;
    }

    fn reaching(&self, unit: &str, how: &How<'_>) -> Vec<String> {
        self.lines(how, |name, asked| format!("{name} -> {}", destination(unit, asked)))
    }

    fn lines(&self, how: &How<'_>, line: impl Fn(&str, Asked) -> String) -> Vec<String> {
        let mut by_name: IndexMap<String, PortSet> = IndexMap::new();
        for atom in self.atoms() {
            let has = |ports: &PortSet| !ports.and(&atom).is_empty();
            let members = self.members.iter().filter(|(_, ports)| has(ports)).map(|(who, _)| who.clone());
            let addresses = self.addresses.iter().filter(|(_, ports)| has(ports));
            let group = Group {
                members: members.collect(),
                addresses: addresses.fold(Addresses::default(), |all, (addresses, _)| all.and(addresses)),
            };
            for name in names(&group, how) {
                let ports = by_name.entry(name).or_default();
                *ports = ports.or(&atom);
            }
        }
        let of_name = |(name, ports): (String, PortSet)| {
            let asked = Asked::all_of(&ports).into_iter();
            asked.map(|asked| line(&name, asked)).collect::<Vec<String>>()
        };
        by_name.into_iter().flat_map(of_name).collect()
    }

    /// All ports in parts that each has or lacks as a whole.
    fn atoms(&self) -> Vec<PortSet> {
        let sets: IndexSet<&PortSet> =
            self.members.values().chain(self.addresses.iter().map(|(_, ports)| ports)).collect();
        let mut atoms: Vec<PortSet> = Vec::new();
        for set in sets {
            let rest = atoms.iter().fold(set.clone(), |rest, atom| rest.without(atom));
            let cut = atoms.iter().flat_map(|atom| [atom.and(set), atom.without(set)]);
            let cut: Vec<PortSet> = cut.chain([rest]).filter(|atom| !atom.is_empty()).collect();
            atoms = cut;
        }
        atoms
    }
}

fn names(group: &Group, how: &How<'_>) -> Vec<String> {
    // A pod alone isn't asked about itself, though it is like others that are.
    let is_asked = |who: &Who| match who {
        Who::Pod(id) => how.pods.iter().any(|pod| pod.id == *id),
        Who::Host(_) | Who::Node(..) => true,
    };
    let members = group.members.iter().filter(|who| is_asked(who)).cloned();
    let (of_pods, others): (Vec<Who>, Vec<Who>) = members.partition(is_pod);
    let is_outside = how.outside.without(&group.addresses).is_empty();
    let (whole, rest) = match how.naming {
        Naming::Widest if is_outside && of_pods.len() == how.pods.len() => {
            return ["0.0.0.0/0", "::/0"].map(str::to_owned).to_vec();
        }
        Naming::Widest | Naming::Short => whole(&of_pods, &how.pods),
        Naming::Full => (Vec::new(), of_pods),
    };
    let rest = Group { members: rest, addresses: Addresses::default() };
    let nodes: Addresses = others.iter().filter_map(node).collect();
    let (outside, nets) = match how.naming {
        Naming::Widest | Naming::Short if is_outside => (Some("outside".to_owned()), nodes),
        Naming::Widest | Naming::Short | Naming::Full => (None, nodes.and(&group.addresses)),
    };
    let nets = nets.nets().into_iter().map(|net| match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    });
    whole.into_iter().chain(words::names(how.cluster, &rest)).chain(outside).chain(nets).collect()
}

fn node(who: &Who) -> Option<&IpAddr> {
    match who {
        Who::Node(_, address) => Some(address),
        Who::Pod(_) | Who::Host(_) => None,
    }
}

fn is_pod(who: &Who) -> bool {
    match who {
        Who::Pod(_) => true,
        Who::Host(_) | Who::Node(..) => false,
    }
}

/// Namespaces, or the cluster, of which all pods are meant; and the others.
fn whole(members: &[Who], pods: &[&Endpoint]) -> (Vec<String>, Vec<Who>) {
    if members.len() == pods.len() && !pods.is_empty() {
        return (vec!["*/*".to_owned()], Vec::new());
    }
    let mut sizes: HashMap<&Text, usize> = HashMap::new();
    pods.iter().for_each(|pod| *sizes.entry(&pod.id.namespace).or_default() += 1);
    let mut meant: HashMap<&Text, usize> = HashMap::new();
    let namespaces = || members.iter().filter_map(namespace);
    namespaces().for_each(|name| *meant.entry(name).or_default() += 1);
    let is_full = |name: &Text| meant.get(name) == sizes.get(name);
    let full: IndexSet<&Text> = namespaces().filter(|name| is_full(name)).collect();
    let rest = members.iter().filter(|who| namespace(who).is_none_or(|name| !is_full(name)));
    (full.iter().map(|name| format!("{name}/*")).collect(), rest.cloned().collect())
}

fn namespace(who: &Who) -> Option<&Text> {
    match who {
        Who::Pod(id) => Some(&id.namespace),
        Who::Host(_) | Who::Node(..) => None,
    }
}

/// A destination with its ports, as `names::destination` reads it.
fn destination(name: &str, asked: Asked) -> String {
    let bracketed = if name.contains(':') { format!("[{name}]") } else { name.to_owned() };
    match asked {
        Asked::Everything => name.to_owned(),
        Asked::WithoutPorts => format!("{bracketed}:icmp"),
        Asked::Ports(protocol, 1, u16::MAX) => format!("{bracketed}:*/{protocol}"),
        Asked::Ports(Protocol::Tcp, from, to) if from == to => format!("{bracketed}:{from}"),
        Asked::Ports(protocol, from, to) if from == to => format!("{bracketed}:{from}/{protocol}"),
        Asked::Ports(protocol, from, to) => format!("{bracketed}:{from}-{to}/{protocol}"),
    }
}

/// The file.
pub(super) fn yaml(claims: &[Claim]) -> String {
    let mut text =
        "# What is allowed today, written by `portcullis test --init`. Keep what is meant to stay so.\n\
                    tests:\n"
            .to_owned();
    for Claim { name, lines } in claims {
        text += &format!("- name: {}\n", quoted(name));
        for (kind, lines) in lines {
            text += &format!("  {kind}:\n");
            for line in lines {
                text += &format!("  - {}\n", quoted(line));
            }
        }
    }
    text
}

/// In quotes, where YAML would read it otherwise.
fn quoted(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./> :*".contains(&byte);
    let begins = text.starts_with(|first: char| first.is_ascii_alphanumeric());
    if begins && text.bytes().all(is_plain) && !text.contains(": ") && !text.ends_with(':') {
        text.to_owned()
    } else {
        format!("{text:?}")
    }
}
