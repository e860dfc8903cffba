//! The networks of a lab: a router, and behind it nodes and hosts; behind the nodes, their pods.

mod messages;
mod settings;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use nft::kernel::{Protocol, RequestError, Socket};
use nft::netlink::Message;

use crate::namespace::Namespace;
use crate::plan::{Family, Site, Uplink};

use messages::{LOOPBACK, Link, address, is_operational, link_up, links, neighbour, route, veth};
pub use settings::SettingError;
pub(crate) use settings::has_ipv6;

/// What the router that a link leads to is called there, in each family. Nobody owns these: neighbours are
/// told for good which card stands for them.
const ROUTER: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(169, 254, 1, 1)), IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1))];
/// And what the router calls the other end.
const INSIDE: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(169, 254, 1, 2)), IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2))];
/// The fabric's own addresses, so that it can say that there is no way (RFC 7600; RFC 6666).
const FABRIC: [IpAddr; 2] =
    [IpAddr::V4(Ipv4Addr::new(192, 0, 0, 8)), IpAddr::V6(Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 1))];

const ROUTER_CARD: [u8; 6] = [2, 0, 0, 0, 0, 1];
const INSIDE_CARD: [u8; 6] = [2, 0, 0, 0, 0, 2];
/// A site's link to its router.
const UPLINK_INDEX: u32 = 2;
/// A router's links to its sites.
const FIRST_DOWNLINK_INDEX: u32 = 1000;
/// How much is sent at once: less than the smallest send buffer.
const PART: usize = 64 * 1024;

/// Why the networks could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No namespace.
    #[error("cannot make a network namespace{}", remedy(.0))]
    Namespace(#[from] io::Error),
    /// A setting.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A link, an address or a route.
    #[error("cannot set up the network of {place}")]
    Netlink {
        /// Whose.
        place: String,
        /// Why not.
        source: RequestError,
    },
    /// The kernel hasn't noticed that the links are complete.
    #[error("the links of {place} don't come up")]
    Dead {
        /// Whose.
        place: String,
    },
}

/// How long the kernel may take to notice that a link is complete.
const LINK_PATIENCE: Duration = Duration::from_secs(30);

fn remedy(error: &io::Error) -> &'static str {
    if error.kind() == io::ErrorKind::StorageFull {
        ": all that `user.max_net_namespaces` allows are in use; raise it with \
         `sysctl user.max_net_namespaces=10000`"
    } else {
        ""
    }
}

/// The namespaces of a lab.
#[derive(Debug)]
pub(crate) struct Networks {
    /// One for each site.
    pub(crate) sites: Vec<Namespace>,
    /// The router between nodes and hosts. Its descriptor keeps it.
    _fabric: Namespace,
}

/// Makes the namespaces of all sites and connects them.
pub(crate) fn build(sites: &[Site], families: &[Family]) -> Result<Networks, NetworkError> {
    let fabric = prepared(families)?;
    let namespaces: Vec<Namespace> =
        sites.iter().map(|_| prepared(families)).collect::<Result<_, NetworkError>>()?;
    configure("the fabric", &fabric, &fabric_messages(sites, &namespaces, families))?;
    // Nodes come before their pods, so each link is there when its inner end is configured.
    for (index, (site, namespace)) in sites.iter().zip(&namespaces).enumerate() {
        let mut messages = uplink_messages(site, families);
        if site.uplink == Uplink::Fabric {
            messages.extend(downlinks(Uplink::Node(index), sites, &namespaces, families));
        }
        configure(&site.name, namespace, &messages)?;
    }
    await_links("the fabric", &fabric, count_below(Uplink::Fabric, sites))?;
    for (index, (site, namespace)) in sites.iter().zip(&namespaces).enumerate() {
        await_links(&site.name, namespace, 1 + count_below(Uplink::Node(index), sites))?;
    }
    Ok(Networks { sites: namespaces, _fabric: fabric })
}

fn count_below(router: Uplink, sites: &[Site]) -> usize {
    sites.iter().filter(|site| site.uplink == router).count()
}

