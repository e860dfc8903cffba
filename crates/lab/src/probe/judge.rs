//! From what was seen of a probe to what became of it.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::icmp::Reason;
use crate::plan::Protocol;

use super::{Outcome, Probe};

/// How long to wait for an answer to a packet that no node has logged.
pub(super) const PATIENCE: Duration = Duration::from_millis(400);
/// How long to wait for an answer to a packet that a node has logged as denied.
pub(super) const PATIENCE_AFTER_LOG: Duration = Duration::from_millis(50);

/// The last that was seen of a probe.
#[derive(Debug)]
pub(super) enum Sign<'a> {
    /// A name came back.
    Name(&'a [u8]),
    /// The destination's own refusal.
    Refusal,
    /// Somebody says that the packet can't be delivered.
    Unreachable { from: IpAddr, reason: Reason },
    /// The socket failed.
    Broken(io::Error),
    /// Nothing came in time, but a node's log named the packet, with this prefix.
    Logged(&'a str),
    /// Nothing came in time.
    Silence(Silence),
}

/// What else is known of a probe to which nothing came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Silence {
    /// Nothing.
    Complete,
    /// The connection was made.
    Connected,
    /// Logs were lost, so there may have been one.
    LogsLost,
}

/// What became of the probe.
pub(super) fn judge(probe: &Probe, sign: &Sign<'_>) -> Outcome {
    match sign {
        Sign::Name(name) if *name == probe.expect.as_bytes() => Outcome::Allowed,
        Sign::Name([]) => Outcome::Failed("connected, and closed without a name".to_owned()),
        Sign::Name(name) => Outcome::Failed(format!("`{}` answered", String::from_utf8_lossy(name))),
        Sign::Refusal => Outcome::Refused,
        Sign::Unreachable { from, reason: Reason::Port }
            if *from == probe.destination && probe.protocol == Protocol::Udp =>
        {
            Outcome::Refused
        }
        Sign::Unreachable { from, reason } => Outcome::Failed(format!("{from} says: {}", reason.text())),
        Sign::Broken(error) => Outcome::Failed(error.to_string()),
        Sign::Logged(prefix) => {
            Outcome::Denied { by: Some(prefix).filter(|prefix| !prefix.is_empty()).map(|p| (*p).to_owned()) }
        }
        Sign::Silence(silence) => Outcome::Failed(silence.text().to_owned()),
    }
}

impl Silence {
    fn text(self) -> &'static str {
        match self {
            Silence::Complete => "no answer and no log",
            Silence::Connected => "connected, but no name came",
            Silence::LogsLost => "no answer, and some logs were lost: they came faster than they were read",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::End;

    fn outcome(protocol: Protocol, sign: Sign<'_>) -> Outcome {
        let probe = Probe {
            source: End::Pod(0),
            destination: "10.0.0.2".parse().unwrap(),
            protocol,
            port: 80,
            expect: "web".to_owned(),
        };
        judge(&probe, &sign)
    }

    fn unreachable(from: &str, reason: Reason) -> Sign<'static> {
        Sign::Unreachable { from: from.parse().unwrap(), reason }
    }

    fn failed(cause: &str) -> Outcome {
        Outcome::Failed(cause.to_owned())
    }

    #[test]
    fn only_the_right_name_is_an_answer() {
        assert_eq!(outcome(Protocol::Tcp, Sign::Name(b"web")), Outcome::Allowed);
        assert_eq!(outcome(Protocol::Tcp, Sign::Name(b"web2")), failed("`web2` answered"));
        assert_eq!(outcome(Protocol::Tcp, Sign::Name(b"")), failed("connected, and closed without a name"));
    }

    #[test]
    fn only_the_destination_can_refuse() {
        let own = || unreachable("10.0.0.2", Reason::Port);
        assert_eq!(outcome(Protocol::Udp, own()), Outcome::Refused);
        assert_eq!(outcome(Protocol::Sctp, own()), failed("10.0.0.2 says: port unreachable"));
        assert_eq!(
            outcome(Protocol::Udp, unreachable("10.0.0.9", Reason::Port)),
            failed("10.0.0.9 says: port unreachable")
        );
        assert_eq!(
            outcome(Protocol::Udp, unreachable("10.0.0.2", Reason::Other("host unreachable"))),
            failed("10.0.0.2 says: host unreachable")
        );
    }

    #[test]
    fn silence_is_a_denial_only_with_a_log() {
        assert_eq!(
            outcome(Protocol::Tcp, Sign::Logged("rule 7")),
            Outcome::Denied { by: Some("rule 7".to_owned()) }
        );
        assert_eq!(outcome(Protocol::Tcp, Sign::Logged("")), Outcome::Denied { by: None });
        assert_eq!(outcome(Protocol::Tcp, Sign::Silence(Silence::Complete)), failed("no answer and no log"));
    }
}
