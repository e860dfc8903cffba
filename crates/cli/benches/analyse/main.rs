//! How long the whole command takes, from files to the answer, and how much memory. Prints tables; `LARGE=1` adds
//! 100,000 pods, `HUGE=1` as many in a gigabyte.
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

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clusters::{Edit, Form, Size};
use policy::analyse::can::{Answer, Question, can};
use policy::analyse::names;
use policy::analyse::reach::Reach;
use policy::index::Index;
use policy::manifest::{self, Listed, Options, Settings, Source};
use policy::model::Cluster;
use policy::rows::Families;

const RUNS: usize = 5;

fn main() {
    let folder = Folder(std::env::temp_dir().join(format!("portcullis-bench-{}", std::process::id())));
    std::fs::create_dir_all(&folder.0).expect("a folder");
    let is_asked = |variable| std::env::var_os(variable).is_some();
    let pods = |namespaces, pods_per_workload| Size { namespaces, pods_per_workload };
    println!("| what | MB | output | whole command | its CPU time | peak memory | compile | reach | can |");
    println!("|---|---|---|---|---|---|---|---|---|");
    measure(&folder, "400 workloads, 160 policies", pods(40, 1), Form::Compact, &["table", "json", "csv"]);
    measure(&folder, "the same, YAML", pods(40, 1), Form::Yaml, &["table"]);
    measure(&folder, "10,000 pods, 2,000 policies", pods(500, 2), Form::Compact, &["table"]);
    if is_asked("LARGE") {
        measure(&folder, "100,000 pods, 4,000 policies", pods(1000, 10), Form::Compact, &["table"]);
    }
    if is_asked("HUGE") {
        measure(&folder, "100,000 pods, 10,000 policies", pods(2500, 4), Form::Kubectl, &["table"]);
    }
    println!(
        "\n| what | MB | edit | whole command | its CPU time | peak memory |\n|---|---|---|---|---|---|"
    );
    compare(&folder, "400 workloads, 160 policies", pods(40, 1));
    if is_asked("LARGE") {
        compare(&folder, "100,000 pods, 4,000 policies", pods(1000, 10));
    }
    println!(
        "\n| what | MB | command | whole command | its CPU time | peak memory |\n|---|---|---|---|---|---|"
    );
    judge(&folder, "400 workloads, 160 policies", pods(40, 1));
    judge(&folder, "10,000 pods, 2,000 policies", pods(500, 2));
    if is_asked("LARGE") {
        judge(&folder, "100,000 pods, 4,000 policies", pods(1000, 10));
    }
}

