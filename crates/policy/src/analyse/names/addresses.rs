//! Sets of addresses of both families.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::Family;

/// Addresses of both families, as ranges.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    v4: Vec<Range>,
    v6: Vec<Range>,
}

/// From the first to the second address, as numbers; both are in it.
pub type Range = (u128, u128);

impl Addresses {
    /// The addresses of these networks.
    pub fn of<'a>(nets: impl IntoIterator<Item = &'a IpNet>) -> Self {
        let mut all = Addresses::default();
        for net in nets {
            all.ranges_mut(Family::of(&net.addr())).push(range(net));
        }
        all.map(|ranges| merged(ranges.to_vec()))
    }

    /// The addresses of these ranges of one family.
    pub fn of_ranges(family: Family, ranges: Vec<Range>) -> Self {
        let mut all = Addresses::default();
        *all.ranges_mut(family) = merged(ranges);
        all
    }

    /// Every address there is.
    pub fn all() -> Self {
        Addresses { v4: vec![(0, u128::from(u32::MAX))], v6: vec![(0, u128::MAX)] }
    }

    /// The ranges of a family: sorted, and apart from each other.
    pub fn ranges(&self, family: Family) -> &[Range] {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// These and those.
    pub fn and(mut self, other: &Addresses) -> Self {
        for family in Family::BOTH {
            self.ranges_mut(family).extend(other.ranges(family));
        }
        self.map(|ranges| merged(ranges.to_vec()))
    }

    /// These without those.
    pub fn without(&self, other: &Addresses) -> Self {
        Addresses { v4: difference(&self.v4, &other.v4), v6: difference(&self.v6, &other.v6) }
    }

    /// Whether `address` is one of them.
    pub fn contains(&self, address: &IpAddr) -> bool {
        let number = number(address);
        let ranges = self.ranges(Family::of(address));
        let at = ranges.partition_point(|(_, last)| *last < number);
        ranges.get(at).is_some_and(|(first, _)| *first <= number)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// As few networks as possible that hold these and no other, IPv4 first.
    pub fn nets(&self) -> Vec<IpNet> {
        let of = |family| self.ranges(family).iter().flat_map(move |range| nets_of(family, *range));
        Family::BOTH.into_iter().flat_map(of).collect()
    }

    fn ranges_mut(&mut self, family: Family) -> &mut Vec<Range> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    fn map(&self, each: impl Fn(&[Range]) -> Vec<Range>) -> Self {
        Addresses { v4: each(&self.v4), v6: each(&self.v6) }
    }
}

/// Single addresses.
impl<'a> FromIterator<&'a IpAddr> for Addresses {
    fn from_iter<I: IntoIterator<Item = &'a IpAddr>>(addresses: I) -> Self {
        let nets: Vec<IpNet> = addresses.into_iter().map(|address| IpNet::from(*address)).collect();
        Addresses::of(&nets)
    }
}

/// The first and last address of a network.
pub fn range(net: &IpNet) -> Range {
    (number(&net.network()), number(&net.broadcast()))
}

/// An address as a number.
pub fn number(address: &IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(*address)),
        IpAddr::V6(address) => u128::from(*address),
    }
}

/// The address of that number.
pub fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
        Family::V6 => IpAddr::V6(number.into()),
    }
}

fn merged(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.sort_unstable();
    let mut all: Vec<Range> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match all.last_mut() {
            Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
            Some(_) | None => all.push((first, last)),
        }
    }
    all
}

/// Both are sorted, so one walk along them is enough.
fn difference(from: &[Range], less: &[Range]) -> Vec<Range> {
    let (mut rest, mut at) = (Vec::new(), 0);
    for (first, last) in from {
        let mut next = Some(*first);
        while less.get(at).is_some_and(|gone| gone.1 < *first) {
            at += 1;
        }
        for gone in less.iter().skip(at).take_while(|gone| gone.0 <= *last) {
            if let Some(from) = next.filter(|from| *from < gone.0) {
                rest.push((from, gone.0 - 1));
            }
            next = gone.1.checked_add(1);
        }
        rest.extend(next.filter(|from| from <= last).map(|from| (from, *last)));
    }
    rest
}

/// As few networks as possible that make up a range: the largest that starts where the rest does and doesn't go beyond it, again and again.
pub fn nets_of(family: Family, (first, last): Range) -> Vec<IpNet> {
    let bits: u32 = match family {
        Family::V4 => 32,
        Family::V6 => 128,
    };
    let (mut nets, mut next) = (Vec::new(), Some(first));
    while let Some(from) = next.filter(|from| *from <= last) {
        let aligned = from.trailing_zeros().min(bits);
        let fits = (0..=aligned).rev().find(|width| end(from, *width) <= last).unwrap_or(0);
        let length = u8::try_from(bits - fits).unwrap_or_default();
        nets.extend(IpNet::new(address(family, from), length));
        next = end(from, fits).checked_add(1);
    }
    nets
}

/// The last of the `2^width` addresses from `from`, which is a multiple of that.
fn end(from: u128, width: u32) -> u128 {
    from | 1_u128.checked_shl(width).map_or(u128::MAX, |size| size - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some() -> impl Strategy<Value = Addresses> {
        let net = (0..64_u32, 26..=32_u8);
        proptest::collection::vec(net, 0..5).prop_map(|nets| {
            let nets: Vec<IpNet> = nets
                .iter()
                .map(|(at, length)| IpNet::new(IpAddr::V4((*at).into()), *length).unwrap())
                .collect();
            Addresses::of(&nets)
        })
    }

    proptest! {
        #[test]
        fn sets_of_addresses_hold_what_they_should(a in some(), b in some()) {
            let (less, both) = (a.without(&b), a.clone().and(&b));
            prop_assert_eq!(&Addresses::of(&both.nets()), &both);
            for number in 0..80 {
                let address = address(Family::V4, number);
                let (in_a, in_b) = (a.contains(&address), b.contains(&address));
                prop_assert_eq!(less.contains(&address), in_a && !in_b);
                prop_assert_eq!(both.contains(&address), in_a || in_b);
            }
        }
    }

    #[test]
    fn everything_is_two_networks() {
        let all: Vec<String> = Addresses::all().nets().iter().map(ToString::to_string).collect();
        assert_eq!(all, ["0.0.0.0/0", "::/0"]);
    }
}
