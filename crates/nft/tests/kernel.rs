//! Rulesets in a real kernel, in a network namespace of the test's own.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail"
)]

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

mod kernel {
    pub(crate) mod commit;
    pub(crate) mod flows;
    pub(crate) mod namespace;
    pub(crate) mod random;
    pub(crate) mod samples;
}

use kernel::{commit, flows, namespace};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // All tests share one table.
    arguments.test_threads = Some(1);
    // Namespaces can only be entered before the first thread.
    let refused = if arguments.list { None } else { namespace::enter().err() };
    let in_ci = std::env::var_os("CI").is_some();
    let trials = commit::trials().into_iter().chain(flows::trials());
    let trials: Vec<Trial> = match refused {
        None => trials.collect(),
        Some(reason) if in_ci => vec![failing(format!("no network namespace: {reason}"))],
        Some(reason) => {
            eprintln!("skipped: no network namespace: {reason}");
            trials.map(|trial| trial.with_ignored_flag(true)).collect()
        }
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn failing(reason: String) -> Trial {
    Trial::test("namespace", move || Err(Failed::from(reason)))
}

/// What `nft` answers; `None` where there is no such binary, which in CI is a failure.
pub(crate) fn nft(arguments: &[&str], input: Option<&str>) -> Option<Result<String, String>> {
    use std::io::Write;
    use std::process::Stdio;
    let child = Command::new("nft")
        .args(arguments)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "no nft binary: {error}");
            eprintln!("skipped: no nft binary");
            return None;
        }
    };
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        stdin.write_all(input.as_bytes()).expect("nft reads");
    }
    let output = child.wait_with_output().expect("nft ends");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Some(if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) })
}
