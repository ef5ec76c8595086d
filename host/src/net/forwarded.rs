//! The client of a request that came through trusted proxies, by the field in which they name it: `Forwarded` (RFC 7239) or
//! `X-Forwarded-For`.
//!
//! The field is read from its end. What stands behind a comma was written by a trusted proxy, or else it is not read: a proxy
//! appends what it knows to what it was sent, and nobody before it can be trusted.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use super::{Peer, Scheme, TrustedProxies};

#[cfg(test)]
mod tests;

/// The field in which trusted proxies name their client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedField {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`.
    XForwardedFor,
}

/// The client that trusted proxies name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardedClient {
    /// The client. Its port is 0 if no proxy says it.
    pub client: Peer,
    /// The scheme of the client's request, if a proxy says it.
    pub scheme: Option<Scheme>,
}

/// What a trusted proxy says of whom it got the request from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ForwardedElement {
    address: SocketAddr,
    scheme: Option<Scheme>,
}

impl ForwardedField {
    /// The name of the field, in lower case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Forwarded => "forwarded",
            Self::XForwardedFor => "x-forwarded-for",
        }
    }

    /// The client of a request from `peer` with these lines of the field. `None` if `peer` is the client, because it is not
    /// trusted or names none.
    ///
    /// The lines are walked from the last one, and each from its end, as long as addresses are trusted. The first that is
    /// not is the client. What cannot be read ends the walk, and the last address before it is the client.
    #[must_use]
    pub fn client<'v>(
        self,
        peer: &Peer,
        trusted: &TrustedProxies,
        lines: impl DoubleEndedIterator<Item = &'v [u8]>,
    ) -> Option<ForwardedClient> {
        if !trusted.contains(peer) {
            return None;
        }
        let mut found = None;
        for element in lines.rev().flat_map(|line| Elements(Some(line))) {
            let Some(ForwardedElement { address, scheme }) = self.parse(element) else { break };
            let client = Peer::Ip(address);
            found = Some(ForwardedClient { client, scheme });
            if !trusted.contains(&client) {
                break;
            }
        }
        found
    }

    fn parse(self, element: &[u8]) -> Option<ForwardedElement> {
        let element = str::from_utf8(element).ok()?;
        match self {
            Self::Forwarded => parse_forwarded(element),
            Self::XForwardedFor => Some(ForwardedElement { address: parse_address(element)?, scheme: None }),
        }
    }
}

/// The field in which proxies say the scheme of the client's request.
pub const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The scheme that `peer` says in these lines of [`FORWARDED_PROTO`], if it is a trusted proxy. Of several values the last one
/// counts: the peer has written that, and what is before it may be from anybody.
#[must_use]
pub fn forwarded_scheme<'v>(
    peer: &Peer,
    trusted: &TrustedProxies,
    mut lines: impl DoubleEndedIterator<Item = &'v [u8]>,
) -> Option<Scheme> {
    if !trusted.contains(peer) {
        return None;
    }
    let last = lines.next_back()?.rsplit(|byte| *byte == b',').next()?;
    parse_scheme(str::from_utf8(last.trim_ascii()).ok()?)
}

fn parse_scheme(text: &str) -> Option<Scheme> {
    match text {
        _ if text.eq_ignore_ascii_case("http") => Some(Scheme::Http),
        _ if text.eq_ignore_ascii_case("https") => Some(Scheme::Https),
        _ => None,
    }
}

impl FromStr for ForwardedField {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "forwarded" => Ok(Self::Forwarded),
            "x-forwarded-for" => Ok(Self::XForwardedFor),
            _ => Err("expected `forwarded` or `x-forwarded-for`"),
        }
    }
}

/// The elements of a list, from its end, without the white space around them. A comma within a quoted string separates
/// nothing. An element is read only if those behind it are well-formed, so that it begins outside of a quoted string.
struct Elements<'v>(Option<&'v [u8]>);

impl<'v> Iterator for Elements<'v> {
    type Item = &'v [u8];

    fn next(&mut self) -> Option<&'v [u8]> {
        let rest = self.0.take()?;
        let mut is_quoted = false;
        for at in (0..rest.len()).rev() {
            match rest[at] {
                b'"' if is_quoted => {
                    let escapes = rest[..at].iter().rev().take_while(|&&byte| byte == b'\\').count();
                    is_quoted = escapes % 2 == 1;
                }
                b'"' => is_quoted = true,
                b',' if !is_quoted => {
                    self.0 = Some(&rest[..at]);
                    return Some(rest[at + 1..].trim_ascii());
                }
                _ => {}
            }
        }
        Some(rest.trim_ascii())
    }
}

/// An element of `Forwarded`: pairs with `;` between them.
fn parse_forwarded(element: &str) -> Option<ForwardedElement> {
    let (mut address, mut scheme) = (None, None);
    let mut names: Vec<String> = Vec::new();
    let mut rest = element;
    loop {
        let (name, behind) = rest.split_once('=')?;
        let (value, behind) = take_value(behind)?;
        if !is_token(name) || names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return None;
        }
        match name.to_ascii_lowercase().as_str() {
            "for" => address = Some(parse_address(&value)?),
            "proto" => scheme = parse_scheme(&value),
            _ => {}
        }
        names.push(name.to_owned());
        if behind.is_empty() {
            return Some(ForwardedElement { address: address?, scheme });
        }
        rest = behind.strip_prefix(';')?.trim_ascii();
    }
}

/// A token or a quoted string at the start of a text, without its quotes and escapes, and what is behind it.
fn take_value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ' ', '\t']).unwrap_or(text.len());
        let (value, behind) = text.split_at(end);
        return is_token(value).then(|| (value.to_owned(), behind.trim_ascii_start()));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, quoted[at + 1..].trim_ascii_start())),
            '\\' => value.push(characters.next()?.1),
            _ => value.push(character),
        }
    }
    None
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

/// An address, with a port or without: `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`. The
/// port of `Forwarded` may be an obfuscated one (`_a1`), which is no number. What names nobody, such as `unknown` or `_hidden`,
/// is no address.
fn parse_address(text: &str) -> Option<SocketAddr> {
    let (address, port): (IpAddr, Option<&str>) = if let Some(bracketed) = text.strip_prefix('[') {
        let (address, behind) = bracketed.split_once(']')?;
        let port = if behind.is_empty() { None } else { Some(behind.strip_prefix(':')?) };
        (address.parse::<Ipv6Addr>().ok()?.into(), port)
    } else if let Ok(address) = text.parse::<IpAddr>() {
        (address, None)
    } else {
        let (address, port) = text.split_once(':')?;
        (IpAddr::V4(address.parse().ok()?), Some(port))
    };
    let port = match port {
        None => 0,
        Some(port) if (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit()) => {
            port.parse().ok()?
        }
        Some(port) => {
            let name = port.strip_prefix('_')?;
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            let is_obfuscated = !name.is_empty() && name.bytes().all(is_name);
            is_obfuscated.then_some(0)?
        }
    };
    Some(SocketAddr::new(address.to_canonical(), port))
}