/// Claims about a namespace and about everybody; some hold.
const CLAIMS: &str = "tests:
- name: teams stay among themselves
  only: [team-7/* -> team-7/*:8080]
  deny: [team-7/* -> team-8/app-2, 'outside -> */*:22']
  isolated: [team-7/*]
";

/// Goes with what lies in it, also where the bench fails.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn measure(folder: &Folder, what: &str, size: Size, form: Form, outputs: &[&str]) {
    let extension = match form {
        Form::Compact | Form::Kubectl => "json",
        Form::Yaml => "yaml",
    };
    let file = folder.0.join(format!("cluster.{extension}"));
    let megabytes = write(&file, size, form, Edit::None);
    for output in outputs {
        let cost = runs(&["reach", "--output", output, "-f"], &[&file]);
        println!("| {what} | {megabytes} | {output} | {cost} | {} |", engine(&file));
    }
    std::fs::remove_file(&file).expect("the manifests go");
}

/// The engine's share: compiling the policies, following who reaches whom, and one question about a namespace and
/// a workload.
fn engine(file: &Path) -> String {
    let bytes = std::fs::read(file).expect("the manifests").into();
    let source = Source { name: "bench".into(), bytes, listed: Listed::ByName };
    let (cluster, _) = manifest::read([source], Options::default()).objects.cluster(&Settings::default());
    let (compiling, index) = timed(|| Index::compile(&cluster));
    let (following, reach) = timed(|| Reach::of(&cluster, &index));
    drop(reach);
    let (asking, answer) = timed(|| asked(&cluster, &index));
    assert!(answer.is_some(), "there are such pods");
    format!("{compiling:.0?} | {following:.0?} | {asking:.1?}")
}

fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed(), done)
}

fn asked(cluster: &Cluster, index: &Index) -> Option<Answer> {
    let source = names::source("team-7/*").expect("a source");
    let destination = names::destination("team-8/app-1:8080").expect("a destination");
    let question = Question {
        sources: names::ends(cluster, index, &source).expect("pods"),
        targets: names::destinations(cluster, index, &destination).expect("pods"),
        families: Families::Natural,
    };
    can(cluster, index, &question)
}

/// `diff` with a cluster in which a little is different, and with one without policies.
fn compare(folder: &Folder, what: &str, size: Size) {
    let [old, new] = ["old.json", "new.json"].map(|name| folder.0.join(name));
    let megabytes = write(&old, size, Form::Compact, Edit::None);
    for edit in [Edit::Some, Edit::Everything] {
        write(&new, size, Form::Compact, edit);
        println!("| {what} | {megabytes} | {edit:?} | {} |", runs(&["diff"], &[&old, &new]));
    }
    [old, new].iter().for_each(|file| std::fs::remove_file(file).expect("the manifests go"));
}

/// `check`, and `test` with a few claims.
fn judge(folder: &Folder, what: &str, size: Size) {
    let [cluster, claims] = ["cluster.json", "claims.yaml"].map(|name| folder.0.join(name));
    let megabytes = write(&cluster, size, Form::Compact, Edit::None);
    std::fs::write(&claims, CLAIMS).expect("the claims are written");
    println!("| {what} | {megabytes} | check | {} |", runs(&["check", "-f"], &[&cluster]));
    let test = ["test", claims.to_str().expect("a path"), "-f"];
    println!("| {what} | {megabytes} | test, 4 claims | {} |", runs(&test, &[&cluster]));
    [cluster, claims].iter().for_each(|file| std::fs::remove_file(file).expect("the manifests go"));
}

/// Says how many megabytes it is.
fn write(file: &Path, size: Size, form: Form, edit: Edit) -> u64 {
    let mut out = BufWriter::new(File::create(file).expect("a file"));
    clusters::write(&mut out, size, form, edit)
        .and_then(|()| out.flush())
        .expect("the manifests are written");
    std::fs::metadata(file).expect("the file is there").len() / 1_000_000
}

/// What a run costs.
#[derive(Clone, Copy, Default)]
struct Cost {
    elapsed: Duration,
    /// In all threads, in the kernel too.
    working: Duration,
    /// The most at a time, in bytes.
    memory: u64,
}

/// The medians of some runs, of the time with the least and the most.
fn runs(arguments: &[&str], files: &[&Path]) -> String {
    let costs: Vec<Cost> = (0..RUNS).map(|_| run(arguments, files)).collect();
    let mut elapsed: Vec<u128> = costs.iter().map(|cost| cost.elapsed.as_millis()).collect();
    let mut working: Vec<u128> = costs.iter().map(|cost| cost.working.as_millis()).collect();
    elapsed.sort_unstable();
    working.sort_unstable();
    let memory = costs.iter().map(|cost| cost.memory).max().unwrap_or(0) >> 20;
    let (least, middle, most) = (elapsed[0], elapsed[RUNS / 2], elapsed[RUNS - 1]);
    format!("{middle} ms ({least}-{most}) | {} ms | {memory} MiB", working[RUNS / 2])
}

fn run(arguments: &[&str], files: &[&Path]) -> Cost {
    let start = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    let mut child = command.args(arguments).args(files).stdout(Stdio::null()).spawn().expect("it runs");
    let mut cost = Cost::default();
    let status = loop {
        cost = so_far(child.id()).unwrap_or(cost);
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    // 1 is an answer too: something changes.
    assert!(matches!(status.code(), Some(0 | 1)), "the command fails");
    Cost { elapsed: start.elapsed(), ..cost }
}

/// What a process has used, from /proc; `None` where it is gone, or on another system.
fn so_far(process: u32) -> Option<Cost> {
    /// A hundredth of a second on every Linux.
    const TICK: Duration = Duration::from_millis(10);
    let read = |file: &str| std::fs::read_to_string(format!("/proc/{process}/{file}")).ok();
    let status = read("status")?;
    let kilobytes =
        status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?;
    let stat = read("stat")?;
    // after the name: state, then ten numbers, then user and system time
    let ticks = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(2);
    let ticks: u32 = ticks.map(|ticks| ticks.parse().unwrap_or(0)).sum();
    Some(Cost { working: TICK * ticks, memory: kilobytes.parse::<u64>().ok()? << 10, ..Cost::default() })
}
