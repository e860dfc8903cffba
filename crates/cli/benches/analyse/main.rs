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

use clusters::{Edit, Form, Size, manifests};

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
    println!("\n| what | MB | some namespaces differ | all policies are gone |\n|---|---|---|---|");
    compare(&folder, "400 workloads, 160 policies", pods(40, 1));
    if std::env::var_os("LARGE").is_some() {
        compare(&folder, "100,000 pods, 4,000 policies", pods(1000, 10));
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}

fn measure(folder: &Path, what: &str, size: Size, form: Form, outputs: &[&str]) {
    let extension = match form {
        Form::Compact | Form::Kubectl => "json",
        Form::Yaml => "yaml",
    };
    let file = folder.join(format!("cluster.{extension}"));
    let megabytes = write(&file, size, form, Edit::None);
    let figures = outputs.iter().map(|output| spread(&["reach", "--output", output, "-f"], &[&file]));
    println!("| {what} | {megabytes} | {} |", figures.collect::<Vec<_>>().join(" | "));
    std::fs::remove_file(&file).expect("the manifests go");
}

/// `diff` with a cluster in which a little is different, and with one without policies.
fn compare(folder: &Path, what: &str, size: Size) {
    let [old, new] = ["old.json", "new.json"].map(|name| folder.join(name));
    let megabytes = write(&old, size, Form::Compact, Edit::None);
    let figures = [Edit::Some, Edit::Everything].map(|edit| {
        write(&new, size, Form::Compact, edit);
        spread(&["diff"], &[&old, &new])
    });
    println!("| {what} | {megabytes} | {} |", figures.join(" | "));
    [old, new].iter().for_each(|file| std::fs::remove_file(file).expect("the manifests go"));
}

/// Says how many megabytes it is.
fn write(file: &Path, size: Size, form: Form, edit: Edit) -> usize {
    let text = manifests(size, form, edit);
    std::fs::write(file, &text).expect("the manifests are written");
    text.len() / 1_000_000
}

/// The median of some runs, with the least and the most.
fn spread(arguments: &[&str], files: &[&Path]) -> String {
    let mut times: Vec<Duration> = (0..RUNS).map(|_| run(arguments, files)).collect();
    times.sort_unstable();
    let at = |place: usize| times.get(place).map_or(0, Duration::as_millis);
    format!("{} ms ({}-{})", at(RUNS / 2), at(0), at(RUNS - 1))
}

fn run(arguments: &[&str], files: &[&Path]) -> Duration {
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let status =
        command.args(arguments).args(files).stdout(Stdio::null()).status().expect("the command runs");
    // 1 is an answer too: something changes.
    assert!(matches!(status.code(), Some(0 | 1)), "the command fails");
    start.elapsed()
}
