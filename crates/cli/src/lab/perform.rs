//! All states in the lab, one after another.

use std::time::Instant;

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use lab::{Drawing, Stage};
use policy::decision::Verdict;
use policy::index::Index;
use policy::model::{Cluster, Family};
use policy::rows::csv::Expected;
use policy::rows::{Options, Pair, PodPorts, Row, rows};

use super::assemble::{Asked, Verdicts, lines, unanswered, verdicts};
use super::changes::changes;
use super::notes::notes;
use super::report::{Report, StateReport};
use crate::output;

/// A state of the cluster, and what is expected of it.
pub(crate) struct State {
    /// The step that led here; `None` for the cluster of `-f`.
    pub(crate) step: Option<String>,
    pub(crate) cluster: Cluster,
    pub(crate) expected: Option<Expected>,
}

/// Enforces each state and asks all of its flows.
pub(crate) fn perform(states: &[State], options: &Options) -> Result<Report> {
    let begun = Instant::now();
    let progress = Progress::new(states.len());
    let mut report = Report { states: Vec::new(), probes: 0, seconds: 0.0 };
    let mut before: (Option<&Cluster>, Verdicts) = (None, Verdicts::new());
    let mut left = states;
    while !left.is_empty() {
        let (drawing, count) = drawn(left, &options.ports)?;
        let (here, later) = left.split_at(count);
        left = later;
        progress.say(&format!("building {} network namespaces", networks(&drawing)));
        let mut stage = Stage::build(drawing).context("cannot build the lab")?;
        say_what_is_not_spoken(stage.families());
        let scenes: Vec<Scene<'_>> =
            here.iter().map(|state| Scene::of(state, options, stage.families())).collect();
        progress.say("asking what is to be denied while nothing is");
        let denied: Vec<&Pair> = scenes.iter().flat_map(Scene::denied).collect();
        stage.prove(&denied)?;
        for scene in scenes {
            progress.say(&format!("asking {} flows", scene.pairs().len()));
            let (state, asked) = (scene.state, scene.play(&mut stage)?);
            report.states.push(told(&asked, state, before.0, &before.1));
            before = (Some(&state.cluster), verdicts(&asked.rows));
            progress.step();
        }
        report.probes += stage.probes();
    }
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

/// A drawing of as many of the next states as fit into one lab, at least one.
fn drawn(states: &[State], ports: &PodPorts) -> Result<(Drawing, usize)> {
    let mut drawing = Drawing::default();
    for (count, state) in states.iter().enumerate() {
        match drawing.clone().and(&state.cluster, ports) {
            Ok(more) => drawing = more,
            Err(_) if count > 0 => return Ok((drawing, count)),
            Err(error) => return Err(error).context("this cluster can't be built"),
        }
    }
    Ok((drawing, states.len()))
}

fn networks(drawing: &Drawing) -> usize {
    let plan = drawing.plan();
    1 + plan.nodes.len() + plan.pods.iter().filter(|pod| !pod.host_network).count() + plan.hosts.len()
}

/// A state with its policies compiled and its questions listed.
struct Scene<'a> {
    state: &'a State,
    index: Index,
    rows: Vec<Row>,
}

/// A state with its answers.
struct Played {
    index: Index,
    rows: Vec<Asked>,
}

impl<'a> Scene<'a> {
    fn of(state: &'a State, options: &Options, families: &[Family]) -> Self {
        let rows = rows(&state.cluster, options).filter_map(|row| spoken(row, families)).collect();
        Scene { state, index: Index::compile(&state.cluster), rows }
    }

    fn pairs(&self) -> Vec<&Pair> {
        self.rows.iter().flat_map(|row| &row.pairs).collect()
    }

    /// The flows that the engine denies.
    fn denied(&self) -> Vec<&Pair> {
        let mut pairs = self.pairs();
        pairs.retain(|pair| self.index.decide(&pair.flow).verdict() == Verdict::Deny);
        pairs
    }

    fn play(self, stage: &mut Stage) -> Result<Played> {
        stage.enforce(&self.index)?;
        let mut seen = stage.ask(&self.index, &self.pairs())?.into_iter();
        let answered = |row: Row| {
            let seen = seen.by_ref().take(row.pairs.len()).collect();
            Asked { row, seen }
        };
        Ok(Played { rows: self.rows.into_iter().map(answered).collect(), index: self.index })
    }
}

fn say_what_is_not_spoken(families: &[Family]) {
    if !families.contains(&Family::V6) {
        output::note("note: this machine's kernel has no IPv6; rows over IPv6 are left out\n");
    }
}

/// The row without what this machine's kernel doesn't speak.
fn spoken(mut row: Row, families: &[Family]) -> Option<Row> {
    row.pairs.retain(|pair| families.contains(&Family::of(&pair.flow.destination)));
    (!row.pairs.is_empty()).then_some(row)
}

fn told(played: &Played, state: &State, earlier: Option<&Cluster>, before: &Verdicts) -> StateReport {
    let Played { index, rows } = played;
    StateReport {
        step: state.step.clone(),
        changes: earlier.map(|earlier| changes(earlier, &state.cluster)).unwrap_or_default(),
        notes: notes(&state.cluster),
        lines: lines(index, rows, state.expected.as_ref(), before),
        unanswered: state.expected.as_ref().map(|expected| unanswered(expected, rows)).unwrap_or_default(),
    }
}

/// What is going on, on a terminal. It draws when told to, and starts no thread.
struct Progress(ProgressBar);

impl Progress {
    fn new(states: usize) -> Self {
        let bar = ProgressBar::new(states as u64);
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        Progress(bar)
    }

    fn say(&self, words: &str) {
        self.0.set_message(words.to_owned());
    }

    fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
