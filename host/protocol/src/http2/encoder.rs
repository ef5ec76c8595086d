//! One response on a stream of HTTP/2, as the parts of its frames until they are sent: the fields of the head, the payload
//! of DATA, and the end.
//!
//! Nothing is framed here. There is no chunked coding, and no field of the connection (RFC 9113 section 8.2.2).

use ::http::{HeaderMap, HeaderName, HeaderValue, header};
use bytes::{Buf, Bytes, BytesMut};

use crate::http::date::Date;
use crate::http::fields::{CONNECTION_FIELDS, Fields};
use crate::http::response_head::{BodyInfo, BodyLength, ResponseHead};
use crate::http::trailers::is_allowed_in_trailers;

#[cfg(test)]
mod tests;

/// The head of a response: its status and the fields of its HEADERS frame.
#[derive(Debug)]
pub struct Http2Head {
    /// The status.
    pub status: u16,
    /// The fields.
    pub fields: HeaderMap,
}

/// How the response ends.
#[derive(Debug)]
enum ResponseEnd {
    /// It has not ended.
    Open,
    /// It ends after the output, with these trailers.
    Ended(Option<Box<HeaderMap>>),
    /// The end is sent.
    Sent,
}

/// The encoder of one response on a stream.
#[derive(Debug)]
pub struct Http2Encoder {
    buffer_size: usize,
    /// The head, from when it is encoded until it is sent.
    head: Option<Box<Http2Head>>,
    /// Whether a `100 Continue` has to be sent first.
    continues: bool,
    end: ResponseEnd,
    /// Payload that is not sent yet.
    output: BytesMut,
}

impl Http2Encoder {
    /// An encoder that has encoded nothing, for pieces of at most `buffer_size` bytes.
    #[must_use]
    pub fn new(buffer_size: usize) -> Self {
        Self { buffer_size, head: None, continues: false, end: ResponseEnd::Open, output: BytesMut::new() }
    }

    /// Encodes the head, and returns the length of the body that the head declares, if it declares one.
    pub(crate) fn begin(&mut self, head: &ResponseHead, body: BodyInfo, date: Date) -> Option<u64> {
        let length = declared(body.length);
        let mut fields = HeaderMap::with_capacity(8);
        if !head.fields().contains("date") {
            push(&mut fields, "date", &date);
        }
        if let Some(content_type) = head.default_content_type() {
            push(&mut fields, "content-type", content_type);
        }
        for (name, value) in head.fields().iter() {
            push(&mut fields, name, value);
        }
        if let Some(length) = length {
            fields.insert(header::CONTENT_LENGTH, length.into());
        }
        self.head = Some(Box::new(Http2Head { status: head.status(), fields }));
        if !body.is_sent {
            self.end = ResponseEnd::Ended(None);
        }
        length.filter(|_| body.is_sent)
    }

    /// Whether the head declares the length of a body of that length.
    #[inline]
    pub(crate) fn declares(&self, length: BodyLength) -> bool {
        declared(length).is_some()
    }

    /// Appends a piece of the body to the output.
    pub(crate) fn encode(&mut self, piece: &[u8]) {
        self.output.extend_from_slice(piece);
    }

    /// Ends the body.
    pub(crate) fn finish(&mut self) {
        self.end = ResponseEnd::Ended(None);
    }

    /// Ends the body, with those trailers that are allowed.
    pub(crate) fn finish_with_trailers(&mut self, trailers: &Fields) {
        let mut fields = HeaderMap::new();
        for (name, value) in trailers.all().filter(|(name, _)| is_allowed_in_trailers(name)) {
            push(&mut fields, name, value);
        }
        self.end = ResponseEnd::Ended((!fields.is_empty()).then(|| Box::new(fields)));
    }

    /// Encodes `100 Continue`.
    pub(crate) fn interim_continue(&mut self) {
        self.continues = true;
    }

    /// The payload that is not sent yet.
    #[inline]
    pub(crate) fn output(&self) -> &[u8] {
        &self.output
    }

    /// Removes the first `sent` bytes of the output.
    #[inline]
    pub(crate) fn advance(&mut self, sent: usize) {
        self.output.advance(sent);
    }

    /// Whether another piece can be encoded: as in HTTP/1, at most four pieces or 64 KiB wait, or one piece if it is larger.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        let piece = self.buffer_size;
        self.output.len() < piece.saturating_mul(4).min(64 * 1024).max(piece)
    }

    /// Takes the output buffer with its content.
    pub(crate) fn take_buffer(&mut self) -> BytesMut {
        std::mem::take(&mut self.output)
    }

    /// Whether the encoder holds memory for its output.
    #[inline]
    pub(crate) fn has_buffer(&self) -> bool {
        self.output.capacity() > 0
    }

    /// Takes the `100 Continue`, if one has to be sent now.
    pub fn take_continue(&mut self) -> bool {
        std::mem::take(&mut self.continues)
    }

    /// Takes the head, if it is encoded and was not taken. It comes before everything else. `shared` is how many bytes of
    /// shared chunks wait behind the output. The second value says whether the response ends with the head.
    pub fn take_head(&mut self, shared: usize) -> Option<(Box<Http2Head>, bool)> {
        let head = self.head.take()?;
        self.continues = false;
        let ends = shared == 0 && self.ends_after(0);
        Some((head, ends))
    }

    /// Takes the first `most` bytes of the payload, without a copy. `shared` is as for [`Self::take_head`]. The second value
    /// says whether the response ends with these bytes.
    pub fn take_payload(&mut self, most: usize, shared: usize) -> (Bytes, bool) {
        let ends = shared == 0 && self.ends_after(most);
        let payload = match most >= self.output.len() {
            true => std::mem::take(&mut self.output),
            false => self.output.split_to(most),
        };
        (payload.freeze(), ends)
    }

    /// Takes the end of a response whose payload is all taken, if it has ended and the end was not taken before: its
    /// trailers, if there are any.
    pub fn take_end(&mut self) -> Option<Option<Box<HeaderMap>>> {
        if !self.output.is_empty() {
            return None;
        }
        match std::mem::replace(&mut self.end, ResponseEnd::Sent) {
            ResponseEnd::Open => {
                self.end = ResponseEnd::Open;
                None
            }
            ResponseEnd::Ended(trailers) => Some(trailers),
            ResponseEnd::Sent => None,
        }
    }

    /// Whether the response ends with the next `sent` bytes, and without trailers. Then its end counts as taken.
    fn ends_after(&mut self, sent: usize) -> bool {
        let ends = sent >= self.output.len() && matches!(self.end, ResponseEnd::Ended(None));
        if ends {
            self.end = ResponseEnd::Sent;
        }
        ends
    }
}

/// The length that a head declares: each that is known, since there is no other framing that could say it.
fn declared(length: BodyLength) -> Option<u64> {
    match length {
        BodyLength::Declared(length) | BodyLength::Known(length) => Some(length),
        BodyLength::None | BodyLength::Unknown => None,
    }
}

/// Adds a field. Names become lower case. Fields of the connection have no place here.
fn push(fields: &mut HeaderMap, name: &str, value: &[u8]) {
    if CONNECTION_FIELDS.iter().any(|of_connection| name.eq_ignore_ascii_case(of_connection)) {
        return;
    }
    if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(value)) {
        fields.append(name, value);
    }
}
