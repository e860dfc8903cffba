//! `portcullis test`.

mod init;
mod json;
mod judge;
mod junit;
mod packets;
mod pins;
mod sarif;
mod tap;
mod text;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use policy::analyse::assertions::Test;
use policy::index::Index;
use policy::manifest;
use policy::rows::Families;

use crate::family::{FamilyArg, families};
use crate::manifests::{self, Files, Understood};
use crate::{Outcome, input, output};

use judge::{Doubted, Judged, Outlook};

/// Hold what you claim about a cluster against what its policies do
///
/// A file of assertions lists tests; docs/test.md shows one. Exit status 0 where all of them hold, 1 where one
/// fails, 2 where one could not be answered.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Files of assertions
    #[arg(value_name = "FILE", required_unless_present = "init")]
    tests: Vec<PathBuf>,
    #[command(flatten)]
    files: Files,
    /// Ask over this address family only, or over both [default: what must pass over IPv4 where both ends have
    /// it, else IPv6; what must not over both]
    #[arg(long, value_name = "FAMILY")]
    family: Option<FamilyArg>,
    /// Put the same questions to a kernel as well, with real packets in a lab
    #[arg(long)]
    lab: bool,
    /// Write a file of assertions that pins what is allowed today, instead: to FILE, which must not be there
    /// yet, or to standard output
    #[arg(long, conflicts_with_all = ["lab", "output", "family"])]
    init: bool,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For continuous integration
    Junit,
    /// For programs
    Json,
    /// For code scanning
    Sarif,
    /// The Test Anything Protocol
    Tap,
}

/// A file of assertions, with what became of each.
struct Report<'a> {
    file: String,
    tests: Vec<Judged<'a>>,
}

impl Args {
    /// Whether namespaces are to be entered.
    pub(crate) fn sends_packets(&self) -> bool {
        self.lab
    }
}

/// Reads everything, asks, and prints.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    if args.init {
        return init::run(&args.files, &args.tests);
    }
    let read: Vec<(String, Vec<Test>)> = args.tests.iter().map(|file| tests(file)).collect::<Result<_>>()?;
    let Understood { cluster, bounds } = manifests::understood(&args.files)?;
    let index = Index::compile(&cluster);
    let doubted = bounds.as_ref().map(|bounds| Doubted {
        bounds,
        narrow: Index::compile(&bounds.narrow),
        wide: Index::compile(&bounds.wide),
    });
    let asked: Option<Families> = args.family.map(|family| families(Some(family)));
    let outlook = Outlook { cluster: &cluster, index: &index, families: asked, doubted: doubted.as_ref() };
    let all: Vec<&Test> = read.iter().flat_map(|(_, tests)| tests).collect();
    let mut results = if args.lab { packets::judge(&outlook, &all)? } else { judge::all(&outlook, &all) };
    let mut reports = Vec::with_capacity(read.len());
    for (file, tests) in &read {
        let later = results.split_off(tests.len().min(results.len()));
        reports.push(Report { file: file.clone(), tests: std::mem::replace(&mut results, later) });
    }
    let rendered = match args.output {
        Output::Text => text::render(&outlook, &reports),
        Output::Junit => junit::render(&outlook, &reports)?,
        Output::Json => json::render(&outlook, &reports)?,
        Output::Sarif => sarif::render(&outlook, &reports)?,
        Output::Tap => tap::render(&outlook, &reports),
    };
    output::print(&rendered).context("cannot write the answer")?;
    let all = || reports.iter().flat_map(|report| &report.tests).flat_map(|test| &test.assertions);
    let unanswered = all().filter(|one| one.is_unanswered()).count();
    match (unanswered, all().all(judge::Assertion::holds)) {
        (0, true) => Ok(Outcome::Clean),
        (0, false) => Ok(Outcome::Findings),
        (1, _) => bail!("1 assertion could not be answered"),
        (count, _) => bail!("{count} assertions could not be answered"),
    }
}

/// The tests of a file; its problems go to standard error.
fn tests(file: &std::path::Path) -> Result<(String, Vec<Test>)> {
    let name = file.display().to_string();
    let content = match name.as_str() {
        "-" => input::standard_input()?,
        _ => input::text(file)?,
    };
    match manifest::assertions(name.as_str().into(), &content) {
        Ok(tests) => Ok((name, tests)),
        Err(diagnostics) => {
            manifests::say(&diagnostics);
            bail!("`{name}` can't be read as a file of assertions")
        }
    }
}
