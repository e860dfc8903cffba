//! Network namespaces, held by descriptors alone: when the process ends, however it ends, they are gone.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use nft::kernel::{Protocol, Socket};

/// A network namespace. It lives as long as this value, or a socket that was made inside.
#[derive(Debug)]
pub struct Namespace {
    descriptor: OwnedFd,
}

impl Namespace {
    /// The calling thread's.
    pub(crate) fn current() -> io::Result<Self> {
        Ok(Namespace { descriptor: File::open("/proc/thread-self/ns/net")?.into() })
    }

    /// Makes a new one. The calling thread ends up where it was.
    pub(crate) fn create() -> io::Result<Self> {
        let _home = Return::here()?;
        unshare(UnshareFlags::NEWNET)?;
        Self::current()
    }

    /// Does `work` with the calling thread inside. Sockets made there stay there.
    pub fn enter<T>(&self, work: impl FnOnce() -> T) -> io::Result<T> {
        let _home = Return::here()?;
        self.switch()?;
        Ok(work())
    }

    /// A netlink socket inside.
    pub fn socket(&self, protocol: Protocol) -> io::Result<Socket> {
        self.enter(|| Socket::open(protocol))?
    }

    /// What netlink knows it by.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }

    /// Moves the calling thread inside.
    pub(crate) fn switch(&self) -> io::Result<()> {
        Ok(move_into_link_name_space(self.descriptor.as_fd(), Some(LinkNameSpaceType::Network))?)
    }
}

/// Brings the thread back when it is dropped, also when a panic passes by.
#[derive(Debug)]
pub(crate) struct Return {
    home: Namespace,
}

impl Return {
    /// To where the calling thread is now.
    pub(crate) fn here() -> io::Result<Self> {
        Ok(Return { home: Namespace::current()? })
    }
}

impl Drop for Return {
    fn drop(&mut self) {
        // The way back is open to whoever could leave: it takes the same privilege.
        let _ = self.home.switch();
    }
}

/// Moves the calling thread to new namespaces of these kinds.
#[expect(unsafe_code, reason = "a system call that has no safe spelling")]
pub(crate) fn unshare(kinds: UnshareFlags) -> io::Result<()> {
    debug_assert!(!kinds.contains(UnshareFlags::FILES));
    // SAFETY: only the table of descriptors is dangerous to part with, and no caller names it.
    Ok(unsafe { rustix::thread::unshare_unsafe(kinds) }?)
}
