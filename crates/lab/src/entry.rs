//! The way in: a network of our own, and as an ordinary user the right to rule it.

use std::fs;
use std::io;

use nft::kernel::{Protocol, Socket, generation};
use rustix::io::Errno;
use rustix::thread::UnshareFlags;

use crate::namespace::unshare;
use crate::network::loopback_up;

/// Why there can be no lab here. Its text names the cause and what helps.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The process has threads already.
    #[error("namespaces must be entered before the first thread, and this process has {threads} threads")]
    Threads {
        /// How many.
        threads: u32,
    },
    /// The limit is 0.
    #[error(
        "user namespaces are switched off here (`user.max_user_namespaces` is 0); \
         raise it with `sysctl user.max_user_namespaces=10000`, or run as root"
    )]
    NoneAllowed,
    /// The limit is reached.
    #[error(
        "no more namespaces are allowed here (`{setting}` is {limit}, and all are in use); \
         end what uses them, or raise the limit with `sysctl {setting}={}`",
        limit.saturating_mul(2)
    )]
    Exhausted {
        /// The setting.
        setting: &'static str,
        /// Its value.
        limit: u64,
    },
    /// Debian's switch.
    #[error(
        "ordinary users may not make user namespaces here (`kernel.unprivileged_userns_clone` is 0); \
         allow it with `sysctl kernel.unprivileged_userns_clone=1`, or run as root"
    )]
    CloneDisabled,
    /// Ubuntu's restriction.
    #[error(
        "AppArmor takes the privileges away that a user namespace gives \
         (`kernel.apparmor_restrict_unprivileged_userns` is 1, as in Ubuntu since 23.10); \
         lift it with `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, \
         give this program an AppArmor profile with `userns,`, or run as root"
    )]
    AppArmor {
        /// What was refused.
        source: io::Error,
    },
    /// Most often a container's seccomp filter.
    #[error(
        "this process may not make namespaces: most often a container's seccomp filter or missing \
         capability; run outside the container, or give it `--security-opt seccomp=unconfined`, or as root \
         `--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt systempaths=unconfined`"
    )]
    Forbidden {
        /// What was refused.
        source: io::Error,
    },
    /// A kernel without them.
    #[error("this kernel has no {kind} namespaces")]
    Unsupported {
        /// `user` or `network`.
        kind: &'static str,
    },
    /// Something else.
    #[error("cannot {step}")]
    Step {
        /// What was being done.
        step: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A kernel without nftables.
    #[error(
        "this kernel has no nftables; load it with `modprobe nf_tables`, or take a kernel with \
         CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET"
    )]
    NoNftables {
        /// What was refused.
        source: io::Error,
    },
}

/// Enters namespaces of the process' own: for root a network namespace, for anybody else a user namespace
/// with it. To be called before the first thread; every later thread is inside too.
pub fn enter() -> Result<(), EntryError> {
    let is_root = rustix::process::geteuid().is_root();
    let kinds = if is_root { UnshareFlags::NEWNET } else { UnshareFlags::NEWUSER | UnshareFlags::NEWNET };
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    let settings = Settings::read();
    if settings.threads > 1 {
        return Err(EntryError::Threads { threads: settings.threads });
    }
    unshare(kinds).map_err(|error| refusal(error, is_root, &settings))?;
    let later = |step| move |error| refusal_after(step, error, &Settings::read());
    if !is_root {
        // Without this an ordinary user may not map groups.
        fs::write("/proc/self/setgroups", "deny").map_err(later("give up supplementary groups"))?;
        fs::write("/proc/self/uid_map", format!("0 {} 1", user.as_raw())).map_err(later("map the user"))?;
        fs::write("/proc/self/gid_map", format!("0 {} 1", group.as_raw())).map_err(later("map the group"))?;
    }
    loopback_up().map_err(later("change the network of the new namespace"))?;
    let mut socket = Socket::open(Protocol::Netfilter).map_err(|source| EntryError::NoNftables { source })?;
    match generation(&mut socket) {
        Ok(_) => Ok(()),
        Err(error) => Err(no_nftables(error)),
    }
}

fn no_nftables(error: nft::kernel::RequestError) -> EntryError {
    let source = io::Error::other(error);
    EntryError::NoNftables { source }
}

/// What the machine says about namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Settings {
    threads: u32,
    max_user: Option<u64>,
    max_net: Option<u64>,
    unprivileged_clone: Option<u64>,
    apparmor_restricts: Option<u64>,
}

