//! `portcullis lab`.

mod arguments;
mod changes;
mod json;
mod reason;
mod report;
mod table;
#[cfg(test)]
mod tests;

pub(crate) use arguments::Args;

use anyhow::Result;

use crate::Outcome;

pub(crate) fn run(_args: &Args) -> Result<Outcome> {
    anyhow::bail!("not yet")
}
