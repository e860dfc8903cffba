//! The kernel's numbers, as `linux/netfilter/nf_tables.h` and `nfnetlink.h` have them.

/// The attribute that names the table: it has one number in all objects but the table itself.
pub(crate) const TABLE: u16 = 1;

/// Subsystems: the upper byte of a message's type.
pub(crate) const NFTABLES: u16 = 10 << 8;
pub(crate) const CONNTRACK: u16 = 1 << 8;
pub(crate) const LOG: u16 = 4 << 8;

/// The family of a table for both IPv4 and IPv6.
pub(crate) const INET: u8 = 1;
pub(crate) const IPV4: u8 = 2;
pub(crate) const IPV6: u8 = 10;

/// `nfgenmsg`: family, version, resource id in network order.
pub(crate) fn generic_header(family: u8, resource: u16) -> [u8; 4] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}
pub(crate) const GENERIC_HEADER: usize = 4;

pub(crate) const BATCH_BEGIN: u16 = 0x10;
pub(crate) const BATCH_END: u16 = 0x11;
pub(crate) const BATCH_GENERATION: u16 = 1;

pub(crate) const NEW_TABLE: u16 = NFTABLES;
pub(crate) const GET_TABLE: u16 = NFTABLES | 1;
pub(crate) const DELETE_TABLE: u16 = NFTABLES | 2;
pub(crate) const NEW_CHAIN: u16 = NFTABLES | 3;
pub(crate) const GET_CHAIN: u16 = NFTABLES | 4;
pub(crate) const DELETE_CHAIN: u16 = NFTABLES | 5;
pub(crate) const NEW_RULE: u16 = NFTABLES | 6;
pub(crate) const GET_RULE: u16 = NFTABLES | 7;
pub(crate) const DELETE_RULE: u16 = NFTABLES | 8;
pub(crate) const NEW_SET: u16 = NFTABLES | 9;
pub(crate) const GET_SET: u16 = NFTABLES | 10;
pub(crate) const DELETE_SET: u16 = NFTABLES | 11;
pub(crate) const NEW_ELEMENT: u16 = NFTABLES | 12;
pub(crate) const GET_ELEMENT: u16 = NFTABLES | 13;
pub(crate) const DELETE_ELEMENT: u16 = NFTABLES | 14;
pub(crate) const GET_GENERATION: u16 = NFTABLES | 16;

pub(crate) const LIST_ELEMENT: u16 = 1;

pub(crate) mod table {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const FLAGS: u16 = 2;
}

pub(crate) mod chain {
    pub(crate) const NAME: u16 = 3;
    pub(crate) const HOOK: u16 = 4;
    pub(crate) const POLICY: u16 = 5;
    pub(crate) const TYPE: u16 = 7;
    pub(crate) const HOOK_NUMBER: u16 = 1;
    pub(crate) const HOOK_PRIORITY: u16 = 2;
    pub(crate) const LOCAL_IN: u32 = 1;
    pub(crate) const FORWARD: u32 = 2;
    pub(crate) const ACCEPT: u32 = 1;
}

pub(crate) mod rule {
    pub(crate) const CHAIN: u16 = 2;
    pub(crate) const EXPRESSIONS: u16 = 4;
    pub(crate) const USERDATA: u16 = 7;
    /// The type of a comment among the pieces of userdata.
    pub(crate) const COMMENT: u8 = 0;
}

pub(crate) mod set {
    pub(crate) const NAME: u16 = 2;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const KEY_TYPE: u16 = 4;
    pub(crate) const KEY_LENGTH: u16 = 5;
    pub(crate) const DATA_TYPE: u16 = 6;
    pub(crate) const ID: u16 = 10;

    pub(crate) const ANONYMOUS: u32 = 1;
    pub(crate) const CONSTANT: u32 = 2;
    pub(crate) const INTERVAL: u32 = 4;
    pub(crate) const MAP: u32 = 8;

