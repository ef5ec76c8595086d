//! A range of a whole body, if the request asks for one and the handler's response allows it.

use std::ops::Range;

use super::{Response, ResponseState};
use crate::http::date::Date;
use crate::http::head::RequestHead;
use crate::http::range::{self, RangeSelection};

/// What is sent of a whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SelectedRange {
    /// All of it.
    Whole,
    /// These bytes, and the head is that of a 206.
    Part(Range<usize>),
    /// Nothing: the response has to be a 416 with this value of `Content-Range`. The head is unchanged.
    Unsatisfiable(String),
}

impl Response {
    /// Selects what is sent of a whole body of `length` bytes to the sender of `request`, and changes the head to fit.
    /// Nothing may have been written.
    ///
    /// Ranges are only for a 200 to GET whose head declares the length of its body, and only if the handler has said that
    /// the bytes stay the same ([`range::are_offered`]). The head of such a response says `Accept-Ranges: bytes`.
    #[inline]
    pub fn select_range(&mut self, request: &RequestHead, length: usize, date: Date) -> SelectedRange {
        let is_plain = self.state == ResponseState::Building && self.head.status() == 200 && length > 0;
        if !is_plain || !self.encoder.declares(self.head.body_info(false, Some(length as u64)).length) {
            return SelectedRange::Whole;
        }
        self.select_of_declared(request, length, date)
    }

    fn select_of_declared(&mut self, request: &RequestHead, length: usize, date: Date) -> SelectedRange {
        let fields = self.head.fields();
        if !matches!(request.method(), "GET" | "HEAD") || !range::are_offered(fields) {
            return SelectedRange::Whole;
        }
        let selection = match self.asked(request, date) {
            Some(value) => range::select(value, length as u64),
            None => RangeSelection::Ignored,
        };
        let range = match selection {
            RangeSelection::Unsatisfiable => return SelectedRange::Unsatisfiable(format!("bytes */{length}")),
            RangeSelection::Ignored => None,
            // A range is within the length, so it fits.
            RangeSelection::Bytes(range) => Some(range.start as usize..range.end as usize),
        };
        let fields = self.head.fields_mut();
        // Without room for its fields the body is sent as if it had no ranges.
        let has_room = fields.contains("accept-ranges") || fields.set("Accept-Ranges", b"bytes").is_ok();
        let Some(range) = range.filter(|_| has_room) else { return SelectedRange::Whole };
        let told = format!("bytes {}-{}/{length}", range.start, range.end - 1);
        if fields.set("Content-Range", told.as_bytes()).is_err() {
            return SelectedRange::Whole;
        }
        fields.remove("content-length");
        self.head.set_status(206);
        self.is_whole = true;
        SelectedRange::Part(range)
    }

    /// The value of `Range`, if it is to be served.
    fn asked<'h>(&self, request: &'h RequestHead, date: Date) -> Option<&'h [u8]> {
        let mut values = request.values("range");
        let value = values.next().filter(|_| values.next().is_none() && request.method() == "GET")?;
        range::if_range_holds(request, self.head.fields(), &date).then_some(value)
    }
}
