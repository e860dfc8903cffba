//! What `portcullis can` asks, on a large cluster that is loaded already.

use policy::analyse::can::{Question, can};
use policy::analyse::fix::fix;
use policy::analyse::names::{destination, destinations, ends, source};
use policy::index::Index;
use policy::model::Cluster;
use policy::rows::Families;

use super::{line, timed};

/// From few to few, from everyone to one, and what would open a flow.
pub(crate) fn questions(cluster: &Cluster, index: &Index) {
    println!("{:<72}", "questions about it, from names to the answer:");
    for (from, to) in [
        ("team-7/app-1", "team-7/app-2:8080"),
        ("team-7/app-1", "team-8/app-2"),
        ("team-7/*", "team-8/*:8080"),
        ("*/*", "team-7/app-1-710:8080"),
        ("*/*", "team-7/app-1-710"),
        ("internet", "team-7/app-1:443"),
    ] {
        let (_, took) = timed(|| can(cluster, index, &asked(cluster, index, from, to)).expect("an answer"));
        line(&format!("  can {from} {to}"), took);
    }
    for (from, to) in [("team-7/app-1", "team-8/app-2:8080"), ("internet", "team-7/app-1:8080")] {
        let (_, took) = timed(|| fix(cluster, index, &asked(cluster, index, from, to)).expect("a fix"));
        line(&format!("  can {from} {to} --fix"), took);
    }
}

fn asked<'a>(cluster: &'a Cluster, index: &Index, from: &str, to: &str) -> Question<'a> {
    let (from, to) = (source(from).expect("a source"), destination(to).expect("a destination"));
    Question {
        sources: ends(cluster, index, &from).expect("pods"),
        targets: destinations(cluster, index, &to).expect("pods"),
        families: Families::Natural,
    }
}
