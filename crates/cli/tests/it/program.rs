//! The command as a whole: its name, its pages, its completions, and how it behaves at a terminal.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::command::{binary, lab, portcullis, root};

const COMMANDS: [&str; 7] = ["can", "check", "diff", "explain", "lab", "reach", "test"];

/// A folder of this test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("portcullis-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn completions_for_bash_parse_and_know_every_command() {
    let run = portcullis(&["completions", "bash"], "");
    assert_eq!(run.status, 0, "{}", run.stderr);
    for command in COMMANDS {
        assert!(run.stdout.contains(&format!("portcullis,{command})")), "{command}");
    }
    let mut bash = Command::new("bash").arg("-n").stdin(Stdio::piped()).spawn().unwrap();
    bash.stdin.take().unwrap().write_all(run.stdout.as_bytes()).unwrap();
    assert!(bash.wait().unwrap().success());
}

#[test]
fn every_shell_gets_completions_that_say_its_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let run = portcullis(&["completions", shell], "");
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert!(run.stdout.contains("explain"), "{shell}");
    }
    assert_eq!(portcullis(&["completions", "cobol"], "").status, 2);
}

#[test]
fn files_are_completed_for_f() {
    let script = "source /dev/stdin; COMP_WORDS=(portcullis reach -f examples/thr); COMP_CWORD=3; \
                  _portcullis portcullis examples/thr -f; echo \"${COMPREPLY[@]}\"";
    let completions = portcullis(&["completions", "bash"], "").stdout;
    let mut bash = Command::new("bash");
    bash.args(["-c", script]).current_dir(root()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = bash.spawn().unwrap();
    child.stdin.take().unwrap().write_all(completions.as_bytes()).unwrap();
    let said = child.wait_with_output().unwrap().stdout;
    assert_eq!(String::from_utf8(said).unwrap(), "examples/three-tier\n");
}

#[test]
fn every_command_has_a_manual_page() {
    let folder = Folder::new("man");
    let into = folder.0.join("deeper/man1");
    let run = portcullis(&["man", into.to_str().unwrap()], "");
    assert_eq!((run.status, run.stdout.as_str()), (0, ""), "{}", run.stderr);
    let first = portcullis(&["man"], "").stdout;
    for command in COMMANDS.iter().chain(&["completions", "man"]) {
        let page = fs::read_to_string(into.join(format!("portcullis-{command}.1"))).unwrap();
        assert!(page.contains(&format!(".TH portcullis-{command} 1")), "{command}");
        assert!(first.contains(&format!("portcullis\\-{command}(1)")), "{command}");
    }
    let pages = fs::read_dir(&into).unwrap().count();
    assert_eq!(pages, COMMANDS.len() + 3, "one for each command and one for the whole");
    assert_eq!(fs::read_to_string(into.join("portcullis.1")).unwrap(), first);
}

#[test]
fn manual_pages_that_cannot_be_written_are_an_error() {
    let run = portcullis(&["man", "README.md"], "");
    assert_eq!(run.status, 2);
    assert!(run.stderr.starts_with("error: cannot write to `README.md`: "), "{}", run.stderr);
}

#[test]
fn kubectl_finds_it_as_a_plugin() {
    let folder = Folder::new("plugin");
    let plugin = folder.0.join("kubectl-portcullis");
    std::os::unix::fs::symlink(fs::canonicalize(binary()).unwrap(), &plugin).unwrap();
    let say = |arguments: &[&str]| {
        let output = Command::new(&plugin).args(arguments).output().unwrap();
        (output.status.code().unwrap(), output.stdout, output.stderr)
    };
    let (status, help, _) = say(&["--help"]);
    assert_eq!(status, 0);
    assert!(String::from_utf8(help).unwrap().contains("Usage: kubectl portcullis <COMMAND>"));
    let (status, _, refusal) = say(&["can", "--nonsense"]);
    assert_eq!(status, 2);
    assert!(String::from_utf8(refusal).unwrap().contains("Usage: kubectl portcullis can "));
    let (_, help, _) = say(&["reach", "-h"]);
    assert!(String::from_utf8(help).unwrap().contains("Usage: kubectl portcullis reach "));
}

#[test]
fn kubectl_completes_it_with_the_script_of_the_page() {
    let folder = Folder::new("complete");
    let page = fs::read_to_string(root().join("docs/install.md")).unwrap();
    let script = page.split("```bash\n").nth(1).unwrap().split("```").next().unwrap();
    let program = folder.0.join("kubectl_complete-portcullis");
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(fs::canonicalize(binary()).unwrap(), folder.0.join("portcullis")).unwrap();
    let path = format!("{}:{}", folder.0.display(), std::env::var("PATH").unwrap());
    let complete = |words: &[&str]| {
        let output = Command::new("bash").arg(&program).args(words).env("PATH", &path).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(complete(&["exp"]), "explain\n");
    assert_eq!(complete(&["can", "--output", ""]), "text\njson\n");
}

#[test]
fn bad_usage_is_status_2_with_nothing_on_standard_output() {
    for arguments in [
        &[][..],
        &["nonsense"],
        &["--nonsense"],
        &["can"],
        &["can", "a/b", "c/d"],
        &["explain"],
        &["reach"],
        &["check"],
        &["reach", "-f"],
        &["diff", "one"],
        &["lab"],
        &["lab", "-f", "-", "--nodes", "0"],
        &["test", "-f", "-"],
        &["completions"],
    ] {
        let run = portcullis(arguments, "");
        assert_eq!((run.status, run.stdout.as_str()), (2, ""), "{arguments:?}");
        assert!(run.stderr.contains("--help"), "{arguments:?}: {}", run.stderr);
    }
    for asked in ["--help", "--version"] {
        let run = portcullis(&[asked], "");
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{asked}");
    }
}

/// The status, and nothing on standard output where there is no answer.
fn status(arguments: &[&str]) -> i32 {
    let run = portcullis(arguments, "");
    assert!(run.status != 2 || run.stdout.is_empty(), "{arguments:?}: {}", run.stdout);
    assert!(run.status != 2 || run.stderr.contains("error"), "{arguments:?}: {}", run.stderr);
    run.status
}

#[test]
fn can_says_yes_no_or_nothing() {
    let can = |source, destination, cluster| status(&["can", source, destination, "-f", cluster]);
    let cluster = "examples/three-tier";
    assert_eq!(can("backend-tier/backend", "database-tier/database:80", cluster), 0);
    assert_eq!(can("other-team/intruder", "database-tier/database:80", cluster), 1);
    assert_eq!(can("*/*", "backend-tier/backend:80", cluster), 1, "some may");
    assert_eq!(can("backend-tier/nobody", "database-tier/database:80", cluster), 2);
    assert_eq!(can("backend-tier/backend", "database-tier/database:http/x", cluster), 2);
    assert_eq!(can("backend-tier/backend", "database-tier/database:80", "examples/broken"), 2);
    assert_eq!(can("backend-tier/backend", "database-tier/database:80", "examples/nowhere"), 2);
}

#[test]
fn explain_says_something_or_nothing() {
    let explain = |name: &[&str], cluster| status(&[&["explain", "-f", cluster], name].concat());
    let cluster = "examples/three-tier";
    assert_eq!(explain(&[], cluster), 0);
    assert_eq!(explain(&["backend-tier/default"], cluster), 0);
    assert_eq!(explain(&["backend-tier/backend"], cluster), 0);
    assert_eq!(explain(&["backend-tier/nobody"], cluster), 2);
    assert_eq!(explain(&[], "examples/broken"), 2);
}

#[test]
fn the_lab_says_as_expected_otherwise_or_nothing() {
    let folder = Folder::new("expected");
    let cluster = ["-f", "examples/three-tier/cluster.yaml", "--hosts", "examples/three-tier/hosts.csv"];
    let Some(asked) = lab(&[&cluster[..], &["--output", "csv"]].concat(), "") else { return };
    assert_eq!(asked.status, 0, "{}", asked.stderr);
    let expected = |table: &str| {
        let file = folder.0.join("table.csv");
        fs::write(&file, table).unwrap();
        portcullis(&[&["lab"], &cluster[..], &["--expect", file.to_str().unwrap()]].concat(), "").status
    };
    assert_eq!(expected(&asked.stdout), 0);
    assert_eq!(expected(&asked.stdout.replacen("allow", "deny", 1)), 1);
    assert_eq!(expected("no table"), 2);
    assert_eq!(status(&["lab", "-f", "examples/broken"]), 2);
    assert_eq!(status(&["lab", "-f", "examples/nowhere"]), 2);
}

/// Reads standard input for longer than it takes until progress is shown.
fn slowly(stderr: Stdio) -> (Child, impl FnOnce(&mut Child)) {
    let mut command = Command::new(binary());
    command.args(["reach", "-f", "-"]).env("TERM", "xterm");
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let finish = |child: &mut Child| {
        thread::sleep(Duration::from_millis(1500));
        let manifests = fs::read(root().join("examples/three-tier/cluster.yaml")).unwrap();
        child.stdin.take().unwrap().write_all(&manifests).unwrap();
    };
    (child, finish)
}

#[test]
fn long_work_shows_itself_on_a_terminal() {
    let (mut screen, terminal) = terminal();
    let (mut child, finish) = slowly(terminal.into());
    let seen = thread::spawn(move || {
        let mut seen = Vec::new();
        // A terminal whose other end is closed is an error, not an end.
        let _ = screen.read_to_end(&mut seen);
        String::from_utf8_lossy(&seen).into_owned()
    });
    finish(&mut child);
    let output = child.wait_with_output().unwrap();
    let seen = seen.join().unwrap();
    assert!(output.status.success(), "{seen}");
    assert!(seen.contains("reading standard input"), "{seen:?}");
    assert!(seen.trim_end().ends_with("\u{1b}[2K"), "it is gone in the end: {seen:?}");
}

#[test]
fn long_work_is_silent_where_there_is_no_terminal() {
    let (mut child, finish) = slowly(Stdio::piped());
    finish(&mut child);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

/// The two ends of a terminal: what it shows, and what a program writes to.
fn terminal() -> (File, File) {
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&screen).unwrap();
    unlockpt(&screen).unwrap();
    let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
    let terminal = File::options().read(true).write(true).open(name).unwrap();
    (screen.into(), terminal)
}

#[test]
fn a_lab_that_is_interrupted_leaves_nothing() {
    // Says whether there can be labs here at all.
    if lab(&["-f", "examples/three-tier/cluster.yaml", "--output", "csv"], "").is_none() {
        return;
    }
    for signal in [Signal::INT, Signal::TERM] {
        if is_ignored(signal) {
            let _ = writeln!(std::io::stderr(), "skipped: {signal:?} is ignored here");
            continue;
        }
        let before = traces();
        let mut child = long_lab();
        let network = in_its_own_network(&mut child);
        thread::sleep(Duration::from_millis(100));
        assert!(child.try_wait().unwrap().is_none(), "it isn't done yet");
        assert_eq!(traces(), before, "while it runs, the machine shows nothing of it");
        kill_process(Pid::from_child(&child), signal).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.signal(), Some(signal.as_raw()), "{output:?}");
        assert_eq!(output.stdout, b"", "no half of an answer");
        assert_eq!(traces(), before);
        assert_eq!(inhabitants(&network), Vec::<PathBuf>::new());
    }
}

/// A lab that asks for longer than anybody here waits.
fn long_lab() -> Child {
    let mut command = Command::new(binary());
    command.current_dir(root()).args(["lab", "-f", "examples/three-tier/cluster.yaml"]);
    for _ in 0..200 {
        command.args(["--step", "examples/three-tier/steps/2-backend-isolated.yaml"]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the lab has entered a network of its own, and says which.
fn in_its_own_network(child: &mut Child) -> PathBuf {
    let ours = fs::read_link("/proc/self/ns/net").unwrap();
    loop {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        match fs::read_link(format!("/proc/{}/ns/net", child.id())) {
            Ok(network) if network != ours => return network,
            Ok(_) | Err(_) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// What a lab could leave on the machine: devices, mounts, how many networks with a name.
fn traces() -> (String, String, usize) {
    let devices = fs::read_to_string("/proc/net/dev").unwrap();
    let devices = devices.lines().filter_map(|line| Some(line.split_once(':')?.0)).collect();
    let named = fs::read_dir("/run/netns").map_or(0, Iterator::count);
    (devices, fs::read_to_string("/proc/self/mountinfo").unwrap(), named)
}

/// Processes that live in that network.
fn inhabitants(network: &Path) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
    processes.filter(|path| fs::read_link(path.join("ns/net")).is_ok_and(|its| its == network)).collect()
}

/// Whether this process ignores it, and so all that it starts.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1
}
