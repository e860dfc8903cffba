//! CIDRs as the API has them.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::fields::{Context, Unknown};
use super::tree::{Node, get};
use crate::model::Block;

/// Which dialect's CIDRs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zeros {
    /// Older API servers took leading zeros, and read them as decimal (R7).
    Decimal,
    /// None ever did (S12).
    Rejected,
}

/// What a CIDR's text is, host bits zero.
pub(super) struct Cidr {
    pub(super) net: IpNet,
    /// Bits were set that the mask cuts off.
    pub(super) has_host_bits: bool,
    /// Numbers were written like `010`.
    pub(super) has_leading_zeros: bool,
}

/// Why a text is no CIDR.
pub(super) enum NoCidr {
    Malformed,
    NoMask,
    Mapped,
}

/// `ipBlock` of a NetworkPolicy.
pub(super) fn ip_block<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>) -> Option<Block> {
    let entries = context.map(node, "ipBlock", &["cidr", "except"], Unknown::Error)?;
    let Some(cidr_node) = get(entries, "cidr") else {
        context.error("PC114", &node.at, "`ipBlock` needs a `cidr`".to_owned(), None);
        return None;
    };
    let cidr = cidr(context, cidr_node, "cidr", Zeros::Decimal);
    let mut except = Vec::new();
    for inner in context.list(get(entries, "except"), "except") {
        if let (Some(net), Some(cidr)) = (self::cidr(context, inner, "except", Zeros::Decimal), cidr)
            && is_inside(context, inner, net, cidr)
        {
            except.push(net);
        }
    }
    except.sort();
    except.dedup();
    Some(Block { cidr: cidr?, except })
}

fn is_inside<'a>(context: &mut Context<'_, 'a>, node: &Node<'a>, inner: IpNet, outer: IpNet) -> bool {
    let is_inside = outer.contains(&inner) && inner.prefix_len() > outer.prefix_len();
    if !is_inside {
        let title = if inner == outer {
            format!("the exception is the whole `cidr` {outer}")
        } else {
            format!("the exception {inner} doesn't lie in `cidr` {outer}")
        };
        let help = "an exception takes a part of the `cidr` away; its mask must be longer".to_owned();
        context.error("PC154", &node.at, title, help);
    }
    is_inside
}

/// One CIDR of a policy; what the API server takes but masks is a warning (R7).
pub(super) fn cidr<'a>(
    context: &mut Context<'_, 'a>,
    node: &Node<'a>,
    what: &str,
    zeros: Zeros,
) -> Option<IpNet> {
    let written = context.text(Some(node), what)?;
    match parse(written) {
        Ok(cidr) if cidr.has_leading_zeros && zeros == Zeros::Rejected => {
            let help = format!("write `{}`", cidr.net);
            context.error("PC152", &node.at, format!("`{written}` has leading zeros"), help);
            None
        }
        Ok(cidr) => {
            if cidr.has_leading_zeros {
                let title = format!("`{written}` has leading zeros; read as {}", cidr.net);
                context.warning("PC152", &node.at, title, format!("write `{}`", cidr.net));
            }
            if cidr.has_host_bits {
                let title = format!("`{written}` has bits set that its mask cuts off; read as {}", cidr.net);
                let help = format!("write `{}`, or `{}` for one address", cidr.net, host(written));
                context.warning("PC151", &node.at, title, help);
            }
            Some(cidr.net)
        }
        Err(NoCidr::NoMask) => {
            let help = format!("for one address write `{}`", host(written));
            context.error("PC150", &node.at, format!("`{written}` is no CIDR: it has no mask"), help);
            None
        }
        Err(NoCidr::Mapped) => {
            let help = "write the IPv4 CIDR".to_owned();
            context.error("PC153", &node.at, format!("`{written}` is an IPv4-mapped IPv6 address"), help);
            None
        }
        Err(NoCidr::Malformed) => {
            let help = "for example `10.0.0.0/8` or `fd00::/8`".to_owned();
            context.error("PC150", &node.at, format!("`{written}` is no CIDR"), help);
            None
        }
    }
}

fn host(written: &str) -> String {
    let address = written.split('/').next().unwrap_or_default();
    let bits = if address.contains(':') { 128 } else { 32 };
    format!("{address}/{bits}")
}

/// Reads a CIDR, leading zeros as decimal.
pub(super) fn parse(text: &str) -> Result<Cidr, NoCidr> {
    let Some((address, mask)) = text.split_once('/') else {
        return Err(if address(text).is_some() { NoCidr::NoMask } else { NoCidr::Malformed });
    };
    let (address, zeros) = self::address(address).ok_or(NoCidr::Malformed)?;
    let is_digits = !mask.is_empty() && mask.len() <= 4 && mask.bytes().all(|byte| byte.is_ascii_digit());
    let bits: u8 =
        if is_digits { mask.parse().map_err(|_| NoCidr::Malformed)? } else { return Err(NoCidr::Malformed) };
    let net = IpNet::new(address, bits).map_err(|_| NoCidr::Malformed)?;
    if let IpAddr::V6(v6) = address
        && v6.to_ipv4_mapped().is_some()
    {
        return Err(NoCidr::Mapped);
    }
    Ok(Cidr {
        net: net.trunc(),
        has_host_bits: net.trunc() != net,
        has_leading_zeros: zeros || mask.len() > 1 && mask.starts_with('0'),
    })
}

/// An address, and whether it has leading zeros.
fn address(text: &str) -> Option<(IpAddr, bool)> {
    match text.parse() {
        Ok(address) => Some((address, false)),
        Err(_) => {
            let parts = text.split('.').map(part).collect::<Option<Vec<u8>>>()?;
            let octets = <[u8; 4]>::try_from(parts).ok()?;
            Some((IpAddr::V4(Ipv4Addr::from(octets)), true))
        }
    }
}

fn part(text: &str) -> Option<u8> {
    let is_digits = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_digits { text.parse::<u32>().ok()?.try_into().ok() } else { None }
}
