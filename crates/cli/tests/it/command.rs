//! Running the command.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The command under test. Where the tests run from a copy, it is told by `PORTCULLIS`.
pub(crate) fn binary() -> OsString {
    std::env::var_os("PORTCULLIS").unwrap_or_else(|| env!("CARGO_BIN_EXE_portcullis").into())
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    let crate_folder =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&crate_folder).ancestors().nth(2).unwrap().to_owned()
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Run {
            status: output.status.code().expect("it was ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs it in the workspace's root.
pub(crate) fn portcullis(arguments: &[&str], stdin: &str) -> Run {
    run(Command::new(binary()).args(arguments).current_dir(root()), stdin)
}

/// Runs it in another folder.
pub(crate) fn portcullis_in(folder: &Path, arguments: &[&str]) -> Run {
    run(Command::new(binary()).args(arguments).current_dir(folder), "")
}

/// Runs it with these variables.
pub(crate) fn portcullis_with(arguments: &[&str], variables: &[(&str, &str)]) -> Run {
    let mut command = Command::new(binary());
    run(command.args(arguments).current_dir(root()).envs(variables.iter().copied()), "")
}

fn run(command: &mut Command, stdin: &str) -> Run {
    command.env_remove("NO_COLOR");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Who doesn't read its input may be gone by now.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap().into()
}

/// Runs `portcullis lab`; `None`, with the reason on standard error, where there can be no lab on this
/// machine. That is a failure in continuous integration.
pub(crate) fn lab(arguments: &[&str], stdin: &str) -> Option<Run> {
    let run = portcullis(&[&["lab"], arguments].concat(), stdin);
    let refusal = run.stderr.lines().find(|line| line.starts_with("error: no lab here: "));
    let Some(refusal) = refusal else { return Some(run) };
    assert!(std::env::var_os("CI").is_none(), "{refusal}");
    // Past the test harness, which shows what is printed only where a test fails.
    let _ = writeln!(std::io::stderr(), "skipped: {refusal}");
    None
}

/// The rows of a csv, without its header.
pub(crate) fn rows(csv: &str) -> Vec<&str> {
    csv.lines().skip(1).collect()
}
