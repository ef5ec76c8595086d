//! Multipart forms (`multipart/form-data`, RFC 7578), with which browsers send files. They are read part by part, in no more
//! memory than a piece of the body takes.
//!
//! ```no_run
//! use guest_sdk::{Request, RequestError};
//!
//! fn sizes(request: Request) -> Result<String, RequestError> {
//!     let mut text = String::new();
//!     let mut form = request.multipart(1_000_000_000)?;
//!     while let Some(mut part) = form.next_part()? {
//!         let mut length = 0;
//!         while let Some(piece) = part.next_piece()? {
//!             length += piece.len();
//!         }
//!         text += &format!("{}: {length} bytes\n", part.filename().unwrap_or(part.name()));
//!     }
//!     Ok(text)
//! }
//! ```

mod parser;

use std::io;

use self::parser::{Event, Head, Mistake, Parser};
use crate::{Body, Request, RequestError, charset};

pub(crate) use self::parser::parameter;

/// A form that is read part by part.
///
/// A form has at most 1000 parts, and the fields of a part have at most 16 KiB.
#[derive(Debug)]
pub struct Multipart {
    body: Body,
    parser: Parser,
    limit: usize,
    left: usize,
    /// Whether a part is not read to its end.
    is_in_part: bool,
}

/// A part of a form: a field, or a file.
#[derive(Debug)]
pub struct Part<'f> {
    head: Head,
    form: &'f mut Multipart,
}

impl Multipart {
    /// The form of a request. `limit` is the most bytes of its body.
    pub(crate) fn of(request: Request, limit: usize) -> Result<Self, RequestError> {
        let content_type = request.field_text("content-type").unwrap_or_default();
        let boundary = parameter(&content_type, "boundary").unwrap_or_default();
        if media_type(&content_type) != "multipart/form-data" || boundary.is_empty() {
            return Err(RequestError::new(415, "the body is no multipart form"));
        }
        let parser = Parser::new(boundary.as_bytes()).map_err(refused)?;
        Ok(Self { body: request.body(), parser, limit, left: limit, is_in_part: false })
    }

    /// The next part. What was not read of the one before is passed over.
    ///
    /// # Errors
    ///
    /// 400 if the form is malformed or ends too early, 413 past a bound, or why the body cannot be read.
    pub fn next_part(&mut self) -> Result<Option<Part<'_>>, RequestError> {
        while self.is_in_part {
            self.piece(usize::MAX)?;
        }
        match self.event(usize::MAX)? {
            Event::Part(head) => {
                self.is_in_part = true;
                Ok(Some(Part { head, form: self }))
            }
            _ => Ok(None),
        }
    }

    /// The next piece of the part.
    fn piece(&mut self, max: usize) -> Result<Option<Vec<u8>>, RequestError> {
        if !self.is_in_part {
            return Ok(None);
        }
        if let Event::Data(data) = self.event(max)? {
            return Ok(Some(data));
        }
        self.is_in_part = false;
        Ok(None)
    }

    fn event(&mut self, max: usize) -> Result<Event, RequestError> {
        loop {
            match self.parser.next(max).map_err(refused)? {
                Event::NeedMore => {}
                event => return Ok(event),
            }
            let Some(piece) = self.body.next_piece(u32::MAX)? else {
                return Err(RequestError::new(400, "the multipart form ends too early"));
            };
            let Some(left) = self.left.checked_sub(piece.len()) else {
                return Err(RequestError::new(413, format!("the multipart form has more than {} bytes", self.limit)));
            };
            self.left = left;
            self.parser.feed(&piece);
        }
    }
}

impl Part<'_> {
    /// The name of the form's field.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// The name of a file, as the client says it: never a path to write to. `None` if the part is no file.
    #[must_use]
    pub fn filename(&self) -> Option<&str> {
        self.head.filename.as_deref()
    }

    /// The media type, which is `text/plain` if the part has none.
    #[must_use]
    pub fn content_type(&self) -> &str {
        self.head.content_type.as_deref().unwrap_or("text/plain")
    }

    /// The next piece, which is not empty. `None` at the end of the part.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next_part`].
    pub fn next_piece(&mut self) -> Result<Option<Vec<u8>>, RequestError> {
        self.form.piece(usize::MAX)
    }

    /// The remainder of the part, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next_part`], and 413 past the limit.
    pub fn read_all(&mut self, limit: usize) -> Result<Vec<u8>, RequestError> {
        let mut all = Vec::new();
        while let Some(piece) = self.next_piece()? {
            if piece.len() > limit - all.len() {
                return Err(RequestError::new(413, format!("a part of the form has more than {limit} bytes")));
            }
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    /// The remainder of the part as text in UTF-8, of at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// As [`read_all`](Self::read_all), and 400 if it is not UTF-8.
    pub fn text(&mut self, limit: usize) -> Result<String, RequestError> {
        charset::decode(self.read_all(limit)?, "utf-8")
    }
}

impl Iterator for Part<'_> {
    type Item = Result<Vec<u8>, RequestError>;

    fn next(&mut self) -> Option<Self::Item> {
        let piece = self.next_piece().transpose();
        // An iterator that repeats an error would never end.
        self.form.is_in_part &= !matches!(piece, Some(Err(_)));
        piece
    }
}

impl io::Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let piece = self.form.piece(buffer.len())?.unwrap_or_default();
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// The media type of a field such as `text/plain; charset=utf-8`, in lower case.
pub(crate) fn media_type(content_type: &str) -> String {
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn refused(mistake: Mistake) -> RequestError {
    let (status, message) = match mistake {
        Mistake::Boundary => (400, "the boundary of the multipart form has not 1 to 70 bytes"),
        Mistake::Delimiter => (400, "a delimiter of the multipart form is malformed"),
        Mistake::Name => (400, "a part of the multipart form has no name"),
        Mistake::Head => (413, "the fields of a part of the multipart form are too large"),
        Mistake::Parts => (413, "the multipart form has too many parts"),
    };
    RequestError::new(status, message)
}
