//! Pods as a cluster has them: with owners, addresses and phases.

use crate::command::{lab, rows};

/// A pod of ReplicaSet `web-5d9c7b9f8`, whose own object isn't there.
fn pod(name: &str, tier: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata:
  name: {name}
  namespace: shop
  labels: {{app: web, tier: {tier}, pod-template-hash: 5d9c7b9f8}}
  ownerReferences:
  - {{apiVersion: apps/v1, kind: ReplicaSet, name: web-5d9c7b9f8, uid: 0b6a2c5e, controller: true}}
spec: {{containers: [{{name: web, image: web, ports: [{{containerPort: 8080}}]}}]}}
---"
    )
}

const CLIENT: &str = "
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: shop}
spec: {containers: [{name: shell, image: shell}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {podSelector: {matchLabels: {tier: closed}}, policyTypes: [Ingress]}
";

#[test]
fn pods_stand_for_their_deployment() {
    let input =
        [&pod("web-5d9c7b9f8-aaaaa", "closed"), &pod("web-5d9c7b9f8-bbbbb", "closed"), CLIENT].concat();
    let Some(run) = lab(&["-f", "-", "--output", "csv"], &input) else { return };
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(
        rows(&run.stdout),
        ["shop/web,shop/client,80/tcp,allow", "shop/client,shop/web,8080/tcp,deny"]
    );
}

#[test]
fn pods_that_disagree_stand_for_themselves() {
    let input = [&pod("web-5d9c7b9f8-aaaaa", "closed"), &pod("web-5d9c7b9f8-bbbbb", "open"), CLIENT].concat();
    let Some(run) = lab(&["-f", "-", "--output", "csv"], &input) else { return };
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(
        rows(&run.stdout),
        [
            "shop/web,shop/client,80/tcp,allow",
            "shop/client,shop/web-5d9c7b9f8-aaaaa,8080/tcp,deny",
            "shop/client,shop/web-5d9c7b9f8-bbbbb,8080/tcp,allow"
        ]
    );
}

#[test]
fn a_step_may_bring_pods() {
    let step = std::env::temp_dir().join(format!("portcullis-step-{}.yaml", std::process::id()));
    std::fs::write(&step, pod("web-5d9c7b9f8-ccccc", "closed")).unwrap();
    let run = lab(&["-f", "-", "--step", step.to_str().unwrap(), "--output", "csv"], CLIENT);
    std::fs::remove_file(&step).unwrap();
    let Some(run) = run else { return };
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(
        rows(&run.stdout),
        ["shop/client,shop/web,8080/tcp,deny", "shop/web,shop/client,80/tcp,allow"]
    );
}
