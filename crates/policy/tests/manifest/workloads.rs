//! From workloads and pods to endpoints: who stands for whom, on which node, with which address.

use policy::manifest::{Listed, Options, Settings, Unreadable};
use policy::model::{Action, Cluster, Peers, Phase};

use crate::world::{read_with, sound};

fn cluster(text: &str) -> Cluster {
    sound(text).cluster(&Settings::default()).0
}

fn pods(cluster: &Cluster) -> Vec<String> {
    let line =
        |pod: &policy::model::Endpoint| format!("{} of {} {}", pod.id, pod.workload.kind, pod.workload.name);
    cluster.endpoints.values().map(line).collect()
}

fn workload(kind: &str, api_version: &str, name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: {api_version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{{spec}template: {{metadata: \
             {{labels: {{app: {name}}}}}, spec: {{containers: [{{name: c, image: i}}]}}}}}}\n"
    )
}

fn pod(name: &str, labels: &str, owner: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{{labels}}}, ownerReferences: [{owner}]}}\n\
             spec: {{containers: [{{name: c, image: i}}]}}\n"
    )
}

#[test]
fn every_workload_makes_its_pods() {
    let text = workload("Deployment", "apps/v1", "web", "replicas: 5, ")
        + &workload("StatefulSet", "apps/v1", "db", "")
        + &workload("DaemonSet", "apps/v1", "agent", "")
        + &workload("Job", "batch/v1", "once", "parallelism: 2, ")
        + &workload("ReplicationController", "v1", "old", "replicas: 0, ")
        + "---\napiVersion: batch/v1\nkind: CronJob\nmetadata: {name: tick}\nspec: {jobTemplate: {spec: {template: {spec: {}}}}}\n";
    assert_eq!(
        pods(&cluster(&text)),
        [
            "default/web-0 of Deployment web",
            "default/web-1 of Deployment web",
            "default/db-0 of StatefulSet db",
            "default/agent-0 of DaemonSet agent",
            "default/agent-1 of DaemonSet agent",
            "default/once-0 of Job once",
            "default/once-1 of Job once",
            "default/tick-0 of CronJob tick",
        ]
    );
}

#[test]
fn pods_in_the_input_stand_for_their_workload() {
    let text = workload("Deployment", "apps/v1", "web", "replicas: 2, ")
        + &pod(
            "web-5d-x",
            "app: web, pod-template-hash: 5d",
            "{kind: ReplicaSet, name: web-5d, controller: true}",
        )
        + &pod("lone", "app: lone", "{kind: ReplicaSet, name: lone-rs, controller: true}")
        + &pod("kube-proxy-node", "app: proxy", "{kind: Node, name: worker, controller: true}")
        + &pod("helper", "app: helper", "{kind: Deployment, name: web}");
    assert_eq!(
        pods(&cluster(&text)),
        [
            "default/web-5d-x of Deployment web",
            "default/lone of ReplicaSet lone-rs",
            "default/kube-proxy-node of Pod kube-proxy-node",
            "default/helper of Pod helper",
        ]
    );
}

#[test]
fn a_replica_set_with_an_owner_makes_no_pods_of_its_own() {
    let owned = workload("ReplicaSet", "apps/v1", "web-5d", "replicas: 2, ").replace(
        "{name: web-5d}",
        "{name: web-5d, ownerReferences: [{kind: Deployment, name: web, controller: true}]}",
    );
    let text = workload("Deployment", "apps/v1", "web", "") + &owned;
    assert_eq!(pods(&cluster(&text)), ["default/web-0 of Deployment web"]);
    assert_eq!(
        pods(&cluster(&owned)),
        ["default/web-0 of Deployment web", "default/web-1 of Deployment web"]
    );
}

#[test]
fn two_workloads_of_one_name_keep_apart() {
    let text = workload("Deployment", "apps/v1", "web", "") + &workload("StatefulSet", "apps/v1", "web", "");
    assert_eq!(
        pods(&cluster(&text)),
        ["default/web-0 of Deployment web", "default/web-statefulset-0 of StatefulSet web"]
    );
}

