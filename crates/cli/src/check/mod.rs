//! `portcullis check`.

mod format;
mod github;
mod json;
mod sarif;
mod text;

use anyhow::{Result, bail};
use clap::ValueEnum;
use policy::analyse::check::codes::{self, Level, PAGES};
use policy::analyse::check::{self, Finding};
use policy::index::Index;
use policy::manifest::{Diagnostic, Severity};

use crate::manifests::{self, Reading};
use crate::{Outcome, output};

/// Find what is probably not as its author meant it
///
/// What is wrong with the manifests, and what is odd about the policies in them: each finding with a code, its
/// place, and what to do. Exit status 0 where there is none, 1 where there is one, 2 where manifests can't be read.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The cluster with its policies: files, folders (recursive), or `-` for standard input
    #[arg(short = 'f', long = "filename", value_name = "PATH", required_unless_present = "explain")]
    files: Vec<std::path::PathBuf>,
    #[command(flatten)]
    reading: Reading,
    /// Leave out findings of these codes
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = code)]
    ignore: Vec<String>,
    /// Say what a code is about, instead
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// For programs
    Json,
    /// For code scanning
    Sarif,
    /// Annotations in a workflow of GitHub Actions
    Github,
}

/// All there is to say.
struct Report {
    /// What is wrong with the manifests.
    diagnostics: Vec<Diagnostic>,
    /// What is odd about the policies; none where manifests could not be read.
    findings: Vec<Finding>,
    /// What is suppressed.
    suppressed: Vec<check::Suppressed>,
}

/// Reads everything, asks, and prints.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    if let Some(code) = &args.explain {
        output::print(&explained(code)?)?;
        return Ok(Outcome::Clean);
    }
    let (cluster, diagnostics) = manifests::examined(&args.files, &args.reading)?;
    let errors = diagnostics.iter().filter(|one| one.severity == Severity::Error).count();
    let is_readable = errors == 0 || args.reading.keep_going;
    let mut checked = check::Checked::default();
    if is_readable {
        checked = check::check(&cluster, &Index::compile(&cluster));
        checked.findings.retain(|finding| !args.ignore.iter().any(|code| code == finding.code));
    }
    let report = Report { diagnostics, findings: checked.findings, suppressed: checked.suppressed };
    output::print(&match args.output {
        Output::Text => text::render(&report),
        Output::Json => json::render(&report)?,
        Output::Sarif => sarif::render(&report)?,
        Output::Github => github::render(&report),
    })?;
    match (is_readable, errors) {
        (false, 1) => bail!("1 problem in the manifests"),
        (false, count) => bail!("{count} problems in the manifests"),
        (true, _) if report.diagnostics.is_empty() && report.findings.is_empty() => Ok(Outcome::Clean),
        (true, _) => Ok(Outcome::Findings),
    }
}

fn explained(code: &str) -> Result<String> {
    let Some(page) = codes::page(code) else {
        let known: Vec<&str> = PAGES.iter().map(|page| page.code).collect();
        bail!("there is no page on `{code}`; there are {}", known.join(", "));
    };
    let level = level(page.code);
    Ok(format!("{} ({}, {level}): {}\n\n{}", page.code, page.name, page.summary, page.text))
}

/// `warning` or `note`.
fn level(code: &str) -> &'static str {
    match codes::page(code).map(|page| page.level) {
        Some(Level::Warning) | None => "warning",
        Some(Level::Note) => "note",
    }
}

fn code(text: &str) -> Result<String, String> {
    match codes::page(text) {
        Some(page) => Ok(page.code.to_owned()),
        None => Err("no such code".to_owned()),
    }
}
