//! Cookies that a response sets (RFC 6265), with safe defaults.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use guest_sdk::cookie::Cookie;
//! use guest_sdk::{Error, Request, Response};
//!
//! fn visit(request: Request, response: Response) -> Result<String, Error> {
//!     let visitor = request.cookie("visitor").unwrap_or_else(|| "you".to_owned());
//!     response.set_cookie(&Cookie::new("visitor", "Ada L.").max_age(Duration::from_secs(3600)))?;
//!     Ok(format!("Hello, {visitor}!\n"))
//! }
//! ```

use std::fmt::Write;
use std::time::Duration;

use crate::query::decode_percent;

/// A cookie to set, by [`Response::set_cookie`](crate::Response::set_cookie).
///
/// Unless it says otherwise, it is for all paths, until the browser is closed, not for scripts of pages (`HttpOnly`), and not
/// sent along by other sites (`SameSite=Lax`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    name: String,
    value: String,
    path: String,
    domain: Option<String>,
    max_age: Option<Duration>,
    is_secure: bool,
    is_http_only: bool,
    same_site: SameSite,
}

/// Whether a browser sends a cookie along with requests that come from other sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// Only if it follows a link.
    Lax,
    /// Always. The cookie is then `Secure`, without which browsers drop it.
    None,
}

impl Cookie {
    /// A cookie with this name, a token, and this value, which is sent percent-encoded.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
            path: "/".to_owned(),
            domain: None,
            max_age: None,
            is_secure: false,
            is_http_only: true,
            same_site: SameSite::Lax,
        }
    }

    /// For how long the browser keeps it, in whole seconds. Without it until the browser is closed; 0 removes it.
    #[must_use]
    pub fn max_age(mut self, time: Duration) -> Self {
        self.max_age = Some(time);
        self
    }

    /// The path that it is for, with all below.
    #[must_use]
    pub fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// The domain that it is for, with all below. Without it this host alone.
    #[must_use]
    pub fn domain(mut self, domain: &str) -> Self {
        self.domain = Some(domain.to_owned());
        self
    }

    /// Whether it is sent over TLS alone.
    #[must_use]
    pub fn secure(mut self, is_secure: bool) -> Self {
        self.is_secure = is_secure;
        self
    }

    /// Whether scripts of pages cannot read it.
    #[must_use]
    pub fn http_only(mut self, is_http_only: bool) -> Self {
        self.is_http_only = is_http_only;
        self
    }

    /// Whether it is sent along with requests of other sites.
    #[must_use]
    pub fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// The value of `set-cookie`. `None` if the name is no token, or the path or the domain would end an attribute.
    pub(crate) fn line(&self) -> Option<String> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_attribute = |text: &str| text.bytes().all(|byte| byte != b';' && (b' '..=b'~').contains(&byte));
        let is_valid = !self.name.is_empty()
            && self.name.bytes().all(is_token)
            && is_attribute(&self.path)
            && self.domain.as_deref().is_none_or(is_attribute);
        if !is_valid {
            return None;
        }
        let mut line = format!("{}={}; Path={}", self.name, encode(&self.value), self.path);
        if let Some(time) = self.max_age {
            let _ = write!(line, "; Max-Age={}", time.as_secs());
        }
        if let Some(domain) = &self.domain {
            let _ = write!(line, "; Domain={domain}");
        }
        if self.is_secure || self.same_site == SameSite::None {
            line += "; Secure";
        }
        if self.is_http_only {
            line += "; HttpOnly";
        }
        line += match self.same_site {
            SameSite::Strict => "; SameSite=Strict",
            SameSite::Lax => "; SameSite=Lax",
            SameSite::None => "; SameSite=None",
        };
        Some(line)
    }
}

/// All names and values of a `cookie` field, decoded.
pub(crate) fn pairs(field: &str) -> impl Iterator<Item = (&str, String)> {
    let pairs = field.split(';').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| {
        let value = value.trim();
        let plain = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        (name.trim(), decode_percent(plain))
    })
}

/// Percent-encodes what has a meaning in a cookie, and what is not ASCII.
fn encode(value: &str) -> String {
    let mut encoded = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~!*'()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Cookie, SameSite, pairs};

    #[test]
    fn a_cookie_is_safe_unless_it_says_otherwise() {
        let line = |cookie: Cookie| cookie.line().expect("it is valid");
        assert_eq!(line(Cookie::new("a", "x; \u{fc}")), "a=x%3B%20%C3%BC; Path=/; HttpOnly; SameSite=Lax");
        let open = Cookie::new("b", "1").http_only(false).same_site(SameSite::None).path("/c").domain("example.org");
        assert_eq!(line(open), "b=1; Path=/c; Domain=example.org; Secure; SameSite=None");
        let short =
            Cookie::new("c", "").max_age(Duration::from_millis(60_999)).secure(true).same_site(SameSite::Strict);
        assert_eq!(line(short), "c=; Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Strict");
        for wrong in [
            Cookie::new("a b", ""),
            Cookie::new("", ""),
            Cookie::new("a\r", ""),
            Cookie::new("a", "").path("/;x"),
            Cookie::new("a", "").domain("x\n"),
        ] {
            assert_eq!(wrong.line(), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_cookies_of_a_request_are_decoded() {
        for (field, expected) in [
            ("a=1", "a=1"),
            ("b=2; a=1; a=3", "b=2|a=1|a=3"),
            ("b=2;a = 1 ", "b=2|a=1"),
            ("a=\"1\"", "a=1"),
            ("a=1=2", "a=1=2"),
            ("a=", "a="),
            ("a=%c3%bc+%2", "a=\u{fc}+%2"),
            ("ba=1; a", "ba=1"),
            ("", ""),
        ] {
            let found: Vec<_> = pairs(field).map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(found.join("|"), expected, "{field}");
        }
    }
}
