//! The rtnetlink messages that a lab needs.

use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use nft::netlink::{Attributes, CREATE, EXCLUSIVE, Malformed, Message, Received};

/// Every namespace has it from the start.
pub(super) const LOOPBACK: u32 = 1;

const NEW_LINK: u16 = 16;
const GET_LINK: u16 = 18;
const NEW_ADDRESS: u16 = 20;
const NEW_ROUTE: u16 = 24;
const NEW_NEIGHBOUR: u16 = 28;

/// One end of a pair.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link<'a> {
    pub(super) index: u32,
    pub(super) name: &'a str,
    pub(super) card: [u8; 6],
}

/// Switches a device on.
pub(super) fn link_up(index: u32) -> Message {
    let mut message = Message::new(NEW_LINK, 0);
    message.header(&device(index, UP));
    message
}

/// Makes a pair of devices, one here and one in the namespace `there_inside`. Only this one is
/// switched on: the other has no peer yet when the kernel would do that.
pub(super) fn veth(here: &Link<'_>, there: &Link<'_>, there_inside: BorrowedFd<'_>) -> Message {
    const ADDRESS: u16 = 1;
    const NAME: u16 = 3;
    const INFO: u16 = 18;
    const NAMESPACE: u16 = 28;
    const INFO_KIND: u16 = 1;
    const INFO_DATA: u16 = 2;
    const PEER: u16 = 1;
    let mut message = Message::new(NEW_LINK, CREATE | EXCLUSIVE);
    message.header(&device(here.index, UP)).str(NAME, here.name).bytes(ADDRESS, &here.card);
    message.nested(INFO, |info| {
        info.str(INFO_KIND, "veth").nested(INFO_DATA, |data| {
            data.nested(PEER, |peer| {
                peer.header(&device(there.index, 0)).str(NAME, there.name).bytes(ADDRESS, &there.card);
                peer.u32(NAMESPACE, there_inside.as_raw_fd().cast_unsigned());
            });
        });
    });
    message
}

/// Gives a device an address that is nobody else's, so there is no need to ask round for duplicates.
pub(super) fn address(index: u32, address: IpAddr) -> Message {
    const ADDRESS: u16 = 1;
    const LOCAL: u16 = 2;
    const NO_DUPLICATE_DETECTION: u8 = 2;
    let mut header = vec![family(address), bits(address), NO_DUPLICATE_DETECTION, 0];
    header.extend(index.to_ne_bytes());
    let mut message = Message::new(NEW_ADDRESS, CREATE | EXCLUSIVE);
    message.header(&header).bytes(LOCAL, &octets(address)).bytes(ADDRESS, &octets(address));
    message
}

/// The way to a destination, or with `None` to everywhere else, through a gateway on that device.
pub(super) fn route(index: u32, destination: Option<IpAddr>, gateway: IpAddr) -> Message {
    const MAIN_TABLE: u8 = 254;
    const STATIC: u8 = 4;
    const UNICAST: u8 = 1;
    const ON_LINK: u32 = 4;
    const DESTINATION: u16 = 1;
    const DEVICE: u16 = 4;
    const GATEWAY: u16 = 5;
    let length = destination.map_or(0, bits);
    let mut header = vec![family(gateway), length, 0, 0, MAIN_TABLE, STATIC, 0, UNICAST];
    header.extend(ON_LINK.to_ne_bytes());
    let mut message = Message::new(NEW_ROUTE, CREATE | EXCLUSIVE);
    message.header(&header).bytes(GATEWAY, &octets(gateway)).u32(DEVICE, index);
    if let Some(destination) = destination {
        message.bytes(DESTINATION, &octets(destination));
    }
    message
}

/// Says for good which card an address on that device is.
pub(super) fn neighbour(index: u32, address: IpAddr, card: [u8; 6]) -> Message {
    const PERMANENT: u16 = 0x80;
    const DESTINATION: u16 = 1;
    const CARD: u16 = 2;
    let mut header = vec![family(address), 0, 0, 0];
    header.extend(index.to_ne_bytes());
    header.extend(PERMANENT.to_ne_bytes());
    header.extend([0, 0]);
    let mut message = Message::new(NEW_NEIGHBOUR, CREATE | EXCLUSIVE);
    message.header(&header).bytes(DESTINATION, &octets(address)).bytes(CARD, &card);
    message
}

/// Asks for every device.
pub(super) fn links() -> Message {
    let mut message = Message::new(GET_LINK, 0);
    message.header(&[0; 16]);
    message
}

/// Whether the device that the kernel describes is known to carry packets. A new one is only not known not
/// to, which its flags don't tell apart.
pub(super) fn is_operational(received: &Received<'_>) -> Result<bool, Malformed> {
    const HEADER: usize = 16;
    const STATE: u16 = 16;
    const STATE_UP: u8 = 6;
    let state = Attributes::new(received.body(HEADER)?).find(STATE)?;
    Ok(state.map(|state| state.u8()).transpose()? == Some(STATE_UP))
}

const UP: u32 = 1;

/// `ifinfomsg` of a device that is to have these flags.
fn device(index: u32, flags: u32) -> Vec<u8> {
    let mut header = vec![0; 4];
    header.extend(index.to_ne_bytes());
    header.extend(flags.to_ne_bytes());
    header.extend(flags.to_ne_bytes());
    header
}

fn family(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 10,
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}
