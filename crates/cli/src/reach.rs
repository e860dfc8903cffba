//! `portcullis reach`.

pub(crate) mod doubt;
mod exposure;
mod matrix;
pub(crate) mod select;
mod table;

use anyhow::{Result, bail};
use clap::ValueEnum;
use policy::analyse::reach::{Reach, csv, json};
use policy::index::Index;
use policy::manifest::Bounds;
use policy::model::Cluster;
use policy::rows::Families;

use crate::family::{FamilyArg, families};
use crate::manifests::{self, Files, Understood};
use crate::{Outcome, output};

use select::Filter;

/// Show who can talk to whom
///
/// The table groups: each line names many sources, many destinations, and the ports between them.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    files: Files,
    /// Only from these: a name as `portcullis can` takes it
    #[arg(long, value_name = "SRC")]
    from: Option<String>,
    /// Only to these
    #[arg(long, value_name = "DST")]
    to: Option<String>,
    /// Only on this port, such as 80/tcp
    #[arg(long, value_name = "PORT", value_parser = select::port)]
    port: Option<policy::rows::ProtocolPort>,
    /// Over this address family only, or over both, each by itself [default: IPv4 where both ends have it]
    #[arg(long, value_name = "FAMILY")]
    family: Option<FamilyArg>,
    /// What is open wider than one may think, instead: to the internet, to the whole cluster, to labels that no
    /// pod has yet; and who is isolated by no policy. As table or json; exit status 1 where there is something
    #[arg(long)]
    exposure: bool,
    /// How to print
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    output: Output,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// Grouped lines, for people
    Table,
    /// Every pair of workloads: ingress, egress and both, for small clusters
    Matrix,
    /// A row a pair and port, with the engine's verdicts, as `lab` has them
    Csv,
    /// Complete and structured: docs/reach.schema.json
    Json,
    /// The grouped lines as a Markdown table
    Md,
    /// The grouped lines as a graph for Graphviz
    Dot,
}

/// Reads everything, asks, and prints.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let Understood { cluster, bounds } = manifests::understood(&args.files)?;
    let families = families(args.family);
    match &bounds {
        // What is open as widely as it may be meant is what to worry about.
        Some(bounds) if args.exposure => answer(args, &bounds.wide, Some(bounds), families),
        Some(bounds) => answer(args, &bounds.narrow, Some(bounds), families),
        None => answer(args, &cluster, None, families),
    }
}

fn answer(args: &Args, cluster: &Cluster, bounds: Option<&Bounds>, families: Families) -> Result<Outcome> {
    let index = Index::compile(cluster);
    let reach = Reach::of(cluster, &index);
    let filter = Filter::of(cluster, &index, args.from.as_deref(), args.to.as_deref(), args.port)?;
    if args.exposure {
        let open = exposure::open(cluster, &index, &reach, &filter);
        output::print(&match args.output {
            Output::Table => exposure::table(cluster, &reach, &open),
            Output::Json => exposure::json(&reach, &open),
            Output::Matrix | Output::Csv | Output::Md | Output::Dot => {
                bail!("--exposure is printed as table or json")
            }
        })?;
        return Ok(if open.is_empty() { Outcome::Clean } else { Outcome::Findings });
    }
    let unknown =
        bounds.map(|bounds| doubt::unknown(bounds, doubt::lines(bounds, &reach, families, &filter)));
    let unknown = unknown.unwrap_or_default();
    let lines = || table::Lines::of(cluster, &reach, families, &filter, &unknown);
    let text = match (args.output, bounds) {
        (Output::Table, _) => table::table(&lines()),
        (Output::Md, _) => table::markdown(&lines()),
        (Output::Dot, _) => table::dot(&lines()),
        (Output::Json, _) => {
            json::write(&reach, families, |connection| filter.connection(&reach, connection), &unknown)
        }
        (Output::Csv, Some(bounds)) => doubt::csv(bounds, families, &filter),
        (Output::Csv, None) => {
            csv::write(cluster, &index, &reach, families, |from, to, port| filter.row(from, to, port))
        }
        (Output::Matrix, None) => matrix::matrix(&reach, families, &filter)?,
        (Output::Matrix, Some(_)) => bail!("a matrix has no room for what is unknown; take another output"),
    };
    output::print(&text)?;
    Ok(Outcome::Clean)
}
