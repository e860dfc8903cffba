//! How answers are printed.

use std::process::{Command, Stdio};

use crate::command::{lab, root};

const THREE_TIER: [&str; 6] = [
    "-f",
    "examples/three-tier/cluster.yaml",
    "--step",
    "examples/three-tier/steps/1-database-isolated.yaml",
    "--hosts",
    "examples/three-tier/hosts.csv",
];

#[test]
fn json_has_all_states_both_verdicts_and_the_reasons() {
    let Some(run) = lab(&[&THREE_TIER[..], &["--output", "json"]].concat(), "") else { return };
    assert_eq!(run.status, 0, "{}", run.stderr);
    let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!(report["clean"], true);
    let states = report["states"].as_array().unwrap();
    assert_eq!(states.len(), 2);
    assert!(states[0].get("step").is_none());
    assert_eq!(states[1]["step"], "examples/three-tier/steps/1-database-isolated.yaml");
    let added: Vec<&str> = states[1]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["object"].as_str().unwrap())
        .collect();
    assert_eq!(
        added,
        ["NetworkPolicy database-tier/default", "NetworkPolicy database-tier/allow-from-backend"]
    );
    let rows = states[1]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 40);
    let intruder = rows
        .iter()
        .find(|row| row["source"] == "other-team/intruder" && row["destination"] == "database-tier/database")
        .unwrap();
    assert_eq!(intruder["engine"]["verdict"], "deny");
    assert_eq!(intruder["engine"]["ingress"]["by"], "isolation");
    assert_eq!(intruder["kernel"]["verdict"], "deny");
    assert_eq!(intruder["kernel"]["rule"], intruder["engine"]["ingress"]["rule"], "the log names the rule");
    assert_eq!(intruder["before"], "allow");
    assert_eq!(
        intruder["engine"]["reason"],
        "no rule of `allow-from-backend`, `default` in `database-tier` allows it"
    );
}

#[test]
fn a_table_says_what_a_step_changed_and_why_a_pair_is_denied() {
    let Some(run) = lab(&THREE_TIER, "") else { return };
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stdout.contains("Step 1: examples/three-tier/steps/1-database-isolated.yaml"));
    assert!(run.stdout.contains("adds NetworkPolicy database-tier/default"));
    assert!(run.stdout.contains("verdicts change, marked >"));
    assert!(
        run.stdout.lines().any(|line| line.trim_start().starts_with("> database-tier/database")
            && line.ends_with("deny     no rule of 2 policies in `database-tier` allows it")),
        "{}",
        run.stdout
    );
}

#[test]
fn a_closed_pipe_is_a_success() {
    if lab(&THREE_TIER, "").is_none() {
        return;
    }
    let binary = std::env::var_os("PORTCULLIS").unwrap_or_else(|| env!("CARGO_BIN_EXE_portcullis").into());
    let mut child = Command::new(binary)
        .arg("lab")
        .args(THREE_TIER)
        .current_dir(root())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
