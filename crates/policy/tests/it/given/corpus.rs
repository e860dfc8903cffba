//! The corpus of cyclonus' cases: NetworkPolicies with verdicts that its simulator gave.

use std::collections::BTreeMap;
use std::fs::File;

use flate2::read::GzDecoder;
use policy::decision::Verdict;
use policy::model::{Cluster, EndpointId, Family, Flow, Protocol};
use serde_json::{Value, json};

use super::{cluster, read_objects};

/// A cluster in one state.
pub(crate) struct Step {
    /// Of the case, and which step of it.
    pub(crate) title: String,
    pub(crate) tags: Vec<String>,
    pub(crate) cluster: Cluster,
    pub(crate) rows: Vec<Row>,
}

/// A verdict of the corpus.
pub(crate) struct Row {
    /// `x/a to y/b`.
    pub(crate) text: String,
    pub(crate) flow: Flow,
    pub(crate) verdict: Verdict,
}

/// All steps of all cases, without the rows from a pod to itself: there the corpus asks the policies, and the
/// API says that a pod can't block itself (N9). `None`, and a line that says so, where the corpus is absent.
pub(crate) fn steps() -> Option<Vec<Step>> {
    let path = super::workspace().join("../shared/corpora/cyclonus-cases.json.gz");
    if !path.exists() {
        println!("SKIPPED: the corpus is not at {}", path.display());
        return None;
    }
    let cases: Vec<Value> = serde_json::from_reader(GzDecoder::new(File::open(path).unwrap())).unwrap();
    Some(cases.iter().flat_map(case).collect())
}

fn case(case: &Value) -> impl Iterator<Item = Step> {
    let tags: Vec<String> = list(&case["Tags"]).iter().map(|tag| text(tag).to_owned()).collect();
    list(&case["Steps"]).iter().enumerate().map(move |(at, step)| {
        let title = format!("{}: {}, step {}", text(&case["Group"]), text(&case["Description"]), at + 1);
        let cluster = cluster(&read_objects(&title, &manifest(step).to_string()), &[]);
        let flows = list(&step["Flows"]).iter().filter(|flow| flow["From"] != flow["To"]);
        let rows = flows.map(|flow| row(&cluster, flow)).collect();
        Step { title, tags: tags.clone(), cluster, rows }
    })
}

/// The step's objects, as `kubectl get -o json` would print them.
fn manifest(step: &Value) -> Value {
    let mut namespaces = BTreeMap::new();
    let mut items = Vec::new();
    for pod in list(&step["Pods"]) {
        let (namespace, name) = (text(&pod["Namespace"]), text(&pod["Name"]));
        namespaces.insert(namespace, &pod["NamespaceLabels"]);
        let ports = container_ports(step, &format!("{namespace}/{name}"));
        items.push(json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name, "labels": pod["Labels"]},
            "spec": {"containers": [{"name": "main", "image": "main", "ports": ports}]},
            "status": {"podIP": pod["IP"], "podIPs": [{"ip": pod["IP"]}]},
        }));
    }
    for (name, labels) in namespaces {
        let metadata = json!({"name": name, "labels": labels});
        items.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}));
    }
    items.extend(list(&step["Policies"]).iter().map(policy));
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// Not all of them say what they are.
fn policy(policy: &Value) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": policy["metadata"],
        "spec": policy["spec"],
    })
}

/// A pod's ports are those of the flows to it.
fn container_ports(step: &Value, pod: &str) -> Vec<Value> {
    let to_it = list(&step["Flows"]).iter().filter(|flow| flow["To"] == pod);
    let mut ports: Vec<_> =
        to_it.map(|flow| (text(&flow["PortName"]), number(&flow["Port"]), text(&flow["Protocol"]))).collect();
    ports.sort_unstable();
    ports.dedup();
    let port = |(name, port, protocol)| json!({"name": name, "containerPort": port, "protocol": protocol});
    ports.into_iter().map(port).collect()
}

fn row(cluster: &Cluster, flow: &Value) -> Row {
    let address = |pod: &Value| {
        let (namespace, name) = text(pod).split_once('/').unwrap();
        let id = EndpointId { namespace: namespace.into(), name: name.into() };
        cluster.endpoints[&id].address(Family::V4).unwrap()
    };
    let protocol = match text(&flow["Protocol"]) {
        "TCP" => Protocol::Tcp,
        "UDP" => Protocol::Udp,
        "SCTP" => Protocol::Sctp,
        other => panic!("`{other}` is no protocol of the corpus"),
    };
    let verdict = match text(&flow["Combined"]) {
        "allowed" => Verdict::Accept,
        "blocked" => Verdict::Deny,
        other => panic!("`{other}` is no verdict of the corpus"),
    };
    let port = number(&flow["Port"]).try_into().unwrap();
    let flow_text = format!("{} to {}, {port}/{protocol}", text(&flow["From"]), text(&flow["To"]));
    let flow = Flow::direct(address(&flow["From"]), address(&flow["To"]), protocol, port);
    Row { text: flow_text, flow, verdict }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap()
}
