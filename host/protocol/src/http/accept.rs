//! Whether a client prefers plain text or HTML (RFC 9110 section 12.5.1).
//!
//! The limits of the request's head bound the size of `Accept`. It is read once.

use super::grammar::split_unquoted;

#[cfg(test)]
mod tests;

/// A form of the body of a host-made response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyForm {
    /// Plain text, for programs and for clients without a preference.
    Plain,
    /// An HTML page, for people.
    Html,
}

/// The highest quality value, in thousandths.
const BEST: u16 = 1000;

/// How closely a media range matches. A closer match takes precedence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    Any,
    Type,
    Subtype,
    Parameters,
}

impl BodyForm {
    /// The form that the values of `Accept` prefer. It is HTML only if HTML has a higher quality than text. A malformed
    /// media range is ignored. If neither form is acceptable, the result is text, which RFC 9110 section 12.5.1 allows.
    pub fn preferred<'v>(accept: impl Iterator<Item = &'v [u8]>) -> Self {
        let (mut plain, mut html) = (None, None);
        for range in accept.flat_map(|value| split_unquoted(value, b',')) {
            plain = plain.max(match_range(range, b"plain"));
            html = html.max(match_range(range, b"html"));
        }
        let quality = |best: Option<(Closeness, u16)>| best.map_or(0, |(_, quality)| quality);
        if quality(html) > quality(plain) { Self::Html } else { Self::Plain }
    }

    /// The form as a media type.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Plain => "text/plain; charset=utf-8",
            Self::Html => "text/html; charset=utf-8",
        }
    }
}

/// How closely a media range matches `text/SUBTYPE; charset=utf-8`, and its quality. It is `None` if the range does not
/// match or is malformed.
fn match_range(range: &[u8], subtype: &[u8]) -> Option<(Closeness, u16)> {
    let mut parts = split_unquoted(range, b';').map(<[u8]>::trim_ascii);
    let name = parts.next()?;
    let mut slashed = name.splitn(2, |&byte| byte == b'/');
    let (kind, below) = (slashed.next()?, slashed.next()?);
    let mut closeness = match (kind, below) {
        (b"*", b"*") => Closeness::Any,
        (kind, b"*") if kind.eq_ignore_ascii_case(b"text") => Closeness::Type,
        (kind, below) if kind.eq_ignore_ascii_case(b"text") && below.eq_ignore_ascii_case(subtype) => {
            Closeness::Subtype
        }
        _ => return None,
    };
    for part in parts.filter(|part| !part.is_empty()) {
        let mut named = part.splitn(2, |&byte| byte == b'=');
        let (name, value) = (named.next()?, named.next()?);
        // Parameters after the weight were extensions in older versions of HTTP. They do not describe the type.
        if name.eq_ignore_ascii_case(b"q") {
            return Some((closeness, quality(value)?));
        }
        let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
        if !(name.eq_ignore_ascii_case(b"charset") && value.eq_ignore_ascii_case(b"utf-8")) {
            return None;
        }
        closeness = Closeness::Parameters;
    }
    Some((closeness, BEST))
}

/// A weight in thousandths (RFC 9110 section 12.4.2).
fn quality(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole] | [whole, b'.'] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (whole, fraction),
        _ => return None,
    };
    if !matches!(whole, b'0' | b'1') || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| u16::from(fraction.get(at).map_or(0, |digit| digit - b'0'));
    let thousandths = u16::from(whole - b'0') * BEST + digit(0) * 100 + digit(1) * 10 + digit(2);
    (thousandths <= BEST).then_some(thousandths)
}
