//! `portcullis explain`.

mod json;
mod text;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use policy::analyse::explain::{self, Meaning};
use policy::analyse::names;
use policy::index::Index;
use policy::model::{Cluster, Policy};

use crate::manifests::{self, Files};
use crate::{Outcome, output};

/// Say what policies mean, which pods they select, and what results for a workload
///
/// A policy is named namespace/name, or just name where it has no namespace; a workload as in `can`. Without
/// a name, all policies are explained.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// A policy or a workload
    #[arg(value_name = "POLICY | WORKLOAD")]
    name: Option<String>,
    #[command(flatten)]
    files: Files,
    /// How to print the answer
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
}

/// All that is explained.
struct Explained<'a> {
    policies: Vec<Meaning<'a>>,
    pods: Vec<explain::Result<'a>>,
}

/// Reads everything, explains, and prints.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let Some(cluster) = manifests::states(&args.files, &[])?.pop() else { bail!("there is no cluster") };
    let index = Index::compile(&cluster);
    let explained = explained(&cluster, &index, args.name.as_deref())?;
    let rendered = match args.output {
        Output::Text => text::render(&cluster, &explained),
        Output::Json => json::render(&explained)?,
    };
    output::print(&rendered).context("cannot write the answer")?;
    Ok(Outcome::Clean)
}

fn explained<'a>(cluster: &'a Cluster, index: &Index, name: Option<&str>) -> Result<Explained<'a>> {
    let meant = |policy: &&Policy| name.is_none_or(|name| is_named(policy, name));
    let mut policies: Vec<&Policy> = cluster.policies.values().filter(meant).collect();
    policies.sort_by(|a, b| a.order().cmp(&b.order()));
    let policies: Vec<Meaning<'a>> =
        policies.into_iter().map(|policy| explain::policy(cluster, index, policy)).collect();
    let pods = match name.map(|name| pods(cluster, index, name)) {
        None => Vec::new(),
        Some(Ok(pods)) => pods,
        Some(Err(_)) if !policies.is_empty() => Vec::new(),
        Some(Err(error)) => return Err(error.context("no policy has that name")),
    };
    Ok(Explained { policies, pods })
}

fn is_named(policy: &Policy, name: &str) -> bool {
    match &policy.id.namespace {
        Some(namespace) => name.split_once('/') == Some((namespace, &policy.id.name)),
        None => *policy.id.name == *name,
    }
}

fn pods<'a>(cluster: &'a Cluster, index: &Index, name: &str) -> Result<Vec<explain::Result<'a>>> {
    let ends = names::ends(cluster, index, &names::source(name)?)?;
    let results = explain::pods(cluster, index, &ends.pods);
    if results.is_empty() {
        bail!("`{name}` means no pod with a network of its own, and no policy is about anything else");
    }
    Ok(results)
}
