//! Source ports for probes.

use std::collections::BTreeMap;

use crate::plan::{Family, Protocol};

/// Below are ports that services like to have.
const FIRST: u16 = 1024;

/// Hands out source ports, each once: a probe from a port that was used before could ride on what connection
/// tracking remembers of the earlier one. After 64,512 probes of a source the first comes round again; by
/// then its flow is long forgotten, as connection tracking is flushed after each step.
#[derive(Debug, Default)]
pub(crate) struct Ports {
    next: BTreeMap<(usize, Family, Protocol), u16>,
}

impl Ports {
    /// A port for a probe from this site.
    pub(crate) fn take(&mut self, site: usize, family: Family, protocol: Protocol) -> u16 {
        let next = self.next.entry((site, family, protocol)).or_insert(FIRST);
        let port = *next;
        *next = port.checked_add(1).unwrap_or(FIRST);
        port
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_port_comes_twice_until_all_have_come() {
        let mut ports = Ports::default();
        let taken: BTreeSet<u16> = (0..64_512).map(|_| ports.take(0, Family::V4, Protocol::Tcp)).collect();
        assert_eq!(taken.len(), 64_512);
        assert_eq!(taken.first(), Some(&1024));
        assert_eq!(ports.take(0, Family::V4, Protocol::Tcp), 1024);
    }

    #[test]
    fn sites_families_and_protocols_have_ports_of_their_own() {
        let mut ports = Ports::default();
        for (site, family, protocol) in [
            (0, Family::V4, Protocol::Tcp),
            (1, Family::V4, Protocol::Tcp),
            (0, Family::V6, Protocol::Tcp),
            (0, Family::V4, Protocol::Udp),
        ] {
            assert_eq!(ports.take(site, family, protocol), 1024);
        }
        assert_eq!(ports.take(0, Family::V4, Protocol::Udp), 1025);
    }
}
