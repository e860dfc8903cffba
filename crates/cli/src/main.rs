//! The command `portcullis`.
//!
//! One file or folder for each subcommand; each has its `Args` and a `run` that answers whether all is well.
//! Exit status: 0 yes or clean, 1 no or findings, 2 could not answer.

mod can;
mod diff;
mod explain;
mod family;
mod input;
mod lab;
mod manifests;
mod output;
mod reach;
mod sarif;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Kubernetes network policies, proven before they ship and enforced where they run.
#[derive(Parser)]
#[command(name = "portcullis", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Can(can::Args),
    Diff(diff::Args),
    Explain(explain::Args),
    Lab(lab::Args),
    Reach(reach::Args),
    Test(test::Args),
}

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Yes, or nothing to complain about.
    Clean,
    /// No, or something to look at.
    Findings,
}

/// The lab must enter its namespaces before the process has a second thread: nothing here may start one.
fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Can(args) => can::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Lab(args) => lab::run(&args),
        Command::Reach(args) => reach::run(&args),
        Command::Test(args) => test::run(&args),
    };
    match outcome {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(error) => {
            output::note(&format!("error: {error:#}\n"));
            ExitCode::from(2)
        }
    }
}
