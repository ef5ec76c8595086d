//! The path of a request in the form that patterns are compared with.
//!
//! Percent-encoded octets stand for the characters they encode (RFC 3986 section 2.4), except that an encoded slash
//! never separates segments. So everything is decoded but `%2F`, and `%25`, without which a decoded `%2F` could not be
//! told from an encoded one. It must not know of routes.

use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// Why a path cannot be compared with anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// A `%` without two hexadecimal digits after it.
    #[error("a `%` in the path is not followed by two hexadecimal digits")]
    Percent,
    /// The decoded path is not UTF-8.
    #[error("the percent-decoded path is not UTF-8")]
    NotUtf8,
    /// The decoded path holds a NUL.
    #[error("the percent-decoded path holds a NUL")]
    Nul,
}

/// The comparable form of a request's path, which is the path itself where it holds no `%`.
///
/// # Errors
/// A path that is not properly encoded text.
pub fn comparable(path: &str) -> Result<Cow<'_, str>, PathError> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let mut decoded = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            decoded.push(*first);
            continue;
        }
        let [high, low, after @ ..] = rest else { return Err(PathError::Percent) };
        rest = after;
        match hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low) {
            None => return Err(PathError::Percent),
            Some(0) => return Err(PathError::Nul),
            Some(b'/') => decoded.extend_from_slice(b"%2F"),
            Some(b'%') => decoded.extend_from_slice(b"%25"),
            Some(octet) => decoded.push(octet),
        }
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| PathError::NotUtf8)
}

/// The plain text of a piece of a comparable path.
pub fn plain(comparable: &str) -> String {
    match comparable.contains('%') {
        true => comparable.replace("%2F", "/").replace("%25", "%"),
        false => comparable.to_owned(),
    }
}

/// The comparable form of a pattern, which is written in plain characters.
pub fn comparable_pattern(pattern: &str) -> String {
    pattern.replace('%', "%25")
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}
