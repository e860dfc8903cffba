//! The API's syntax of names, labels and ports.

/// DNS-1123 subdomain, RFC 1123: what most objects are named.
pub(super) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_lower_label)
}

/// DNS-1123 label: what namespaces are named.
pub(super) fn is_dns_label(name: &str) -> bool {
    name.len() <= 63 && is_lower_label(name)
}

fn is_lower_label(label: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !label.is_empty() && label.bytes().all(is_inner) && !label.starts_with('-') && !label.ends_with('-')
}

/// A qualified name: perhaps a prefix and `/`, then at most 63 letters, digits, `-`, `_` and `.`.
pub(super) fn is_label_key(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    prefix.is_none_or(is_subdomain) && !name.is_empty() && is_label_value(name)
}

/// Empty, or at most 63 letters, digits, `-`, `_` and `.`, the first and last a letter or digit.
pub(super) fn is_label_value(value: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_end = |byte: Option<u8>| byte.is_none_or(|byte| byte.is_ascii_alphanumeric());
    value.len() <= 63
        && value.bytes().all(is_inner)
        && is_end(value.bytes().next())
        && is_end(value.bytes().next_back())
}

/// IANA_SVC_NAME as the API checks it.
pub(super) fn is_port_name(name: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=15).contains(&name.len())
        && name.bytes().all(is_inner)
        && name.bytes().any(|byte| byte.is_ascii_lowercase())
        && !name.contains("--")
        && !name.starts_with('-')
        && !name.ends_with('-')
}
