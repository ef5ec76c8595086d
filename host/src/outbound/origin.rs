//! Origins: the scheme, host and port of a URL, and the patterns of `[grant]` that allow them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

const HTTP_PORT: u16 = 80;
const HTTPS_PORT: u16 = 443;

/// The longest URL of a request, in bytes.
const MAX_URL: usize = 16 * 1024;

/// The longest name of a host, in bytes (RFC 1035 section 2.3.4).
const MAX_NAME: usize = 253;

/// The longest label of a name, in bytes.
const MAX_LABEL: usize = 63;

/// The scheme of a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// The scheme of this name, in any case.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port of a URL that names none.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Http => HTTP_PORT,
            Self::Https => HTTPS_PORT,
        }
    }
}

/// The host of a URL, as it is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostName {
    /// A name in lower case and punycode, without a dot at its end.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
        }
    }
}

/// Whom a request goes to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The scheme.
    pub scheme: Scheme,
    /// The host.
    pub host: HostName,
    /// The port.
    pub port: u16,
}

impl Origin {
    /// The origin of a scheme and an authority, as in `example.com:8080`.
    ///
    /// # Errors
    /// See [`OriginError`].
    pub fn new(scheme: Scheme, authority: &str) -> Result<Self, OriginError> {
        let (host, port) = split_authority(authority)?;
        let port = match port {
            None | Some("") => scheme.port(),
            Some(port) => port_number(port)?,
        };
        Ok(Self { scheme, host: host_name(host)?, port })
    }

    /// The value of the field `host`: without the port if that is the scheme's own.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port == self.scheme.port() {
            true => self.host.to_string(),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.name(), self.authority())
    }
}

/// The URL of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetUrl {
    /// Whom it goes to.
    pub origin: Origin,
    /// The path and the query. It starts with `/`.
    pub path_and_query: String,
}

impl FromStr for TargetUrl {
    type Err = OriginError;

    fn from_str(url: &str) -> Result<Self, OriginError> {
        if url.len() > MAX_URL {
            return Err(OriginError::TooLong);
        }
        let (scheme, rest) = split_scheme(url)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(end);
        // A fragment is not sent (RFC 9110 section 7.1).
        let path = rest.split('#').next().unwrap_or_default();
        let path_and_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        if !path_and_query.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(OriginError::Path);
        }
        Ok(Self { origin: Origin::new(scheme, authority)?, path_and_query })
    }
}

/// An entry of `http` in `[grant]`: the origins that it allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginPattern {
    scheme: Scheme,
    host: HostPattern,
    /// `None` allows every port.
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Is(HostName),
    /// Names with at least one label before this one.
    Below(String),
}

impl OriginPattern {
    /// Whether it allows an origin.
    #[must_use]
    pub fn allows(&self, origin: &Origin) -> bool {
        let is_host = match (&self.host, &origin.host) {
            (HostPattern::Is(host), asked) => host == asked,
            (HostPattern::Below(parent), HostName::Name(asked)) => {
                asked.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            (HostPattern::Below(_), HostName::Address(_)) => false,
        };
        is_host && self.scheme == origin.scheme && self.port.is_none_or(|port| port == origin.port)
    }
}

impl FromStr for OriginPattern {
    type Err = OriginError;

    fn from_str(pattern: &str) -> Result<Self, OriginError> {
        let (scheme, authority) = split_scheme(pattern)?;
        match authority.find(['/', '?', '#']).and_then(|at| authority[at..].chars().next()) {
            Some('/') => return Err(OriginError::HasPath),
            Some('?') => return Err(OriginError::HasQuery),
            Some(_) => return Err(OriginError::HasFragment),
            None => {}
        }
        let (host, port) = split_authority(authority)?;
        let port = match port {
            None => Some(scheme.port()),
            Some("*") => None,
            Some(port) => Some(port_number(port)?),
        };
        let host = match host.strip_prefix("*.") {
            Some(parent) => match host_name(parent)? {
                HostName::Name(parent) => HostPattern::Below(parent),
                HostName::Address(_) => return Err(OriginError::Wildcard),
            },
            None => HostPattern::Is(host_name(host)?),
        };
        Ok(Self { scheme, host, port })
    }
}

impl fmt::Display for OriginPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        write!(f, "{}://", scheme.name())?;
        match host {
            HostPattern::Is(host) => write!(f, "{host}")?,
            HostPattern::Below(parent) => write!(f, "*.{parent}")?,
        }
        match port {
            None => f.write_str(":*"),
            Some(port) if *port == scheme.port() => Ok(()),
            Some(port) => write!(f, ":{port}"),
        }
    }
}

