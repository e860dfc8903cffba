//! The command `portcullis`.
//!
//! One file or folder for each subcommand; each has its `Args` and a `run` that answers whether all is well.
//! Exit status: 0 yes or clean, 1 no or findings, 2 could not answer.

mod can;
mod check;
mod completions;
mod diff;
mod explain;
mod family;
mod input;
mod lab;
mod man;
mod manifests;
mod output;
mod progress;
mod reach;
mod sarif;
mod test;

use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

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
    Check(check::Args),
    Diff(diff::Args),
    Explain(explain::Args),
    Lab(lab::Args),
    Reach(reach::Args),
    Test(test::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// What a command found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Yes, or nothing to complain about.
    Clean,
    /// No, or something to look at.
    Findings,
}

/// The lab must enter its namespaces before the process has a second thread: nothing here may start one but
/// the progress of commands that send no packets.
fn main() -> ExitCode {
    let command = command(std::env::args_os().next().as_deref().map(Path::new));
    let cli = Cli::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit());
    if !cli.command.sends_packets() {
        progress::begin();
    }
    let outcome = run(&cli.command);
    progress::end();
    match outcome {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(1),
        Err(error) => {
            output::note(&format!("error: {error:#}\n"));
            ExitCode::from(2)
        }
    }
}

/// The command line, under the name that the user typed: `kubectl portcullis` where kubectl found it as a
/// plugin.
fn command(path: Option<&Path>) -> clap::Command {
    let is_plugin = path.and_then(Path::file_stem).is_some_and(|name| name == "kubectl-portcullis");
    Cli::command().bin_name(if is_plugin { "kubectl portcullis" } else { "portcullis" })
}

impl Command {
    fn sends_packets(&self) -> bool {
        match self {
            Command::Lab(_) => true,
            Command::Test(args) => args.sends_packets(),
            Command::Can(_)
            | Command::Check(_)
            | Command::Diff(_)
            | Command::Explain(_)
            | Command::Reach(_)
            | Command::Completions(_)
            | Command::Man(_) => false,
        }
    }
}

fn run(command: &Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Can(args) => can::run(args),
        Command::Check(args) => check::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Explain(args) => explain::run(args),
        Command::Lab(args) => lab::run(args),
        Command::Reach(args) => reach::run(args),
        Command::Test(args) => test::run(args),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
    }
}
