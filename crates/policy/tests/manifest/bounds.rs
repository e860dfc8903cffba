//! Objects that can't be read in full: whatever their authors meant lies between the two readings.

use std::collections::BTreeMap;

use policy::decision::Verdict;
use policy::manifest::{Bounds, Listed, Options, Settings, Unreadable};
use policy::model::{Cluster, Flow, Protocol};
use policy::spec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};

use crate::world::{read_with, sound};

const NAMESPACES: [(&str, &str); 2] = [("x", "a"), ("z", "b")];

const SELECTORS: [&str; 4] = [
    "{}",
    "{matchLabels: {app: p}}",
    "{matchLabels: {app: q}}",
    "{matchExpressions: [{key: app, operator: Exists}]}",
];

const PEERS: [&str; 6] = [
    "from: [{podSelector: {}}]",
    "from: [{podSelector: {matchLabels: {app: p}}}]",
    "from: [{namespaceSelector: {matchLabels: {team: a}}}]",
    "from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: q}}}]",
    "from: [{ipBlock: {cidr: 198.51.100.0/24}}]",
    "from: []",
];

const CLUSTER_PEERS: [&str; 3] = [
    "from: [{namespaces: {}}]",
    "from: [{namespaces: {matchLabels: {team: a}}}]",
    "from: [{pods: {podSelector: {matchLabels: {app: p}}}}]",
];

/// Where something unreadable is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flaw {
    /// Nowhere.
    None,
    /// In the first rule of each direction.
    Rule,
    /// Directly under `spec`.
    Spec,
    /// In the subject.
    Subject,
    /// Outside `spec`.
    Object,
}

/// A policy as its author meant it.
#[derive(Clone, Debug)]
struct Meant {
    is_cluster: bool,
    namespace: &'static str,
    subject: &'static str,
    tier: &'static str,
    priority: u8,
    ingress: Vec<(&'static str, String)>,
    egress: Vec<(&'static str, String)>,
}

impl Meant {
    /// Its YAML, with a flaw that the API server would reject.
    fn written(&self, name: &str, flaw: Flaw) -> String {
        let odd = |at| if flaw == at { "bogus: 1, " } else { "" };
        let side = |rules: &[(&str, String)], word: &str| {
            let rule = |(at, (action, peers)): (usize, &(&str, String))| {
                let odd = if at == 0 { odd(Flaw::Rule) } else { "" };
                let action = if self.is_cluster { format!("action: {action}, ") } else { String::new() };
                format!("{{{odd}{action}{}}}", peers.replace("from:", word))
            };
            rules.iter().enumerate().map(rule).collect::<Vec<_>>().join(", ")
        };
        let (ingress, egress) = (side(&self.ingress, "from:"), side(&self.egress, "to:"));
        let (object, spec) = (odd(Flaw::Object), odd(Flaw::Spec));
        let own = format!("{{{}{}", odd(Flaw::Subject), &self.subject[1..]);
        if self.is_cluster {
            let subject = format!("{{pods: {{podSelector: {own}}}}}");
            return format!(
                "{{{object}apiVersion: policy.networking.k8s.io/v1alpha2, kind: ClusterNetworkPolicy, \
                 metadata: {{name: {name}}}, spec: {{{spec}tier: {}, priority: {}, subject: {subject}, \
                 ingress: [{ingress}], egress: [{egress}]}}}}",
                self.tier, self.priority
            );
        }
        format!(
            "{{{object}apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {{name: {name}, \
             namespace: {}}}, spec: {{{spec}podSelector: {own}, policyTypes: [Ingress, Egress], \
             ingress: [{ingress}], egress: [{egress}]}}}}",
            self.namespace
        )
    }
}

fn meant() -> impl Strategy<Value = Meant> {
    let rule =
        || (select(vec!["Accept", "Deny", "Pass"]), select(PEERS.to_vec()), select(CLUSTER_PEERS.to_vec()));
    let rules = move || proptest::collection::vec(rule(), 0..3);
    let place = (any::<bool>(), select(vec!["x", "z"]), select(SELECTORS.to_vec()));
    let order = (select(vec!["Admin", "Baseline"]), 0..3_u8);
    (place, order, rules(), rules()).prop_map(
        |((is_cluster, namespace, subject), (tier, priority), into, out)| {
            let side = |rules: Vec<(&'static str, &str, &str)>| {
                let peers = |own: &str, of_cluster: &str| {
                    if is_cluster { of_cluster.to_owned() } else { own.to_owned() }
                };
                rules.into_iter().map(|(action, own, cluster)| (action, peers(own, cluster))).collect()
            };
            Meant { is_cluster, namespace, subject, tier, priority, ingress: side(into), egress: side(out) }
        },
    )
}

fn manifest(policies: &[Meant], flaws: &BTreeMap<usize, Flaw>, bad_namespace: bool) -> String {
    let mut documents = Vec::new();
    for (at, (name, team)) in NAMESPACES.iter().enumerate() {
        let odd = if bad_namespace && at == 0 { ", \"no key!\": x" } else { "" };
        documents.push(format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{team: {team}{odd}}}}}}}"
        ));
        for app in ["p", "q"] {
            documents.push(format!(
                "{{apiVersion: v1, kind: Pod, metadata: {{name: {app}, namespace: {name}, labels: {{app: {app}}}}}, \
                 spec: {{containers: [{{name: c, image: c}}]}}}}"
            ));
        }
    }
    for (at, policy) in policies.iter().enumerate() {
        let flaw = flaws.get(&at).copied().unwrap_or(Flaw::None);
        documents.push(policy.written(&format!("p{at}"), flaw));
    }
    documents.join("\n---\n")
}

