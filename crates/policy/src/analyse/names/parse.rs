//! From text to names.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Asked, Destination, Name, NameError, Which};
use crate::model::{Attribute, Protocol, Selector, Text};

const NAMES: &str = "write namespace/name, namespace/*, namespace/label=value, an address or CIDR, \
                     external/name, internet or outside";
const PORTS: &str = "write 80, 80/tcp, 8000-8010/udp, */sctp or icmp";

/// Reads the name of who opens a connection.
///
/// # Errors
/// Where it can't be read. A Service is no source: nothing is sent from its address.
pub fn source(text: &str) -> Result<Name, NameError> {
    if text.starts_with("svc/") {
        return Err(unreadable(text, "a Service opens no connections; name the pods behind it"));
    }
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    name(bare).map_err(|why| unreadable(text, &why))
}

/// Reads a destination, `DST[:PORT[/PROTO]]`.
///
/// # Errors
/// Where it can't be read.
pub fn destination(text: &str) -> Result<Destination, NameError> {
    read_destination(text).map_err(|why| unreadable(text, &why))
}

fn read_destination(text: &str) -> Result<Destination, String> {
    let (bare, port) = parts(text)?;
    if let Some(service) = bare.strip_prefix("svc/") {
        let Some((namespace, name)) = service.split_once('/') else {
            return Err("write svc/namespace/name:port".to_owned());
        };
        return Ok(Destination::Service(namespace.into(), name.into(), port.map(Text::from)));
    }
    let asked = port.map_or(Ok(Asked::Everything), asked)?;
    Ok(Destination::Of(name(bare)?, asked))
}

/// A destination without and with its port. The colons of an IPv6 address are its own.
fn parts(text: &str) -> Result<(&str, Option<&str>), String> {
    if let Some(rest) = text.strip_prefix('[') {
        let (inner, after) = rest.split_once(']').ok_or("the bracket isn't closed")?;
        return match (after, after.strip_prefix(':')) {
            ("", _) => Ok((inner, None)),
            (_, Some(port)) => Ok((inner, Some(port))),
            (_, None) => Err(format!("`{after}` follows the bracket; write [address]:port")),
        };
    }
    if net(text).is_some() {
        return Ok((text, None));
    }
    match text.rsplit_once(':') {
        Some((bare, _)) if bare.contains(':') => {
            Err("an IPv6 address with a port stands in brackets: [address]:port".to_owned())
        }
        Some((bare, port)) => Ok((bare, Some(port))),
        None => Ok((text, None)),
    }
}

fn name(text: &str) -> Result<Name, String> {
    match text {
        "internet" => return Ok(Name::Internet),
        "outside" => return Ok(Name::Outside),
        _ => (),
    }
    if let Some(net) = net(text) {
        return Ok(Name::Net(net));
    }
    let Some((namespace, which)) = text.split_once('/') else { return Err(NAMES.to_owned()) };
    if namespace.is_empty() || which.is_empty() || is_address(namespace) {
        return Err(NAMES.to_owned());
    }
    if namespace == "external" {
        return Ok(Name::External(which.into()));
    }
    let namespace = (namespace != "*").then(|| namespace.into());
    Ok(Name::Pods(namespace, self::which(which)?))
}

fn which(text: &str) -> Result<Which, String> {
    // A label's key may hold a slash, so a selector is known by what no name holds.
    if text == "*" {
        return Ok(Which::All);
    }
    if text.contains(['=', '!', ',']) {
        return selector(text).map(Which::Labelled);
    }
    match text.split_once('/') {
        Some((kind, name)) if !name.is_empty() && !kind.is_empty() && !name.contains('/') => {
            Ok(Which::Named(Some(kind.to_lowercase().into()), name.into()))
        }
        Some(_) => Err(NAMES.to_owned()),
        None => Ok(Which::Named(None, text.into())),
    }
}

/// Reads a label selector: `app=web,tier!=db,!canary`; all of its parts must match.
///
/// # Errors
/// What can't be read, and how selectors are written.
pub fn selector(text: &str) -> Result<Selector, String> {
    let parts: Result<Vec<Selector>, String> = text.split(',').map(|part| requirement(part.trim())).collect();
    Ok(Selector::all(parts?))
}

fn requirement(text: &str) -> Result<Selector, String> {
    let not = |selector| Selector::Not(Box::new(selector));
    let is = |key: &str, value: &str| {
        Ok(Selector::is_in(Attribute::Label(label_part(key, text)?), vec![value.trim().into()]))
    };
    if let Some((key, value)) = text.split_once("!=") {
        return is(key, value).map(not);
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return is(key, value);
    }
    match text.strip_prefix('!') {
        Some(key) => Ok(not(Selector::Has(Attribute::Label(label_part(key, text)?)))),
        None => Ok(Selector::Has(Attribute::Label(label_part(text, text)?))),
    }
}

fn label_part(key: &str, text: &str) -> Result<Text, String> {
    let key = key.trim();
    if key.is_empty() || key.contains(['=', '!', ' ']) {
        return Err(format!("`{text}` is no label; write key=value, key!=value, key or !key"));
    }
    Ok(key.into())
}

