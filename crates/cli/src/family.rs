//! `--family`, the same in every subcommand (D22).

use clap::ValueEnum;
use policy::model::Family;
use policy::rows::Families;

/// Over which families to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FamilyArg {
    /// IPv4
    #[value(name = "4")]
    V4,
    /// IPv6
    #[value(name = "6")]
    V6,
    /// Both, each by itself
    Both,
}

/// What the argument asks for; left out, IPv4 where both ends have it, else IPv6.
pub(crate) fn families(argument: Option<FamilyArg>) -> Families {
    match argument {
        None => Families::Natural,
        Some(FamilyArg::V4) => Families::Only(Family::V4),
        Some(FamilyArg::V6) => Families::Only(Family::V6),
        Some(FamilyArg::Both) => Families::Both,
    }
}
