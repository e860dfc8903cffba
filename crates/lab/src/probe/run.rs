//! All probes of one round, in one event loop.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use nft::kernel::LogListener;
use nft::nflog::Headers;
use socket2::Socket;

use crate::icmp;
use crate::namespace::Namespace;
use crate::plan::{Family, Protocol, Sites};
use crate::ports::Ports;
use crate::responder::{open_raw, open_sctp, receive_raw, send_raw};
use crate::sctp::{Chunk, Packet};

use super::flight::{Flight, Heard, init, send};
use super::judge::{PATIENCE, PATIENCE_AFTER_LOG, Sign, Silence, judge};
use super::{Outcome, Probe, ProbeError};

/// How many probes are on their way at once: more would wait for the responders longer than we wait.
const WINDOW: usize = 1024;
/// How many are sent before logs are read: an ordinary user's socket holds a few hundred of them.
const BURST: usize = 128;
const EVENTS: usize = 4096;
const DATAGRAM: usize = 2048;

/// What a round of probes needs of a lab.
#[derive(Debug)]
pub(crate) struct Means<'a> {
    pub(crate) sites: &'a Sites,
    pub(crate) namespaces: &'a [Namespace],
    pub(crate) logs: &'a mut [LogListener],
    pub(crate) ports: &'a mut Ports,
}

/// Sends all probes and waits until it is known of each what became of it, in the same order.
pub(crate) fn run(means: Means<'_>, probes: &[Probe]) -> Result<Vec<Outcome>, ProbeError> {
    let mut round = Round::begin(means, probes)?;
    let mut events = Events::with_capacity(EVENTS);
    while round.open > 0 || round.next < probes.len() {
        if round.open < WINDOW {
            round.launch(WINDOW.min(round.open + BURST))?;
        }
        // None of them could even be sent.
        if round.open == 0 {
            continue;
        }
        let waited_from = Instant::now();
        let has_more = round.open < WINDOW && round.next < probes.len();
        let deadline = if has_more { Some(waited_from) } else { round.next_deadline() };
        let timeout = deadline.map(|at| at.saturating_duration_since(waited_from));
        match round.poll.poll(&mut events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(ProbeError::Wait(error)),
            Ok(()) | Err(_) => (),
        }
        round.listen(&events)?;
        // What had come by then is read by now, however slow the machine; unless there was too much of it.
        if events.iter().count() < EVENTS {
            round.expire(waited_from);
        }
    }
    let missing = || Outcome::Failed("was never sent".to_owned());
    Ok(round.outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect())
}

/// Where a site hears what isn't addressed to one probe's socket.
#[derive(Debug)]
struct Post {
    site: usize,
    family: Family,
    icmp: Socket,
    sctp: Option<Socket>,
}

#[derive(Debug)]
struct Round<'a> {
    means: Means<'a>,
    probes: &'a [Probe],
    poll: Poll,
    posts: Vec<Post>,
    post_of: BTreeMap<(usize, Family), usize>,
    flights: Vec<Option<Flight>>,
    by_packet: HashMap<Headers, usize>,
    outcomes: Vec<Option<Outcome>>,
    /// How many were sent and aren't settled.
    open: usize,
    /// The first that wasn't sent.
    next: usize,
    unanswered: VecDeque<(Instant, usize)>,
    logged: VecDeque<(Instant, usize)>,
    overflows_before: u64,
}

/// What an event is about. Tokens number probes first, then logs, then the two sockets of each post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Probe(usize),
    Log(usize),
    Post(usize),
}

impl<'a> Round<'a> {
    fn begin(means: Means<'a>, probes: &'a [Probe]) -> Result<Self, ProbeError> {
        let poll = Poll::new().map_err(ProbeError::Wait)?;
        let mut round = Round {
            means,
            probes,
            poll,
            posts: Vec::new(),
            post_of: BTreeMap::new(),
            flights: probes.iter().map(|_| None).collect(),
            by_packet: HashMap::new(),
            outcomes: vec![None; probes.len()],
            open: 0,
            next: 0,
            unanswered: VecDeque::new(),
            logged: VecDeque::new(),
            overflows_before: 0,
        };
        for log in 0..round.means.logs.len() {
            // Logs of what happened before this round.
            round.read_log(log)?;
            if let Some(listener) = round.means.logs.get(log) {
                let descriptor = listener.as_fd().as_raw_fd();
                round.register(About::Log(log), descriptor).map_err(ProbeError::Wait)?;
            }
        }
        round.overflows_before = round.overflows();
        Ok(round)
    }