fn asked(text: &str) -> Result<Asked, String> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let lower = protocol.to_lowercase();
    if text == "icmp" || lower == "icmp" {
        return Ok(Asked::WithoutPorts);
    }
    let protocol = Protocol::WITH_PORTS.into_iter().find(|known| known.to_string() == lower);
    let protocol = protocol.ok_or_else(|| format!("`{text}` is no port; {PORTS}"))?;
    let (from, to) = match ports {
        "*" => (1, u16::MAX),
        _ => match ports.split_once('-') {
            Some((from, to)) => (port(from)?, port(to)?),
            None => (port(ports)?, port(ports)?),
        },
    };
    if from > to {
        return Err(format!("`{ports}` starts after its end"));
    }
    Ok(Asked::Ports(protocol, from, to))
}

fn port(text: &str) -> Result<u16, String> {
    let number = text.parse().ok().filter(|port| *port > 0);
    number.ok_or_else(|| format!("`{text}` is no port; {PORTS}"))
}

fn net(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse::<IpNet>().ok().map(|net| net.trunc()).or_else(address)
}

fn is_address(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

fn unreadable(name: &str, why: &str) -> NameError {
    NameError::Unreadable { name: name.to_owned(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(namespace: &str, which: Which) -> Name {
        Name::Pods(Some(namespace.into()), which)
    }

    fn label(key: &str, value: &str) -> Selector {
        Selector::is_in(Attribute::Label(key.into()), vec![value.into()])
    }

    #[test]
    fn sources_are_read() {
        assert_eq!(source("shop/web").unwrap(), pods("shop", Which::Named(None, "web".into())));
        assert_eq!(
            source("shop/Deployment/web").unwrap(),
            pods("shop", Which::Named(Some("deployment".into()), "web".into()))
        );
        assert_eq!(source("shop/*").unwrap(), pods("shop", Which::All));
        assert_eq!(source("*/*").unwrap(), Name::Pods(None, Which::All));
        assert_eq!(source("*/app=web").unwrap(), Name::Pods(None, Which::Labelled(label("app", "web"))));
        let both = label("app", "web").and(Selector::Not(Box::new(label("tier", "db"))));
        assert_eq!(source("shop/app=web,tier!=db").unwrap(), pods("shop", Which::Labelled(both)));
        let keyed = label("app.kubernetes.io/name", "web");
        assert_eq!(source("shop/app.kubernetes.io/name=web").unwrap(), pods("shop", Which::Labelled(keyed)));
        assert_eq!(source("internet").unwrap(), Name::Internet);
        assert_eq!(source("external/laptop").unwrap(), Name::External("laptop".into()));
        assert_eq!(source("10.1.2.3/8").unwrap(), Name::Net("10.0.0.0/8".parse().unwrap()));
        assert_eq!(source("fd00::1").unwrap(), Name::Net("fd00::1/128".parse().unwrap()));
    }

    #[test]
    fn destinations_are_read() {
        let tcp = |from, to| Asked::Ports(Protocol::Tcp, from, to);
        let of = |text: &str, asked| Destination::Of(source(text).unwrap(), asked);
        assert_eq!(destination("shop/web:80").unwrap(), of("shop/web", tcp(80, 80)));
        assert_eq!(destination("shop/web").unwrap(), of("shop/web", Asked::Everything));
        assert_eq!(
            destination("shop/web:53/UDP").unwrap(),
            of("shop/web", Asked::Ports(Protocol::Udp, 53, 53))
        );
        assert_eq!(destination("shop/web:80-90").unwrap(), of("shop/web", tcp(80, 90)));
        assert_eq!(destination("shop/web:*/tcp").unwrap(), of("shop/web", tcp(1, u16::MAX)));
        assert_eq!(destination("shop/web:icmp").unwrap(), of("shop/web", Asked::WithoutPorts));
        assert_eq!(destination("10.0.0.0/8:443").unwrap(), of("10.0.0.0/8", tcp(443, 443)));
        assert_eq!(destination("[fd00::1]:443").unwrap(), of("fd00::1", tcp(443, 443)));
        assert_eq!(destination("[fd00::/8]:443/tcp").unwrap(), of("fd00::/8", tcp(443, 443)));
        assert_eq!(destination("fd00::1").unwrap(), of("fd00::1", Asked::Everything));
        assert_eq!(
            destination("svc/shop/web:http").unwrap(),
            Destination::Service("shop".into(), "web".into(), Some("http".into()))
        );
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let told = |text: &str| destination(text).unwrap_err().to_string();
        assert!(told("web").starts_with("`web` is no name: write namespace/name"));
        assert_eq!(
            told("shop/web:http"),
            "`shop/web:http` is no name: `http` is no port; write 80, 80/tcp, 8000-8010/udp, */sctp or icmp"
        );
        assert!(told("fd00::1:443/tcp").contains("stands in brackets"), "{}", told("fd00::1:443/tcp"));
        assert!(told("[fd00::1").contains("isn't closed"));
        assert!(told("shop/web:0").contains("`0` is no port"));
        assert!(told("shop/web:90-80").contains("starts after its end"));
        assert!(told("10.0.0.0/33").contains("write namespace/name"));
        assert!(source("svc/shop/web").unwrap_err().to_string().contains("opens no connections"));
        assert!(source("shop/=web").unwrap_err().to_string().contains("is no label"));
    }
}
