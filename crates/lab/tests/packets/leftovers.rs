//! What is left of a lab that was killed.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Failed, Trial};

use super::world;

/// Set in the process that is to be killed.
pub(crate) const VICTIM: &str = "LAB_TEST_VICTIM";

pub(crate) fn trials() -> Vec<Trial> {
    vec![Trial::test("nothing_is_left_of_a_lab_that_is_killed", || {
        nothing_is_left();
        Ok::<(), Failed>(())
    })]
}

/// Builds a lab and holds it until the process is killed, or nobody waits for it any more.
pub(crate) fn wait_to_be_killed() -> ExitCode {
    let (_lab, _) = world::build();
    println!("ready");
    let _ = std::io::stdout().flush();
    let _ = std::io::stdin().read(&mut [0]);
    ExitCode::FAILURE
}

/// What a lab could leave behind: devices here, mounts, namespaces by name, namespaces that a process holds.
#[derive(Debug, PartialEq, Eq)]
struct World {
    devices: BTreeSet<String>,
    mounts: String,
    named: BTreeSet<String>,
    held: BTreeSet<String>,
}

fn look() -> World {
    let names = |path: &str| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<BTreeSet<_>>()
    };
    let devices = fs::read_to_string("/proc/thread-self/net/dev").expect("devices");
    let own = format!("/proc/{}", std::process::id());
    World {
        devices: devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect(),
        mounts: fs::read_to_string("/proc/self/mountinfo").expect("mounts"),
        named: names("/run/netns"),
        held: names(&format!("{own}/fd"))
            .iter()
            .filter_map(|fd| Some(fs::read_link(format!("{own}/fd/{fd}")).ok()?.display().to_string()))
            .filter(|target| target.starts_with("net:"))
            .collect(),
    }
}

fn nothing_is_left() {
    let before = look();
    let mut victim = Command::new(std::env::current_exe().expect("own path"))
        .env(VICTIM, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a process");
    let mut line = String::new();
    BufReader::new(victim.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
    assert_eq!(line, "ready\n");
    assert_eq!(look(), before, "while it lives");
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", victim.id()));
    assert_eq!(children.unwrap_or_default(), "", "it has no helpers");
    victim.kill().expect("it is killed");
    victim.wait().expect("it ends");
    assert_eq!(look(), before, "after its end");
}