    fn overflows(&self) -> u64 {
        self.means.logs.iter().map(LogListener::overflows).sum()
    }

    fn register(&self, about: About, descriptor: i32) -> io::Result<()> {
        let (probes, logs) = (self.probes.len(), self.means.logs.len());
        let token = match about {
            About::Probe(index) => index,
            About::Log(index) => probes + index,
            About::Post(index) => probes + logs + index,
        };
        self.poll.registry().register(&mut SourceFd(&descriptor), Token(token), Interest::READABLE)
    }

    fn about(&self, token: Token) -> About {
        let Some(after_probes) = token.0.checked_sub(self.probes.len()) else {
            return About::Probe(token.0);
        };
        match after_probes.checked_sub(self.means.logs.len()) {
            None => About::Log(after_probes),
            Some(post) => About::Post(post),
        }
    }

    /// Sends probes until `most` are on their way.
    fn launch(&mut self, most: usize) -> Result<(), ProbeError> {
        while self.open < most && self.next < self.probes.len() {
            let first = self.next;
            let site = self.site_of(first);
            let count = (first..self.probes.len().min(first + most - self.open))
                .take_while(|index| self.site_of(*index) == site)
                .count();
            self.next = first + count;
            let namespaces = self.means.namespaces;
            let found = site.and_then(|site| Some((site, namespaces.get(site)?)));
            let Some((site, namespace)) = found else {
                for outcome in self.outcomes.iter_mut().skip(first).take(count) {
                    *outcome = Some(Outcome::Failed("there is no such source".to_owned()));
                }
                continue;
            };
            let sent = namespace.enter(|| (first..self.next).for_each(|index| self.launch_one(index, site)));
            sent.map_err(|source| ProbeError::Enter { name: self.name(site), source })?;
        }
        Ok(())
    }

    fn site_of(&self, index: usize) -> Option<usize> {
        self.probes.get(index).and_then(|probe| self.means.sites.of(probe.source))
    }

    fn name(&self, site: usize) -> String {
        self.means.sites.all.get(site).map(|site| site.name.clone()).unwrap_or_default()
    }

    /// Sends one probe, with the thread inside its source's namespace.
    fn launch_one(&mut self, index: usize, site: usize) {
        let Some(probe) = self.probes.get(index) else { return };
        let flight = self.send(probe, index, site);
        let (flight, outcome) = match flight {
            Ok(flight) => (Some(flight), None),
            Err(cause) => (None, Some(Outcome::Failed(cause))),
        };
        if let Some(flight) = &flight {
            self.open += 1;
            self.by_packet.insert(flight.packet, index);
            self.unanswered.push_back((Instant::now() + PATIENCE, index));
        }
        if let (Some(place), Some(result)) = (self.flights.get_mut(index), self.outcomes.get_mut(index)) {
            (*place, *result) = (flight, outcome);
        }
    }

    fn send(&mut self, probe: &Probe, index: usize, site: usize) -> Result<Flight, String> {
        let family = Family::of(&probe.destination);
        let protocol = probe.protocol;
        let source = self.means.sites.all.get(site).and_then(|site| site.address(family));
        let source = source.ok_or_else(|| format!("`{}` has no IPv{family} address", self.name(site)))?;
        let post = self.post(site, family, source, protocol).map_err(|error| error.to_string())?;
        let destination = SocketAddr::new(probe.destination, probe.port);
        let tag = (index as u32).wrapping_mul(0x9e37_79b1) | 1;
        let (socket, source_port) = match protocol {
            Protocol::Tcp | Protocol::Udp => {
                let next_port = || self.means.ports.take(site, family, protocol);
                send(protocol, source, destination, next_port).map(|(socket, port)| (Some(socket), port))
            }
            Protocol::Sctp => {
                let port = self.means.ports.take(site, family, protocol);
                self.send_init(post, port, destination, tag).map(|()| (None, port))
            }
            Protocol::Other(number) => return Err(format!("protocol {number} can't be probed")),
        }
        .map_err(|error| error.to_string())?;
        if let Some(socket) = &socket {
            self.register(About::Probe(index), socket.as_raw_fd()).map_err(|error| error.to_string())?;
        }
        let packet = Headers {
            source,
            destination: probe.destination,
            protocol: protocol.number(),
            source_port,
            destination_port: probe.port,
        };
        Ok(Flight { packet, site, socket, tag, heard: Vec::new(), logged: None })
    }

