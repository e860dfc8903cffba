//! The examples read without a word, and make the clusters that they describe.

use std::fs;

use policy::manifest::{Settings, hosts};
use policy::model::{Cluster, Family};

use crate::world::{root, sound_file};

#[track_caller]
fn cluster(example: &str) -> Cluster {
    let folder = root().join("examples").join(example);
    let csv = fs::read_to_string(folder.join("hosts.csv")).unwrap();
    let settings = Settings { hosts: hosts("hosts.csv".into(), &csv).unwrap(), ..Settings::default() };
    let (cluster, diagnostics) = sound_file(&folder.join("cluster.yaml")).cluster(&settings);
    assert_eq!(diagnostics, []);
    cluster
}

fn pods(cluster: &Cluster) -> Vec<String> {
    cluster.endpoints.keys().map(ToString::to_string).collect()
}

#[test]
fn every_example_reads_without_a_word() {
    let mut files = 0;
    for example in fs::read_dir(root().join("examples")).unwrap() {
        let folder = example.unwrap().path();
        // Other folders hold assertions about these clusters.
        if folder.join("cluster.yaml").exists() {
            let steps = fs::read_dir(folder.join("steps")).into_iter().flatten();
            let there = fs::read_dir(&folder).unwrap().chain(steps).map(|file| file.unwrap().path());
            for file in there.filter(|file| file.extension().is_some_and(|of| of == "yaml")) {
                assert!(!sound_file(&file).is_empty(), "{}", file.display());
                files += 1;
            }
        }
    }
    assert!(files >= 21, "{files} files");
}

#[test]
fn templates_become_pods_on_nodes_with_addresses_of_both_families() {
    let cluster = cluster("three-tier");
    let names = pods(&cluster);
    assert!(names.contains(&"frontend-tier/frontend-0".to_owned()), "{names:?}");
    assert!(names.contains(&"frontend-tier/frontend-1".to_owned()), "{names:?}");
    for pod in cluster.endpoints.values().filter(|pod| !pod.host_network) {
        for family in Family::BOTH {
            let address = pod.address(family).unwrap();
            assert!(cluster.pod_networks.iter().any(|net| net.contains(&address)), "{address}");
        }
    }
    let nodes: Vec<&str> = cluster.nodes.keys().map(AsRef::as_ref).collect();
    assert_eq!(nodes, ["node-1", "node-2"]);
}

#[test]
fn hosts_come_with_their_ports() {
    let cluster = cluster("tester-notes");
    let ports: Vec<usize> = cluster.hosts.values().map(|host| host.ports.len()).collect();
    assert_eq!(ports, [2, 1, 1]);
}

#[test]
fn host_network_pods_have_their_nodes_addresses() {
    let cluster = cluster("netpol-demo");
    let agents: Vec<_> = cluster.endpoints.values().filter(|pod| pod.host_network).collect();
    assert!(!agents.is_empty());
    for pod in agents {
        let node = &cluster.nodes[pod.node.as_ref().unwrap()];
        assert_eq!(pod.addresses, node.addresses);
    }
}
