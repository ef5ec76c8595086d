//! The request target and the Host field (RFC 9112 section 3.2, RFC 9110 section 7.2).
//!
//! Follows RFC 3986, but also accepts the characters that browsers send unencoded in a path or a query (URL Standard of
//! the WHATWG). Owns which forms of a target are served, where their parts are, and what a valid authority is. Nothing
//! is percent-decoded here.

use std::net::Ipv6Addr;

use thiserror::Error;

use super::grammar::ByteClass;
use super::span::Span;
use super::version::Version;

#[cfg(test)]
mod tests;

/// RFC 3986 section 3.2.2: unreserved and sub-delims.
const REG_NAME: ByteClass = ByteClass::alphanumeric_and(b"-._~!$&'()*+,;=");
/// RFC 3986 section 3.2.2: the characters after the dot of an IPvFuture.
const IP_FUTURE: ByteClass = ByteClass::alphanumeric_and(b"-._~!$&'()*+,;=:");
/// RFC 3986 section 3.3: pchar and the slash. The last three characters are those that browsers send as they were typed
/// (`/wiki/A|B`), because the path percent-encode set of the URL Standard does not have them. It does not have the
/// backslash either, but browsers turn that into a slash.
const PATH: ByteClass = ByteClass::alphanumeric_and(b"-._~!$&'()*+,;=:@/[]|");
/// RFC 3986 section 3.4. The last eight characters are those that browsers send as they were typed (`?ids[]=1`),
/// because the query percent-encode set of the URL Standard does not have them. None of them delimits anything on the
/// request line.
///
/// A `%` without two digits is refused in paths and queries, even though browsers send it, because programs decode it
/// in different ways.
const QUERY: ByteClass = ByteClass::alphanumeric_and(b"-._~!$&'()*+,;=:@/?[]{}|\\^`");

/// Why a request's target or its Host is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TargetError {
    /// The target has none of the four forms of RFC 9112 section 3.2, or a form that the method does not allow.
    #[error("the target is in no form that goes with the method")]
    Form,
    /// CONNECT asks for a tunnel, and this is no proxy (RFC 9110 section 9.3.6).
    #[error("CONNECT is not served")]
    Connect,
    /// The path has a character that neither RFC 3986 section 3.3 nor a browser allows, or an invalid `%`.
    #[error("the target's path has an invalid character")]
    Path,
    /// The query has a character that neither RFC 3986 section 3.4 nor a browser allows, or an invalid `%`.
    #[error("the target's query has an invalid character")]
    Query,
    /// The authority of an absolute target is no `uri-host[:port]`.
    #[error("the target's authority is invalid")]
    Authority,
    /// An HTTP/1.1 request has no Host (RFC 9112 section 3.2).
    #[error("the Host field is missing")]
    HostMissing,
    /// There is more than one line of Host.
    #[error("the Host field is repeated")]
    HostRepeated,
    /// Host is no `uri-host[:port]` (RFC 9110 section 7.2), or is empty.
    #[error("the Host field is invalid")]
    HostInvalid,
}

impl TargetError {
    /// The status of the response to such a request.
    pub fn status(&self) -> u16 {
        match self {
            TargetError::Connect => 501,
            TargetError::Form
            | TargetError::Path
            | TargetError::Query
            | TargetError::Authority
            | TargetError::HostMissing
            | TargetError::HostRepeated
            | TargetError::HostInvalid => 400,
        }
    }
}

/// Where the parts of a target are in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) authority: Option<Span>,
    pub(crate) path: Path,
    pub(crate) query: Option<Span>,
}

/// The path of a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// As it was sent, beginning with a slash.
    Sent(Span),
    /// The slash that an absolute target may leave out (RFC 9110 section 4.2.3).
    Root,
    /// `*`, the server as a whole.
    Asterisk,
}

impl Target {
    /// Checks a whole target and finds its parts.
    pub(crate) fn parse(method: &[u8], target: &[u8]) -> Result<Target, TargetError> {
        match (method, target) {
            (b"CONNECT", authority) if is_authority(authority) => Err(TargetError::Connect),
            (b"CONNECT", _) => Err(TargetError::Form),
            (b"OPTIONS", b"*") => Ok(Target { authority: None, path: Path::Asterisk, query: None }),
            (_, [b'/', ..]) => Target::after_authority(target, target, None),
            (_, _) => Target::parse_absolute(method, target),
        }
    }

