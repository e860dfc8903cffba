//! Manifests of clusters of any size, made by rule.

use std::io::{self, Write};
use std::net::Ipv4Addr;

use serde::Serialize as _;
use serde_json::Value;

/// How many of what; every namespace has 10 Deployments and 4 policies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) namespaces: usize,
    pub(crate) pods_per_workload: usize,
}

/// How it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// JSON without a blank, of pods what policies ask for and a little more.
    Compact,
    /// As `kubectl get -o json --show-managed-fields` prints it, 9 KB a pod.
    Kubectl,
    /// YAML documents.
    Yaml,
}

/// What differs from the cluster as it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edit {
    /// Nothing.
    None,
    /// In each hundredth namespace only its team is isolated, which gets another range of ports.
    Some,
    /// There are no policies.
    Everything,
}

const WORKLOADS: usize = 10;

/// Writes all objects in that form, one by one: a gigabyte of them needs no memory. Pods name their ReplicaSet,
/// which stands for the Deployment.
pub(crate) fn write(out: &mut impl Write, size: Size, form: Form, edit: Edit) -> io::Result<()> {
    match form {
        Form::Compact | Form::Kubectl => {
            out.write_all(b"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[")?
        }
        Form::Yaml => (),
    }
    for (at, value) in objects(size, form, edit).enumerate() {
        match form {
            Form::Compact | Form::Kubectl if at > 0 => out.write_all(b",")?,
            Form::Compact | Form::Kubectl | Form::Yaml => (),
        }
        object(out, &value, form)?;
    }
    match form {
        Form::Compact | Form::Kubectl => out.write_all(b"]}"),
        Form::Yaml => Ok(()),
    }
}

fn object(out: &mut impl Write, value: &Value, form: Form) -> io::Result<()> {
    match form {
        Form::Compact => Ok(serde_json::to_writer(out, value)?),
        Form::Kubectl => {
            let indented = serde_json::ser::PrettyFormatter::with_indent(b"    ");
            Ok(value.serialize(&mut serde_json::Serializer::with_formatter(out, indented))?)
        }
        // JSON is YAML; block style is what people write, so that is what is made.
        Form::Yaml => write!(out, "---\n{}", block(value, 0)),
    }
}

fn objects(size: Size, form: Form, edit: Edit) -> impl Iterator<Item = Value> {
    let Size { namespaces, pods_per_workload: pods } = size;
    (0..namespaces).flat_map(move |ns| {
        let of_workload = move |workload| (0..pods).map(move |pod| pod_of(ns, workload, pod, pods, form));
        let pods = (0..WORKLOADS).flat_map(of_workload);
        [namespace(ns)].into_iter().chain(pods).chain(edited(ns, edit))
    })
}

fn block(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(key, value)| match is_nested(value) {
                true => format!("{indent}{key}:\n{}", block(value, depth + 1)),
                false => format!("{indent}{key}: {value}\n"),
            })
            .collect(),
        Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| {
                let inner = block(item, depth + 1);
                format!("{indent}- {}", inner.strip_prefix(&"  ".repeat(depth + 1)).unwrap_or(&inner))
            })
            .collect(),
        flat => format!("{indent}{flat}\n"),
    }
}

fn is_nested(value: &Value) -> bool {
    value.as_object().is_some_and(|map| !map.is_empty())
        || value.as_array().is_some_and(|all| !all.is_empty())
}

fn namespace(ns: usize) -> Value {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": format!("team-{ns}"), "labels": {"team": format!("t{}", ns % 20)}}
    })
}

fn pod_of(ns: usize, workload: usize, pod: usize, pods: usize, form: Form) -> Value {
    let number = (ns * WORKLOADS + workload) * pods + pod;
    let address = Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap_or(0) + 256).to_string();
    let (app, hash) = (format!("app-{workload}"), format!("{:x}", 0x5d00 + workload));
    let mut value = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{app}-{hash}-{pod}"), "namespace": format!("team-{ns}"),
            "uid": "9a8b7c6d-0000-4000-8000-000000000000", "resourceVersion": "123456789",
            "creationTimestamp": "2026-11-23T04:00:00Z",
            "annotations": {"kubernetes.io/config.source": "api", "example.com/restarted": "2026-11-23T04:00:00Z"},
            "labels": {"app": app, "team": format!("t{}", workload % 5), "pod-template-hash": hash},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
                "name": format!("{app}-{hash}"), "uid": "0a1b2c3d-0000-4000-8000-000000000000"}]
        },
        "spec": {"nodeName": format!("node-{}", number % 100), "containers": [{"name": "main", "image": format!("app:1.2.3@sha256:{}", "5d".repeat(32)),
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    });
    if let Form::Kubectl = form {
        fill(&mut value);
    }
    value
}