fn flows(cluster: &Cluster) -> Vec<Flow> {
    let pods = || cluster.endpoints.values().map(|pod| pod.addresses[0]);
    let outside = ["198.51.100.7".parse().unwrap(), "203.0.113.7".parse().unwrap()];
    let ends: Vec<std::net::IpAddr> = pods().chain(outside).collect();
    let pairs = ends.iter().flat_map(|from| ends.iter().map(move |to| (*from, *to)));
    let pairs = pairs.filter(|(from, to)| from != to);
    pairs.map(|(from, to)| Flow::direct(from, to, Protocol::Tcp, 80)).collect()
}

fn allows(cluster: &Cluster, flow: &Flow) -> bool {
    spec::decide(cluster, flow).verdict() == Verdict::Accept
}

fn bounds(text: &str) -> (Cluster, Option<Bounds>) {
    let options = Options { unreadable: Unreadable::FailClosed, ..Options::default() };
    let objects = read_with("bad.yaml", text.as_bytes(), Listed::ByName, options).objects;
    let cluster = objects.cluster(&Settings::default()).0;
    let bounds = objects.bounds(&cluster);
    (cluster, bounds)
}

fn config() -> Config {
    let rng_seed = RngSeed::Fixed(20_261_123);
    Config { cases: 512, rng_seed, failure_persistence: None, ..Config::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_was_meant_lies_between_the_readings(
        policies in proptest::collection::vec(meant(), 1..5),
        flaws in proptest::collection::btree_map(0..5_usize, select(vec![Flaw::Rule, Flaw::Spec, Flaw::Subject, Flaw::Object]), 1..3),
        bad_namespace in proptest::bool::weighted(0.2),
    ) {
        let meant = sound(&manifest(&policies, &BTreeMap::new(), false)).cluster(&Settings::default()).0;
        let (cluster, bounds) = bounds(&manifest(&policies, &flaws, bad_namespace));
        let Some(Bounds { narrow, wide, unreadable }) = bounds else {
            // The flaw is in a policy, or a rule, that isn't there.
            for flow in flows(&meant) {
                prop_assert_eq!(allows(&meant, &flow), allows(&cluster, &flow), "{:?}", flow);
            }
            return Ok(());
        };
        prop_assert!(!unreadable.is_empty());
        for flow in flows(&meant) {
            let (least, is, most) = (allows(&narrow, &flow), allows(&meant, &flow), allows(&wide, &flow));
            prop_assert!(least <= is && is <= most, "{:?}: {} {} {}", flow, least, is, most);
        }
    }
}

#[test]
fn what_an_unreadable_rule_does_not_touch_is_known() {
    let policy = Meant {
        is_cluster: false,
        namespace: "x",
        subject: "{matchLabels: {app: p}}",
        tier: "",
        priority: 0,
        ingress: vec![
            ("", "from: [{podSelector: {}}]".to_owned()),
            ("", "from: [{namespaceSelector: {matchLabels: {team: b}}}]".to_owned()),
        ],
        egress: vec![("", "from: []".to_owned())],
    };
    let flaws = BTreeMap::from([(0, Flaw::Rule)]);
    let text = manifest(&[policy], &flaws, false).replacen("to: []", "to: [], ports: []", 1);
    let Bounds { narrow, wide, unreadable } = bounds(&text).1.unwrap();
    assert_eq!(unreadable[0].0, "NetworkPolicy x/p0");
    let name = |cluster: &Cluster, flow: &Flow| {
        let named = |address| cluster.endpoints.values().find(|pod| pod.addresses.contains(&address));
        let said = |address| named(address).map_or("outside".to_owned(), |pod| pod.id.to_string());
        format!("{} -> {}", said(flow.source), said(flow.destination))
    };
    let unknown = flows(&narrow).into_iter().filter(|flow| allows(&narrow, flow) != allows(&wide, flow));
    let unknown: std::collections::BTreeSet<String> = unknown.map(|flow| name(&narrow, &flow)).collect();
    // What leaves x/p hangs on a rule that can't be read, and who comes in from x and from outside.
    let expected =
        ["outside -> x/p", "x/p -> outside", "x/p -> x/q", "x/p -> z/p", "x/p -> z/q", "x/q -> x/p"];
    assert_eq!(unknown, expected.map(str::to_owned).into());
}
