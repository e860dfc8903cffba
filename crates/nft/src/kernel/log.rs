//! Packets that rules log, as they come.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use crate::netlink::messages;
use crate::nflog::{self, Logged};

use super::socket::{Protocol, RequestError, Socket};

/// Listens to one NFLOG group. There can be one listener for a group in a network namespace.
#[derive(Debug)]
pub struct LogListener {
    socket: Socket,
    overflows: u64,
}

impl LogListener {
    /// For the calling thread's network namespace; of each packet come as many bytes.
    pub fn open(group: u16, bytes: u32) -> Result<Self, RequestError> {
        let mut socket = Socket::open(Protocol::Netfilter)?;
        socket.request_all(&nflog::bind(group, bytes))?;
        Ok(LogListener { socket, overflows: 0 })
    }

    /// What has come since the last call. It never waits; the descriptor can be polled.
    pub fn receive(&mut self) -> Result<Vec<Logged>, RequestError> {
        let mut packets = Vec::new();
        loop {
            match self.socket.receive() {
                Ok(None) => return Ok(packets),
                Ok(Some(datagram)) => {
                    for message in messages(datagram) {
                        packets.extend(nflog::packet(&message?)?);
                    }
                }
                Err(error) if is_overflow(&error) => self.overflows += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How often packets were lost because they came faster than they were received.
    pub fn overflows(&self) -> u64 {
        self.overflows
    }
}

impl AsFd for LogListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn is_overflow(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENOBUFS)
}
