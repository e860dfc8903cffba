//! Flows and logs of packets that the tests send to themselves over the loopback device.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};
use nft::conntrack::{Connection, Detail, Entry, revoked};
use nft::kernel::{Committer, LogListener, Protocol, Socket, counters, end_all_flows, end_flows, flows};
use nft::netlink::Message;
use nft::nflog::Logged;
use nft::ruleset::{Hook, Log, Match, Ports, Rule, Ruleset, Sense, States, TCP, UDP, Verdict};

use super::samples::{address, base};

type Outcome = Result<(), Failed>;
type Test = (&'static str, fn() -> Outcome);

pub(crate) fn trials() -> Vec<Trial> {
    let tests: [Test; 4] = [
        ("flows_are_read_and_ended_one_by_one", flows_are_read_and_ended_one_by_one),
        ("a_flow_that_is_over_is_no_error", a_flow_that_is_over_is_no_error),
        ("a_denied_packet_is_logged_and_counted", a_denied_packet_is_logged_and_counted),
        ("a_revoked_flow_stands_still", a_revoked_flow_stands_still),
    ];
    tests.into_iter().map(|(name, test)| Trial::test(name, move || ready(test))).collect()
}

const GROUP: u16 = 9;
const DENIED: &str = "00000000deadbeef";

/// Established flows and new ones pass, except to the denied ports; what conntrack doesn't know is dropped.
fn ruleset(denied: &[u16]) -> Ruleset {
    let log = Log { prefix: DENIED.into(), group: GROUP, snaplen: 128 };
    let mut rules = vec![
        Rule::new([Match::State(States::ESTABLISHED.or(States::RELATED))]).verdict(Verdict::Accept),
        Rule::new([Match::State(States::NEW), Match::TcpFlags { mask: 2, sense: Sense::IsNot, value: 2 }])
            .verdict(Verdict::Drop),
    ];
    for protocol in [TCP, UDP] {
        let ports = Ports::ranges(denied.iter().map(|port| (*port, *port)));
        if !denied.is_empty() {
            let rule = Rule::new([Match::Port(protocol, ports)]).counted().logged(log.clone());
            rules.push(rule.verdict(Verdict::Drop).comment("the test denies it"));
        }
    }
    let mut ruleset = Ruleset::default();
    ruleset.chains.insert("node".into(), base(Hook::Input, 0, rules));
    ruleset
}

fn ready(test: fn() -> Outcome) -> Outcome {
    loopback_up()?;
    let mut committer = Committer::open()?;
    committer.sync(&ruleset(&[]))?;
    end_all_flows(&mut socket()?)?;
    let outcome = test();
    committer.cleanup()?;
    outcome
}

fn socket() -> Result<Socket, Failed> {
    Ok(Socket::open(Protocol::Netfilter)?)
}

fn loopback_up() -> Outcome {
    const NEW_LINK: u16 = 16;
    const UP: u32 = 1;
    let mut header = vec![0; 4];
    header.extend(1i32.to_ne_bytes());
    header.extend(UP.to_ne_bytes());
    header.extend(UP.to_ne_bytes());
    let mut message = Message::new(NEW_LINK, 0);
    message.header(&header);
    Ok(Socket::open(Protocol::Route)?.request(&message)?)
}

/// The two ends of a connection over which something has been said both ways.
fn connection(listener: &TcpListener) -> Result<(TcpStream, TcpStream), Failed> {
    let mut client = TcpStream::connect(listener.local_addr()?)?;
    let (mut server, _) = listener.accept()?;
    client.write_all(b"ping")?;
    server.read_exact(&mut [0; 4])?;
    server.write_all(b"pong")?;
    client.read_exact(&mut [0; 4])?;
    Ok((client, server))
}

fn to_port(entries: &[Entry], port: u16) -> Vec<Entry> {
    entries.iter().filter(|entry| entry.connection().port == port).copied().collect()
}

fn flows_are_read_and_ended_one_by_one() -> Outcome {
    let mut ends = Vec::new();
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let listener = TcpListener::bind(local)?;
        ends.push((listener.local_addr()?, connection(&listener)?));
        let entries = flows(&mut socket()?)?;
        let (server, (client, _)) = ends.last().expect("just pushed");
        let [entry] = to_port(&entries, server.port())[..] else {
            return Err(format!("one flow to {server} expected: {entries:?}").into());
        };
        let client = client.local_addr()?;
        assert_eq!(
            entry.original.detail,
            Detail::Ports { source: client.port(), destination: server.port() }
        );
        assert_eq!(entry.original.source, client.ip());
        let expected =
            Connection { source: client.ip(), destination: server.ip(), protocol: TCP, port: server.port() };
        assert_eq!(entry.connection(), expected);
        assert_eq!(end_flows(&mut socket()?, &[entry])?, 1);
        let left = flows(&mut socket()?)?;
        assert_eq!(left.len(), entries.len() - 1);
        assert!(to_port(&left, server.port()).is_empty());
    }
    Ok(())
}