#[test]
fn addresses_hang_on_the_name_alone() {
    let (web, db) =
        (workload("Deployment", "apps/v1", "web", ""), workload("Deployment", "apps/v1", "db", ""));
    let one = cluster(&(web.clone() + &db));
    let other = cluster(&(db + &workload("Deployment", "apps/v1", "more", "") + &web));
    for (id, pod) in &one.endpoints {
        assert!(pod.addresses_made_up);
        assert_eq!(pod.addresses, other.endpoints[id].addresses, "{id}");
    }
}

#[test]
fn real_addresses_nodes_and_phases_are_kept() {
    let text = "
apiVersion: v1
kind: Pod
metadata: {name: done}
spec: {nodeName: worker, containers: [{name: c, image: i}]}
status: {phase: Succeeded, podIP: 10.1.0.7}
---
apiVersion: v1
kind: Pod
metadata: {name: live}
spec: {nodeName: worker, containers: [{name: c, image: i}]}
status: {phase: Running, hostIP: 192.168.1.4, podIP: 10.1.0.7, podIPs: [{ip: 10.1.0.7}, {ip: 'fd01::7'}]}
---
apiVersion: v1
kind: Pod
metadata: {name: going, deletionTimestamp: '2026-11-23T03:00:00Z'}
spec: {nodeName: worker, containers: [{name: c, image: i}]}
---
apiVersion: v1
kind: Pod
metadata: {name: host}
spec: {nodeName: worker, hostNetwork: true, containers: [{name: c, image: i}]}
";
    let cluster = cluster(text);
    let by_name: Vec<(&str, Phase, Vec<String>, bool)> = cluster
        .endpoints
        .values()
        .map(|pod| {
            (
                pod.id.name.as_ref(),
                pod.phase,
                pod.addresses.iter().map(ToString::to_string).collect(),
                pod.addresses_made_up,
            )
        })
        .collect();
    assert_eq!(by_name[0], ("done", Phase::Ended, vec!["10.1.0.7".to_owned()], false));
    assert_eq!(by_name[1], ("live", Phase::Live, vec!["10.1.0.7".to_owned(), "fd01::7".to_owned()], false));
    assert_eq!((by_name[2].1, by_name[2].2.len(), by_name[2].3), (Phase::Terminating, 2, true));
    assert_eq!(by_name[3].2, ["192.168.1.4"]);
    assert_eq!(cluster.nodes.keys().map(AsRef::as_ref).collect::<Vec<&str>>(), ["worker"]);
}

#[test]
fn pods_get_addresses_of_their_nodes() {
    let text = "
apiVersion: v1
kind: Node
metadata: {name: worker, labels: {zone: a}}
spec: {podCIDR: 10.9.3.0/24, podCIDRs: [10.9.3.0/24]}
status: {addresses: [{type: Hostname, address: worker}, {type: ExternalIP, address: 203.0.113.4}, {type: InternalIP, address: 192.168.1.4}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: c, image: i}]}
";
    let cluster = cluster(text);
    let pod = cluster.endpoints.values().next().unwrap();
    let net: ipnet::IpNet = "10.9.3.0/24".parse().unwrap();
    assert_eq!(pod.addresses.len(), 1);
    assert!(net.contains(&pod.addresses[0]));
    assert_eq!(cluster.pod_networks, [net]);
    let node = &cluster.nodes["worker"];
    assert_eq!(
        node.addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["192.168.1.4", "203.0.113.4"]
    );
}

