//! From objects to a cluster: templates become pods, pods get nodes and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hashbrown::{HashMap, HashSet};
use indexmap::IndexMap;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::addresses::{Pool, hash};
use super::diagnostic::{Diagnostic, Severity};
use super::kinds::Kind;
use super::metadata::Owner;
use super::objects::{Object, ObjectId, Objects};
use super::others::namespace_of;
use super::pods::{Count, Pod, Template, Workload};
use crate::model::{
    self, About, Cluster, Endpoint, EndpointId, Family, Host, Labels, Node, Note, Phase, Text,
};

/// Where pods' addresses come from when nobody says otherwise (D21).
pub const DEFAULT_POD_NETWORKS: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 244, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x10, 0x244, 0, 0, 0, 0, 0), 64)),
];

/// Where nodes' addresses come from when the manifests have none.
const NODE_NETWORKS: [IpNet; 2] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(172, 18, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0x172, 0x18, 0, 0, 0, 0, 0), 64)),
];

/// What manifests leave open.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many nodes there are where the manifests name none.
    pub nodes: usize,
    /// The most pods that a template makes.
    pub replicas: u32,
    /// Where pods' addresses come from where the Nodes have no `podCIDRs`; empty: the default ones.
    pub pod_networks: Vec<IpNet>,
    /// Hosts outside the cluster.
    pub hosts: Vec<Host>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { nodes: 2, replicas: 2, pod_networks: Vec::new(), hosts: Vec::new() }
    }
}

impl Objects {
    /// The cluster that these objects describe. The same objects and settings give the same cluster.
    pub fn cluster(&self, settings: &Settings) -> (Cluster, Vec<Diagnostic>) {
        let mut diagnostics = Vec::new();
        let mut cluster = Cluster { hosts: hosts(settings), ..Cluster::default() };
        cluster.namespaces = namespaces(self);
        cluster.nodes = nodes(self, settings);
        cluster.pod_networks = pod_networks(&cluster.nodes, settings);
        cluster.endpoints = endpoints(self, settings, &cluster.nodes);
        give_addresses(&mut cluster, &mut diagnostics);
        check_addresses(&cluster, &mut diagnostics);
        for object in self.all.values() {
            match object {
                Object::Service(service) => {
                    cluster.services.insert(service.id.clone(), service.clone());
                }
                Object::Policy(policy) => {
                    cluster.policies.insert(policy.id.clone(), policy.as_ref().clone());
                }
                Object::Namespace(_) | Object::Node(_) | Object::Pod(_) | Object::Workload(_) => (),
            }
        }
        cluster.notes = notes(self);
        (cluster, diagnostics)
    }
}

fn notes(objects: &Objects) -> IndexMap<About, Note> {
    let about = |id: &ObjectId| match objects.all.get(id)? {
        Object::Policy(policy) => Some(About::Policy(policy.id.clone())),
        Object::Namespace(namespace) => Some(About::Namespace(namespace.name.clone())),
        Object::Node(_) | Object::Pod(_) | Object::Workload(_) | Object::Service(_) => None,
    };
    objects.notes.iter().filter_map(|(id, note)| Some((about(id)?, note.clone()))).collect()
}

fn hosts(settings: &Settings) -> IndexMap<Text, Host> {
    settings.hosts.iter().map(|host| (host.name.clone(), host.clone())).collect()
}

/// Those that are declared, and those that objects only name (D23).
fn namespaces(objects: &Objects) -> IndexMap<Text, model::Namespace> {
    let mut namespaces: IndexMap<Text, model::Namespace> = IndexMap::new();
    for (id, object) in &objects.all {
        match (object, &id.namespace) {
            (Object::Namespace(namespace), _) => {
                namespaces.insert(namespace.name.clone(), namespace.clone());
            }
            (_, Some(name)) if !namespaces.contains_key(name) => {
                namespaces.insert(name.clone(), namespace_of(name, &Labels::default()));
            }
            (_, _) => (),
        }
    }
    namespaces
}

