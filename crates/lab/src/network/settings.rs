//! Kernel settings of a network namespace. A new one has copies of the host's for IPv4, so nothing that we
//! rely on is left to chance.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::plan::Family;

/// A setting that could not be written.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot write setting `{}`{}", path.display(),
    if source.kind() == io::ErrorKind::ReadOnlyFilesystem {
        ": in a container, /proc/sys must be writable (`--security-opt systempaths=unconfined`)"
    } else { "" }
)]
pub struct SettingError {
    path: PathBuf,
    source: io::Error,
}

/// Every kernel has these.
const IPV4: [(&str, &str); 17] = [
    // Sets other settings to what suits a router, so it comes first.
    ("ipv4/ip_forward", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/accept_redirects", "0"),
    ("ipv4/conf/default/accept_redirects", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
    // Or UDP to a closed port looks denied.
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv4/icmp_ratemask", "0"),
    ("ipv4/ip_local_port_range", "1024\t65535"),
    ("ipv4/ip_local_reserved_ports", "\n"),
    ("ipv4/ip_unprivileged_port_start", "0"),
    ("ipv4/ip_nonlocal_bind", "0"),
    ("ipv4/tcp_syncookies", "0"),
    ("ipv4/tcp_max_syn_backlog", "8192"),
    ("ipv4/tcp_fastopen", "0"),
    ("core/somaxconn", "8192"),
];

const IPV6: [(&str, &str); 10] = [
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/forwarding", "1"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/default/dad_transmits", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    // No link-local addresses of the kernel's own: ours would not be the only ones.
    ("ipv6/conf/default/addr_gen_mode", "1"),
    ("ipv6/icmp/ratelimit", "0"),
];

/// Older kernels, or kernels without the module, lack these, and with them what they switch.
const WHERE_PRESENT: [(&str, &str); 5] = [
    ("ipv6/conf/all/accept_redirects", "0"),
    ("ipv6/icmp/ratemask", "255"),
    // As on real nodes: a flow that was forgotten is picked up again, unless a rule prevents it (D20).
    ("netfilter/nf_conntrack_tcp_loose", "1"),
    ("netfilter/nf_conntrack_tcp_be_liberal", "0"),
    ("netfilter/nf_conntrack_checksum", "1"),
];

/// Whether this kernel speaks IPv6.
pub(crate) fn has_ipv6() -> bool {
    Path::new("/proc/sys/net/ipv6").exists()
}

/// Writes the settings of the calling thread's network namespace.
pub(super) fn write(families: &[Family]) -> Result<(), SettingError> {
    let ipv6: &[_] = if families.contains(&Family::V6) { &IPV6 } else { &[] };
    for (name, value) in IPV4.iter().chain(ipv6) {
        write_one(name, value)?;
    }
    for (name, value) in &WHERE_PRESENT {
        match write_one(name, value) {
            Err(error) if error.source.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => (),
        }
    }
    Ok(())
}

fn write_one(name: &str, value: &str) -> Result<(), SettingError> {
    let path = Path::new("/proc/sys/net").join(name);
    // Never created: what is missing is missing.
    let written = fs::OpenOptions::new().write(true).open(&path);
    written
        .and_then(|mut file| io::Write::write_all(&mut file, value.as_bytes()))
        .map_err(|source| SettingError { path, source })
}
