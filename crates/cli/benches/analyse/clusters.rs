//! Manifests of clusters of any size, made by rule.

use std::fmt::Write as _;
use std::net::Ipv4Addr;

/// How many of what; every namespace has 10 Deployments and 4 policies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) namespaces: usize,
    pub(crate) pods_per_workload: usize,
}

/// How it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// JSON without a blank, only what policies ask for.
    Compact,
    /// As `kubectl get -o json` prints it: status, volumes, probes and all.
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

/// All objects as a text of that form. Pods name their ReplicaSet, which stands for the Deployment.
pub(crate) fn manifests(size: Size, form: Form, edit: Edit) -> String {
    let mut all = Vec::new();
    for ns in 0..size.namespaces {
        all.push(namespace(ns));
        for workload in 0..WORKLOADS {
            for pod in 0..size.pods_per_workload {
                all.push(pod_of(ns, workload, pod, size.pods_per_workload, form));
            }
        }
        all.extend(edited(ns, edit));
    }
    match form {
        Form::Compact => list(&all, |value| value.to_string()),
        Form::Kubectl => list(&all, |value| serde_json::to_string_pretty(value).unwrap_or_default()),
        // JSON is YAML; block style is what people write, so that is what is made.
        Form::Yaml => all.iter().map(|value| format!("---\n{}", block(value, 0))).collect(),
    }
}

fn list(all: &[serde_json::Value], write: impl Fn(&serde_json::Value) -> String) -> String {
    let mut text = "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[".to_owned();
    for (at, value) in all.iter().enumerate() {
        let _ = write!(text, "{}{}", if at == 0 { "" } else { "," }, write(value));
    }
    text + "]}"
}

fn block(value: &serde_json::Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    match value {
        serde_json::Value::Object(map) if !map.is_empty() => map
            .iter()
            .map(|(key, value)| match is_nested(value) {
                true => format!("{indent}{key}:\n{}", block(value, depth + 1)),
                false => format!("{indent}{key}: {value}\n"),
            })
            .collect(),
        serde_json::Value::Array(items) if !items.is_empty() => items
            .iter()
            .map(|item| {
                let inner = block(item, depth + 1);
                format!("{indent}- {}", inner.strip_prefix(&"  ".repeat(depth + 1)).unwrap_or(&inner))
            })
            .collect(),
        flat => format!("{indent}{flat}\n"),
    }
}

fn is_nested(value: &serde_json::Value) -> bool {
    value.as_object().is_some_and(|map| !map.is_empty())
        || value.as_array().is_some_and(|all| !all.is_empty())
}

fn namespace(ns: usize) -> serde_json::Value {
    serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": format!("team-{ns}"), "labels": {"team": format!("t{}", ns % 20)}}
    })
}

fn pod_of(ns: usize, workload: usize, pod: usize, pods: usize, form: Form) -> serde_json::Value {
    let number = (ns * WORKLOADS + workload) * pods + pod;
    let address = Ipv4Addr::from(0x0a00_0000 + u32::try_from(number).unwrap_or(0) + 256).to_string();
    let (app, hash) = (format!("app-{workload}"), format!("{:x}", 0x5d00 + workload));
    let mut value = serde_json::json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{app}-{hash}-{pod}"), "namespace": format!("team-{ns}"),
            "labels": {"app": app, "team": format!("t{}", workload % 5), "pod-template-hash": hash},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": true,
                "name": format!("{app}-{hash}"), "uid": "0"}]
        },
        "spec": {"nodeName": format!("node-{}", number % 100), "containers": [{"name": "main", "image": "app:1",
            "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]}]},
        "status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}]}
    });
    if let Form::Kubectl = form {
        fill(&mut value);
    }
    value
}

/// About 6 KB that are of no interest here.
fn fill(pod: &mut serde_json::Value) {
    let times: Vec<_> =
        ["Initialized", "Ready", "ContainersReady", "PodScheduled", "PodReadyToStartContainers"]
            .map(|kind| {
                serde_json::json!({"type": kind, "status": "True", "lastProbeTime": null,
            "lastTransitionTime": "2026-11-23T04:00:00Z", "observedGeneration": 1})
            })
            .to_vec();
    let env: Vec<_> = (0..30)
        .map(|at| serde_json::json!({"name": format!("SETTING_{at}"), "value": format!("value of setting {at}")}))
        .collect();
    let mounts: Vec<_> = (0..6)
        .map(|at| {
            serde_json::json!({"name": format!("volume-{at}"), "mountPath": format!("/var/lib/app/{at}"),
            "readOnly": true})
        })
        .collect();
    if let Some(metadata) = pod.pointer_mut("/metadata").and_then(serde_json::Value::as_object_mut) {
        metadata.insert("uid".into(), "9a8b7c6d-0000-4000-8000-000000000000".into());
        metadata.insert("resourceVersion".into(), "123456789".into());
        metadata.insert("creationTimestamp".into(), "2026-11-23T04:00:00Z".into());
    }
    if let Some(container) = pod.pointer_mut("/spec/containers/0").and_then(serde_json::Value::as_object_mut)
    {
        container.insert("env".into(), env.into());
        container.insert("volumeMounts".into(), mounts.into());
    }
    if let Some(status) = pod.pointer_mut("/status").and_then(serde_json::Value::as_object_mut) {
        status.insert("conditions".into(), times.into());
        status.insert("qosClass".into(), "Burstable".into());
    }
}

fn edited(ns: usize, edit: Edit) -> Vec<serde_json::Value> {
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
fn policies(ns: usize) -> Vec<serde_json::Value> {
    let policy = |name: &str, spec: serde_json::Value| {
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
