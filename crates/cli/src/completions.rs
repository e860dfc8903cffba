//! `portcullis completions`.

use anyhow::{Context as _, Result};
use clap_complete::Shell;

use crate::{Outcome, output};

/// Print completions for a shell
///
/// For bash: portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Which shell
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(None), "portcullis", &mut script);
    output::print(&String::from_utf8(script)?).context("cannot write the answer")?;
    Ok(Outcome::Clean)
}
