//! What a node does after every change: its rules made so, and flows that they no longer allow ended.

use policy::decision::Verdict;
use policy::index::Index;
use policy::model::{Flow, Path, Protocol as Transport};

use super::commit::{CommitError, CommitReport, Committer};
use super::conntrack::{end_flows, flows};
use super::socket::{Protocol, RequestError, Socket};
use crate::conntrack::{Connection, revoked};
use crate::lower::lower;

/// Why a node doesn't enforce what it should.
#[derive(Debug, thiserror::Error)]
pub enum EnforceError {
    /// The rules are not in place.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The rules are in place, but flows that they deny may live on.
    #[error("cannot end the flows that are no longer allowed")]
    Flows(#[source] RequestError),
}

/// What was done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Enforced {
    /// What changed in the kernel's rules.
    pub commit: CommitReport,
    /// How many flows were ended.
    pub flows_ended: usize,
}

/// One node's enforcement.
#[derive(Debug)]
pub struct Enforcer {
    node: String,
    committer: Committer,
    conntrack: Socket,
}

impl Enforcer {
    /// For `node`, in the network namespace of the calling thread.
    pub fn open(node: &str) -> Result<Self, EnforceError> {
        let conntrack = Socket::open(Protocol::Netfilter).map_err(CommitError::Open)?;
        Ok(Enforcer { node: node.to_owned(), committer: Committer::open()?, conntrack })
    }

    /// Makes the node's rules those of `index`, and ends what they deny (D11).
    pub fn enforce(&mut self, index: &Index) -> Result<Enforced, EnforceError> {
        let commit = self.committer.sync(&lower(index, &self.node))?;
        if commit.transaction.is_empty() {
            return Ok(Enforced { commit, flows_ended: 0 });
        }
        let entries = flows(&mut self.conntrack).map_err(EnforceError::Flows)?;
        let denied = revoked(&entries, |connection| is_denied(index, &self.node, connection));
        let flows_ended = end_flows(&mut self.conntrack, &denied).map_err(EnforceError::Flows)?;
        Ok(Enforced { commit, flows_ended })
    }

    /// Takes our rules away; everything is allowed again.
    pub fn cleanup(&mut self) -> Result<(), EnforceError> {
        Ok(self.committer.cleanup()?)
    }
}

/// Whether this node has an end of the connection whose policies deny it. The other end is its own node's
/// to judge, which sees the addresses as they are there (D4).
fn is_denied(index: &Index, node: &str, connection: &Connection) -> bool {
    let Connection { source, destination, protocol, port } = *connection;
    let path = if source == destination { Path::Service } else { Path::Direct };
    let flow = Flow { source, destination, protocol: Transport::from_number(protocol), port, path };
    let is_here = |address| index.owner(address).is_some_and(|pod| pod.node.as_deref() == Some(node));
    let decision = index.decide(&flow);
    (is_here(source) && decision.egress.verdict == Verdict::Deny)
        || (is_here(destination) && decision.ingress.verdict == Verdict::Deny)
}
