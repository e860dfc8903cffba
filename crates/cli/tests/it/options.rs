//! What can be asked for.

use crate::command::{lab, rows};

/// Two pods of a Deployment and one of another, and a policy that allows only the first to reach the second.
const SHOP: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: db, namespace: shop}
spec:
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: db, ports: [{containerPort: 5432}]}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  policyTypes: [Ingress]
";

#[test]
fn a_policy_in_the_cluster_holds_from_the_start() {
    let Some(run) = lab(&["-f", "-", "--output", "csv"], SHOP) else { return };
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(rows(&run.stdout), ["shop/web,shop/db,5432/tcp,allow", "shop/db,shop/web,8080/tcp,deny"]);
}

#[test]
fn one_node_or_three_make_no_difference() {
    for nodes in ["1", "3"] {
        let Some(run) = lab(&["-f", "-", "--nodes", nodes, "--replicas", "3", "--output", "csv"], SHOP)
        else {
            return;
        };
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert_eq!(rows(&run.stdout), ["shop/web,shop/db,5432/tcp,allow", "shop/db,shop/web,8080/tcp,deny"]);
    }
}

#[test]
fn both_families_have_a_row_each() {
    let Some(run) = lab(&["-f", "-", "--family", "both", "--output", "csv"], SHOP) else { return };
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(
        run.stdout,
        "source,destination,port,verdict,family\n\
         shop/web,shop/db,5432/tcp,allow,4\n\
         shop/web,shop/db,5432/tcp,allow,6\n\
         shop/db,shop/web,8080/tcp,deny,4\n\
         shop/db,shop/web,8080/tcp,deny,6\n"
    );
}

#[test]
fn one_family_alone_can_be_asked() {
    let Some(run) = lab(&["-f", "-", "--family", "6", "--output", "csv"], SHOP) else { return };
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(rows(&run.stdout), ["shop/web,shop/db,5432/tcp,allow", "shop/db,shop/web,8080/tcp,deny"]);
}

#[test]
fn a_workload_can_be_asked_about_itself() {
    let Some(run) = lab(&["-f", "-", "--self", "--output", "csv"], SHOP) else { return };
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(
        rows(&run.stdout),
        [
            "shop/web,shop/web,8080/tcp,deny",
            "shop/web,shop/db,5432/tcp,allow",
            "shop/db,shop/web,8080/tcp,deny"
        ]
    );
}

#[test]
fn given_ports_are_asked_over_all_three_protocols() {
    let Some(run) = lab(&["-f", "-", "--ports", "80/tcp,53/udp,7/sctp", "--output", "csv"], SHOP) else {
        return;
    };
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert_eq!(
        rows(&run.stdout),
        [
            "shop/web,shop/db,80/tcp,allow",
            "shop/web,shop/db,53/udp,allow",
            "shop/web,shop/db,7/sctp,allow",
            "shop/db,shop/web,80/tcp,deny",
            "shop/db,shop/web,53/udp,deny",
            "shop/db,shop/web,7/sctp,deny"
        ]
    );
}

#[test]
fn a_verdict_of_the_other_family_that_differs_is_named() {
    let blocks = "
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: only-ipv6, namespace: shop}
spec:
  podSelector: {matchLabels: {app: web}}
  ingress: [{from: [{ipBlock: {cidr: '::/0'}}]}]
";
    let Some(run) = lab(&["-f", "-"], &format!("{SHOP}---{blocks}")) else { return };
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stdout.contains("over IPv6: allow"), "{}", run.stdout);
}
