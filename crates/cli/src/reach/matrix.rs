//! Every pair of workloads: what the source's egress, the destination's ingress, and both let through.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use policy::analyse::reach::{Reach, Unit};
use policy::ports::PortSet;
use policy::rows::Families;

use super::select::Filter;

/// More columns than anybody can read.
const MOST: usize = 40;

/// One square for each of ingress, egress and both, as tab-free columns.
pub(crate) fn matrix(reach: &Reach<'_>, families: Families, filter: &Filter) -> Result<String> {
    let places = || (0_u32..).zip(&reach.units);
    let rows: Vec<&Unit<'_>> = places()
        .filter(|(at, unit)| unit.is_source && filter.unit(reach, *at).0)
        .map(|(_, unit)| unit)
        .collect();
    let columns: Vec<&Unit<'_>> =
        places().filter(|(at, _)| filter.unit(reach, *at).1).map(|(_, unit)| unit).collect();
    if rows.len() > MOST || columns.len() > MOST {
        let (rows, columns) = (rows.len(), columns.len());
        bail!("a matrix of {rows} by {columns} is too large to read; narrow it by --from and --to");
    }
    let mut text = String::new();
    for side in [Side::Ingress, Side::Egress, Side::Combined] {
        let cell = |source: &Unit<'_>, destination: &Unit<'_>| {
            let found = side.between(reach, source, destination, families);
            found.map_or_else(|| "-".to_owned(), |ports| filter.ports(&ports).to_string())
        };
        let _ = writeln!(text, "{}", side.title());
        text.push_str(&square(&rows, &columns, cell));
        text.push('\n');
    }
    Ok(text)
}

#[derive(Clone, Copy)]
enum Side {
    Ingress,
    Egress,
    Combined,
}

impl Side {
    fn title(self) -> &'static str {
        match self {
            Side::Ingress => "ingress: what the destination lets in",
            Side::Egress => "egress: what the source lets out",
            Side::Combined => "combined: what gets through",
        }
    }

    /// `None` where nobody asks: a single pod and itself, or no family in common.
    fn between(
        self,
        reach: &Reach<'_>,
        source: &Unit<'_>,
        destination: &Unit<'_>,
        families: Families,
    ) -> Option<PortSet> {
        if source.id == destination.id && source.pods.len() < 2 {
            return None;
        }
        let families = reach.families(source, destination, families).into_iter();
        let of = |family| {
            let ((from, _), (_, to)) = (reach.kind(source, family)?, reach.kind(destination, family)?);
            let plane = reach.plane(family);
            let ports = match self {
                Side::Ingress => plane.ingress(from, to),
                Side::Egress => plane.egress(from, to),
                Side::Combined => plane.between(from, to),
            };
            Some(plane.ports(ports))
        };
        families.filter_map(of).reduce(|one, other| one.or(&other))
    }
}

fn square(
    rows: &[&Unit<'_>],
    columns: &[&Unit<'_>],
    cell: impl Fn(&Unit<'_>, &Unit<'_>) -> String,
) -> String {
    let first = rows.iter().map(|unit| unit.id.len()).max().unwrap_or(0);
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let below = cells.iter().filter_map(|row| row.get(at)).map(String::len);
            below.chain([column.id.len()]).max().unwrap_or(0)
        })
        .collect();
    let line = |head: &str, cells: Vec<&str>| {
        let mut text = format!("{head:first$}");
        for (cell, width) in cells.into_iter().zip(&widths) {
            let _ = write!(text, "  {cell:width$}");
        }
        text.trim_end().to_owned() + "\n"
    };
    let head = line("", columns.iter().map(|column| column.id.as_str()).collect());
    let body =
        rows.iter().zip(&cells).map(|(row, cells)| line(&row.id, cells.iter().map(String::as_str).collect()));
    head + &body.collect::<String>()
}
