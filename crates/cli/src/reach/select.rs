//! `--from`, `--to` and `--port`.

use std::collections::HashSet;

use anyhow::{Result, bail};
use ipnet::IpNet;
use policy::analyse::names::{self, Addresses, Ends, Name};
use policy::analyse::reach::Reach;
use policy::analyse::reach::groups::{Line, Many};
use policy::analyse::reach::json::Connection;
use policy::index::Index;
use policy::model::{Cluster, EndpointId};
use policy::ports::PortSet;
use policy::rows::csv::parse_port;
use policy::rows::{Actor, ProtocolPort};

/// What is asked for; where nothing is said, everything.
#[derive(Default)]
pub(crate) struct Filter {
    from: Option<Meant>,
    to: Option<Meant>,
    port: Option<ProtocolPort>,
}

/// Whom a name means.
struct Meant {
    pods: HashSet<EndpointId>,
    hosts: HashSet<String>,
    addresses: Addresses,
}

/// `80/tcp`.
pub(crate) fn port(text: &str) -> Result<ProtocolPort, String> {
    parse_port(text).ok_or_else(|| "write it as 80/tcp, 53/udp or 7777/sctp".to_owned())
}

impl Filter {
    /// What these names mean in a cluster.
    pub(crate) fn of(
        cluster: &Cluster,
        index: &Index,
        from: Option<&str>,
        to: Option<&str>,
        port: Option<ProtocolPort>,
    ) -> Result<Self> {
        let meant = |text: &str| -> Result<Meant> {
            let name: Name = names::source(text)?;
            Ok(Meant::of(&names::ends(cluster, index, &name)?))
        };
        let (from, to) = (from.map(meant).transpose()?, to.map(meant).transpose()?);
        if let (Some(from), Some(to)) = (&from, &to)
            && from.pods.is_empty()
            && to.pods.is_empty()
        {
            bail!("--from and --to both mean addresses that are no pod's: policies say nothing about those");
        }
        Ok(Filter { from, to, port })
    }

    /// What remains of a line.
    pub(crate) fn line(&self, reach: &Reach<'_>, line: Line) -> Option<Line> {
        let narrowed = |meant: &Option<Meant>, many: Many| match meant {
            Some(meant) => meant.of_many(reach, &many),
            None => many,
        };
        let sources = narrowed(&self.from, line.sources);
        let destinations = narrowed(&self.to, line.destinations);
        let ports = self.ports(&line.ports);
        let is_empty = |many: &Many| many.units.is_empty() && many.outside.is_empty();
        let remains = !is_empty(&sources) && !is_empty(&destinations) && !ports.is_empty();
        remains.then_some(Line { sources, destinations, ports })
    }

    /// What remains of a connection's ports.
    pub(crate) fn connection(&self, reach: &Reach<'_>, connection: &Connection) -> Option<PortSet> {
        let is_meant =
            |meant: &Option<Meant>, id: &str| meant.as_ref().is_none_or(|meant| meant.holds(reach, id));
        let ports = self.ports(&connection.ports);
        let remains = !ports.is_empty()
            && is_meant(&self.from, &connection.source)
            && is_meant(&self.to, &connection.destination);
        remains.then_some(ports)
    }

    /// Whether a pair is asked for, for which a row of the csv would stand.
    pub(crate) fn row(&self, source: &Actor, destination: &Actor, port: ProtocolPort) -> bool {
        let is_meant =
            |meant: &Option<Meant>, actor: &Actor| meant.as_ref().is_none_or(|meant| meant.is_actor(actor));
        self.port.is_none_or(|asked| asked == port)
            && is_meant(&self.from, source)
            && is_meant(&self.to, destination)
    }

    /// Whether a unit by its place is asked for as a source and as a destination.
    pub(crate) fn unit(&self, reach: &Reach<'_>, place: u32) -> (bool, bool) {
        let many = Many { units: vec![place], outside: Addresses::default() };
        let is_meant = |meant: &Option<Meant>| {
            meant.as_ref().is_none_or(|meant| !meant.of_many(reach, &many).units.is_empty())
        };
        (is_meant(&self.from), is_meant(&self.to))
    }

    /// The ports of these that are asked for.
    pub(crate) fn ports(&self, ports: &PortSet) -> PortSet {
        match self.port {
            Some((protocol, port)) => ports.and(&PortSet::of([(protocol, port, port)])),
            None => ports.clone(),
        }
    }
}

impl Meant {
    fn of(ends: &Ends<'_>) -> Self {
        let host_addresses: Addresses = ends.hosts.iter().flat_map(|host| &host.addresses).collect();
        Meant {
            pods: ends.pods.iter().map(|pod| pod.id.clone()).collect(),
            hosts: ends.hosts.iter().map(|host| host.name.to_string()).collect(),
            addresses: ends.addresses.clone().and(&host_addresses),
        }
    }

    fn of_many(&self, reach: &Reach<'_>, many: &Many) -> Many {
        let is_meant = |place: &u32| {
            let unit = reach.units.get(*place as usize);
            unit.is_some_and(|unit| {
                unit.pods.iter().any(|pod| {
                    self.pods.contains(&pod.id)
                        || pod.addresses.iter().any(|address| self.addresses.contains(address))
                })
            })
        };
        let units = many.units.iter().copied().filter(is_meant).collect();
        let outside = many.outside.without(&many.outside.without(&self.addresses));
        Many { units, outside }
    }

    fn holds(&self, reach: &Reach<'_>, id: &str) -> bool {
        if let Ok(net) = id.parse::<IpNet>() {
            let net = Addresses::of([&net]);
            return net.without(&self.addresses) != net;
        }
        let pods = reach.units.iter().filter(|unit| unit.id == id).flat_map(|unit| &unit.pods);
        pods.into_iter().any(|pod| self.pods.contains(&pod.id))
    }

    fn is_actor(&self, actor: &Actor) -> bool {
        match actor {
            Actor::Pod(pod) => self.pods.contains(pod),
            Actor::Host(host) => self.hosts.contains(host.as_ref()),
        }
    }
}
