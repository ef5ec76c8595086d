//! Forms that a browser sends: `application/x-www-form-urlencoded`. For files see [`multipart`].
//! [`Request::form`] reads both.
//!
//! ```no_run
//! use guest_sdk::{BodyError, Request, form::Form};
//!
//! fn signed(request: Request) -> Result<String, BodyError> {
//!     let form = Form::read(request, 16_384)?;
//!     Ok(format!("{} says: {}", form.get("name").unwrap_or("Somebody"), form.get("text").unwrap_or_default()))
//! }
//! ```

use crate::{BodyError, Request, RequestError, multipart, query};

/// The names and values of a form, decoded, in the order in which they were sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form(Vec<(String, String)>);

impl Form {
    /// Reads the body of the request as a form, at most `limit` bytes. Its `content-type` is not looked at.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLarge`] past the limit, or the reason why the body cannot be read.
    pub fn read(request: Request, limit: usize) -> Result<Self, BodyError> {
        let body = request.body().read_all(limit)?;
        Ok(Self::parse(&String::from_utf8_lossy(&body)))
    }

    /// The form of a request, by its type.
    pub(crate) fn of(request: Request, limit: usize) -> Result<Self, RequestError> {
        let content_type = request.field_text("content-type").unwrap_or_default();
        match multipart::media_type(&content_type).as_str() {
            "application/x-www-form-urlencoded" => Ok(Self::read(request, limit)?),
            "multipart/form-data" => {
                let (mut form, mut pairs) = (request.multipart(limit)?, Vec::new());
                while let Some(mut part) = form.next_part()? {
                    if part.filename().is_none() {
                        let text = part.text(limit)?;
                        pairs.push((part.name().to_owned(), text));
                    }
                }
                Ok(Self(pairs))
            }
            _ => Err(RequestError::new(415, "the body is no form")),
        }
    }

    /// Decodes a form. Invalid percent-encoding is left as it is, and bytes that are not UTF-8 are replaced by U+FFFD.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(query::pairs(text).collect())
    }

    /// The first value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::Form;

    #[test]
    fn a_form_has_the_first_value_of_a_name_and_all_of_them_in_order() {
        let form = Form::parse("name=Ada+L&text=a%26b&text=c&&flag");
        assert_eq!((form.get("name"), form.get("text"), form.get("flag")), (Some("Ada L"), Some("a&b"), Some("")));
        assert_eq!(form.get("none"), None);
        assert_eq!(form.iter().map(|(name, _)| name).collect::<Vec<_>>(), ["name", "text", "text", "flag"]);
    }
}