/// The declared ones, those that pods name, and where there are none, as many as the settings say.
fn nodes(objects: &Objects, settings: &Settings) -> IndexMap<Text, Node> {
    let mut nodes: IndexMap<Text, Node> = IndexMap::new();
    for object in objects.all.values() {
        if let Object::Node(node) = object {
            nodes.insert(node.name.clone(), node.clone());
        }
    }
    for object in objects.all.values() {
        let (template, addresses): (&Template, &[IpAddr]) = match object {
            Object::Pod(pod) => (&pod.template, &pod.host_addresses),
            Object::Workload(workload) => (&workload.template, &[]),
            Object::Namespace(_) | Object::Node(_) | Object::Service(_) | Object::Policy(_) => continue,
        };
        if let Some(name) = &template.node {
            let node = nodes.entry(name.clone()).or_insert_with(|| bare_node(name));
            if node.addresses.is_empty() {
                node.addresses = addresses.to_vec();
            }
        }
    }
    if nodes.is_empty() {
        let names = (1..=settings.nodes.max(1)).map(|number| Text::from(format!("node-{number}")));
        nodes.extend(names.map(|name| (name.clone(), bare_node(&name))));
    }
    give_node_addresses(objects, settings, &mut nodes);
    nodes
}

fn bare_node(name: &Text) -> Node {
    Node { name: name.clone(), labels: Labels::default(), addresses: Vec::new(), pod_cidrs: Vec::new() }
}

fn give_node_addresses(objects: &Objects, settings: &Settings, nodes: &mut IndexMap<Text, Node>) {
    let of_hosts = settings.hosts.iter().flat_map(|host| &host.addresses);
    let of_nodes = nodes.values().flat_map(|node| &node.addresses);
    let mut taken: HashSet<IpAddr> = of_hosts.chain(of_nodes).copied().collect();
    for object in objects.all.values() {
        if let Object::Pod(pod) = object {
            taken.extend(&pod.addresses);
        }
    }
    let mut pools = NODE_NETWORKS.map(Pool::new);
    for node in nodes.values_mut().filter(|node| node.addresses.is_empty()) {
        node.addresses.extend(pools.iter_mut().filter_map(|pool| pool.next(&mut taken)));
    }
}

/// The Nodes' own, else the settings', else the default ones (D21).
fn pod_networks(nodes: &IndexMap<Text, Node>, settings: &Settings) -> Vec<IpNet> {
    let of_nodes: Vec<IpNet> = nodes.values().flat_map(|node| node.pod_cidrs.iter().copied()).collect();
    match (of_nodes.is_empty(), settings.pod_networks.is_empty()) {
        (false, _) => of_nodes,
        (true, false) => settings.pod_networks.clone(),
        (true, true) => DEFAULT_POD_NETWORKS.to_vec(),
    }
}

fn endpoints(
    objects: &Objects,
    settings: &Settings,
    nodes: &IndexMap<Text, Node>,
) -> IndexMap<EndpointId, Endpoint> {
    let present = present(objects);
    let mut endpoints = IndexMap::new();
    for (id, object) in &objects.all {
        match object {
            Object::Pod(pod) => {
                let endpoint = given(objects, id, pod, nodes);
                endpoints.insert(endpoint.id.clone(), endpoint);
            }
            Object::Workload(workload) if makes_pods(objects, &present, id, workload) => {
                expand(objects, settings, nodes, id, workload, &mut endpoints);
            }
            Object::Workload(_) | Object::Namespace(_) | Object::Node(_) => (),
            Object::Service(_) | Object::Policy(_) => (),
        }
    }
    endpoints
}

type Present = HashSet<(Text, model::Workload)>;

/// The workloads that pods of the input stand for.
fn present(objects: &Objects) -> Present {
    let mut present = Present::new();
    for (id, object) in &objects.all {
        if let Object::Pod(pod) = object {
            present.insert((namespace(id), workload_of_pod(objects, id, pod)));
        }
    }
    present
}

fn namespace(id: &ObjectId) -> Text {
    id.namespace.clone().unwrap_or_else(|| Text::from("default"))
}

/// Its pods are not there themselves, nor what made it.
fn makes_pods(objects: &Objects, present: &Present, id: &ObjectId, workload: &Workload) -> bool {
    let owner = workload.controller.as_ref().and_then(|owner| find(objects, id, owner));
    owner.is_none() && !present.contains(&(namespace(id), root(objects, id, &workload.controller)))
}

