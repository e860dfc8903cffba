//! From names to pods, hosts and addresses.

use std::net::IpAddr;

use super::addresses::Addresses;
use super::reserved::global;
use super::suggest::nearest;
use super::{Asked, Destination, Name, NameError, Which};
use crate::index::Index;
use crate::model::{
    Cluster, Endpoint, Host, Path, Phase, Protocol, Selector, Service, ServiceId, ServicePort, TargetPort,
    Text,
};

/// Whom a name means. One of the three is empty or nearly so, but nothing hangs on that.
#[derive(Clone, Debug, Default)]
pub struct Ends<'a> {
    /// Pods with an address that haven't ended, in the order of the manifests.
    pub pods: Vec<&'a Endpoint>,
    /// Hosts outside.
    pub hosts: Vec<&'a Host>,
    /// Addresses, whoever has them.
    pub addresses: Addresses,
}

/// Whom a destination means, with the ports that are asked about.
#[derive(Clone, Debug)]
pub struct Target<'a> {
    /// To whom.
    pub ends: Ends<'a>,
    /// On which ports.
    pub asked: Asked,
    /// Directly or through a Service.
    pub path: Path,
}

/// Whom `name` means in a cluster.
///
/// # Errors
/// Where nothing has the name, or no pod is left that could be asked about.
pub fn ends<'a>(cluster: &'a Cluster, index: &Index, name: &Name) -> Result<Ends<'a>, NameError> {
    let of_addresses = |addresses| Ok(Ends { addresses, ..Ends::default() });
    match name {
        Name::Pods(namespace, which) => {
            Ok(Ends { pods: pods(cluster, index, namespace.as_ref(), which)?, ..Ends::default() })
        }
        Name::Net(net) => of_addresses(Addresses::of([net])),
        Name::Internet => of_addresses(internet(cluster)),
        Name::Outside => of_addresses(Addresses::all().without(&inside(cluster))),
        Name::External(name) => match cluster.hosts.get(name) {
            Some(host) => Ok(Ends { hosts: vec![host], ..Ends::default() }),
            None => Err(unknown("host outside", name, cluster.hosts.keys().map(AsRef::as_ref))),
        },
    }
}

/// Whom a destination means: one target, or for a Service one for each port on which its pods serve it.
///
/// # Errors
/// As [`ends`], and where a Service leads nowhere.
pub fn destinations<'a>(
    cluster: &'a Cluster,
    index: &Index,
    destination: &Destination,
) -> Result<Vec<Target<'a>>, NameError> {
    match destination {
        Destination::Of(name, asked) => {
            let ends = ends(cluster, index, name)?;
            Ok(vec![Target { ends, asked: *asked, path: Path::Direct }])
        }
        Destination::Service(namespace, name, port) => {
            through_service(cluster, index, namespace, name, port.as_ref())
        }
    }
}

/// Everybody there is: pods with a network of their own, hosts, nodes, and all addresses outside. An address of
/// the pod network that no pod has is nobody's.
pub fn everyone(cluster: &Cluster) -> Ends<'_> {
    let pods = cluster.endpoints.values().filter(|pod| pod.is_policed() && is_there(pod));
    let hosts: Vec<&Host> = cluster.hosts.values().collect();
    let of_hosts = hosts.iter().flat_map(|host| &host.addresses).collect();
    let nodes = cluster.nodes.values().flat_map(|node| &node.addresses).collect();
    let outside = Addresses::all().without(&inside(cluster)).without(&of_hosts);
    Ends { pods: pods.collect(), hosts, addresses: outside.and(&nodes) }
}

/// What `internet` means: addresses that are routed globally and aren't the cluster's.
pub fn internet(cluster: &Cluster) -> Addresses {
    global().without(&inside(cluster))
}

/// The addresses of pods and nodes, and the networks that pods' addresses come from.
fn inside(cluster: &Cluster) -> Addresses {
    let live = cluster.endpoints.values().filter(|pod| is_there(pod));
    let pods = live.flat_map(|pod| &pod.addresses);
    let nodes = cluster.nodes.values();
    let own: Addresses = pods.chain(nodes.clone().flat_map(|node| &node.addresses)).collect();
    let networks = cluster.pod_networks.iter().chain(nodes.flat_map(|node| &node.pod_cidrs));
    own.and(&Addresses::of(networks))
}