fn a_flow_that_is_over_is_no_error() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let _ends = connection(&listener)?;
    let entries = flows(&mut socket()?)?;
    assert_eq!(entries.len(), 1);
    assert_eq!(end_flows(&mut socket()?, &entries)?, 1);
    assert_eq!(end_flows(&mut socket()?, &entries)?, 0);
    // One with the same ends, but another flow, is left alone.
    let _others = connection(&listener)?;
    let same_ends: Vec<Entry> =
        flows(&mut socket()?)?.into_iter().map(|new| Entry { id: !new.id, ..new }).collect();
    assert_eq!(end_flows(&mut socket()?, &same_ends)?, 0);
    end_all_flows(&mut socket()?)?;
    assert_eq!(flows(&mut socket()?)?, []);
    Ok(())
}

/// What is logged within two seconds, at least so many.
fn logged(listener: &mut LogListener, count: usize) -> Result<Vec<Logged>, Failed> {
    let mut packets = Vec::new();
    let deadline = Instant::now() + Duration::from_secs(2);
    while packets.len() < count && Instant::now() < deadline {
        packets.extend(listener.receive()?);
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(packets)
}

fn a_denied_packet_is_logged_and_counted() -> Outcome {
    let mut listener = LogListener::open(GROUP, 128)?;
    let server = UdpSocket::bind("[::1]:0")?;
    let port = server.local_addr()?.port();
    Committer::open()?.sync(&ruleset(&[port]))?;
    let client = UdpSocket::bind("[::1]:0")?;
    for _ in 0..3 {
        client.send_to(b"hello", ("::1", port))?;
    }
    let packets = logged(&mut listener, 3)?;
    assert_eq!(packets.len(), 3, "{packets:?}");
    for packet in packets {
        assert_eq!((&*packet.prefix, packet.hook, packet.input), (DENIED, Some(Hook::Input), 1));
        let headers = packet.headers.expect("a packet that can be read");
        assert_eq!((headers.source, headers.destination), (address("::1"), address("::1")));
        assert_eq!((headers.protocol, headers.destination_port), (UDP, port));
        assert_eq!(headers.source_port, client.local_addr()?.port());
    }
    let counters = counters(&mut socket()?)?;
    let packets: u64 = counters.iter().map(|rule| rule.counter.packets).sum();
    assert_eq!(packets, 3);
    assert!(counters.iter().all(|rule| rule.prefix.as_deref() == Some(DENIED)));
    Ok(())
}

/// The server streams while its flow is denied and ended: nothing more arrives, and no new entry is made.
fn a_revoked_flow_stands_still() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (mut client, mut server) = connection(&listener)?;
    let (mut other_client, mut other_server) = connection(&TcpListener::bind("127.0.0.1:0")?)?;
    Committer::open()?.sync(&ruleset(&[port]))?;
    let entries = flows(&mut socket()?)?;
    let denied = revoked(&entries, |connection| connection.port == port);
    assert_eq!(denied.len(), 1);
    assert_eq!(end_flows(&mut socket()?, &denied)?, 1);
    client.set_read_timeout(Some(Duration::from_millis(300)))?;
    server.write_all(b"still there?")?;
    assert!(client.read(&mut [0; 16]).is_err());
    assert!(to_port(&flows(&mut socket()?)?, port).is_empty());
    // The other flow lives on.
    other_server.write_all(b"pong")?;
    other_client.read_exact(&mut [0; 4])?;
    Ok(())
}
