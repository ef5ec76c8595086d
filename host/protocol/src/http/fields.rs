//! The fields of a response that a handler sets, and trailers: checked, bounded and in order.
//!
//! Owns which fields are valid (RFC 9110 section 5) and which only the host may set.

use thiserror::Error;

use super::grammar::{is_field_value, is_token, parse_decimal};

#[cfg(test)]
mod tests;

/// The most fields a handler can set.
pub const MAX_FIELDS: usize = 128;
/// The most bytes of names and values together.
pub const MAX_FIELD_BYTES: usize = 32 * 1024;
/// The most bytes of one name.
pub const MAX_NAME_BYTES: usize = 256;

/// Fields that describe the connection (RFC 9110 section 7.6.1), which the host manages.
pub const CONNECTION_FIELDS: [&str; 7] =
    ["connection", "keep-alive", "proxy-connection", "te", TRAILER, "transfer-encoding", "upgrade"];

/// The field that announces trailers.
pub const TRAILER: &str = "trailer";

/// Fields that may have only one line in a message.
const ONE_LINE: [&str; 3] = ["content-length", "content-type", "date"];

/// Why a field is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FieldError {
    /// The name is no token, or the value has a control character, or white space at its start or end.
    #[error("not a field: the name must be a token, the value visible text")]
    Invalid,
    /// The field describes the connection.
    #[error("the field belongs to the host")]
    Forbidden,
    /// The field would pass [`MAX_FIELDS`], [`MAX_FIELD_BYTES`] or [`MAX_NAME_BYTES`].
    #[error("too many or too large fields")]
    TooLarge,
}

/// An ordered list of fields. Names keep their case, but are compared without regard to case.
#[derive(Debug, Clone, Default)]
pub struct Fields {
    lines: Vec<(String, Vec<u8>)>,
    bytes: usize,
    content_length: Option<u64>,
}

impl Fields {
    /// Sets a field, and replaces all lines of that name.
    ///
    /// # Errors
    /// See [`FieldError`]. An error changes nothing.
    pub fn set(&mut self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        let length = check(name, value)?;
        let freed: usize = self.named(name).map(|(name, value)| name.len() + value.len()).sum();
        let replaced = self.named(name).count();
        self.check_room(self.lines.len() - replaced, self.bytes - freed, name, value)?;
        self.remove(name);
        self.push(name, value);
        if length.is_some() {
            self.content_length = length;
        }
        Ok(())
    }

    /// Adds a line after the existing ones.
    ///
    /// # Errors
    /// See [`FieldError`]. It is [`FieldError::Invalid`] to add a second line of a field that may have only one.
    pub fn append(&mut self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        if ONE_LINE.iter().any(|one| one.eq_ignore_ascii_case(name)) {
            return match self.contains(name) {
                true => Err(FieldError::Invalid),
                false => self.set(name, value),
            };
        }
        check(name, value)?;
        self.check_room(self.lines.len(), self.bytes, name, value)?;
        self.push(name, value);
        Ok(())
    }

    /// Adds a line as [`Self::append`], or a line of `trailer`, which announces trailers (RFC 9110 section 6.6.2). It is for
    /// fields that may be sent with a request to another server: a message that the host frames itself must not have `trailer`.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_or_announce(&mut self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        if !name.eq_ignore_ascii_case(TRAILER) {
            return self.append(name, value);
        }
        if value.len() > MAX_FIELD_BYTES {
            return Err(FieldError::TooLarge);
        }
        if !is_field_value(value) {
            return Err(FieldError::Invalid);
        }
        self.check_room(self.lines.len(), self.bytes, name, value)?;
        self.push(name, value);
        Ok(())
    }

    /// Removes all lines of that name.
    pub fn remove(&mut self, name: &str) {
        let bytes = &mut self.bytes;
        self.lines.retain(|(have, value)| {
            let keep = !have.eq_ignore_ascii_case(name);
            if !keep {
                *bytes -= have.len() + value.len();
            }
            keep
        });
        if name.eq_ignore_ascii_case("content-length") {
            self.content_length = None;
        }
    }

    /// Removes all fields, and keeps the memory for reuse.
    pub fn clear(&mut self) {
        self.retain(|_| false);
    }

    /// Removes all fields except those for whose name `keeps` returns true. Keeps the memory for reuse.
    pub fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.lines.retain(|(name, _)| keeps(name));
        self.bytes = self.lines.iter().map(|(name, value)| name.len() + value.len()).sum();
        if !self.contains("content-length") {
            self.content_length = None;
        }
    }

    /// Whether there is a line of that name.
    #[inline]
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.named(name).next().is_some()
    }

    /// The value of the first line of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.named(name).next().map(|(_, value)| value.as_slice())
    }

    /// The bytes of all names and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The length of the body that `content-length` declares.
    #[inline]
    #[must_use]
    pub fn content_length(&self) -> Option<u64> {
        self.content_length
    }

    /// All lines in order, except `content-length`, which is part of the framing.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.all().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length"))
    }

    /// All lines in order.
    #[inline]
    pub fn all(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.iter().map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    #[inline]
    fn named(&self, name: &str) -> impl Iterator<Item = &(String, Vec<u8>)> {
        self.lines.iter().filter(move |(have, _)| have.eq_ignore_ascii_case(name))
    }

    fn check_room(&self, lines: usize, bytes: usize, name: &str, value: &[u8]) -> Result<(), FieldError> {
        let fits = lines < MAX_FIELDS && bytes + name.len() + value.len() <= MAX_FIELD_BYTES;
        if fits { Ok(()) } else { Err(FieldError::TooLarge) }
    }

    fn push(&mut self, name: &str, value: &[u8]) {
        self.bytes += name.len() + value.len();
        self.lines.push((name.to_owned(), value.to_owned()));
    }
}

/// Checks the name of a field.
///
/// # Errors
/// [`FieldError::TooLarge`] and [`FieldError::Invalid`].
pub fn check_name(name: &str) -> Result<(), FieldError> {
    if name.len() > MAX_NAME_BYTES {
        return Err(FieldError::TooLarge);
    }
    if is_token(name.as_bytes()) { Ok(()) } else { Err(FieldError::Invalid) }
}

/// Checks one field. For `content-length`, returns the length that it declares.
fn check(name: &str, value: &[u8]) -> Result<Option<u64>, FieldError> {
    if name.len() > MAX_NAME_BYTES || value.len() > MAX_FIELD_BYTES {
        return Err(FieldError::TooLarge);
    }
    if !is_token(name.as_bytes()) || !is_field_value(value) {
        return Err(FieldError::Invalid);
    }
    if CONNECTION_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
        return Err(FieldError::Forbidden);
    }
    if name.eq_ignore_ascii_case("content-length") {
        return parse_decimal(value).map(Some).ok_or(FieldError::Invalid);
    }
    Ok(None)
}
