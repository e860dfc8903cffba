//! All steps of all examples, by real packets.

use std::fs;

use crate::command::{Run, lab, root};

/// The files of a folder of an example, sorted.
fn files(example: &str, folder: &str) -> Vec<String> {
    let path = format!("examples/{example}/{folder}");
    let mut files: Vec<String> = fs::read_dir(root().join(&path))
        .unwrap()
        .map(|entry| format!("{path}/{}", entry.unwrap().file_name().to_str().unwrap()))
        .collect();
    files.sort();
    files
}

fn run(example: &str, steps: &[String], more: &[&str]) -> Option<Run> {
    let (cluster, hosts) =
        (format!("examples/{example}/cluster.yaml"), format!("examples/{example}/hosts.csv"));
    let mut arguments = vec!["-f", &cluster, "--hosts", &hosts];
    arguments.extend(steps.iter().flat_map(|step| ["--step", step]));
    arguments.extend(more);
    lab(&arguments, "")
}

/// The kernel's table after each step is the expected one, byte for byte.
fn each_table_is_the_expected_one(example: &str) {
    let (steps, tables) = (files(example, "steps"), files(example, "expect"));
    assert_eq!(tables.len(), steps.len() + 1, "a table for the cluster and each step");
    for (done, table) in tables.iter().enumerate() {
        let Some(run) = run(example, &steps[..done], &["--output", "csv"]) else { return };
        assert_eq!(run.status, 0, "{table}: {}", run.stderr);
        assert_eq!(run.stdout, fs::read_to_string(root().join(table)).unwrap(), "{table}");
    }
}

#[test]
fn netpol_demo_gives_its_tables() {
    each_table_is_the_expected_one("netpol-demo");
}

#[test]
fn tester_notes_gives_its_tables() {
    each_table_is_the_expected_one("tester-notes");
}

#[test]
fn three_tier_gives_its_tables() {
    each_table_is_the_expected_one("three-tier");
}

#[test]
fn web_app_gives_its_tables() {
    each_table_is_the_expected_one("web-app");
}

#[test]
fn all_states_in_one_run_are_as_expected() {
    let (steps, tables) = (files("three-tier", "steps"), files("three-tier", "expect"));
    let expected: Vec<&str> = tables.iter().flat_map(|table| ["--expect", table.as_str()]).collect();
    let Some(run) = run("three-tier", &steps, &expected) else { return };
    assert_eq!(run.status, 0, "{}\n{}", run.stdout, run.stderr);
    assert!(run.stdout.ends_with("engine and kernel agree on all; all as expected\n"), "{}", run.stdout);
    let longest = run.stdout.lines().map(|line| line.chars().count()).max().unwrap();
    assert!(longest <= 100, "a line has {longest} columns");
    assert!(!run.stdout.contains('\u{1b}'), "colour without a terminal");
}

#[test]
fn the_wrong_tables_are_told_row_by_row() {
    let (steps, tables) = (files("three-tier", "steps"), files("three-tier", "expect"));
    let Some(run) = run("three-tier", &steps, &["--expect", &tables[0]]) else { return };
    assert_eq!(run.status, 1, "{}", run.stderr);
    let differing = |text: &str| fs::read_to_string(root().join(text)).unwrap().matches(",deny").count();
    assert_eq!(run.stdout.matches("!! expected allow").count(), differing(tables.last().unwrap()));
    assert!(run.stdout.contains("not as expected\n"), "{}", run.stdout);
}

#[test]
fn a_number_of_tables_that_fits_no_state_is_an_error() {
    let (steps, tables) = (files("three-tier", "steps"), files("three-tier", "expect"));
    let Some(run) = run("three-tier", &steps, &["--expect", &tables[0], "--expect", &tables[1]]) else {
        return;
    };
    assert_eq!(run.status, 2);
    assert!(run.stderr.contains("2 tables are expected of 4 states"), "{}", run.stderr);
}
