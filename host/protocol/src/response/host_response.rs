//! Answers of the host's own, in the place of a handler's or for want of one; and what a head says so far.
//!
//! It must not know why the host answers.

use smallvec::SmallVec;

use super::{Response, ResponseError};
use crate::http::date::Date;

/// The type of a text of the host's.
const TEXT: &[u8] = b"text/plain; charset=utf-8";

impl Response {
    /// Drops what a handler set and answers `text` in its place, with its length. Only before the head is decided.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`] or [`ResponseError::Closed`].
    pub fn replace(
        &mut self,
        status: u16,
        fields: &[(&str, &str)],
        text: &str,
        date: fn() -> Date,
    ) -> Result<(), ResponseError> {
        self.fields()?.clear();
        self.answer(status, fields, text, date)
    }

    /// Answers `text`, with its length, beside the fields that are set. Only before the head is decided.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`] or [`ResponseError::Closed`].
    pub fn answer(
        &mut self,
        status: u16,
        fields: &[(&str, &str)],
        text: &str,
        date: fn() -> Date,
    ) -> Result<(), ResponseError> {
        self.describe(status, fields, text)?;
        self.begin(Some(text.len() as u64), date)?;
        if !text.is_empty() {
            self.write(text.as_bytes(), date)?;
        }
        // A HEAD request is complete with its first write.
        if self.is_over() { Ok(()) } else { self.finish(date) }
    }

    /// Describes an answer whose body is to be `text`, beside the fields that are set. Only before the head is decided.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`] or [`ResponseError::Closed`].
    pub fn describe(&mut self, status: u16, fields: &[(&str, &str)], text: &str) -> Result<(), ResponseError> {
        for (name, value) in fields {
            self.fields()?.set(name, value.as_bytes())?;
        }
        self.check_building()?;
        self.status = status;
        self.content_type = if text.is_empty() { SmallVec::new() } else { SmallVec::from_slice(TEXT) };
        self.options.chunked = false;
        self.options.coalesce = 0;
        Ok(())
    }

    /// The fields as they stand, but for those that the host adds for the framing and the connection, and `date`.
    pub fn lines(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let described = self.is_described() && !self.fields.contains("content-type");
        let described = described.then_some(("content-type", &*self.content_type));
        described.into_iter().chain(self.fields.all())
    }

    /// Whether it has a `content-type` of the host's, unless another is set.
    pub(super) fn is_described(&self) -> bool {
        !matches!(self.status, 204 | 304) && !self.content_type.is_empty()
    }
}
