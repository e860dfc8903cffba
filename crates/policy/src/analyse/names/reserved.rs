//! Which addresses are routed globally: the registries of special-purpose addresses (RFC 6890 and what came
//! after it).

use ipnet::IpNet;

use super::addresses::Addresses;

/// Global unicast addresses, of which some are set aside.
const GLOBAL: [&str; 2] = ["0.0.0.0/0", "2000::/3"];

/// Set aside: private, link-local, documentation, benchmarks, multicast, and so on.
const RESERVED: [&str; 19] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
];

/// Exceptions from what is set aside.
const YET_GLOBAL: [&str; 9] = [
    "192.0.0.9/32",
    "192.0.0.10/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:20::/28",
    "2001:30::/28",
];

/// All addresses that are routed globally, of both families.
pub(super) fn global() -> Addresses {
    nets(&GLOBAL).without(&nets(&RESERVED)).and(&nets(&YET_GLOBAL))
}

fn nets(texts: &[&str]) -> Addresses {
    let nets: Vec<IpNet> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    Addresses::of(&nets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_networks() {
        for text in GLOBAL.iter().chain(&RESERVED).chain(&YET_GLOBAL) {
            assert_eq!(text.parse::<IpNet>().unwrap().trunc().to_string(), *text);
        }
    }

    #[test]
    fn public_resolvers_are_global_and_private_networks_are_not() {
        let global = global();
        for address in ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "192.0.0.9", "172.32.0.1"] {
            assert!(global.contains(&address.parse().unwrap()), "{address}");
        }
        for address in ["10.1.2.3", "169.254.169.254", "203.0.113.1", "fd00::1", "fe80::1", "ff02::1", "::1"]
        {
            assert!(!global.contains(&address.parse().unwrap()), "{address}");
        }
    }
}
