//! Trailers, the fields after a body (RFC 9110 section 6.5): which fields are allowed, and whether a client accepts them.
//!
//! One list is for requests and responses. A field that is not allowed is dropped: it comes too late to have an effect, and
//! a recipient that treats it like a field of the head could be deceived by it.

use super::fields::CONNECTION_FIELDS;
use super::grammar::{split_unquoted, trim_ows};

#[cfg(test)]
mod tests;

/// Fields that a recipient needs before the body (RFC 9110 section 6.5.1), besides [`CONNECTION_FIELDS`], in lower case.
const HEADER_FIELDS: [&str; 22] = [
    // Framing, routing and the next protocol.
    "content-length",
    "host",
    "http2-settings",
    // The format of the content.
    "content-encoding",
    "content-range",
    "content-type",
    // Modifiers of the request.
    "cache-control",
    "expect",
    "max-forwards",
    "pragma",
    "range",
    // Authentication.
    "authorization",
    "cookie",
    "set-cookie",
    "www-authenticate",
    // Control of the response.
    "age",
    "date",
    "expires",
    "location",
    "retry-after",
    "vary",
    "warning",
];

/// The prefixes of other such fields: conditions, and fields for a proxy.
const HEADER_FIELD_PREFIXES: [&str; 2] = ["if-", "proxy-"];

/// Whether a field with this name is allowed in trailers. These are not (RFC 9110 section 6.5.1):
///
/// - fields of the connection: `connection`, `http2-settings`, `keep-alive`, `te`, `trailer`, `transfer-encoding`,
///   `upgrade`;
/// - framing and routing: `content-length`, `host`;
/// - the format of the content: `content-encoding`, `content-range`, `content-type`;
/// - modifiers of the request: `cache-control`, `expect`, `max-forwards`, `pragma`, `range`, and each name that starts with
///   `if-`;
/// - authentication: `authorization`, `cookie`, `set-cookie`, `www-authenticate`, and each name that starts with `proxy-`;
/// - control of the response: `age`, `date`, `expires`, `location`, `retry-after`, `vary`, `warning`.
#[must_use]
pub fn is_allowed_in_trailers(name: &str) -> bool {
    let is_name = |other: &&str| name.eq_ignore_ascii_case(other);
    let is_start = |prefix: &&str| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    !CONNECTION_FIELDS.iter().chain(&HEADER_FIELDS).any(is_name) && !HEADER_FIELD_PREFIXES.iter().any(is_start)
}

/// Whether a client accepts trailers, by the values of its `TE` (RFC 9110 section 10.1.4): one member is `trailers`, which
/// has no weight and no parameters.
#[must_use]
pub fn are_accepted<'v>(te: impl Iterator<Item = &'v [u8]>) -> bool {
    te.flat_map(|value| split_unquoted(value, b',')).any(|member| trim_ows(member).eq_ignore_ascii_case(b"trailers"))
}
