//! A cluster's states in a lab: its policies enforced on every node, its flows asked with packets.

use std::collections::HashSet;
use std::io;

use nft::kernel::{EnforceError, Enforcer};
use policy::decision::{Decision, Verdict};
use policy::index::Index;
use policy::model::{Family, Flow};
use policy::rows::Pair;

use crate::cluster::{Lab, LabError};
use crate::drawing::Drawing;
use crate::probe::{Outcome, Probe, ProbeError};

/// How often a flow is asked on which engine and kernel differ.
const ATTEMPTS: usize = 3;

/// A lab whose nodes enforce policies.
#[derive(Debug)]
pub struct Stage {
    lab: Lab,
    drawing: Drawing,
    enforcers: Vec<(String, Enforcer)>,
    unable: Vec<(Flow, Outcome)>,
    proven: HashSet<Flow>,
    probes: usize,
}

/// What is known of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// What the engine says.
    pub decision: Decision,
    /// What became of its packets.
    pub outcome: Outcome,
    /// How often it was asked.
    pub attempts: usize,
}

/// Why a state could not be staged.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// There is no lab.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// A node's network can't be entered.
    #[error("cannot enter the network of node `{node}`")]
    Enter {
        /// Which node.
        node: String,
        /// Why not.
        source: io::Error,
    },
    /// A node doesn't enforce.
    #[error("node `{node}` does not enforce its policies")]
    Enforce {
        /// Which node.
        node: String,
        /// Why not.
        source: EnforceError,
    },
    /// Probes could not be sent.
    #[error(transparent)]
    Probe(#[from] ProbeError),
}

impl Stage {
    /// Builds the lab. No policy is in force.
    pub fn build(drawing: Drawing) -> Result<Self, StageError> {
        let lab = Lab::build(drawing.plan())?;
        let mut enforcers = Vec::with_capacity(drawing.plan().nodes.len());
        for (place, node) in drawing.plan().nodes.iter().enumerate() {
            let Some(namespace) = lab.node(place) else { continue };
            let name = || node.name.clone();
            let enforcer = namespace
                .enter(|| Enforcer::open(&node.name))
                .map_err(|source| StageError::Enter { node: name(), source })?
                .map_err(|source| StageError::Enforce { node: name(), source })?;
            enforcers.push((name(), enforcer));
        }
        Ok(Stage { lab, drawing, enforcers, unable: Vec::new(), proven: HashSet::new(), probes: 0 })
    }

    /// The families that this machine's kernel speaks.
    pub fn families(&self) -> &[Family] {
        self.lab.families()
    }

    /// How many probes were sent so far.
    pub fn probes(&self) -> usize {
        self.probes
    }

    /// The control: shows, while no policy is in force, that these flows can pass at all. Takes what was
    /// enforced out of force.
    pub fn prove(&mut self, pairs: &[&Pair]) -> Result<(), StageError> {
        for (node, enforcer) in &mut self.enforcers {
            enforcer.cleanup().map_err(|source| StageError::Enforce { node: node.clone(), source })?;
        }
        let mut open: Vec<&Pair> =
            pairs.iter().copied().filter(|pair| !self.proven.contains(&pair.flow)).collect();
        for _ in 0..ATTEMPTS {
            let outcomes = self.send(&open)?;
            let asked = open.iter().map(|pair| pair.flow).zip(outcomes);
            let (able, unable): (Vec<_>, Vec<_>) = asked.partition(|(_, outcome)| passes(outcome));
            self.proven.extend(able.into_iter().map(|(flow, _)| flow));
            self.unable = unable;
            open.retain(|pair| !self.proven.contains(&pair.flow));
        }
        Ok(())
    }

    /// Puts the policies of `index` in force on all nodes, and forgets all flows.
    pub fn enforce(&mut self, index: &Index) -> Result<(), StageError> {
        for (node, enforcer) in &mut self.enforcers {
            enforcer.enforce(index).map_err(|source| StageError::Enforce { node: node.clone(), source })?;
        }
        Ok(self.lab.flush_conntrack()?)
    }