    fn parse_absolute(method: &[u8], target: &[u8]) -> Result<Target, TargetError> {
        let rest = strip_scheme(target).ok_or(TargetError::Form)?;
        let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        if !is_authority(authority) {
            return Err(TargetError::Authority);
        }
        let mut parsed = Target::after_authority(target, rest, Some(Span::locate(authority, target)))?;
        // This is how a client requests `OPTIONS *` through a proxy (RFC 9112 section 3.2.4).
        if method == b"OPTIONS" && rest.is_empty() {
            parsed.path = Path::Asterisk;
        }
        Ok(parsed)
    }

    /// `rest` is the last part of `target`: its path and query.
    fn after_authority(target: &[u8], rest: &[u8], authority: Option<Span>) -> Result<Target, TargetError> {
        let mark = memchr::memchr(b'?', rest);
        let path = &rest[..mark.unwrap_or(rest.len())];
        if !PATH.spans_percent_encoded(path) {
            return Err(TargetError::Path);
        }
        let query = mark.map(|mark| target.len() - rest.len() + mark + 1..target.len());
        if query.clone().is_some_and(|query| !QUERY.spans_percent_encoded(&target[query])) {
            return Err(TargetError::Query);
        }
        let path = if path.is_empty() { Path::Root } else { Path::Sent(Span::locate(path, target)) };
        Ok(Target { authority, path, query: query.map(Span::new) })
    }
}

/// Checks the values of all lines of Host. An invalid Host is refused even if the target is absolute (RFC 9112 section
/// 3.2).
pub(crate) fn check_host<'a>(version: Version, mut values: impl Iterator<Item = &'a [u8]>) -> Result<(), TargetError> {
    match (version, values.next(), values.next()) {
        (Version::Http10, None, _) => Ok(()),
        (Version::Http11 | Version::Http2, None, _) => Err(TargetError::HostMissing),
        (_, Some(_), Some(_)) => Err(TargetError::HostRepeated),
        (_, Some(host), None) if is_authority(host) => Ok(()),
        (_, Some(_), None) => Err(TargetError::HostInvalid),
    }
}

/// The rest after `http://` or `https://`, in upper or lower case.
fn strip_scheme(target: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', target)?;
    let (scheme, rest) = target.split_at(colon);
    let served = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    rest.strip_prefix(b"://").filter(|_| served)
}

/// Whether `bytes` are `uri-host [":" port]`. The host must not be empty (RFC 9110 section 4.2.1). Userinfo is refused,
/// because section 4.2.4 advises to treat it as an attempt to deceive.
fn is_authority(bytes: &[u8]) -> bool {
    let after_host = match bytes.strip_prefix(b"[") {
        Some(literal) => {
            let Some(end) = memchr::memchr(b']', literal) else { return false };
            if !is_ip_literal(&literal[..end]) {
                return false;
            }
            &literal[end + 1..]
        }
        None => {
            let end = memchr::memchr(b':', bytes).unwrap_or(bytes.len());
            if end == 0 || !REG_NAME.spans_percent_encoded(&bytes[..end]) {
                return false;
            }
            &bytes[end..]
        }
    };
    after_host.is_empty() || after_host.strip_prefix(b":").is_some_and(is_port)
}

/// Whether `digits` are a number up to 65535, or empty (RFC 3986 section 3.2.3).
fn is_port(digits: &[u8]) -> bool {
    let mut digits = digits.iter();
    let port = digits.try_fold(0_u32, |port, digit| match digit {
        b'0'..=b'9' => Some(10 * port + u32::from(digit - b'0')).filter(|port| *port <= u16::MAX.into()),
        _ => None,
    });
    port.is_some()
}

/// Whether `literal` may stand between brackets: an IPv6 address, or an IPvFuture such as `v1.name` (RFC 3986 section
/// 3.2.2).
fn is_ip_literal(literal: &[u8]) -> bool {
    match literal {
        [b'v' | b'V', future @ ..] => {
            let Some(dot) = memchr::memchr(b'.', future) else { return false };
            let (version, address) = (&future[..dot], &future[dot + 1..]);
            !version.is_empty()
                && version.iter().all(u8::is_ascii_hexdigit)
                && !address.is_empty()
                && address.iter().all(|byte| IP_FUTURE.has(*byte))
        }
        _ => str::from_utf8(literal).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()),
    }
}