fn find<'o>(objects: &'o Objects, of: &ObjectId, owner: &Owner) -> Option<(&'o ObjectId, &'o Workload)> {
    let kind = Kind::named(&owner.kind)?;
    let id = ObjectId { kind, namespace: of.namespace.clone(), name: owner.name.clone() };
    match objects.all.get_key_value(&id)? {
        (id, Object::Workload(workload)) => Some((id, workload)),
        (_, Object::Namespace(_) | Object::Node(_) | Object::Pod(_)) => None,
        (_, Object::Service(_) | Object::Policy(_)) => None,
    }
}

/// The workload at the upper end of controllers; the object itself where it has none.
fn root(objects: &Objects, id: &ObjectId, controller: &Option<Owner>) -> model::Workload {
    let Some(owner) = controller else {
        return model::Workload { kind: Text::from(id.kind.name()), name: id.name.clone() };
    };
    let above = find(objects, id, owner).and_then(|(_, workload)| workload.controller.as_ref());
    let owner = above.unwrap_or(owner);
    model::Workload { kind: owner.kind.clone(), name: owner.name.clone() }
}

/// Found through controllers; where the ReplicaSet is missing, its name less the pod's template hash. A
/// pod that a node itself runs is its own.
fn workload_of_pod(objects: &Objects, id: &ObjectId, pod: &Pod) -> model::Workload {
    match &pod.controller {
        Some(owner) if owner.kind.as_ref() == "Node" => root(objects, id, &None),
        Some(owner) if owner.kind.as_ref() == "ReplicaSet" && find(objects, id, owner).is_none() => {
            let hash = pod.template.labels.get("pod-template-hash");
            let stem = hash.and_then(|hash| owner.name.strip_suffix(hash.as_ref())?.strip_suffix('-'));
            match stem {
                Some(stem) => model::Workload { kind: Text::from("Deployment"), name: Text::from(stem) },
                None => root(objects, id, &pod.controller),
            }
        }
        Some(_) | None => root(objects, id, &pod.controller),
    }
}

fn given(objects: &Objects, id: &ObjectId, pod: &Pod, nodes: &IndexMap<Text, Node>) -> Endpoint {
    let endpoint_id = EndpointId { namespace: namespace(id), name: id.name.clone() };
    let node = pod.template.node.clone().or_else(|| spread(&endpoint_id.to_string(), 0, nodes));
    let workload = workload_of_pod(objects, id, pod);
    let mut endpoint = endpoint(endpoint_id, &pod.template, node, workload);
    endpoint.addresses.clone_from(&pod.addresses);
    endpoint.phase = pod.phase;
    endpoint
}

fn endpoint(id: EndpointId, template: &Template, node: Option<Text>, workload: model::Workload) -> Endpoint {
    Endpoint {
        id,
        labels: template.labels.clone(),
        service_account: template.service_account.clone(),
        addresses: Vec::new(),
        addresses_made_up: false,
        ports: template.ports.to_vec(),
        node,
        host_network: template.host_network,
        phase: Phase::Live,
        workload,
    }
}

/// Pods of a workload go to one node after another, from one that its name chooses.
fn spread(name: &str, index: usize, nodes: &IndexMap<Text, Node>) -> Option<Text> {
    let count = nodes.len().max(1) as u64;
    let at = (hash(name) % count + index as u64) % count;
    nodes.get_index(usize::try_from(at).ok()?).map(|(name, _)| name.clone())
}

fn expand(
    objects: &Objects,
    settings: &Settings,
    nodes: &IndexMap<Text, Node>,
    id: &ObjectId,
    workload: &Workload,
    endpoints: &mut IndexMap<EndpointId, Endpoint>,
) {
    let count = match workload.count {
        Count::OnePerNode => nodes.len(),
        Count::Pods(count) => count.min(settings.replicas) as usize,
    };
    let root = root(objects, id, &workload.controller);
    let full_name = format!("{}/{}", namespace(id), root.name);
    for index in 0..count {
        let node = match (&workload.template.node, workload.count) {
            (Some(node), _) => Some(node.clone()),
            (None, Count::OnePerNode) => nodes.get_index(index).map(|(name, _)| name.clone()),
            (None, Count::Pods(_)) => spread(&full_name, index, nodes),
        };
        let pod_id = free_id(objects, endpoints, id, &root, index);
        let pod = endpoint(pod_id.clone(), &workload.template, node, root.clone());
        endpoints.insert(pod_id, pod);
    }
}