    /// The post of a site, opened where there is none; with the thread inside its namespace.
    fn post(&mut self, site: usize, family: Family, source: IpAddr, protocol: Protocol) -> io::Result<usize> {
        let index = match self.post_of.get(&(site, family)) {
            Some(index) => *index,
            None => {
                let icmp = open_raw(source, if source.is_ipv4() { 1 } else { 58 })?;
                let index = self.posts.len();
                self.register(About::Post(index), icmp.as_raw_fd())?;
                self.posts.push(Post { site, family, icmp, sctp: None });
                self.post_of.insert((site, family), index);
                index
            }
        };
        let lacks_sctp = self.posts.get(index).is_some_and(|post| post.sctp.is_none());
        if protocol == Protocol::Sctp && lacks_sctp {
            let sctp = open_sctp(source)?;
            self.register(About::Post(index), sctp.as_raw_fd())?;
            if let Some(post) = self.posts.get_mut(index) {
                post.sctp = Some(sctp);
            }
        }
        Ok(index)
    }

    fn send_init(&self, post: usize, source_port: u16, to: SocketAddr, tag: u32) -> io::Result<()> {
        let socket = self.posts.get(post).and_then(|post| post.sctp.as_ref());
        let socket = socket.ok_or(io::ErrorKind::NotConnected)?;
        send_raw(socket, &init(source_port, to.port(), tag), to.ip())
    }

    /// Handles events: those that say why a socket fails come before the failures.
    fn listen(&mut self, events: &Events) -> Result<(), ProbeError> {
        for event in events {
            match self.about(event.token()) {
                About::Log(log) => self.read_log(log)?,
                About::Post(post) => self.read_post(post),
                About::Probe(_) => (),
            }
        }
        for event in events {
            if let About::Probe(index) = self.about(event.token()) {
                self.read_probe(index);
            }
        }
        Ok(())
    }

    fn read_log(&mut self, log: usize) -> Result<(), ProbeError> {
        let Some(listener) = self.means.logs.get_mut(log) else { return Ok(()) };
        let packets = listener.receive().map_err(ProbeError::Log)?;
        for packet in packets {
            let Some(&index) = packet.headers.and_then(|headers| self.by_packet.get(&headers)) else {
                continue;
            };
            if let Some(Some(flight)) = self.flights.get_mut(index)
                && flight.logged.is_none()
            {
                flight.logged = Some(packet.prefix);
                self.logged.push_back((Instant::now() + PATIENCE_AFTER_LOG, index));
            }
        }
        Ok(())
    }

    fn read_post(&mut self, index: usize) {
        let mut buffer = [0; DATAGRAM];
        let Some(post) = self.posts.get(index) else { return };
        let family = post.family;
        let mut signs = Vec::new();
        while let Some((from, message)) = receive_raw(&post.icmp, &mut buffer) {
            signs.extend(icmp::parse(family, message).map(|unreachable| (from.ip(), unreachable)));
        }
        let mut answers = Vec::new();
        if let Some(sctp) = &post.sctp {
            let own = self.means.sites.all.get(post.site).and_then(|site| site.address(family));
            while let Some((from, bytes)) = receive_raw(sctp, &mut buffer) {
                let answered = own.zip(Packet::parse(bytes));
                answers.extend(answered.map(|(own, answer)| (question(&answer, own, from.ip()), answer)));
            }
        }
        for (from, unreachable) in signs {
            let sign = Sign::Unreachable { from, reason: unreachable.reason };
            self.settle_packet(&unreachable.packet, |_| Some(sign));
        }
        for (question, answer) in answers {
            self.settle_packet(&question, |flight| sctp_sign(&answer, flight.tag));
        }
    }

