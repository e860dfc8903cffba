//! `hosts.csv`: hosts outside the cluster.

use std::net::IpAddr;

use super::diagnostic::{Diagnostic, Severity};
use super::fields::{Context, Interner, Problems};
use super::names::is_subdomain;
use super::place::File;
use super::tree::Span;
use crate::model::{Family, Host, Protocol, Text};

const HEADER: &str = "name,address,ports";

/// Reads the columns `name,address,ports`: an address, or one a family separated by a space; ports like
/// `80/tcp 53/udp`. The first line is the header.
///
/// # Errors
/// Everything that is wrong with the file, at its place.
pub fn hosts(name: Text, text: &str) -> Result<Vec<Host>, Vec<Diagnostic>> {
    let file = File::new(name, text.strip_prefix('\u{feff}').unwrap_or(text));
    let (mut problems, mut interner) = (Problems::default(), Interner::default());
    let mut context = Context { file: &file, problems: &mut problems, interner: &mut interner };
    let mut hosts: Vec<Host> = Vec::new();
    for (at, line) in lines(file.text) {
        if at.start == 0 {
            check_header(&mut context, &at, line);
        } else if let Some(host) = host(&mut context, &at, line) {
            add(&mut context, &at, &mut hosts, host);
        }
    }
    if problems.diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error) {
        return Err(problems.diagnostics);
    }
    Ok(hosts)
}

/// Lines with their places, blank ones and comments left out.
fn lines(text: &str) -> impl Iterator<Item = (Span, &str)> {
    let mut start = 0;
    text.split_inclusive('\n')
        .map(move |line| {
            let at = start;
            start += line.len();
            let line = line.trim_end();
            (at..at + line.len(), line)
        })
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

fn check_header(context: &mut Context<'_, '_>, at: &Span, line: &str) {
    if line.split(',').map(str::trim).collect::<Vec<_>>().join(",") != HEADER {
        let help = format!("the first line is `{HEADER}`");
        context.error("PC190", at, "a header that is not known".to_owned(), help);
    }
}

fn host(context: &mut Context<'_, '_>, at: &Span, line: &str) -> Option<Host> {
    let columns: Vec<&str> = line.split(',').map(str::trim).collect();
    let [name, addresses, ports] = columns.as_slice() else {
        let help = format!("the columns are `{HEADER}`; several ports are separated by spaces");
        context.error("PC190", at, format!("{} columns instead of 3", columns.len()), help);
        return None;
    };
    if !is_subdomain(name) {
        let help = "lower case letters, digits, `-` and `.`".to_owned();
        context.error("PC191", &of(at, line, name), format!("`{name}` can't be a host's name"), help);
    }
    let listed: Vec<Option<IpAddr>> =
        addresses.split_whitespace().map(|word| address(context, &of(at, line, word), word)).collect();
    if listed.is_empty() {
        context.error("PC192", at, format!("host `{name}` has no address"), None);
    }
    let ports: Vec<Option<(Protocol, u16)>> =
        ports.split_whitespace().map(|word| port(context, &of(at, line, word), word)).collect();
    let addresses = listed.into_iter().collect::<Option<Vec<_>>>()?;
    if addresses.len() > 2 || is_one_family(&addresses) {
        let help = "at most one IPv4 and one IPv6 address".to_owned();
        context.error("PC192", at, format!("host `{name}` has several addresses of a family"), help);
    }
    Some(Host { name: Text::from(*name), addresses, ports: ports.into_iter().collect::<Option<_>>()? })
}

fn is_one_family(addresses: &[IpAddr]) -> bool {
    match addresses {
        [one, other] => Family::of(one) == Family::of(other),
        _ => false,
    }
}

/// Where a word of the line stands.
fn of(at: &Span, line: &str, word: &str) -> Span {
    let start = at.start + line.find(word).unwrap_or_default();
    start..start + word.len()
}

fn address(context: &mut Context<'_, '_>, at: &Span, word: &str) -> Option<IpAddr> {
    let address = word.parse().ok();
    if address.is_none() {
        let help = "an IPv4 or IPv6 address; several are separated by a space".to_owned();
        context.error("PC192", at, format!("`{word}` is no address"), help);
    }
    address
}

fn port(context: &mut Context<'_, '_>, at: &Span, word: &str) -> Option<(Protocol, u16)> {
    let found = word.split_once('/').and_then(|(number, protocol)| {
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            _ => return None,
        };
        Some((protocol, number.parse().ok().filter(|number| *number > 0)?))
    });
    if found.is_none() {
        let help = "write ports like `80/tcp 53/udp`".to_owned();
        context.error("PC193", at, format!("`{word}` is no port"), help);
    }
    found
}

fn add(context: &mut Context<'_, '_>, at: &Span, hosts: &mut Vec<Host>, host: Host) {
    if hosts.iter().any(|other| other.name == host.name) {
        context.error("PC104", at, format!("the host `{}` is given twice", host.name), None);
        return;
    }
    let taken = hosts.iter().find(|other| other.addresses.iter().any(|one| host.addresses.contains(one)));
    if let Some(other) = taken {
        let title = format!("`{}` has an address that `{}` has", host.name, other.name);
        context.error("PC192", at, title, None);
        return;
    }
    hosts.push(host);
}