/// What is wrong with an origin, a pattern or a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OriginError {
    /// There is no `://`.
    #[error("has no scheme; write http:// or https:// before it")]
    NoScheme,
    /// The scheme is another.
    #[error("has a scheme other than http and https")]
    Scheme,
    /// There is no host.
    #[error("has no host")]
    NoHost,
    /// There is a user before the host.
    #[error("has a user or password before its host")]
    HasUser,
    /// A pattern has a path.
    #[error("has a path; a grant is for all paths of a host")]
    HasPath,
    /// A pattern has a query.
    #[error("has a query; a grant is for a whole host")]
    HasQuery,
    /// A pattern has a fragment.
    #[error("has a fragment; a grant is for a whole host")]
    HasFragment,
    /// The port is no number from 1 to 65535.
    #[error("has a port that is no number from 1 to 65535")]
    Port,
    /// The host is no name.
    #[error("has a host that is no name")]
    Name,
    /// The host is an address in another form than the usual one.
    #[error("has an address in an unusual form; write it as in 192.0.2.1 or [2001:db8::1]")]
    Address,
    /// `*` stands elsewhere than for the first labels of a name.
    #[error("has `*` in another place than before a name, as in *.example.com")]
    Wildcard,
    /// The path has characters that have to be encoded.
    #[error("has characters in its path that have to be percent-encoded")]
    Path,
    /// It is too long.
    #[error("is longer than {MAX_URL} bytes")]
    TooLong,
}

/// The scheme, and what follows `://`.
fn split_scheme(text: &str) -> Result<(Scheme, &str), OriginError> {
    let (scheme, rest) = text.split_once("://").ok_or(OriginError::NoScheme)?;
    Ok((Scheme::of(scheme).ok_or(OriginError::Scheme)?, rest))
}