/// `web-0`; where a pod of that name is there already, `web-deployment-0`.
fn free_id(
    objects: &Objects,
    endpoints: &IndexMap<EndpointId, Endpoint>,
    id: &ObjectId,
    root: &model::Workload,
    index: usize,
) -> EndpointId {
    let kind = id.kind.name().to_lowercase();
    let mut stem = root.name.to_string();
    loop {
        let name = Text::from(format!("{stem}-{index}"));
        let free = EndpointId { namespace: namespace(id), name: name.clone() };
        let as_given = ObjectId { kind: Kind::Pod, namespace: id.namespace.clone(), name };
        if !endpoints.contains_key(&free) && !objects.all.contains_key(&as_given) {
            return free;
        }
        stem = format!("{stem}-{kind}");
    }
}

/// In the order of names, so that a pod's address doesn't hang on where it is written.
fn give_addresses(cluster: &mut Cluster, diagnostics: &mut Vec<Diagnostic>) {
    let mut taken: HashSet<IpAddr> =
        cluster.hosts.values().flat_map(|host| &host.addresses).copied().collect();
    taken.extend(cluster.nodes.values().flat_map(|node| &node.addresses));
    taken.extend(cluster.endpoints.values().flat_map(|pod| &pod.addresses));
    let mut pools = Pools { pools: HashMap::new() };
    let mut wanting: Vec<usize> = Vec::new();
    for (at, (_, pod)) in cluster.endpoints.iter_mut().enumerate() {
        let node = pod.node.as_ref().and_then(|name| cluster.nodes.get(name));
        if pod.host_network {
            pod.addresses = Family::BOTH.iter().filter_map(|family| node?.address(*family)).collect();
        } else if pod.addresses.is_empty() && pod.phase != Phase::Ended {
            wanting.push(at);
        }
    }
    wanting.sort_by(|one, other| {
        let id = |at: &usize| cluster.endpoints.get_index(*at).map(|(id, _)| id);
        id(one).cmp(&id(other))
    });
    let mut without = 0;
    for at in wanting {
        let Some((id, pod)) = cluster.endpoints.get_index_mut(at) else { continue };
        let node = pod.node.as_ref().and_then(|name| cluster.nodes.get(name));
        let own = node.map(|node| node.pod_cidrs.as_slice()).filter(|own| !own.is_empty());
        let networks = own.unwrap_or(&cluster.pod_networks);
        let wanted = one_a_family(networks);
        pod.addresses =
            wanted.iter().filter_map(|net| pools.give(*net, &id.to_string(), &mut taken)).collect();
        pod.addresses_made_up = true;
        without += usize::from(pod.addresses.len() < wanted.len());
    }
    if without > 0 {
        let networks: Vec<String> = cluster.pod_networks.iter().map(ToString::to_string).collect();
        let title = format!("{without} pods find no free address in {}", networks.join(", "));
        let help = Some("give a larger `--pod-network`".to_owned());
        diagnostics.push(Diagnostic { severity: Severity::Warning, code: "PC200", title, place: None, help });
    }
}

fn one_a_family(networks: &[IpNet]) -> Vec<IpNet> {
    let first = |family: &Family| networks.iter().copied().find(|net| Family::of(&net.addr()) == *family);
    Family::BOTH.iter().filter_map(first).collect()
}

struct Pools {
    pools: HashMap<IpNet, Pool>,
}

impl Pools {
    fn give(&mut self, net: IpNet, name: &str, taken: &mut HashSet<IpAddr>) -> Option<IpAddr> {
        self.pools.entry(net).or_insert_with(|| Pool::new(net)).named(name, taken)
    }
}

/// Of two live pods with one address nobody can say which one is meant.
fn check_addresses(cluster: &Cluster, diagnostics: &mut Vec<Diagnostic>) {
    let mut owners: HashMap<IpAddr, &EndpointId> = HashMap::new();
    for pod in cluster.endpoints.values().filter(|pod| pod.is_policed() && !pod.addresses_made_up) {
        for address in &pod.addresses {
            if let Some(other) = owners.insert(*address, &pod.id) {
                let title = format!("pods {other} and {} both have the address {address}", pod.id);
                let (severity, code) = (Severity::Warning, "PC201");
                let help = Some("one of them is probably gone".to_owned());
                diagnostics.push(Diagnostic { severity, code, title, place: None, help });
            }
        }
    }
}
