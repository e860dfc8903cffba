//! How fast manifests are read: megabytes a second, by form, on one core.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a bench prints its table and may fail loudly"
)]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use policy::manifest::{Listed, Options, Settings, Source, read};

const ROUNDS: usize = 3;

fn main() {
    println!("{:<44}{:>8}{:>9}{:>9}{:>11}", "", "MB", "seconds", "MB/s", "cluster s");
    line("20,000 pods, JSON as kubectl prints it", || list(20_000, true));
    line("100,000 pods, compact JSON", || list(100_000, false));
    line("4,000 pods and policies, YAML", || yaml(4_000));
}

/// The best of a few rounds: of reading, and of making the cluster. `-- WORD` leaves out what doesn't say WORD.
fn line(name: &str, text: impl Fn() -> String) {
    if std::env::args().skip(1).any(|word| word != "--bench" && !name.contains(&word)) {
        return;
    }
    let text = text();
    let mut best = (Duration::MAX, Duration::MAX);
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let bytes = text.as_bytes().into();
        let read = read([Source { name: "bench".into(), bytes, listed: Listed::ByName }], Options::default());
        let reading = start.elapsed();
        assert!(read.diagnostics.is_empty(), "{}", read.diagnostics[0]);
        let start = Instant::now();
        let (cluster, _) = read.objects.cluster(&Settings::default());
        assert!(!cluster.endpoints.is_empty());
        best = (best.0.min(reading), best.1.min(start.elapsed()));
    }
    let megabytes = text.len() as f64 / 1e6;
    let (reading, making) = (best.0.as_secs_f64(), best.1.as_secs_f64());
    println!("{name:<44}{megabytes:>8.1}{reading:>9.3}{:>9.0}{making:>11.3}", megabytes / reading);
}

/// A `List` of pods; `kubectl get -o json` indents by four and prints some 6 KB a pod.
fn list(pods: usize, is_full: bool) -> String {
    let mut text = "{\n    \"apiVersion\": \"v1\",\n    \"items\": [\n".to_owned();
    for number in 0..pods {
        let comma = if number + 1 == pods { "" } else { "," };
        let pod = if is_full { full_pod(number) } else { compact_pod(number) };
        writeln!(text, "{pod}{comma}").expect("a string takes it");
    }
    text + "    ],\n    \"kind\": \"List\",\n    \"metadata\": {\"resourceVersion\": \"\"}\n}\n"
}

fn address(number: usize) -> String {
    format!("10.{}.{}.{}", 1 + (number >> 16), number >> 8 & 255, number & 255)
}

fn compact_pod(number: usize) -> String {
    let (namespace, app) = (number / 100, number / 10);
    format!(
        "{{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{{\"name\":\"app-{app}-5d9c7b8f6-{number}\",\
         \"namespace\":\"team-{namespace}\",\"labels\":{{\"app\":\"app-{app}\",\"team\":\"team-{namespace}\",\
         \"pod-template-hash\":\"5d9c7b8f6\"}},\"ownerReferences\":[{{\"apiVersion\":\"apps/v1\",\"kind\":\"ReplicaSet\",\
         \"name\":\"app-{app}-5d9c7b8f6\",\"controller\":true}}]}},\"spec\":{{\"nodeName\":\"node-{}\",\
         \"serviceAccountName\":\"default\",\"containers\":[{{\"name\":\"main\",\"image\":\"registry.example.com/app:1.2.3\",\
         \"ports\":[{{\"name\":\"http\",\"containerPort\":8080,\"protocol\":\"TCP\"}}]}}]}},\"status\":{{\"phase\":\"Running\",\
         \"podIP\":\"{ip}\",\"podIPs\":[{{\"ip\":\"{ip}\"}}]}}}}",
        number % 500,
        ip = address(number)
    )
}

/// The compact pod among what the API server adds, indented.
fn full_pod(number: usize) -> String {
    let compact = compact_pod(number);
    let fields: String = (0..40)
        .map(|field| format!("                    \"f:field-{field}\": {{\n                        \".\": {{}},\n                        \"f:value\": {{}}\n                    }},\n"))
        .collect();
    let managed = format!(
        "\"managedFields\": [\n            {{\n                \"apiVersion\": \"v1\",\n                \"fieldsType\": \"FieldsV1\",\n                \"fieldsV1\": {{\n{fields}                    \"f:last\": {{}}\n                }},\n                \"manager\": \"kube-controller-manager\",\n                \"operation\": \"Update\",\n                \"time\": \"2026-11-23T03:00:00Z\"\n            }}\n        ],\n        \"name\""
    );
    let spread = compact.replacen("\"name\"", &managed, 1).replace("\",\"", "\",\n            \"");
    spread.replace("},\"", "},\n        \"")
}

fn yaml(pods: usize) -> String {
    let mut text = String::new();
    for number in 0..pods {
        writeln!(text, "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: app-{number}\n  namespace: team-{}\n  labels:\n    app: app-{}\n    team: team-{}\nspec:\n  nodeName: node-{}\n  containers:\n  - name: main\n    image: registry.example.com/app:1.2.3\n    ports:\n    - name: http\n      containerPort: 8080\n      protocol: TCP\nstatus:\n  phase: Running\n  podIP: {}",
            number / 100, number / 10, number / 100, number % 500, address(number)).expect("a string takes it");
        if number % 10 == 0 {
            writeln!(text, "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: policy-{number}\n  namespace: team-{}\nspec:\n  podSelector:\n    matchLabels:\n      app: app-{}\n  policyTypes:\n  - Ingress\n  ingress:\n  - from:\n    - namespaceSelector:\n        matchLabels:\n          kubernetes.io/metadata.name: team-{}\n      podSelector: {{}}\n    ports:\n    - protocol: TCP\n      port: 8080",
                number / 100, number / 10, number / 100).expect("a string takes it");
        }
    }
    text
}