/// The host, with the brackets of an IPv6 address, and the port if there is a colon.
fn split_authority(authority: &str) -> Result<(&str, Option<&str>), OriginError> {
    if authority.contains('@') {
        return Err(OriginError::HasUser);
    }
    let end = match authority.starts_with('[') {
        true => authority.find(']').ok_or(OriginError::Address)? + 1,
        false => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(end);
    match rest.strip_prefix(':') {
        _ if host.is_empty() => Err(OriginError::NoHost),
        Some(port) => Ok((host, Some(port))),
        None if rest.is_empty() => Ok((host, None)),
        None => Err(OriginError::Address),
    }
}

fn port_number(text: &str) -> Result<u16, OriginError> {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let port = if is_number { text.parse().ok() } else { None };
    port.filter(|port| *port != 0).ok_or(OriginError::Port)
}

/// A host without a port, as it is compared.
fn host_name(host: &str) -> Result<HostName, OriginError> {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').ok_or(OriginError::Address)?;
        let address: Ipv6Addr = address.parse().map_err(|_| OriginError::Address)?;
        return Ok(HostName::Address(address.into()));
    }
    if host.contains('*') {
        return Err(OriginError::Wildcard);
    }
    // What a browser's rules would turn into something else is refused: the host looks up what it has compared.
    if host.contains(['%', '\\']) {
        return Err(OriginError::Name);
    }
    let name = idna::domain_to_ascii(host).map_err(|_| OriginError::Name)?;
    let name = name.strip_suffix('.').unwrap_or(&name);
    if let Ok(address) = name.parse::<Ipv4Addr>() {
        return Ok(HostName::Address(address.into()));
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    if is_number(last) {
        // getaddrinfo takes `127.1`, `0177.0.0.1`, `2130706433` and `0x7f000001` for addresses.
        return Err(OriginError::Address);
    }
    let is_label = |label: &str| {
        let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(is_sign)
    };
    match name.len() <= MAX_NAME && name.split('.').all(is_label) {
        true => Ok(HostName::Name(name.to_owned())),
        false => Err(OriginError::Name),
    }
}

/// Whether a label is a number, decimal, octal or hexadecimal (WHATWG URL, "ends in a number").
fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    let is_hexadecimal = hexadecimal.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    is_hexadecimal || (!label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_allows_the_origins_that_it_names_and_no_other() {
        // pattern, URL, whether it is allowed
        let table = [
            ("https://api.example.com", "https://api.example.com/v1?q", true),
            ("https://api.example.com", "https://API.Example.COM/", true),
            ("https://API.example.com", "https://api.example.com/", true),
            ("https://api.example.com", "https://api.example.com./", true),
            ("https://api.example.com.", "https://api.example.com/", true),
            ("https://api.example.com", "https://api.example.com:443/", true),
            ("https://api.example.com", "https://api.example.com:/", true),
            ("https://api.example.com:443", "https://api.example.com", true),
            ("HTTPS://api.example.com", "https://api.example.com", true),
            ("https://api.example.com", "https://api.example.com#there", true),
            ("https://api.example.com", "http://api.example.com/", false),
            ("http://api.example.com", "https://api.example.com/", false),
            ("https://api.example.com", "https://api.example.com:8443/", false),
            ("https://api.example.com", "https://example.com/", false),
            ("https://api.example.com", "https://x.api.example.com/", false),
            ("https://api.example.com", "https://api.example.com.evil.net/", false),
            ("https://api.example.com", "https://evil.net/https://api.example.com/", false),
            ("https://api.example.com", "https://evil.net?api.example.com", false),
            ("https://api.example.com", "https://evil.net#api.example.com", false),
            ("https://*.example.com", "https://a.example.com", true),
            ("https://*.example.com", "https://a.b.example.com", true),
            ("https://*.example.com", "https://A.EXAMPLE.com.", true),
            ("https://*.example.com", "https://example.com", false),
            ("https://*.example.com", "https://badexample.com", false),
            ("https://*.example.com", "https://a.example.com.evil.net", false),
            ("https://*.example.com:8443", "https://a.example.com:8443", true),
            ("https://*.example.com:8443", "https://a.example.com", false),
            ("http://example.com:*", "http://example.com", true),
            ("http://example.com:*", "http://example.com:1", true),
            ("http://example.com:*", "http://example.com:65535", true),
            ("http://example.com:*", "http://example.org:80", false),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000/", true),
            ("http://127.0.0.1:9000", "http://127.0.0.2:9000/", false),
            ("http://127.0.0.1:9000", "http://localhost:9000/", false),
            ("http://localhost:9000", "http://127.0.0.1:9000/", false),
            ("http://[::1]:9000", "http://[::1]:9000/", true),
            ("http://[::1]:9000", "http://[0:0:0:0:0:0:0:1]:9000/", true),
            ("http://[::1]", "http://[::ffff:127.0.0.1]/", false),
            ("http://bücher.example", "http://xn--bcher-kva.example/", true),
            ("http://xn--bcher-kva.example", "http://BÜCHER.example/", true),
            ("http://*.bücher.example", "http://a.xn--bcher-kva.example/", true),
            ("http://bücher.example", "http://bucher.example/", false),
        ];
        for (pattern, url, is_allowed) in table {
            let parsed: OriginPattern = pattern.parse().unwrap_or_else(|error| panic!("{pattern}: {error}"));
            let target: TargetUrl = url.parse().unwrap_or_else(|error| panic!("{url}: {error}"));
            assert_eq!(parsed.allows(&target.origin), is_allowed, "{pattern} and {url}");
        }
    }

    #[test]
    fn a_pattern_that_says_more_or_less_than_an_origin_is_refused_with_the_reason() {
        let table = [
            ("", OriginError::NoScheme),
            ("example.com", OriginError::NoScheme),
            ("//example.com", OriginError::NoScheme),
            ("*", OriginError::NoScheme),
            ("ftp://example.com", OriginError::Scheme),
            ("*://example.com", OriginError::Scheme),
            ("://example.com", OriginError::Scheme),
            ("https://", OriginError::NoHost),
            ("https://:443", OriginError::NoHost),
            ("https://user@example.com", OriginError::HasUser),
            ("https://user:word@example.com", OriginError::HasUser),
            ("https://example.com/", OriginError::HasPath),
            ("https://example.com/v1", OriginError::HasPath),
            ("https://example.com?q", OriginError::HasQuery),
            ("https://example.com#f", OriginError::HasFragment),
            ("https://example.com:", OriginError::Port),
            ("https://example.com:0", OriginError::Port),
            ("https://example.com:65536", OriginError::Port),
            ("https://example.com:+80", OriginError::Port),
            ("https://example.com:http", OriginError::Port),
            ("https://example.com:80:80", OriginError::Port),
            ("https://*", OriginError::Wildcard),
            ("https://*:443", OriginError::Wildcard),
            ("https://*.*.example.com", OriginError::Wildcard),
            ("https://a.*.example.com", OriginError::Wildcard),
            ("https://*example.com", OriginError::Wildcard),
            ("https://*.127.0.0.1", OriginError::Wildcard),
            ("https://*.", OriginError::Name),
            ("https://exa mple.com", OriginError::Name),
            ("https://example..com", OriginError::Name),
            ("https://.example.com", OriginError::Name),
            ("https://exam%70le.com", OriginError::Name),
            ("https://[::1", OriginError::Address),
            ("https://[::1]x", OriginError::Address),
            ("https://[fe80::1%eth0]", OriginError::Address),
            ("https://[127.0.0.1]", OriginError::Address),
            ("https://::1", OriginError::NoHost),
        ];
        for (pattern, error) in table {
            assert_eq!(pattern.parse::<OriginPattern>(), Err(error), "{pattern}");
        }
    }

    #[test]
    fn addresses_in_unusual_forms_are_refused() {
        let forms = [
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "127.0.0.1.5",
            "127.0.0.01",
            "1.2.3.256",
            "x.0x",
        ];
        for form in forms {
            assert_eq!(format!("http://{form}/").parse::<TargetUrl>(), Err(OriginError::Address), "{form}");
        }
        // In other digits it is what its ASCII form is.
        let target: TargetUrl = "http://１２７.0.0.1/".parse().expect("an address");
        assert_eq!(target.origin.host, HostName::Address(Ipv4Addr::LOCALHOST.into()));
    }

    #[test]
    fn a_url_keeps_its_path_and_query() {
        let table = [
            ("http://a.example", "/"),
            ("http://a.example?x=1", "/?x=1"),
            ("http://a.example/%0d%0a?x=/", "/%0d%0a?x=/"),
            ("http://a.example/a#b?c", "/a"),
        ];
        for (url, path) in table {
            assert_eq!(url.parse::<TargetUrl>().map(|target| target.path_and_query), Ok(path.to_owned()), "{url}");
        }
        for url in ["http://a.example/a b", "http://a.example/\r\nx: y", "http://a.example/ü"] {
            assert_eq!(url.parse::<TargetUrl>(), Err(OriginError::Path), "{url}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_url_or_refused(url in "\\PC{0,64}", rest in "[-a-z0-9.:/\\[\\]@*%x]{0,40}") {
            let _ = url.parse::<TargetUrl>();
            if let Ok(target) = format!("http://{rest}").parse::<TargetUrl>() {
                let again: TargetUrl = format!("{}{}", target.origin, target.path_and_query).parse().expect("its own form");
                prop_assert_eq!(again, target);
            }
            if let Ok(pattern) = format!("https://{rest}").parse::<OriginPattern>() {
                prop_assert_eq!(pattern.to_string().parse(), Ok(pattern));
            }
        }
    }
}
