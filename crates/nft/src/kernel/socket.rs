//! Netlink sockets.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send, socket_with,
    sockopt,
};

use crate::netlink::{ACK, DUMP, Malformed, Message, Received, Refusal, Sort, TooLong, messages};

/// The kernel never puts more than 32 KiB into one datagram of a dump, unless asked with a larger buffer.
const RECEIVE: usize = 64 * 1024;
const RECEIVE_BUFFER: usize = 8 << 20;
const SEND_BUFFER: usize = 64 << 20;
/// How often a dump that was interrupted by a change, or overflowed, is begun again.
const DUMP_ATTEMPTS: usize = 20;

/// Which of the kernel's netlink families to talk to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Links, addresses, routes, neighbours.
    Route,
    /// nftables, connection tracking, packet logs.
    Netfilter,
}

/// Why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The socket itself failed.
    #[error("netlink socket")]
    Socket(#[from] io::Error),
    /// The kernel refused a message.
    #[error("kernel refused message {index}{}", detail.as_deref().map(|d| format!(" ({d})")).unwrap_or_default())]
    Refused {
        /// Which of the messages sent together, from 0.
        index: usize,
        /// The kernel's own words, where it had any.
        detail: Option<String>,
        /// The error number.
        source: io::Error,
    },
    /// A message could not be built.
    #[error("message could not be built")]
    TooLong(#[from] TooLong),
    /// The kernel's answer could not be read.
    #[error("answer could not be read")]
    Malformed(#[from] Malformed),
    /// The kernel didn't answer.
    #[error("kernel did not answer")]
    Unanswered,
    /// What was dumped kept changing.
    #[error("what was read kept changing")]
    Restless,
}

impl RequestError {
    /// The kernel's error number, if that is what it was.
    pub fn errno(&self) -> Option<i32> {
        match self {
            RequestError::Socket(source) | RequestError::Refused { source, .. } => source.raw_os_error(),
            RequestError::TooLong(_)
            | RequestError::Malformed(_)
            | RequestError::Unanswered
            | RequestError::Restless => None,
        }
    }
}

/// A netlink socket. It belongs to the network namespace in which it was opened, whatever namespace the
/// thread that uses it is in.
#[derive(Debug)]
pub struct Socket {
    descriptor: OwnedFd,
    sequence: u32,
    send_limit: usize,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open(protocol: Protocol) -> io::Result<Self> {
        let protocol = match protocol {
            Protocol::Route => None,
            Protocol::Netfilter => Some(netlink::NETFILTER),
        };
        let descriptor =
            socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
        bind(&descriptor, &netlink::SocketAddrNetlink::new(0, 0))?;
        // In a user namespace the forced size is refused, and the plain one is capped by wmem_max.
        if sockopt::set_socket_send_buffer_size_force(&descriptor, SEND_BUFFER).is_err() {
            sockopt::set_socket_send_buffer_size(&descriptor, SEND_BUFFER)?;
        }
        if sockopt::set_socket_recv_buffer_size_force(&descriptor, RECEIVE_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&descriptor, RECEIVE_BUFFER)?;
        }
        set_netlink_option(&descriptor, libc::NETLINK_EXT_ACK)?;
        set_netlink_option(&descriptor, libc::NETLINK_CAP_ACK)?;
        let send_limit = send_limit(&descriptor)?;
        Ok(Socket { descriptor, sequence: 0, send_limit, buffer: vec![0; RECEIVE] })
    }

    /// How many bytes can be sent at once.
    pub fn send_limit(&self) -> usize {
        self.send_limit
    }

    /// Makes the send buffer as small as an unprivileged process has it on other machines.
    pub fn limit_send_buffer(&mut self, bytes: usize) -> io::Result<()> {
        // The kernel doubles what it is told.
        sockopt::set_socket_send_buffer_size(&self.descriptor, bytes / 2)?;
        self.send_limit = send_limit(&self.descriptor)?;
        Ok(())
    }

    /// Sends one message and waits for the kernel to say that it is done.
    pub fn request(&mut self, message: &Message) -> Result<(), RequestError> {
        self.request_all(std::slice::from_ref(message))
    }

    /// Sends messages together. Only the last is acknowledged: the kernel reports a failure unasked. The
    /// first failure is returned; unless the messages are an nftables batch, the others took effect.
    pub fn request_all(&mut self, batch: &[Message]) -> Result<(), RequestError> {
        let answers = batch.len().checked_sub(1);
        answers.map_or(Ok(()), |last| self.exchange(batch, last, |_| Ok(())))
    }

    /// Sends messages together, has `acknowledged` (an index) acknowledged, and gives the objects that the
    /// kernel answers with to `each`.
    pub fn exchange(
        &mut self,
        batch: &[Message],
        acknowledged: usize,
        each: impl FnMut(&Received<'_>) -> Result<(), Malformed>,
    ) -> Result<(), RequestError> {
        self.converse(batch, acknowledged, |_| false, each)
    }

    /// Asks for single objects, and gives those that exist to `each`. There may be none.
    pub fn ask(
        &mut self,
        questions: &[Message],
        mut each: impl FnMut(&Received<'_>) -> Result<(), Malformed>,
    ) -> Result<(), RequestError> {
        // So many answers fit into the smallest receive buffer.
        const AT_ONCE: usize = 64;
        for questions in questions.chunks(AT_ONCE) {
            self.converse(questions, questions.len() - 1, |errno| errno == libc::ENOENT, &mut each)?;
        }
        Ok(())
    }

    /// Sends messages together and reads all answers. Some refusals are answers too.
    fn converse(
        &mut self,
        batch: &[Message],
        acknowledged: usize,
        is_answer: impl Fn(i32) -> bool,
        mut each: impl FnMut(&Received<'_>) -> Result<(), Malformed>,
    ) -> Result<(), RequestError> {
        let first = self.reserve(batch.len());
        let bytes = encode(batch, acknowledged, first)?;
        self.send(&bytes)?;
        let mut done = false;
        let mut refused = None;
        loop {
            let datagram = match self.receive() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => break,
                // Refusals came faster than they were read. The first ones are there.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => continue,
                Err(error) => return Err(error.into()),
            };
            for message in messages(datagram) {
                let message = message?;
                let index = message.sequence.wrapping_sub(first) as usize;
                if index >= batch.len() {
                    continue;
                }
                match message.sort()? {
                    Sort::Object => each(&message)?,
                    Sort::Acknowledged => done |= index == acknowledged,
                    Sort::Refused(refusal) if is_answer(refusal.errno) => done |= index == acknowledged,
                    Sort::Refused(refusal) => {
                        refused.get_or_insert((index, refusal));
                    }
                    Sort::Done | Sort::Noise => (),
                }
            }
        }
        match (refused, done) {
            (Some((index, refusal)), _) => Err(refused_at(index, refusal)),
            (None, true) => Ok(()),
            (None, false) => Err(RequestError::Unanswered),
        }
    }

    /// Asks for every object that `message` describes. Begun again when what is dumped changed meanwhile, so
    /// the answer is one consistent state; `begin` empties what earlier rounds collected.
    pub fn dump<T>(
        &mut self,
        message: &Message,
        begin: impl Fn() -> T,
        mut each: impl FnMut(&mut T, &Received<'_>) -> Result<(), Malformed>,
    ) -> Result<T, RequestError> {
        for _ in 0..DUMP_ATTEMPTS {
            let mut collected = begin();
            if self.dump_once(message, |received| each(&mut collected, received))? {
                return Ok(collected);
            }
        }
        Err(RequestError::Restless)
    }

    /// One dump; `false` where it has to be repeated.
    fn dump_once(
        &mut self,
        message: &Message,
        mut each: impl FnMut(&Received<'_>) -> Result<(), Malformed>,
    ) -> Result<bool, RequestError> {
        let mut request = message.clone();
        request.add_flags(DUMP);
        let sequence = self.reserve(1);
        self.send(&request.encode(sequence)?)?;
        let mut consistent = true;
        loop {
            let datagram = match self.receive() {
                Ok(Some(datagram)) => datagram,
                Ok(None) => return Err(RequestError::Unanswered),
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    consistent = false;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            for message in messages(datagram) {
                let message = message?;
                if message.sequence != sequence {
                    continue;
                }
                consistent &= !message.interrupted();
                match message.sort()? {
                    Sort::Object if consistent => each(&message)?,
                    Sort::Object | Sort::Acknowledged | Sort::Noise => (),
                    Sort::Refused(refusal) if refusal.errno == libc::EINTR => return Ok(false),
                    Sort::Refused(refusal) => return Err(refused_at(0, refusal)),
                    Sort::Done => return Ok(consistent),
                }
            }
        }
    }

    /// Sends bytes as one datagram.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        loop {
            match send(&self.descriptor, bytes, SendFlags::empty()) {
                Err(Errno::INTR) => (),
                result => return Ok(result.map(drop)?),
            }
        }
    }

    /// One datagram, if there is one; it never waits. The kernel answers a request before `send` returns, so
    /// after a request `None` means that all answers are read. To wait for events, poll the descriptor.
    pub fn receive(&mut self) -> io::Result<Option<&[u8]>> {
        loop {
            match recv(&self.descriptor, &mut *self.buffer, RecvFlags::DONTWAIT | RecvFlags::TRUNC) {
                Err(Errno::INTR) => (),
                Err(Errno::AGAIN) => return Ok(None),
                Err(error) => return Err(error.into()),
                Ok((_, length)) => {
                    let whole = self.buffer.get(..length);
                    return whole.map(Some).ok_or_else(|| io::ErrorKind::FileTooLarge.into());
                }
            }
        }
    }

    /// Consecutive sequence numbers, of which the first is returned. 0 is never one: events carry it.
    fn reserve(&mut self, count: usize) -> u32 {
        let count = count as u32;
        let first = self.sequence.checked_add(count).map_or(1, |_| self.sequence + 1);
        self.sequence = first.saturating_add(count);
        first
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

fn encode(batch: &[Message], acknowledged: usize, first: u32) -> Result<Vec<u8>, TooLong> {
    let mut bytes = Vec::with_capacity(batch.iter().map(Message::size).sum());
    for (index, message) in batch.iter().enumerate() {
        let sequence = first.wrapping_add(index as u32);
        if index == acknowledged {
            message.clone().add_flags(ACK).encode_into(&mut bytes, sequence)?;
        } else {
            message.encode_into(&mut bytes, sequence)?;
        }
    }
    Ok(bytes)
}

fn refused_at(index: usize, refusal: Refusal) -> RequestError {
    let source = io::Error::from_raw_os_error(refusal.errno);
    RequestError::Refused { index, detail: refusal.detail, source }
}

/// What the kernel takes as one datagram: it wants 32 bytes of the buffer for itself.
fn send_limit(descriptor: &OwnedFd) -> io::Result<usize> {
    Ok(sockopt::socket_send_buffer_size(descriptor)?.saturating_sub(32))
}

fn set_netlink_option(descriptor: &OwnedFd, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the descriptor is open, and the pointer and length describe `on`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            descriptor.as_raw_fd(),
            libc::SOL_NETLINK,
            option,
            std::ptr::from_ref(&on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
