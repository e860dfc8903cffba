//! `portcullis diff`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;
use policy::analyse::diff::{Change, Party, Risk, Shape, diff, resolvers};
use policy::analyse::names::{self, Addresses, Name};
use policy::analyse::reach::Reach;
use policy::index::Index;
use policy::model::Cluster;

use crate::manifests::{self, Files};
use crate::{Outcome, output};

/// Show what changes in who can talk to whom
///
/// Exit status 1 where something changed; with --fail-on, where something of that kind did.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The cluster as it was: a file or folder
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The cluster as it is to be
    #[arg(value_name = "NEW")]
    new: PathBuf,
    /// What both share
    #[arg(short = 'f', long = "filename", value_name = "PATH", num_args = 1)]
    shared: Vec<PathBuf>,
    /// Which changes make the exit status 1 [default: any]
    #[arg(long, value_name = "KINDS", value_delimiter = ',')]
    fail_on: Vec<Kind>,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A pair that had nothing gets something
    Added,
    /// A pair that had something gets nothing
    Removed,
    /// A pair gets something else than before
    Changed,
    /// Something opens between a pod and the internet
    Internet,
    /// DNS is lost
    Dns,
    /// Something opens between namespaces
    Namespaces,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Table,
    /// For a pull request
    Md,
    /// For programs
    Json,
}

/// A change with the place that it has among the others.
struct Ranked {
    risk: Risk,
    change: Change,
}

/// Reads both, asks, and prints.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let (old, new) = (cluster(args, &args.old)?, cluster(args, &args.new)?);
    let (old_index, new_index) = (Index::compile(&old), Index::compile(&new));
    let (before, after) = (Reach::of(&old, &old_index), Reach::of(&new, &new_index));
    let changes = diff(&before, &after);
    let dns = resolvers(&before);
    let internet = names::ends(&new, &new_index, &Name::Internet)?.addresses;
    let ranked = ranked(changes, &internet, &dns);
    let text = match args.output {
        Output::Table => table(&ranked),
        Output::Md => markdown(&ranked),
        Output::Json => json(&ranked)?,
    };
    output::print(&text)?;
    let fails =
        |ranked: &Ranked| args.fail_on.is_empty() || args.fail_on.iter().any(|kind| kind.is_of(ranked));
    Ok(if ranked.iter().any(fails) { Outcome::Findings } else { Outcome::Clean })
}

fn cluster(args: &Args, path: &std::path::Path) -> Result<Cluster> {
    let files = Files {
        files: args.shared.iter().cloned().chain([path.to_owned()]).collect(),
        hosts: None,
        nodes: 2,
        replicas: 2,
        pod_networks: Vec::new(),
        ignore_unsupported: false,
        keep_going: false,
    };
    match manifests::states(&files, &[])?.pop() {
        Some(cluster) => Ok(cluster),
        None => bail!("there is no cluster"),
    }
}

fn ranked(changes: Vec<Change>, internet: &Addresses, dns: &BTreeSet<String>) -> Vec<Ranked> {
    let rank = |change: Change| Ranked { risk: change.risk(internet, dns), change };
    let mut ranked: Vec<Ranked> = changes.into_iter().map(rank).collect();
    ranked.sort_by_key(|ranked| ranked.risk);
    ranked
}

impl Kind {
    fn is_of(self, ranked: &Ranked) -> bool {
        match self {
            Kind::Added => ranked.change.shape() == Shape::Added,
            Kind::Removed => ranked.change.shape() == Shape::Removed,
            Kind::Changed => ranked.change.shape() == Shape::Changed,
            Kind::Internet => ranked.risk == Risk::Internet,
            Kind::Dns => ranked.risk == Risk::Dns,
            Kind::Namespaces => ranked.risk == Risk::Namespaces,
        }
    }
}

fn title(risk: Risk) -> &'static str {
    match risk {
        Risk::Internet => "opens to or from the internet",
        Risk::Dns => "loses DNS",
        Risk::Namespaces => "opens between namespaces",
        Risk::Opened => "opens",
        Risk::Closed => "closes",
    }
}

fn word(risk: Risk) -> &'static str {
    match risk {
        Risk::Internet => "internet",
        Risk::Dns => "dns",
        Risk::Namespaces => "namespaces",
        Risk::Opened => "opened",
        Risk::Closed => "closed",
    }
}

fn name(party: &Party) -> String {
    match party {
        Party::Unit(id, _) => id.clone(),
        Party::Outside(addresses) => {
            addresses.nets().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        }
    }
}

fn table(ranked: &[Ranked]) -> String {
    let mut text = String::new();
    let mut last = None;
    for Ranked { risk, change } in ranked {
        if last.replace(*risk) != Some(*risk) {
            let _ = writeln!(text, "{}", title(*risk));
        }
        let (source, destination) = (name(&change.source), name(&change.destination));
        let Change { family, before, after, .. } = change;
        let _ = writeln!(text, "  {source} -> {destination} (IPv{family}): {before} => {after}");
    }
    if ranked.is_empty() { "nothing changes\n".to_owned() } else { text }
}

fn markdown(ranked: &[Ranked]) -> String {
    if ranked.is_empty() {
        return "Nothing changes in who can talk to whom.\n".to_owned();
    }
    let mut text = "| what | from | to | family | before | after |\n|---|---|---|---|---|---|\n".to_owned();
    for Ranked { risk, change } in ranked {
        let (source, destination) = (name(&change.source), name(&change.destination));
        let Change { family, before, after, .. } = change;
        let what = title(*risk);
        let _ =
            writeln!(text, "| {what} | `{source}` | `{destination}` | IPv{family} | {before} | {after} |");
    }
    text
}

fn json(ranked: &[Ranked]) -> Result<String> {
    let changes: Vec<serde_json::Value> = ranked
        .iter()
        .map(|Ranked { risk, change }| {
            let shape = match change.shape() {
                Shape::Added => "added",
                Shape::Removed => "removed",
                Shape::Changed => "changed",
            };
            serde_json::json!({
                "source": name(&change.source),
                "destination": name(&change.destination),
                "family": change.family.to_string(),
                "change": shape,
                "risk": word(*risk),
                "before": change.before.to_string(),
                "after": change.after.to_string(),
            })
        })
        .collect();
    Ok(serde_json::to_string_pretty(&serde_json::json!({ "changes": changes }))? + "\n")
}
