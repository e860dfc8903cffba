//! The same objects, however they are written.

use policy::manifest::{Listed, Options, Read, Settings, Source, Unsupported, read};
use policy::model::{Attribute, Cluster, Peer, Peers, Selector};

use crate::world::{read_with, rendered, sound};

fn cluster(text: &str) -> Cluster {
    sound(text).cluster(&Settings::default()).0
}

const POLICY: &str = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: client}}}]
    ports: [{port: 80}]
";

#[test]
fn yaml_and_json_and_lists_mean_the_same() {
    let json = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "web",
        "namespace": "shop"}, "spec": {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [{"from":
        [{"podSelector": {"matchLabels": {"app": "client"}}}], "ports": [{"port": 80}]}]}}"#;
    let forms = [
        json.to_owned(),
        format!(r#"{{"apiVersion": "v1", "kind": "List", "items": [{json}]}}"#),
        format!(r#"{{"apiVersion": "v1", "items": [{json}], "kind": "List"}}"#),
        format!(r#"{{"items": [{json}], "apiVersion": "v1", "kind": "List"}}"#),
        format!(
            r#"{{"kind": "NetworkPolicyList", "apiVersion": "networking.k8s.io/v1", "items": [{}]}}"#,
            json.replace(r#""apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "#, "")
        ),
        json.replace(r#""apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "#, "")
            .trim_end_matches('}')
            .to_owned()
            + r#"}, "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy"}"#,
        format!("apiVersion: v1\nkind: List\nitems:\n- {json}"),
        format!("# {{{{ no template }}}}\n---\n{POLICY}\n---\n"),
    ];
    let wanted = cluster(POLICY);
    for (at, form) in forms.iter().enumerate() {
        let mut read = cluster(form);
        for policy in read.policies.values_mut().chain(wanted.policies.clone().values_mut()) {
            assert!(policy.origin.line > 0);
        }
        strip(&mut read);
        let mut wanted = wanted.clone();
        strip(&mut wanted);
        assert_eq!(read, wanted, "form {at}");
    }
}

/// Forgets on which lines the rules stand.
fn strip(cluster: &mut Cluster) {
    for policy in cluster.policies.values_mut() {
        policy.origin.line = 0;
        for rule in policy.ingress.iter_mut().chain(policy.egress.iter_mut()).flatten() {
            rule.origin.line = 0;
        }
    }
}

#[test]
fn defaults_are_filled_in() {
    let cluster = cluster(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: bare}
",
    );
    let policy = cluster.policies.values().next().unwrap();
    assert_eq!(policy.subject, Selector::namespace("default"));
    assert_eq!((policy.ingress.as_deref(), policy.egress.as_deref()), (Some(&[][..]), None));
}

#[test]
fn a_peer_of_pods_alone_is_of_the_policys_namespace() {
    let cluster = cluster(POLICY);
    let rules = cluster.policies.values().next().unwrap().ingress.as_ref().unwrap().clone();
    let client = Selector::is_in(Attribute::Label("app".into()), vec!["client".into()]);
    assert_eq!(rules[0].peers, Peers::Of(vec![Peer::Pods(Selector::namespace("shop").and(client))]));
}

#[test]
fn anchors_aliases_and_merge_keys() {
    let with_aliases = sound(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: one, labels: &labels {app: web}}
spec:
  podSelector: {matchLabels: {<<: *labels, tier: front}}
  ingress: &rules
  - from: [{podSelector: {matchLabels: *labels}}]
  egress: []
",
    )
    .cluster(&Settings::default())
    .0;
    let policy = with_aliases.policies.values().next().unwrap();
    let label = |key: &str, value: &str| Selector::is_in(Attribute::Label(key.into()), vec![value.into()]);
    assert_eq!(
        policy.subject,
        Selector::namespace("default").and(label("app", "web")).and(label("tier", "front"))
    );
}

#[test]
fn port_010_is_8() {
    let cluster = cluster(
        "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: octal}
spec: {podSelector: {}, ingress: [{ports: [{port: 010}]}]}
",
    );
    let rules = cluster.policies.values().next().unwrap().ingress.as_ref().unwrap().clone();
    let port = policy::model::Port::Range(policy::model::Protocol::Tcp, 8, 8);
    assert_eq!(rules[0].ports, policy::model::Ports::Of(vec![port]));
}

fn in_folder(name: &str, text: &str) -> Read {
    read_with(name, text.as_bytes(), Listed::InFolder, Options::default())
}

#[test]
fn what_lies_in_a_folder_and_is_none_of_ours_is_counted() {
    for text in [
        "a: 1",
        "- a\n- b",
        "version: 3\nservices: {}",
        "key: [broken",
        "apiVersion: v2\nname: chart\nversion: 1.0.0",
    ] {
        let read = in_folder("other.yaml", text);
        assert!(read.diagnostics.is_empty(), "{text}: {}", rendered(&read));
        assert_eq!(read.skipped.foreign_files, 1, "{text}");
    }
    let map = in_folder("map.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {on: off}");
    assert_eq!((map.skipped.other_kinds, map.skipped.foreign_files), (1, 0));
    let helm = in_folder("helm.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Values.name }}\n");
    assert_eq!((helm.diagnostics.len(), helm.skipped.helm_templates), (0, 1), "{}", rendered(&helm));
}

#[test]
fn a_broken_policy_in_a_folder_is_not_passed_over() {
    let read =
        in_folder("broken.yaml", "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a");
    assert!(read.has_errors());
    assert!(in_folder("kindless.yaml", "kind: NetworkPolicy\nmetadata: {name: a}").has_errors());
}

#[test]
fn other_dialects_may_be_left_out_with_a_warning() {
    let text = "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: a}\n";
    let options = Options { unsupported: Unsupported::Warn, ..Options::default() };
    let read = read_with("cilium.yaml", text.as_bytes(), Listed::ByName, options);
    assert!(!read.has_errors());
    assert_eq!(read.diagnostics.len(), 1);
}

#[test]
fn kinds_go_with_their_groups() {
    for (api_version, kind) in [
        ("serving.knative.dev/v1", "Service"),
        ("kustomize.config.k8s.io/v1beta1", "Kustomization"),
        ("networking.k8s.io/v1", "Ingress"),
        ("v1", "Secret"),
        ("v1", "Endpoints"),
        ("example.com/v1", "Pods"),
    ] {
        let text = format!(
            "apiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: a, labels: {{a: 1}}}}\nspec: 1\n"
        );
        let read = read_with("other.yaml", text.as_bytes(), Listed::ByName, Options::default());
        assert!(read.diagnostics.is_empty(), "{}", rendered(&read));
        assert_eq!(read.skipped.other_kinds, 1);
    }
}

#[test]
fn problems_of_all_files_are_reported_in_their_order() {
    let bad =
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {ingres: []}\n";
    let sources = ["one.yaml", "two.yaml"].map(|name| Source {
        name: name.into(),
        bytes: bad.as_bytes().into(),
        listed: Listed::ByName,
    });
    let read = read(sources, Options::default());
    let files: Vec<&str> =
        read.diagnostics.iter().map(|one| one.place.as_ref().unwrap().file.as_ref()).collect();
    assert_eq!(files, ["one.yaml", "two.yaml"]);
}
