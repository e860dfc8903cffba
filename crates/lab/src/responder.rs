//! Those who answer probes: on every open port of the lab somebody says his own name. One thread serves all.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::thread::JoinHandle;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketAddrAny, recvfrom, sendto};
use socket2::{Domain, Socket, Type};

use crate::namespace::Namespace;
use crate::plan::{Listener, Protocol, Site};
use crate::sctp::Packet;

const BACKLOG: i32 = 8192;
const STOP: Token = Token(usize::MAX);
const DATAGRAM: usize = 2048;

/// Why nobody answers.
#[derive(Debug, thiserror::Error)]
pub enum ResponderError {
    /// A port could not be opened.
    #[error("cannot listen on {address} {protocol} for `{name}`")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Over what.
        protocol: Protocol,
        /// For whom.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// The thread could not be started.
    #[error("cannot start the responders")]
    Start(#[from] io::Error),
}

/// The thread that answers. Dropping this ends it.
#[derive(Debug)]
pub(crate) struct Responders {
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

/// An open socket, and who answers on it.
#[derive(Debug)]
enum Service {
    Tcp {
        listener: TcpListener,
        name: String,
    },
    Udp {
        socket: UdpSocket,
        name: String,
    },
    /// All SCTP ports of one address.
    Sctp {
        socket: Socket,
        names: BTreeMap<u16, String>,
    },
}

impl Responders {
    /// Opens the ports of all sites, each in its own namespace.
    pub(crate) fn start(sites: &[Site], namespaces: &[Namespace]) -> Result<Self, ResponderError> {
        let mut services = Vec::new();
        for (site, namespace) in sites.iter().zip(namespaces) {
            namespace.enter(|| open_all(site, &mut services))??;
        }
        let mut poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), STOP)?;
        for (index, service) in services.iter().enumerate() {
            let descriptor = service.descriptor();
            poll.registry().register(&mut SourceFd(&descriptor), Token(index), Interest::READABLE)?;
        }
        let thread = std::thread::Builder::new()
            .name("responders".to_owned())
            .spawn(move || serve(&mut poll, &services))?;
        Ok(Responders { waker, thread: Some(thread) })
    }
}

impl Drop for Responders {
    fn drop(&mut self) {
        // A thread that can't be woken can't be waited for.
        if self.waker.wake().is_ok()
            && let Some(thread) = self.thread.take()
        {
            let _ = thread.join();
        }
    }
}

fn open_all(site: &Site, services: &mut Vec<Service>) -> Result<(), ResponderError> {
    for &address in &site.addresses {
        for listener in site.listeners.iter().filter(|listener| listener.protocol != Protocol::Sctp) {
            services.extend(open(address, listener)?);
        }
        // Always there: somebody has to say that a port is closed.
        let names = site.listeners.iter().filter(|listener| listener.protocol == Protocol::Sctp);
        let names = names.map(|listener| (listener.port, listener.name.clone())).collect();
        let socket = open_sctp(address).map_err(|source| ResponderError::Listen {
            address: SocketAddr::new(address, 0),
            protocol: Protocol::Sctp,
            name: site.name.clone(),
            source,
        })?;
        services.push(Service::Sctp { socket, names });
    }
    Ok(())
}

fn open(address: IpAddr, listener: &Listener) -> Result<Option<Service>, ResponderError> {
    let address = SocketAddr::new(address, listener.port);
    let name = listener.name.clone();
    let service = match listener.protocol {
        Protocol::Tcp => open_tcp(address).map(|listener| Some(Service::Tcp { listener, name })),
        Protocol::Udp => open_udp(address).map(|socket| Some(Service::Udp { socket, name })),
        Protocol::Sctp | Protocol::Other(_) => Ok(None),
    };
    service.map_err(|source| ResponderError::Listen {
        address,
        protocol: listener.protocol,
        name: listener.name.clone(),
        source,
    })
}