    pub(crate) const VERDICT_DATA: u32 = 0xffff_ff00;
    /// `nft`'s numbers for types; of a concatenation 6 bits each.
    pub(crate) const TYPE_IPV4: u32 = 7;
    pub(crate) const TYPE_IPV6: u32 = 8;
    pub(crate) const TYPE_PROTOCOL: u32 = 12;
    pub(crate) const TYPE_SERVICE: u32 = 13;
    pub(crate) const TYPE_BITS: u32 = 6;
}

pub(crate) mod element {
    pub(crate) const SET: u16 = 2;
    pub(crate) const LIST: u16 = 3;
    pub(crate) const SET_ID: u16 = 4;

    pub(crate) const KEY: u16 = 1;
    pub(crate) const DATA: u16 = 2;
    pub(crate) const FLAGS: u16 = 3;
    pub(crate) const INTERVAL_END: u32 = 1;
}

pub(crate) mod data {
    pub(crate) const VALUE: u16 = 1;
    pub(crate) const VERDICT: u16 = 2;
    pub(crate) const VERDICT_CODE: u16 = 1;
    pub(crate) const VERDICT_CHAIN: u16 = 2;

    pub(crate) const DROP: i32 = 0;
    pub(crate) const ACCEPT: i32 = 1;
    pub(crate) const JUMP: i32 = -3;
    pub(crate) const GOTO: i32 = -4;
    pub(crate) const RETURN: i32 = -5;
}

pub(crate) mod expression {
    pub(crate) const NAME: u16 = 1;
    pub(crate) const DATA: u16 = 2;

    pub(crate) const META_TO: u16 = 1;
    pub(crate) const META_KEY: u16 = 2;
    pub(crate) const META_FAMILY: u32 = 15;
    pub(crate) const META_PROTOCOL: u32 = 16;

    pub(crate) const CT_TO: u16 = 1;
    pub(crate) const CT_KEY: u16 = 2;
    pub(crate) const CT_STATE: u32 = 0;

    pub(crate) const PAYLOAD_TO: u16 = 1;
    pub(crate) const PAYLOAD_BASE: u16 = 2;
    pub(crate) const PAYLOAD_OFFSET: u16 = 3;
    pub(crate) const PAYLOAD_LENGTH: u16 = 4;
    pub(crate) const BASE_NETWORK: u32 = 1;
    pub(crate) const BASE_TRANSPORT: u32 = 2;

    pub(crate) const COMPARE_FROM: u16 = 1;
    pub(crate) const COMPARE_HOW: u16 = 2;
    pub(crate) const COMPARE_WITH: u16 = 3;

    pub(crate) const BITWISE_FROM: u16 = 1;
    pub(crate) const BITWISE_TO: u16 = 2;
    pub(crate) const BITWISE_LENGTH: u16 = 3;
    pub(crate) const BITWISE_MASK: u16 = 4;
    pub(crate) const BITWISE_XOR: u16 = 5;
    pub(crate) const BITWISE_HOW: u16 = 6;

    pub(crate) const LOOKUP_SET: u16 = 1;
    pub(crate) const LOOKUP_FROM: u16 = 2;
    pub(crate) const LOOKUP_TO: u16 = 3;
    pub(crate) const LOOKUP_SET_ID: u16 = 4;
    pub(crate) const LOOKUP_FLAGS: u16 = 5;
    pub(crate) const LOOKUP_INVERTED: u32 = 1;

    pub(crate) const IMMEDIATE_TO: u16 = 1;
    pub(crate) const IMMEDIATE_DATA: u16 = 2;

    pub(crate) const COUNTER_BYTES: u16 = 1;
    pub(crate) const COUNTER_PACKETS: u16 = 2;

    pub(crate) const LOG_GROUP: u16 = 1;
    pub(crate) const LOG_PREFIX: u16 = 2;
    pub(crate) const LOG_SNAPLEN: u16 = 3;

    pub(crate) const VERDICT_REGISTER: u32 = 0;
    /// The first of the 32-bit registers.
    pub(crate) const FIRST_REGISTER: u32 = 8;
}
