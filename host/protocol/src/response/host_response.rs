//! Responses of the host's own: a text whose length is known.

use super::{Response, ResponseError};
use crate::http::date::Date;

/// The content type of the host's texts.
const TEXT: &[u8] = b"text/plain; charset=utf-8";

impl Response {
    /// Completes the response with `text` as its body. The fields that were set before stay. The head must not be
    /// encoded yet.
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
        // The first write has already completed a response to HEAD.
        if self.is_over() { Ok(()) } else { self.finish(date) }
    }

    /// Sets the head for a response with `text` as its body. The fields that were set before stay. The head must not be
    /// encoded yet.
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