    /// Asks all flows, those on which the kernel differs from the engine twice more. A denial counts only for
    /// a flow that has been proven.
    pub fn ask(&mut self, index: &Index, pairs: &[&Pair]) -> Result<Vec<Seen>, StageError> {
        let outcomes = self.send(pairs)?;
        let first = |(pair, outcome): (&&Pair, Outcome)| {
            let decision = index.decide(&pair.flow);
            Seen { decision, outcome: self.counted(&pair.flow, decision.verdict(), outcome), attempts: 1 }
        };
        let mut seen: Vec<Seen> = pairs.iter().zip(outcomes).map(first).collect();
        for attempts in 2..=ATTEMPTS {
            let differing: Vec<usize> =
                seen.iter().enumerate().filter(|(_, seen)| !seen.agrees()).map(|(place, _)| place).collect();
            let again: Vec<&Pair> = differing.iter().filter_map(|place| pairs.get(*place).copied()).collect();
            let outcomes = self.send(&again)?;
            for ((place, pair), outcome) in differing.into_iter().zip(again).zip(outcomes) {
                if let Some(seen) = seen.get_mut(place) {
                    let outcome = self.counted(&pair.flow, seen.decision.verdict(), outcome);
                    (seen.outcome, seen.attempts) = (outcome, attempts);
                }
            }
        }
        Ok(seen)
    }

    /// A denial of what could not pass anyway, or may not have been able to, says nothing.
    fn counted(&self, flow: &Flow, engine: Verdict, outcome: Outcome) -> Outcome {
        match (&outcome, engine) {
            (Outcome::Denied { .. }, _) if self.proven.contains(flow) => outcome,
            (Outcome::Denied { .. }, Verdict::Deny) => {
                let control = self.unable.iter().find(|(unable, _)| unable == flow);
                let control = control.map_or("it was not asked", |(_, control)| said(control));
                Outcome::Failed(format!("with no policy in force it did not pass either: {control}"))
            }
            // It differs from the engine, and is reported as that.
            (Outcome::Denied { .. }, Verdict::Accept) => outcome,
            (Outcome::Allowed | Outcome::Refused | Outcome::Failed(_), _) => outcome,
        }
    }

    fn send(&mut self, pairs: &[&Pair]) -> Result<Vec<Outcome>, StageError> {
        let probes: Vec<Option<Probe>> = pairs.iter().map(|pair| self.drawing.probe(pair)).collect();
        let known: Vec<Probe> = probes.iter().flatten().cloned().collect();
        if known.is_empty() {
            return Ok(probes.iter().map(|_| absent()).collect());
        }
        self.probes += known.len();
        let mut outcomes = self.lab.probe(&known)?.into_iter();
        Ok(probes
            .iter()
            .map(|probe| probe.as_ref().and_then(|_| outcomes.next()).unwrap_or_else(absent))
            .collect())
    }
}

fn absent() -> Outcome {
    Outcome::Failed("one of its ends is not in the lab".to_owned())
}

fn passes(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Allowed | Outcome::Refused => true,
        Outcome::Denied { .. } | Outcome::Failed(_) => false,
    }
}

fn said(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::Refused => "refused",
        Outcome::Denied { .. } => "denied",
        Outcome::Failed(cause) => cause,
    }
}

impl Seen {
    /// What the kernel says; `None` where the packets gave no verdict.
    pub fn kernel(&self) -> Option<Verdict> {
        match self.outcome {
            Outcome::Allowed | Outcome::Refused => Some(Verdict::Accept),
            Outcome::Denied { .. } => Some(Verdict::Deny),
            Outcome::Failed(_) => None,
        }
    }

    /// Whether engine and kernel say the same.
    pub fn agrees(&self) -> bool {
        self.kernel() == Some(self.decision.verdict())
    }
}
