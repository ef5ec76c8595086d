//! The comparable form of a request's path: what patterns are compared with.
//!
//! Percent-encoded octets stand for the characters they encode (RFC 3986 section 2.4), but an encoded slash never
//! separates segments. So everything is decoded except `%2F` and `%25`: if `%25` were decoded too, `%252F` would look like
//! an encoded slash.

use std::borrow::Cow;

#[cfg(test)]
mod tests;

/// Why a path has no comparable form.
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

/// The comparable form of a request's path. It is the path itself, not copied, if that has no `%`.
///
/// # Errors
/// If the path is not properly encoded UTF-8, or has a NUL.
pub fn comparable(path: &str) -> Result<Cow<'_, str>, PathError> {
    if !path.contains('%') {
        return Ok(Cow::Borrowed(path));
    }
    let is_encoded = |after: &str| matches!(after.as_bytes(), [high, low, ..] if [high, low].iter().all(|it| it.is_ascii_hexdigit()));
    if !path.split('%').skip(1).all(is_encoded) {
        return Err(PathError::Percent);
    }
    // Encoded once more, these two are still encoded after decoding.
    let kept = path.replace("%25", "%2525").replace("%2F", "%252F").replace("%2f", "%252F");
    let decoded = percent_encoding::percent_decode_str(&kept).decode_utf8().map_err(|_| PathError::NotUtf8)?;
    if decoded.contains('\0') {
        return Err(PathError::Nul);
    }
    Ok(Cow::Owned(decoded.into_owned()))
}

/// Decodes a piece of a comparable path completely.
pub fn plain(comparable: &str) -> String {
    match comparable.contains('%') {
        true => comparable.replace("%2F", "/").replace("%25", "%"),
        false => comparable.to_owned(),
    }
}

/// The comparable form of a pattern. Patterns are written decoded.
pub fn comparable_pattern(pattern: &str) -> String {
    pattern.replace('%', "%25")
}