/// A listening socket that doesn't block.
pub(crate) fn open_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn open_udp(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind(address)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A raw socket that gets every SCTP packet for this address, and sends from it.
pub(crate) fn open_sctp(address: IpAddr) -> io::Result<Socket> {
    open_raw(address, Protocol::Sctp.number())
}

/// A raw socket of an address and a protocol, with as large a buffer as can be had.
pub(crate) fn open_raw(address: IpAddr, protocol: u8) -> io::Result<Socket> {
    const RECEIVE_BUFFER: usize = 4 << 20;
    let address = SocketAddr::new(address, 0);
    let protocol = socket2::Protocol::from(i32::from(protocol));
    let socket = Socket::new(Domain::for_address(address), Type::RAW, Some(protocol))?;
    socket.set_nonblocking(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// One datagram and its sender, if there is one. Of IPv4 the IP header is left out, as it is of IPv6.
pub(crate) fn receive_raw<'a>(socket: &Socket, buffer: &'a mut [u8]) -> Option<(SocketAddr, &'a [u8])> {
    loop {
        match recvfrom(socket, &mut *buffer, RecvFlags::DONTWAIT) {
            Err(Errno::INTR) => (),
            // Nothing more; or an error that an earlier packet has caused, and that doesn't matter here.
            Err(_) => return None,
            Ok((length, _, sender)) => {
                let sender = SocketAddr::try_from(sender?).ok()?;
                let packet = buffer.get(..length)?;
                let header = if sender.is_ipv4() { usize::from(packet.first()? & 0xf) * 4 } else { 0 };
                return Some((sender, packet.get(header..)?));
            }
        }
    }
}

/// Sends a datagram on a raw socket.
pub(crate) fn send_raw(socket: &Socket, bytes: &[u8], to: IpAddr) -> io::Result<()> {
    let to = SocketAddrAny::from(SocketAddr::new(to, 0));
    Ok(sendto(socket, bytes, SendFlags::DONTWAIT, &to).map(drop)?)
}

fn serve(poll: &mut Poll, services: &[Service]) {
    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            Ok(()) | Err(_) => (),
        }
        for event in &events {
            if event.token() == STOP {
                return;
            }
            if let Some(service) = services.get(event.token().0) {
                service.answer();
            }
        }
    }
}

impl Service {
    fn descriptor(&self) -> i32 {
        match self {
            Service::Tcp { listener, .. } => listener.as_raw_fd(),
            Service::Udp { socket, .. } => socket.as_raw_fd(),
            Service::Sctp { socket, .. } => socket.as_raw_fd(),
        }
    }

    /// Answers all who wait. An asker that has gone meanwhile is nobody's loss.
    fn answer(&self) {
        match self {
            Service::Tcp { listener, name } => answer_tcp(listener, name),
            Service::Udp { socket, name } => answer_udp(socket, name),
            Service::Sctp { socket, names } => answer_sctp(socket, names),
        }
    }
}

fn answer_tcp(listener: &TcpListener, name: &str) {
    loop {
        match listener.accept() {
            // A name fits the send buffer, so this never waits.
            Ok((mut stream, _)) => drop(stream.write_all(name.as_bytes())),
            Err(error) if is_passing(&error) => (),
            Err(_) => return,
        }
    }
}

fn answer_udp(socket: &UdpSocket, name: &str) {
    let mut buffer = [0; DATAGRAM];
    loop {
        match socket.recv_from(&mut buffer) {
            Ok((_, asker)) => drop(socket.send_to(name.as_bytes(), asker)),
            Err(error) if is_passing(&error) => (),
            Err(_) => return,
        }
    }
}

fn answer_sctp(socket: &Socket, names: &BTreeMap<u16, String>) {
    const OWN_TAG: u32 = 0x6c61_6221;
    let mut buffer = [0; DATAGRAM];
    while let Some((asker, bytes)) = receive_raw(socket, &mut buffer) {
        let asked = Packet::parse(bytes);
        let answer = asked
            .and_then(|asked| asked.answer(names.get(&asked.destination_port).map(String::as_str), OWN_TAG));
        if let Some(answer) = answer {
            let _ = send_raw(socket, &answer.encode(), asker.ip());
        }
    }
}

/// Errors after which there may be more to receive.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused
    )
}