#[test]
fn a_full_pod_network_is_said() {
    let settings =
        Settings { replicas: 100, pod_networks: vec!["10.0.0.0/29".parse().unwrap()], ..Settings::default() };
    let (cluster, diagnostics) =
        sound(&workload("Deployment", "apps/v1", "web", "replicas: 20, ")).cluster(&settings);
    assert_eq!(cluster.endpoints.values().filter(|pod| pod.addresses.is_empty()).count(), 12);
    assert_eq!(diagnostics.iter().map(|one| one.code).collect::<Vec<_>>(), ["PC200"]);
}

#[test]
fn a_later_object_replaces_an_earlier_one_where_it_stands() {
    let mut objects =
        sound(&(workload("Deployment", "apps/v1", "web", "") + &workload("Deployment", "apps/v1", "db", "")));
    objects.overlay(sound(
        &(workload("Deployment", "apps/v1", "new", "")
            + &workload("Deployment", "apps/v1", "web", "replicas: 2, ")),
    ));
    let (cluster, _) = objects.cluster(&Settings::default());
    let names: Vec<String> = cluster.endpoints.keys().map(ToString::to_string).collect();
    assert_eq!(names, ["default/web-0", "default/web-1", "default/db-0", "default/new-0"]);
}

#[test]
fn namespaces_that_objects_only_name_exist() {
    let cluster = cluster(
        &workload("Deployment", "apps/v1", "web", "").replace("{name: web}", "{name: web, namespace: shop}"),
    );
    assert_eq!(cluster.namespaces["shop"].labels, [("kubernetes.io/metadata.name", "shop")].into());
}

/// The cluster of a text read with `--keep-going`.
fn keep_going(text: &str) -> Cluster {
    let options = Options { unreadable: Unreadable::FailClosed, ..Options::default() };
    let read = read_with("bad.yaml", text.as_bytes(), Listed::ByName, options);
    assert!(read.has_errors());
    assert_eq!(read.objects.unreadable().count(), 1);
    read.objects.cluster(&Settings::default()).0
}

const NETWORK_POLICY: &str = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: a}\n";

#[test]
fn an_unreadable_rule_of_a_network_policy_matches_nothing() {
    let cluster = keep_going(&format!(
        "{NETWORK_POLICY}spec: {{ingress: [{{from: [{{}}]}}, {{ports: [{{port: 80}}]}}]}}"
    ));
    let policy = cluster.policies.values().next().unwrap();
    let rules = policy.ingress.as_ref().unwrap();
    assert_eq!((&rules[0].peers, &rules[1].peers), (&Peers::Of(Vec::new()), &Peers::Any));
    assert_eq!(policy.egress, None);
}

#[test]
fn an_unknown_field_of_a_spec_isolates_both_ways() {
    let cluster = keep_going(&format!("{NETWORK_POLICY}spec: {{ingress: [{{}}], ingres: []}}"));
    let policy = cluster.policies.values().next().unwrap();
    assert_eq!((policy.ingress.as_deref(), policy.egress.as_deref()), (Some(&[][..]), Some(&[][..])));
}

#[test]
fn an_unreadable_subject_is_not_applied() {
    let text = format!("{NETWORK_POLICY}spec: {{podSelector: {{matchLabels: {{a: 1}}}}}}");
    assert!(keep_going(&text).policies.is_empty());
}

#[test]
fn unreadable_rules_of_a_cluster_policy_are_closed() {
    let rules = ["Accept", "Deny", "Pass"]
        .map(|action| format!("{{action: {action}, to: [{{planets: []}}]}}"))
        .join(", ");
    let cluster = keep_going(&format!(
        "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: a}}\n\
         spec: {{tier: Admin, priority: 1, subject: {{namespaces: {{}}}}, egress: [{rules}]}}"
    ));
    let policy = cluster.policies.values().next().unwrap();
    let rules: Vec<(Action, &Peers)> =
        policy.egress.iter().flatten().map(|rule| (rule.action, &rule.peers)).collect();
    let nobody = Peers::Of(Vec::new());
    assert_eq!(rules, [(Action::Accept, &nobody), (Action::Deny, &Peers::Any), (Action::Deny, &Peers::Any)]);
}
