//! `portcullis can`.

pub(crate) mod json;
pub(crate) mod text;
pub(crate) mod words;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::ValueEnum;
use policy::analyse::can::{Question, Word, can};
use policy::analyse::names::{self, Addresses};
use policy::index::Index;

use crate::family::{FamilyArg, families};
use crate::manifests::{self, Files};
use crate::{Outcome, output};

/// Ask whether somebody may talk to somebody, and what settles it
///
/// Names: namespace/workload, namespace/pod, namespace/*, namespace/label=value,..., */label=value, an address
/// or CIDR, external/name, internet, outside; as a destination also svc/namespace/name:port. The answer is
/// about every pair that the names mean: exit status 0 says that all of them may, 1 that some or none may.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Who opens the connection
    #[arg(value_name = "SRC")]
    source: String,
    /// To whom; without a port, over every protocol and port
    #[arg(value_name = "DST[:PORT[/PROTO]]")]
    destination: String,
    #[command(flatten)]
    files: Files,
    /// Over which address family [default: IPv4 where both ends have it, else IPv6]
    #[arg(long, value_name = "FAMILY")]
    family: Option<FamilyArg>,
    /// How to print the answer
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// For people
    Text,
    /// All of it, for programs
    Json,
}

/// Reads everything, asks, and prints.
pub(crate) fn run(args: &Args) -> Result<Outcome> {
    let (source, destination) = (names::source(&args.source)?, names::destination(&args.destination)?);
    let Some(cluster) = manifests::states(&args.files, &[])?.pop() else { bail!("there is no cluster") };
    let index = Index::compile(&cluster);
    let question = Question {
        sources: names::ends(&cluster, &index, &source)?,
        targets: names::destinations(&cluster, &index, &destination)?,
        families: families(args.family),
    };
    let answer = can(&cluster, &index, &question).ok_or_else(|| {
        anyhow!("`{}` and `{}` have no address family in common", args.source, args.destination)
    })?;
    let targets: Addresses =
        question.targets.iter().fold(Addresses::default(), |all, target| all.and(&target.ends.addresses));
    let rendered = match args.output {
        Output::Text => text::render(
            &text::Asked {
                cluster: &cluster,
                index: &index,
                source: (&args.source, &question.sources.addresses),
                destination: (without_port(&args.destination), &targets),
            },
            &answer,
        ),
        Output::Json => json::render(&cluster, &index, &answer)?,
    };
    output::print(&rendered).context("cannot write the answer")?;
    Ok(match answer.word {
        Word::Yes => Outcome::Clean,
        Word::No | Word::Partly => Outcome::Findings,
    })
}

/// A destination without its port.
pub(crate) fn without_port(destination: &str) -> &str {
    let bracketed = destination.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let before_port = || destination.rsplit_once(':').filter(|(name, _)| !name.contains(':'));
    bracketed.or_else(|| before_port().map(|(name, _)| name)).unwrap_or(destination)
}
