//! The arguments of `portcullis lab`.

use std::path::PathBuf;

use clap::ValueEnum;
use policy::rows::csv::{FamilyColumn, parse_port};
use policy::rows::{Options, OwnPods, PodPorts, ProtocolPort};

use crate::family::{FamilyArg, families};

use crate::manifests::Files;

/// Build a cluster of network namespaces, enforce its policies in the kernel, and ask every pair with packets
///
/// Prints what the policies say and what the kernel did, for each pair of workloads and each port. Needs no
/// privilege; nothing of it is left behind.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Manifests applied on top of all before, one step after another, each with a table of its own
    #[arg(long = "step", value_name = "PATH", num_args = 1..)]
    pub(crate) steps: Vec<PathBuf>,
    /// Tables that must hold: one for the last state, or one for -f and each step
    #[arg(long = "expect", value_name = "FILE", num_args = 1..)]
    pub(crate) expected: Vec<PathBuf>,
    /// Ask pods on these ports instead of those that their containers name, such as 80/tcp,53/udp
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = port)]
    pub(crate) ports: Option<Vec<ProtocolPort>>,
    /// Ask over this address family only, or over both, a row each [default: IPv4 where both ends have it]
    #[arg(long, value_name = "FAMILY")]
    pub(crate) family: Option<FamilyArg>,
    /// Ask each workload about itself, between its different pods
    #[arg(long = "self")]
    pub(crate) own: bool,
    /// How to print what was found
    #[arg(long, value_name = "FORMAT", default_value = "table")]
    pub(crate) output: Output,
}

/// How to print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// All states, for people
    Table,
    /// The last state, with the kernel's verdicts
    Csv,
    /// All states, with both verdicts and the reasons
    Json,
}

impl Args {
    /// What the table asks.
    pub(crate) fn options(&self) -> Options {
        Options {
            ports: self.ports.clone().map_or(PodPorts::Containers, PodPorts::These),
            own: if self.own { OwnPods::Asked } else { OwnPods::Left },
            families: families(self.family),
        }
    }

    /// Whether the csv names the family.
    pub(crate) fn family_column(&self) -> FamilyColumn {
        match self.family {
            Some(FamilyArg::Both) => FamilyColumn::Shown,
            None | Some(FamilyArg::V4 | FamilyArg::V6) => FamilyColumn::Left,
        }
    }
}

fn port(text: &str) -> Result<ProtocolPort, String> {
    parse_port(text).ok_or_else(|| "write ports as 80/tcp, 53/udp or 7777/sctp".to_owned())
}
