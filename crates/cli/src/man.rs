//! `portcullis man`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap_mangen::Man;

use crate::{Outcome, output};

/// Print the manual page, or write those of all commands into a folder
///
/// For packages: portcullis man "$DESTDIR/usr/share/man/man1"
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where to write portcullis.1, portcullis-can.1 and so on; made if it isn't there
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Prints or writes.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let mut command = crate::command(None).disable_help_subcommand(true);
    match &args.folder {
        Some(folder) => {
            let cannot_write = || format!("cannot write to `{}`", folder.display());
            fs::create_dir_all(folder).with_context(cannot_write)?;
            clap_mangen::generate_to(command, folder).with_context(cannot_write)?;
        }
        None => {
            command.build();
            let mut page = Vec::new();
            Man::new(command).render(&mut page)?;
            output::print(&String::from_utf8(page)?).context("cannot write the answer")?;
        }
    }
    Ok(Outcome::Clean)
}
