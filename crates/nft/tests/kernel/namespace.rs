//! A network namespace of the test's own.

use std::fs;
use std::io;

/// Enters one; who isn't root, or is root of a container, does so together with a user namespace.
pub(crate) fn enter() -> io::Result<()> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    if user.is_root() && unshare(libc::CLONE_NEWNET).is_ok() {
        return Ok(());
    }
    unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {} 1", user.as_raw()))?;
    fs::write("/proc/self/gid_map", format!("0 {} 1", group.as_raw()))
}

fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: no memory is shared with the kernel by this call; no other thread exists yet.
    if unsafe { libc::unshare(flags) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
