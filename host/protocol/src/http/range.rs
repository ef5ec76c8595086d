//! Byte ranges of a whole body (RFC 9110 section 14).
//!
//! One range is served. A request for several gets the whole body, which the RFC allows: what clients resume downloads
//! with is one range.

use std::ops::Range;

use super::date::Date;
use super::fields::Fields;
use super::grammar::trim_ows;
use super::head::RequestHead;

#[cfg(test)]
mod tests;

/// What a `Range` field selects of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeSelection {
    /// The field is no valid range of bytes, or has several, and is ignored.
    Ignored,
    /// These bytes: not empty, and within the body.
    Bytes(Range<u64>),
    /// Nothing of the body.
    Unsatisfiable,
}

/// What the value of `Range` selects of a body of `length` bytes.
#[must_use]
pub fn select(value: &[u8], length: u64) -> RangeSelection {
    let Some((unit, set)) = split_once(value, b'=') else { return RangeSelection::Ignored };
    let set = trim_ows(set);
    if !unit.eq_ignore_ascii_case(b"bytes") || set.contains(&b',') {
        return RangeSelection::Ignored;
    }
    let Some((first, last)) = split_once(set, b'-') else { return RangeSelection::Ignored };
    let range = match (first.is_empty(), last.is_empty()) {
        (true, true) => return RangeSelection::Ignored,
        (true, false) => position(last).map(|suffix| length.saturating_sub(suffix)..length),
        (false, true) => position(first).map(|first| first..length),
        (false, false) => match (position(first), position(last)) {
            (Some(first), Some(last)) if first <= last => Some(first..last.saturating_add(1).min(length)),
            (Some(_) | None, _) => None,
        },
    };
    match range {
        Some(range) if range.start < range.end => RangeSelection::Bytes(range),
        Some(_) => RangeSelection::Unsatisfiable,
        None => RangeSelection::Ignored,
    }
}

/// A number of digits. One that does not fit is past the end of any body.
fn position(digits: &[u8]) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let add = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    is_number.then(|| digits.iter().fold(0, add))
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Whether ranges are offered for a body with these fields. Its handler has to say that a later request gets the same
/// bytes: with a strong `etag`, with `last-modified`, or with `accept-ranges: bytes` itself.
#[must_use]
pub fn are_offered(fields: &Fields) -> bool {
    if fields.contains("content-range") {
        return false;
    }
    match fields.get("accept-ranges") {
        Some(units) => units.eq_ignore_ascii_case(b"bytes"),
        None => fields.get("etag").is_some_and(is_strong) || fields.contains("last-modified"),
    }
}

/// Whether the request's `If-Range` lets its `Range` be served from a body with these fields, which is sent at `date`.
#[must_use]
pub fn if_range_holds(head: &RequestHead, fields: &Fields, date: &Date) -> bool {
    let mut values = head.values("if-range");
    match (values.next(), values.next()) {
        (None, _) => true,
        (Some(_), Some(_)) => false,
        (Some(validator), None) if validator.ends_with(b"\"") => {
            is_strong(validator) && fields.get("etag") == Some(validator)
        }
        (Some(validator), None) => {
            fields.get("last-modified") == Some(validator) && is_earlier(validator, fields.get("date").unwrap_or(date))
        }
    }
}

/// Whether a tag of an entity is strong (RFC 9110 section 8.8.3).
fn is_strong(tag: &[u8]) -> bool {
    tag.len() >= 2 && tag.starts_with(b"\"") && tag.ends_with(b"\"")
}

/// Whether a body that was modified at one date cannot have changed again before the other (RFC 9110 section 8.8.2.2).
fn is_earlier(modified: &[u8], date: &[u8]) -> bool {
    let parsed = |date| httpdate::parse_http_date(str::from_utf8(date).ok()?).ok();
    matches!((parsed(modified), parsed(date)), (Some(modified), Some(date)) if modified < date)
}
