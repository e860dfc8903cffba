//! Real packets through a lab.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test may fail loudly, in its helpers too"
)]

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "../../policy/tests/it/worlds/mod.rs"]
mod worlds;

#[path = "../../policy/tests/it/given/mod.rs"]
mod given;

mod packets {
    pub(crate) mod given_verdicts;
    pub(crate) mod leftovers;
    pub(crate) mod open;
    pub(crate) mod revocation;
    pub(crate) mod rules;
    pub(crate) mod world;
}

use packets::{given_verdicts, leftovers, open, revocation, rules};

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Probes wait for answers, so labs don't share the machine.
    arguments.test_threads = Some(1);
    // Namespaces can only be entered before the first thread.
    let refused = if arguments.list { None } else { lab::enter().err() };
    if std::env::var_os(leftovers::VICTIM).is_some() {
        return leftovers::wait_to_be_killed();
    }
    let trials = match (&refused, std::env::var_os("CI").is_some()) {
        (None, _) => [
            open::trials(),
            rules::trials(),
            revocation::trials(),
            given_verdicts::trials(),
            leftovers::trials(),
        ]
        .into_iter()
        .flatten()
        .collect(),
        (Some(reason), true) => {
            let reason = format!("no lab: {reason}");
            vec![Trial::test("enter", move || Err(Failed::from(reason)))]
        }
        (Some(reason), false) => {
            eprintln!("skipped: no lab: {reason}");
            Vec::new()
        }
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}
