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
    /// All pods of a namespace, of the cluster, and everything outside by one name.
    Short,
    /// Workloads and networks.
    Full,
}

/// A way to name, the cluster, and the pods that short names stand for.
pub(super) type How<'a> = (Naming, &'a Cluster, Vec<&'a Endpoint>);

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
        let mut by_ports: IndexMap<&PortSet, Group> = IndexMap::new();
        for (who, ports) in &self.members {
            by_ports.entry(ports).or_default().members.push(who.clone());
        }
        for (addresses, ports) in &self.addresses {
            let group = by_ports.entry(ports).or_default();
            group.addresses = std::mem::take(&mut group.addresses).and(addresses);
        }
        let each = by_ports.into_iter().flat_map(|(ports, group)| {
            let asked = Asked::all_of(ports);
            let names = names(&group, how).into_iter();
            names
                .flat_map(|name| asked.iter().map(|asked| line(&name, *asked)).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        });
        each.collect()
    }
}

fn names(group: &Group, (naming, cluster, pods): &How<'_>) -> Vec<String> {
    let (of_pods, others): (Vec<Who>, Vec<Who>) = group.members.iter().cloned().partition(is_pod);
    let (whole, rest) = match naming {
        Naming::Short => whole(&of_pods, pods),
        Naming::Full => (Vec::new(), of_pods),
    };
    let rest = Group { members: rest, addresses: Addresses::default() };
    let nodes: Addresses = others.iter().filter_map(node).collect();
    let (outside, nets) = match naming {
        Naming::Short if group.addresses.is_empty() => (None, nodes),
        Naming::Short => (Some("outside".to_owned()), nodes),
        Naming::Full => (None, nodes.and(&group.addresses)),
    };
    let nets = nets.nets().into_iter().map(|net| match net.prefix_len() == net.max_prefix_len() {
        true => net.addr().to_string(),
        false => net.to_string(),
    });
    whole.into_iter().chain(words::names(cluster, &rest)).chain(outside).chain(nets).collect()
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