    fn settle_packet<'s>(&mut self, packet: &Headers, sign: impl FnOnce(&Flight) -> Option<Sign<'s>>) {
        let Some(&index) = self.by_packet.get(packet) else { return };
        let sign = self.flights.get(index).and_then(Option::as_ref).and_then(sign);
        if let Some(sign) = sign {
            self.settle(index, &sign);
        }
    }

    fn read_probe(&mut self, index: usize) {
        let Some(Some(flight)) = self.flights.get_mut(index) else { return };
        let (site, family) = (flight.site, flight.family());
        match flight.listen() {
            Heard::Nothing => (),
            Heard::All => {
                let name = std::mem::take(&mut flight.heard);
                self.settle(index, &Sign::Name(&name));
            }
            Heard::Failure(error) => {
                // Somebody on the way may have said why: that settles it first.
                if let Some(&post) = self.post_of.get(&(site, family)) {
                    self.read_post(post);
                }
                self.settle(index, &failure_sign(error));
            }
        }
    }

    /// Settles what waited for too long.
    fn expire(&mut self, now: Instant) {
        while let Some((_, index)) = self.logged.pop_front_if(|(at, _)| *at <= now) {
            let logged = self.flights.get_mut(index).and_then(Option::as_mut).and_then(|f| f.logged.take());
            if let Some(prefix) = logged {
                self.settle(index, &Sign::Logged(&prefix));
            }
        }
        let logs_lost = self.overflows() > self.overflows_before;
        while let Some((_, index)) = self.unanswered.pop_front_if(|(at, _)| *at <= now) {
            let Some(Some(flight)) = self.flights.get(index) else { continue };
            if flight.logged.is_none() {
                let silence = match (flight.is_connected(), logs_lost) {
                    (true, _) => Silence::Connected,
                    (false, true) => Silence::LogsLost,
                    (false, false) => Silence::Complete,
                };
                self.settle(index, &Sign::Silence(silence));
            }
        }
    }

    /// Writes down what became of a probe, and closes its socket. Only the first sign counts.
    fn settle(&mut self, index: usize, sign: &Sign<'_>) {
        let Some(flight) = self.flights.get_mut(index).and_then(Option::take) else { return };
        self.by_packet.remove(&flight.packet);
        self.open -= 1;
        if let (Some(probe), Some(outcome)) = (self.probes.get(index), self.outcomes.get_mut(index)) {
            *outcome = Some(judge(probe, sign));
        }
    }

    /// When the next probe has waited for long enough; `None` where there is none.
    fn next_deadline(&self) -> Option<Instant> {
        let fronts = [self.unanswered.front(), self.logged.front()];
        let next = fronts.into_iter().flatten().map(|(at, _)| *at).min();
        // Rounded up, or the last fraction of a millisecond would be spent spinning.
        next.map(|at| at + Duration::from_millis(1))
    }
}

/// The packet to which this is an answer.
fn question(answer: &Packet, own: IpAddr, from: IpAddr) -> Headers {
    Headers {
        source: own,
        destination: from,
        protocol: Protocol::Sctp.number(),
        source_port: answer.destination_port,
        destination_port: answer.source_port,
    }
}

/// What an answer says; `None` where it isn't tagged as ours.
fn sctp_sign(answer: &Packet, tag: u32) -> Option<Sign<'_>> {
    match &answer.chunk {
        Chunk::InitAck { cookie, .. } if answer.verification_tag == tag => Some(Sign::Name(cookie)),
        Chunk::Abort if answer.verification_tag == tag => Some(Sign::Refusal),
        Chunk::InitAck { .. } | Chunk::Abort | Chunk::Init { .. } => None,
    }
}

fn failure_sign(error: io::Error) -> Sign<'static> {
    if error.kind() == io::ErrorKind::ConnectionRefused { Sign::Refusal } else { Sign::Broken(error) }
}
