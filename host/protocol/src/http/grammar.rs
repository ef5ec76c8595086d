//! Character classes and small productions that several modules use (RFC 9110 section 5.6, RFC 3986 section 2).

use memchr::memchr;

#[cfg(test)]
mod tests;

/// A set of bytes.
pub(crate) struct ByteClass([bool; 256]);

/// `tchar`, the characters of a token (RFC 9110 section 5.6.2).
pub(crate) const TCHAR: ByteClass = ByteClass::alphanumeric_and(b"!#$%&'*+-.^_`|~");

impl ByteClass {
    /// ASCII letters, digits and the bytes of `others`.
    pub(crate) const fn alphanumeric_and(others: &[u8]) -> ByteClass {
        let mut class = [false; 256];
        let mut byte = 0;
        while byte < class.len() {
            class[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let mut next = 0;
        while next < others.len() {
            class[others[next] as usize] = true;
            next += 1;
        }
        ByteClass(class)
    }

    /// Whether `byte` is in the class.
    pub(crate) const fn has(&self, byte: u8) -> bool {
        self.0[byte as usize]
    }

    /// Whether `bytes` consist only of bytes of this class and percent-encoded bytes, which are a `%` and two
    /// hexadecimal digits (RFC 3986 section 2.1).
    pub(crate) fn spans_percent_encoded(&self, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        while let Some(other) = rest.iter().position(|byte| !self.has(*byte)) {
            rest = match &rest[other..] {
                [b'%', high, low, tail @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => tail,
                _ => return false,
            };
        }
        true
    }
}

/// Whether `bytes` are a token, which has one `tchar` or more (RFC 9110 section 5.6.2).
pub fn is_token(bytes: &[u8]) -> bool {
    let (token, rest) = split_token(bytes);
    !token.is_empty() && rest.is_empty()
}

/// Splits `bytes` into the `tchar`s at its start, and the rest.
pub(crate) fn split_token(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !TCHAR.has(*byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// The rest after the quoted-string at the start of `bytes`. It is `None` if `bytes` do not start with a complete one
/// (RFC 9110 section 5.6.4).
pub(crate) fn skip_quoted_string(bytes: &[u8]) -> Option<&[u8]> {
    let mut rest = bytes.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', escaped, tail @ ..] if is_text(*escaped) => tail,
            [b'\\', ..] => return None,
            [byte, tail @ ..] if is_text(*byte) => tail,
            [..] => return None,
        };
    }
}

/// Whether `byte` can be part of a field's value: HTAB, SP, visible ASCII and obs-text (RFC 9110 section 5.5).
pub(crate) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

/// `bytes` without the SP and HTAB around them (RFC 9110 section 5.6.3). `trim_ascii` would take line ends too.
pub(crate) fn trim_ows(bytes: &[u8]) -> &[u8] {
    let start = bytes.len() - skip_ows(bytes).len();
    let end = bytes.iter().rposition(|byte| !is_ows(*byte)).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// `bytes` without the SP and HTAB at its start.
pub(crate) fn skip_ows(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|byte| !is_ows(*byte)).unwrap_or(bytes.len());
    &bytes[start..]
}

fn is_ows(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// The elements of a list, over all lines of its field. Empty elements are left out (RFC 9110 section 5.6.1).
///
/// A comma inside a quoted string also splits. That is correct for all lists that are read with this function: none of
/// them has quoted strings.
pub fn list<'a>(values: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
    values.flat_map(|value| value.split(|byte| *byte == b',')).map(trim_ows).filter(|element| !element.is_empty())
}

/// Splits `text` at separators outside of quoted strings (RFC 9110 section 5.6.4).
pub(crate) fn split_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |&byte| {
        let ends = byte == separator && !quoted;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        ends
    })
}

/// The name and the value of `line`, which ends in CRLF. `None` if it is not one well-formed field line (RFC 9112 section
/// 5). A continuation line (obs-fold) is not well-formed.
pub(crate) fn parse_field_line(line: &[u8]) -> Option<(&str, &[u8])> {
    // `Partial` means that httparse only misses the empty line after the last field.
    let Ok(httparse::Status::Partial) = httparse::parse_headers(line, &mut [httparse::EMPTY_HEADER]) else {
        return None;
    };
    let (name, value) = line.split_at(memchr(b':', line)?);
    Some((str::from_utf8(name).ok()?, trim_ows(value[1..].strip_suffix(b"\r\n")?)))
}

/// Whether `bytes` are a valid field value (RFC 9110 section 5.5): no control character other than HTAB, and no white
/// space at the start or end.
pub fn is_field_value(value: &[u8]) -> bool {
    trim_ows(value).len() == value.len() && value.iter().copied().all(is_text)
}

/// Parses a number of digits only. `u64::from_str` would also accept a plus sign.
pub(crate) fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10)?.checked_add(u64::from(digit - b'0')),
        _ => None,
    })
}
