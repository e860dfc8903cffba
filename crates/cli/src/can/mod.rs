//! `portcullis can`.

mod fix;
pub(crate) mod json;
pub(crate) mod text;
pub(crate) mod words;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::ValueEnum;
use policy::analyse::can::{Answer, Question, Readings, Word, can, can_within};
use policy::analyse::fix::fix;
use policy::analyse::names::{self, Addresses};
use policy::index::Index;
use policy::manifest::Bounds;

use crate::family::{FamilyArg, families};
use crate::manifests::{self, Files, Understood};
use crate::{Outcome, output};

/// Ask whether somebody may talk to somebody, and what settles it
///
/// Names: namespace/workload, namespace/pod, namespace/*, namespace/label=value,..., */label=value, an address
/// or CIDR, external/name, internet, outside; as a destination also svc/namespace/name:port. The answer is
/// about every pair that the names mean: exit status 0 says that all of them may, 1 that some or none may, 2 that nobody can
/// say.
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
    /// Propose the smallest edit that lets it pass, and say what else that would open
    #[arg(long)]
    fix: bool,
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
    let Understood { cluster, bounds } = manifests::understood(&args.files)?;
    let index = Index::compile(&cluster);
    let question = Question {
        sources: names::ends(&cluster, &index, &source)?,
        targets: names::destinations(&cluster, &index, &destination)?,
        families: families(args.family),
    };
    let answer = match &bounds {
        None => can(&cluster, &index, &question),
        Some(bounds) => within(bounds, &question),
    };
    let doubts = bounds.as_ref().map(manifests::doubts).unwrap_or_default();
    let answer = answer.ok_or_else(|| {
        anyhow!("`{}` and `{}` have no address family in common", args.source, args.destination)
    })?;
    if args.fix && bounds.is_some() {
        bail!("`--fix` needs manifests that can be read in full");
    }
    let fix = args.fix.then(|| fix(&cluster, &index, &question));
    let targets: Addresses =
        question.targets.iter().fold(Addresses::default(), |all, target| all.and(&target.ends.addresses));
    let rendered = match args.output {
        Output::Text => {
            let asked = text::Asked {
                cluster: &cluster,
                index: &index,
                source: (&args.source, &question.sources.addresses),
                destination: (without_port(&args.destination), &targets),
                doubts: &doubts,
            };
            let proposed = fix.as_ref().map(|fix| fix::render(&index, fix.as_ref())).unwrap_or_default();
            text::render(&asked, &answer) + &proposed
        }
        Output::Json => {
            let proposal = fix.and_then(|fix| fix::proposal(&index, fix.as_ref()));
            json::render(&cluster, &index, &answer, &doubts, proposal)?
        }
    };
    output::print(&rendered).context("cannot write the answer")?;
    match answer.word {
        Word::Yes => Ok(Outcome::Clean),
        Word::No | Word::Partly => Ok(Outcome::Findings),
        Word::Unknown => bail!("nobody can say: {}", doubts.join(", ")),
    }
}

fn within(bounds: &Bounds, question: &Question<'_>) -> Option<Answer> {
    let (narrow, wide) = (Index::compile(&bounds.narrow), Index::compile(&bounds.wide));
    can_within(&Readings { narrow: (&bounds.narrow, &narrow), wide: (&bounds.wide, &wide) }, question)
}

/// A destination without its port.
pub(crate) fn without_port(destination: &str) -> &str {
    let bracketed = destination.strip_prefix('[').and_then(|rest| rest.split(']').next());
    let before_port = || destination.rsplit_once(':').filter(|(name, _)| !name.contains(':'));
    bracketed.or_else(|| before_port().map(|(name, _)| name)).unwrap_or(destination)
}