/// Waits until all links of a namespace carry packets: the kernel sees to that behind our back when the other end is
/// switched on, and drops what is sent before.
fn await_links(place: &str, namespace: &Namespace, count: usize) -> Result<(), NetworkError> {
    let refused = |source| NetworkError::Netlink { place: place.to_owned(), source };
    let mut socket = namespace.socket(Protocol::Route)?;
    let begin = Instant::now();
    while begin.elapsed() < LINK_PATIENCE {
        let running = socket.dump(
            &links(),
            || 0,
            |running, link| {
                *running += usize::from(is_operational(link)?);
                Ok(())
            },
        );
        if running.map_err(refused)? >= count {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err(NetworkError::Dead { place: place.to_owned() })
}

/// A new namespace in which every setting that we rely on is written.
fn prepared(families: &[Family]) -> Result<Namespace, NetworkError> {
    let namespace = Namespace::create()?;
    namespace.enter(|| settings::write(families))??;
    Ok(namespace)
}

/// Switches the calling thread's loopback on: the first step that takes privilege.
pub(crate) fn loopback_up() -> io::Result<()> {
    let mut socket = Socket::open(Protocol::Route)?;
    socket.request(&link_up(LOOPBACK)).map_err(|error| match error.errno() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::other(error),
    })
}

fn configure(place: &str, namespace: &Namespace, messages: &[Message]) -> Result<(), NetworkError> {
    let mut socket = namespace.socket(Protocol::Route)?;
    let refused = |source| NetworkError::Netlink { place: place.to_owned(), source };
    parts(messages).try_for_each(|part| socket.request_all(part)).map_err(refused)
}

/// Messages in parts that a socket takes at once.
fn parts(messages: &[Message]) -> impl Iterator<Item = &[Message]> {
    let mut rest = messages;
    std::iter::from_fn(move || {
        let mut size = 0;
        let fitting = rest.iter().take_while(|message| {
            size += message.size();
            size <= PART
        });
        let count = fitting.count().max(1).min(rest.len());
        let (part, others) = rest.split_at(count);
        rest = others;
        (!part.is_empty()).then_some(part)
    })
}

/// The router between nodes and hosts: a link to each, and the way to each pod.
fn fabric_messages(sites: &[Site], namespaces: &[Namespace], families: &[Family]) -> Vec<Message> {
    let mut messages = vec![link_up(LOOPBACK)];
    messages.extend(of_families(&FABRIC, families).map(|own| address(LOOPBACK, own)));
    messages.extend(downlinks(Uplink::Fabric, sites, namespaces, families));
    for site in sites {
        if let Uplink::Node(node) = site.uplink {
            let index = FIRST_DOWNLINK_INDEX + node as u32;
            messages.extend(site.addresses.iter().map(|address| route_inside(index, *address)));
        }
    }
    messages
}

/// A router's links to its sites, and the ways to their addresses.
fn downlinks(router: Uplink, sites: &[Site], namespaces: &[Namespace], families: &[Family]) -> Vec<Message> {
    let mut messages = Vec::new();
    let below = sites.iter().zip(namespaces).enumerate().filter(|(_, (site, _))| site.uplink == router);
    for (number, (site, namespace)) in below {
        let index = FIRST_DOWNLINK_INDEX + number as u32;
        let name = format!("link{number}");
        let here = Link { index, name: &name, card: ROUTER_CARD };
        let there = Link { index: UPLINK_INDEX, name: "eth0", card: INSIDE_CARD };
        messages.push(veth(&here, &there, namespace.descriptor()));
        messages.extend(of_families(&INSIDE, families).map(|inside| neighbour(index, inside, INSIDE_CARD)));
        messages.extend(site.addresses.iter().map(|address| route_inside(index, *address)));
    }
    messages
}

fn route_inside(index: u32, destination: IpAddr) -> Message {
    route(index, Some(destination), gateway(&INSIDE, destination))
}

/// A site's own end of its link.
fn uplink_messages(site: &Site, families: &[Family]) -> Vec<Message> {
    let mut messages = vec![link_up(LOOPBACK), link_up(UPLINK_INDEX)];
    messages.extend(site.addresses.iter().map(|own| address(UPLINK_INDEX, *own)));
    for router in of_families(&ROUTER, families) {
        messages.push(neighbour(UPLINK_INDEX, router, ROUTER_CARD));
        messages.push(route(UPLINK_INDEX, None, router));
    }
    messages
}

fn of_families(both: &[IpAddr; 2], families: &[Family]) -> impl Iterator<Item = IpAddr> {
    both.iter().copied().filter(|address| families.contains(&Family::of(address)))
}

fn gateway(both: &[IpAddr; 2], destination: IpAddr) -> IpAddr {
    let [v4, v6] = *both;
    if destination.is_ipv4() { v4 } else { v6 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_all_messages_in_order_and_none_is_too_large() {
        let messages: Vec<_> =
            (0..5000).map(|index| address(index, IpAddr::V4(Ipv4Addr::LOCALHOST))).collect();
        let cut: Vec<_> = parts(&messages).collect();
        assert!(cut.len() > 1);
        assert_eq!(cut.iter().map(|part| part.len()).sum::<usize>(), messages.len());
        assert!(cut.iter().all(|part| part.iter().map(Message::size).sum::<usize>() <= PART));
        assert_eq!(parts(&[]).count(), 0);
    }

    #[test]
    fn a_limit_that_is_reached_is_named() {
        let limit = NetworkError::from(io::Error::from(io::ErrorKind::StorageFull));
        assert!(limit.to_string().contains("sysctl user.max_net_namespaces"));
        let other = NetworkError::from(io::Error::from(io::ErrorKind::PermissionDenied));
        assert_eq!(other.to_string(), "cannot make a network namespace");
    }
}
