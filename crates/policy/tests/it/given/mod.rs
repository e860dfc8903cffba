//! Clusters with verdicts that are given: literate cases, scenarios, and a corpus.
//!
//! Other crates' tests include this folder by its path, to give the same to their own evaluators.
#![allow(dead_code, reason = "each test binary uses a part")]

use policy::model::Cluster;

pub(crate) mod cases;
pub(crate) mod corpus;
pub(crate) mod scenarios;