impl Settings {
    fn read() -> Self {
        Settings {
            threads: fs::read_dir("/proc/self/task").map_or(1, |tasks| tasks.count() as u32),
            max_user: number("/proc/sys/user/max_user_namespaces"),
            max_net: number("/proc/sys/user/max_net_namespaces"),
            unprivileged_clone: number("/proc/sys/kernel/unprivileged_userns_clone"),
            apparmor_restricts: number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        }
    }
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Why `unshare` was refused.
fn refusal(source: io::Error, is_root: bool, settings: &Settings) -> EntryError {
    match Errno::from_io_error(&source) {
        Some(Errno::NOSPC | Errno::USERS) if !is_root && settings.max_user == Some(0) => {
            EntryError::NoneAllowed
        }
        Some(Errno::NOSPC | Errno::USERS) => exhausted(is_root, settings),
        Some(Errno::PERM | Errno::ACCESS) if !is_root && settings.unprivileged_clone == Some(0) => {
            EntryError::CloneDisabled
        }
        Some(Errno::PERM | Errno::ACCESS) if !is_root && settings.apparmor_restricts == Some(1) => {
            EntryError::AppArmor { source }
        }
        Some(Errno::PERM | Errno::ACCESS) => EntryError::Forbidden { source },
        Some(Errno::INVAL | Errno::NOSYS) => {
            EntryError::Unsupported { kind: if is_root { "network" } else { "user" } }
        }
        _ => EntryError::Step { step: "make namespaces", source },
    }
}

/// The network namespaces have a limit of their own, most often the same.
fn exhausted(is_root: bool, settings: &Settings) -> EntryError {
    let network = ("user.max_net_namespaces", settings.max_net);
    let user = ("user.max_user_namespaces", settings.max_user);
    let (setting, limit) = match (is_root, settings.max_user <= settings.max_net) {
        (true, _) | (false, false) => network,
        (false, true) => user,
    };
    EntryError::Exhausted { setting, limit: limit.unwrap_or_default() }
}

/// Why a step after a successful `unshare` was refused.
fn refusal_after(step: &'static str, source: io::Error, settings: &Settings) -> EntryError {
    match Errno::from_io_error(&source) {
        Some(Errno::PERM | Errno::ACCESS) if settings.apparmor_restricts == Some(1) => {
            EntryError::AppArmor { source }
        }
        Some(Errno::PERM | Errno::ACCESS) => EntryError::Forbidden { source },
        _ => EntryError::Step { step, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(errno: Errno) -> io::Error {
        errno.into()
    }

    const OPEN: Settings = Settings {
        threads: 1,
        max_user: Some(1000),
        max_net: Some(1000),
        unprivileged_clone: None,
        apparmor_restricts: None,
    };

    #[test]
    fn each_refusal_names_its_cause_and_what_helps() {
        let none = Settings { max_user: Some(0), ..OPEN };
        let debian = Settings { unprivileged_clone: Some(0), ..OPEN };
        let ubuntu = Settings { apparmor_restricts: Some(1), ..OPEN };
        let net = Settings { max_net: Some(7), ..OPEN };
        let cases = [
            (refusal(error(Errno::NOSPC), false, &none), "sysctl user.max_user_namespaces=10000"),
            (refusal(error(Errno::NOSPC), false, &OPEN), "`user.max_user_namespaces` is 1000"),
            (refusal(error(Errno::NOSPC), false, &net), "`user.max_net_namespaces` is 7"),
            (refusal(error(Errno::NOSPC), true, &none), "user.max_net_namespaces"),
            (refusal(error(Errno::PERM), false, &debian), "kernel.unprivileged_userns_clone=1"),
            (refusal(error(Errno::PERM), false, &OPEN), "seccomp=unconfined"),
            (refusal(error(Errno::PERM), true, &debian), "SYS_ADMIN"),
            (refusal(error(Errno::INVAL), false, &OPEN), "no user namespaces"),
            (refusal_after("x", error(Errno::PERM), &ubuntu), "apparmor_restrict_unprivileged_userns=0"),
            (refusal_after("x", error(Errno::PERM), &OPEN), "seccomp"),
            (refusal_after("map the user", error(Errno::IO), &ubuntu), "cannot map the user"),
        ];
        for (refusal, words) in cases {
            assert!(refusal.to_string().contains(words), "{refusal}: {words}");
        }
    }
}
