//! Answers of the host's own: a text whose length is known.

use super::{Response, ResponseError};
use crate::http::date::Date;

/// The type of a text of the host's.
const TEXT: &[u8] = b"text/plain; charset=utf-8";

impl Response {
    /// Answers `text`, with its length, beside the fields that are set. Only before the head is encoded.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`] or [`ResponseError::Closed`].
    pub fn answer(
        &mut self,
        status: u16,
        fields: &[(&str, &str)],
        text: &str,
        date: Date,
    ) -> Result<(), ResponseError> {
        self.describe(status, fields, text)?;
        self.begin(Some(text.len() as u64), date)?;
        if !text.is_empty() {
            self.write(text.as_bytes(), date)?;
        }
        // A HEAD request is complete with its first write.
        if self.is_over() { Ok(()) } else { self.finish(date) }
    }

    /// Describes an answer whose body is to be `text`, beside the fields that are set. Only before the head is encoded.
    ///
    /// # Errors
    /// [`ResponseError::HeadSent`] or [`ResponseError::Closed`].
    pub fn describe(&mut self, status: u16, fields: &[(&str, &str)], text: &str) -> Result<(), ResponseError> {
        for (name, value) in fields {
            self.fields_mut()?.set(name, value.as_bytes())?;
        }
        self.check_building()?;
        self.head.set_status(status);
        self.head.set_content_type(if text.is_empty() { b"" } else { TEXT });
        self.is_whole = true;
        self.options.coalesce = 0;
        Ok(())
    }
}