/// Pods that have ended have no address any more, or one that may be another's (D12).
fn is_there(pod: &Endpoint) -> bool {
    match pod.phase {
        Phase::Live | Phase::Terminating => !pod.addresses.is_empty(),
        Phase::Ended => false,
    }
}

fn pods<'a>(
    cluster: &'a Cluster,
    index: &Index,
    namespace: Option<&Text>,
    which: &Which,
) -> Result<Vec<&'a Endpoint>, NameError> {
    if let Some(name) = namespace.filter(|name| !cluster.namespaces.contains_key(*name)) {
        return Err(unknown("namespace", name, cluster.namespaces.keys().map(AsRef::as_ref)));
    }
    let within = |pod: &&Endpoint| namespace.is_none_or(|name| pod.id.namespace == *name);
    let there = || cluster.endpoints.values().filter(within);
    let meant: Vec<&Endpoint> = there().filter(|pod| is_meant(index, which, pod)).collect();
    let live: Vec<&Endpoint> = meant.iter().copied().filter(|pod| is_there(pod)).collect();
    match (live.is_empty(), which) {
        (false, _) => Ok(live),
        (true, Which::Named(_, name)) if meant.is_empty() => {
            let known = there().flat_map(|pod| [pod.workload.name.as_ref(), pod.id.name.as_ref()]);
            let full = |name: &str| namespace.map_or_else(|| name.into(), |ns| format!("{ns}/{name}"));
            let nearest = nearest(name, known).map(|name| full(&name));
            Err(NameError::Unknown { what: "workload or pod", name: full(name), nearest })
        }
        (true, _) => {
            let why = nobody(index, which, &meant, there);
            Err(NameError::Nobody { name: shown(namespace, which), why })
        }
    }
}

fn is_meant(index: &Index, which: &Which, pod: &Endpoint) -> bool {
    match which {
        Which::All => true,
        Which::Named(None, name) => pod.workload.name == *name || pod.id.name == *name,
        Which::Named(Some(kind), name) => {
            let of_kind = |is: &str| is.eq_ignore_ascii_case(kind);
            pod.workload.name == *name && of_kind(&pod.workload.kind)
                || pod.id.name == *name && of_kind("Pod")
        }
        Which::Labelled(selector) => index.selects(selector, pod),
    }
}

/// Why a name means no pod, where there is more to say.
fn nobody<'a, I: Iterator<Item = &'a Endpoint>>(
    index: &Index,
    which: &Which,
    meant: &[&Endpoint],
    there: impl Fn() -> I,
) -> Option<String> {
    if !meant.is_empty() {
        return Some("those of that name have ended".to_owned());
    }
    let Which::Labelled(selector) = which else { return None };
    let parts = match selector {
        Selector::All(parts) => parts.as_slice(),
        one @ (Selector::Any(_) | Selector::Not(_) | Selector::In(..) | Selector::Has(_)) => {
            std::slice::from_ref(one)
        }
    };
    let unmatched = parts.iter().find(|part| !there().any(|pod| index.selects(part, pod)))?;
    let nearest = label_of(unmatched).and_then(|(key, value)| {
        let labels = || there().filter_map(|pod| pod.labels.get(key)).map(AsRef::as_ref);
        match labels().next() {
            Some(_) => nearest(value, labels()).map(|near| format!("{key}={near}")),
            None => nearest(key, there().flat_map(|pod| pod.labels.iter()).map(|(key, _)| key.as_ref())),
        }
    });
    let hint = nearest.map(|label| format!("; did you mean `{label}`?")).unwrap_or_default();
    Some(format!("none has `{unmatched}`{hint}"))
}

fn label_of(selector: &Selector) -> Option<(&str, &str)> {
    match selector {
        Selector::In(crate::model::Attribute::Label(key), values) => Some((key, values.first()?)),
        Selector::In(..) | Selector::Has(_) | Selector::Not(_) | Selector::All(_) | Selector::Any(_) => None,
    }
}

fn shown(namespace: Option<&Text>, which: &Which) -> String {
    let namespace = namespace.map_or("*", AsRef::as_ref);
    match which {
        Which::All => format!("{namespace}/*"),
        Which::Named(None, name) => format!("{namespace}/{name}"),
        Which::Named(Some(kind), name) => format!("{namespace}/{kind}/{name}"),
        Which::Labelled(selector) => format!("{namespace}/{selector}"),
    }
}