/// What the API server keeps of each field: who set it.
fn managed_fields() -> Value {
    let settings = (0..16).map(|at| {
        let name = format!("k:{{\"name\":\"SETTING_{at}\"}}");
        (name, serde_json::json!({".": {}, "f:name": {}, "f:value": {}}))
    });
    let env: serde_json::Map<String, Value> = settings.collect();
    let container = serde_json::json!({".": {}, "f:env": env, "f:image": {}, "f:name": {}, "f:ports": {}});
    serde_json::json!([{
        "apiVersion": "v1", "fieldsType": "FieldsV1", "manager": "kube-controller-manager",
        "operation": "Update", "time": "2026-11-23T04:00:00Z",
        "fieldsV1": {"f:spec": {"f:containers": {"k:{\"name\":\"main\"}": container}}}
    }])
}

/// About 8 KB that are of no interest here.
fn fill(pod: &mut Value) {
    let times: Vec<_> =
        ["Initialized", "Ready", "ContainersReady", "PodScheduled", "PodReadyToStartContainers"]
            .map(|kind| {
                serde_json::json!({"type": kind, "status": "True", "lastProbeTime": null,
            "lastTransitionTime": "2026-11-23T04:00:00Z", "observedGeneration": 1})
            })
            .to_vec();
    let env: Vec<_> = (0..16)
        .map(|at| serde_json::json!({"name": format!("SETTING_{at}"), "value": format!("value of setting {at}")}))
        .collect();
    let mounts: Vec<_> = (0..6)
        .map(|at| {
            serde_json::json!({"name": format!("volume-{at}"), "mountPath": format!("/var/lib/app/{at}"),
            "readOnly": true})
        })
        .collect();
    if let Some(metadata) = pod.pointer_mut("/metadata").and_then(Value::as_object_mut) {
        metadata.insert("managedFields".into(), managed_fields());
    }
    if let Some(container) = pod.pointer_mut("/spec/containers/0").and_then(Value::as_object_mut) {
        container.insert("env".into(), env.into());
        container.insert("volumeMounts".into(), mounts.into());
    }
    if let Some(status) = pod.pointer_mut("/status").and_then(Value::as_object_mut) {
        status.insert("conditions".into(), times.into());
        status.insert("qosClass".into(), "Burstable".into());
    }
}

fn edited(ns: usize, edit: Edit) -> Vec<Value> {
    let mut policies = policies(ns);
    match edit {
        Edit::Some if ns % 100 == 7 => {
            policies.drain(..2);
            let ports = "/spec/ingress/0/ports/0";
            if let Some(port) = policies.first_mut().and_then(|team| team.pointer_mut(ports)) {
                *port = serde_json::json!({"protocol": "TCP", "port": 9000, "endPort": 9200});
            }
            policies
        }
        Edit::None | Edit::Some => policies,
        Edit::Everything => Vec::new(),
    }
}

/// Default deny, the namespace's own 8080, a team with a range of ports, and egress to the world and to DNS.
fn policies(ns: usize) -> Vec<Value> {
    let policy = |name: &str, spec: Value| {
        serde_json::json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": name, "namespace": format!("team-{ns}")}, "spec": spec
        })
    };
    vec![
        policy("default-deny", serde_json::json!({"podSelector": {}, "policyTypes": ["Ingress"]})),
        policy(
            "same-namespace",
            serde_json::json!({
                "podSelector": {}, "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 8080}]}]
            }),
        ),
        policy(
            "team",
            serde_json::json!({
                "podSelector": {"matchLabels": {"team": "t1"}}, "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"team": format!("t{}", ns % 20)}}}],
                    "ports": [{"protocol": "TCP", "port": 9000, "endPort": 9100}]}]
            }),
        ),
        policy(
            "egress",
            serde_json::json!({
                "podSelector": {}, "policyTypes": ["Egress"],
                "egress": [
                    {"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}]},
                    {"to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
                        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
                        "ports": [{"protocol": "UDP", "port": 53}]}
                ]
            }),
        ),
    ]
}
