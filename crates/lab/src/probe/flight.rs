//! One probe on its way.

use std::io::{self, Read};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nft::nflog::Headers;
use nft::ruleset::Name;
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::plan::{Family, Protocol};
use crate::sctp::{Chunk, Packet};

/// A probe that was sent.
#[derive(Debug)]
pub(super) struct Flight {
    /// What its packet looks like.
    pub(super) packet: Headers,
    /// From which site.
    pub(super) site: usize,
    /// TCP and UDP have a socket for each probe; SCTP shares its site's.
    pub(super) socket: Option<Socket>,
    /// What the answer to an SCTP probe is tagged with.
    pub(super) tag: u32,
    /// What was heard so far.
    pub(super) heard: Vec<u8>,
    /// The log that named the packet.
    pub(super) logged: Option<Name>,
}

/// What a socket has for us.
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing yet.
    Nothing,
    /// All that will come.
    All,
    /// A failure.
    Failure(io::Error),
}

impl Flight {
    /// The family that it travels by.
    pub(super) fn family(&self) -> Family {
        Family::of(&self.packet.source)
    }

    /// Takes what its socket has received.
    pub(super) fn listen(&mut self) -> Heard {
        let is_stream = self.packet.protocol == Protocol::Tcp.number();
        let Some(mut socket) = self.socket.as_ref() else { return Heard::Nothing };
        let mut buffer = [0; 512];
        loop {
            match socket.read(&mut buffer) {
                Ok(0) if is_stream => return Heard::All,
                Ok(length) => self.heard.extend(buffer.iter().take(length)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Heard::Nothing,
                Err(error) => return Heard::Failure(error),
            }
            if !is_stream {
                return Heard::All;
            }
        }
    }

    /// Whether a TCP connection was made.
    pub(super) fn is_connected(&self) -> bool {
        let is_stream = self.packet.protocol == Protocol::Tcp.number();
        is_stream && self.socket.as_ref().is_some_and(|socket| socket.peer_addr().is_ok())
    }
}

/// Sends a TCP or UDP probe, with a port from `next_port`; says from which.
pub(super) fn send(
    protocol: Protocol,
    source: IpAddr,
    destination: SocketAddr,
    mut next_port: impl FnMut() -> u16,
) -> io::Result<(Socket, u16)> {
    let kind = if protocol == Protocol::Tcp { Type::STREAM } else { Type::DGRAM };
    let socket = Socket::new(Domain::for_address(destination), kind, None)?;
    socket.set_nonblocking(true)?;
    if protocol == Protocol::Tcp {
        // Closed by RST: nothing lingers.
        socket.set_linger(Some(Duration::ZERO))?;
    }
    let port = bind(&socket, source, &mut next_port)?;
    match socket.connect(&destination.into()) {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::INPROGRESS) => return Err(error),
        Ok(()) | Err(_) => (),
    }
    if protocol == Protocol::Udp {
        socket.send(b"who are you?")?;
    }
    Ok((socket, port))
}

/// Ports on which somebody listens are passed over.
fn bind(socket: &Socket, source: IpAddr, next_port: &mut impl FnMut() -> u16) -> io::Result<u16> {
    let mut tries = u16::MAX;
    loop {
        let port = next_port();
        tries -= 1;
        match socket.bind(&SocketAddr::new(source, port).into()) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => (),
            result => return result.map(|()| port),
        }
    }
}

/// The packet of an SCTP probe.
pub(super) fn init(source_port: u16, destination_port: u16, tag: u32) -> Vec<u8> {
    let chunk = Chunk::Init { tag };
    Packet { source_port, destination_port, verification_tag: 0, chunk }.encode()
}