fn through_service<'a>(
    cluster: &'a Cluster,
    index: &Index,
    namespace: &Text,
    name: &Text,
    port: Option<&Text>,
) -> Result<Vec<Target<'a>>, NameError> {
    let id = ServiceId { namespace: namespace.clone(), name: name.clone() };
    let Some(service) = cluster.services.get(&id) else {
        let known: Vec<String> = cluster.services.keys().map(ToString::to_string).collect();
        return Err(unknown("service", &id.to_string(), known.iter().map(String::as_str)));
    };
    let nobody = |why: &str| NameError::Nobody { name: format!("svc/{id}"), why: Some(why.to_owned()) };
    let Some(selector) = &service.selector else {
        return Err(nobody("the Service has no selector, so the manifests don't say what is behind it"));
    };
    let ports = service_ports(service, port)?;
    let here = cluster.endpoints.values().filter(|pod| pod.id.namespace == *namespace && is_there(pod));
    let backends: Vec<&Endpoint> = here.filter(|pod| index.selects(selector, pod)).collect();
    if backends.is_empty() {
        return Err(nobody("its selector matches no pod that runs"));
    }
    let targets: Vec<Target<'a>> = ports.iter().flat_map(|port| targets(port, &backends)).collect();
    if targets.is_empty() {
        return Err(nobody("no pod behind it has a port of the name it leads to"));
    }
    Ok(targets)
}

fn service_ports<'a>(service: &'a Service, port: Option<&Text>) -> Result<Vec<&'a ServicePort>, NameError> {
    let Some(text) = port else { return Ok(service.ports.iter().collect()) };
    let (number, protocol) = text.split_once('/').unwrap_or((text, ""));
    let is_meant = |port: &&ServicePort| {
        (port.name.as_deref() == Some(number) || port.port.to_string() == number)
            && (protocol.is_empty() || port.protocol.to_string() == protocol.to_lowercase())
    };
    let meant: Vec<&ServicePort> = service.ports.iter().filter(is_meant).collect();
    if meant.is_empty() {
        let known: Vec<String> = service.ports.iter().map(|port| port.port.to_string()).collect();
        let names = service.ports.iter().filter_map(|port| port.name.as_deref());
        let all: Vec<&str> = known.iter().map(String::as_str).chain(names).collect();
        return Err(unknown("service port", text, all.into_iter()));
    }
    Ok(meant)
}

/// Where a port of a Service leads: pods may give different numbers the name.
fn targets<'a>(port: &ServicePort, backends: &[&'a Endpoint]) -> Vec<Target<'a>> {
    let mut by_number: indexmap::IndexMap<u16, Vec<&'a Endpoint>> = indexmap::IndexMap::new();
    for pod in backends {
        if let Some(number) = number_on(pod, &port.target, port.protocol) {
            by_number.entry(number).or_default().push(pod);
        }
    }
    let target = |(number, pods)| Target {
        ends: Ends { pods, ..Ends::default() },
        asked: Asked::Ports(port.protocol, number, number),
        path: Path::Service,
    };
    by_number.into_iter().map(target).collect()
}

fn number_on(pod: &Endpoint, target: &TargetPort, protocol: Protocol) -> Option<u16> {
    match target {
        TargetPort::Number(number) => Some(*number),
        TargetPort::Named(name) => {
            let named = |port: &&crate::model::ContainerPort| {
                port.name.as_ref() == Some(name) && port.protocol == protocol
            };
            pod.ports.iter().find(named).map(|port| port.port)
        }
    }
}

fn unknown<'a>(what: &'static str, name: &str, known: impl Iterator<Item = &'a str>) -> NameError {
    NameError::Unknown { what, name: name.to_owned(), nearest: nearest(name, known) }
}

impl Ends<'_> {
    /// Every address that is meant.
    pub fn all_addresses(&self) -> Addresses {
        let pods = self.pods.iter().flat_map(|pod| &pod.addresses);
        let single: Vec<&IpAddr> = pods.chain(self.hosts.iter().flat_map(|host| &host.addresses)).collect();
        single.into_iter().collect::<Addresses>().and(&self.addresses)
    }
}
