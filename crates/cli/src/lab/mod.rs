//! `portcullis lab`.

mod arguments;
mod assemble;
mod changes;
mod json;
mod notes;
mod perform;
mod reason;
mod report;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use arguments::Args;

use std::path::PathBuf;

use anyhow::{Context as _, Result, anyhow, bail};
use policy::rows::csv::{self, Expected};

use crate::{Outcome, input, manifests, output};
use arguments::Output;
use perform::{State, perform};
use report::{Kernel, Line, Report};

/// Reads everything, enters the namespaces, asks, and prints.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let expected = expected(&args.expected, args.steps.len() + 1)?;
    let clusters = manifests::states(&args.files, &args.steps)?;
    let steps = args.steps.iter().map(|step| Some(step.display().to_string()));
    let steps = std::iter::once(None).chain(steps);
    let states: Vec<State> = steps
        .zip(clusters)
        .zip(expected)
        .map(|((step, cluster), expected)| State { step, cluster, expected })
        .collect();
    lab::enter().map_err(|error| anyhow!("no lab here: {error}"))?;
    let report = perform(&states, &args.options())?;
    output::print(&rendered(args, &report)?).context("cannot write the answer")?;
    Ok(if report.is_clean() { Outcome::Clean } else { Outcome::Findings })
}

fn rendered(args: &Args, report: &Report) -> Result<String> {
    Ok(match args.output {
        Output::Table => table::render(report, output::width()),
        Output::Csv => last_state(args, report),
        Output::Json => json::render(report)?,
    })
}

/// The last state, with what the kernel said.
fn last_state(args: &Args, report: &Report) -> String {
    let lines = report.states.last().map_or(&[][..], |state| &state.lines);
    csv::write(lines.iter().map(|line| (&line.row, verdict(line))), args.family_column())
}

fn verdict(line: &Line) -> String {
    match (line.answer.kernel.verdict(), &line.answer.kernel) {
        (Some(verdict), _) => verdict.to_string(),
        (None, Kernel::Failed(_) | Kernel::Allowed | Kernel::Refused | Kernel::Denied(_)) => {
            "failed".to_owned()
        }
    }
}

/// The tables of the states: one alone is for the last, else there is one for each.
fn expected(files: &[PathBuf], states: usize) -> Result<Vec<Option<Expected>>> {
    let mut tables = Vec::with_capacity(states);
    match files.len() {
        0 | 1 => tables.resize(states - files.len(), None),
        count if count == states => (),
        count => bail!(
            "{count} tables are expected of {states} states: \
             give one, for the last state, or {states}, one for -f and one for each step"
        ),
    }
    for file in files {
        let name = || format!("cannot read `{}`", file.display());
        tables.push(Some(Expected::read(&input::text(file)?).with_context(name)?));
    }
    Ok(tables)
}
