//! How long the whole command takes, from files to the answer. Prints a table; `LARGE=1` adds 100,000 pods.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a bench prints its table and may fail loudly"
)]

mod clusters;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clusters::{Form, Size, manifests};

const RUNS: usize = 5;

fn main() {
    let folder = std::env::temp_dir().join(format!("portcullis-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let pods = |namespaces, pods_per_workload| Size { namespaces, pods_per_workload };
    println!("| what | MB | table | json | csv |\n|---|---|---|---|---|");
    measure(&folder, "400 workloads, 160 policies", pods(40, 1), Form::Compact, &["table", "json", "csv"]);
    measure(&folder, "the same, YAML", pods(40, 1), Form::Yaml, &["table"]);
    measure(&folder, "10,000 pods, 2,000 policies", pods(500, 2), Form::Compact, &["table"]);
    if std::env::var_os("LARGE").is_some() {
        measure(&folder, "100,000 pods, 4,000 policies", pods(1000, 10), Form::Compact, &["table"]);
        measure(&folder, "100,000 pods, as kubectl prints", pods(2500, 4), Form::Kubectl, &["table"]);
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

fn measure(folder: &Path, what: &str, size: Size, form: Form, outputs: &[&str]) {
    let extension = match form {
        Form::Compact | Form::Kubectl => "json",
        Form::Yaml => "yaml",
    };
    let file = folder.join(format!("cluster.{extension}"));
    let text = manifests(size, form);
    std::fs::write(&file, &text).expect("the manifests are written");
    let megabytes = text.len() / 1_000_000;
    drop(text);
    let figures: Vec<String> = outputs.iter().map(|output| spread(&file, output)).collect();
    println!("| {what} | {megabytes} | {} |", figures.join(" | "));
    std::fs::remove_file(&file).expect("the manifests go");
}

/// The median of some runs, with the least and the most.
fn spread(file: &Path, output: &str) -> String {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| run(file, output)).collect();
    times.sort_unstable();
    let at = |place: usize| times.get(place).map_or(0, Duration::as_millis);
    format!("{} ms ({}-{})", at(RUNS / 2), at(0), at(RUNS - 1))
}

fn run(file: &Path, output: &str) -> Duration {
    let start = Instant::now();
    let status = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["reach", "--output", output, "-f"])
        .arg(file)
        .stdout(Stdio::null())
        .status()
        .expect("the command runs");
    assert!(status.success(), "the command fails");
    start.elapsed()
}
