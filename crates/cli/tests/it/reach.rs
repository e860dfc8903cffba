//! `reach` and `diff`, as a user runs them.

use crate::command::{portcullis, root};

const CLUSTER: [&str; 4] = ["-f", "examples/three-tier/cluster.yaml", "-f", "examples/three-tier/steps"];

fn reach(arguments: &[&str]) -> crate::command::Run {
    portcullis(&[&["reach"], &CLUSTER[..], arguments].concat(), "")
}

#[test]
fn the_csv_is_the_table_that_the_example_expects() {
    let run = reach(&["--output", "csv", "--hosts", "examples/three-tier/hosts.csv"]);
    let expected = root().join("examples/three-tier/expect/3-frontend-isolated.csv");
    assert_eq!((run.status, run.stdout), (0, std::fs::read_to_string(expected).unwrap()));
}

#[test]
fn the_table_groups() {
    let run = reach(&["--from", "backend-tier/*", "--to", "database-tier/*"]);
    assert_eq!((run.status, run.stdout.as_str()), (0, "backend-tier/* -> database-tier/* : all\n"));
}

#[test]
fn the_json_is_whole() {
    let run = reach(&["--output", "json"]);
    let json: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    let ids: Vec<&str> =
        json["endpoints"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 5, "{ids:?}");
    assert!(ids.contains(&"database-tier/database"), "{ids:?}");
    assert_eq!(json["connections"][0]["all"], true);
}

#[test]
fn what_is_exposed_is_a_finding() {
    let run = reach(&["--exposure"]);
    assert_eq!(run.status, 1);
    assert!(run.stdout.starts_with("open from the internet\n  frontend-tier/* : 80/tcp\n"), "{}", run.stdout);
}

#[test]
fn a_change_is_a_finding_and_no_change_is_none() {
    let shared = ["-f", "examples/three-tier/cluster.yaml"];
    let step = |number| match number {
        1 => "examples/three-tier/steps/1-database-isolated.yaml",
        _ => "examples/three-tier/steps/2-backend-isolated.yaml",
    };
    let same = portcullis(&[&["diff", step(1), step(1)], &shared[..]].concat(), "");
    assert_eq!((same.status, same.stdout.as_str()), (0, "nothing changes\n"));
    let other = portcullis(&[&["diff", step(1), step(2)], &shared[..]].concat(), "");
    assert_eq!(other.status, 1, "{}", other.stderr);
}
