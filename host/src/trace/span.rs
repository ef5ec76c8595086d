//! A span: something that was done for a request, and how long it took.

use std::borrow::Cow;

use super::context::{SpanId, TraceId};

/// A span that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct SpanRecord {
    /// Its trace.
    pub trace: TraceId,
    /// Its id.
    pub id: SpanId,
    /// The span that it is a part of.
    pub parent: Option<SpanId>,
    /// The `tracestate` of its trace.
    pub state: Option<Box<str>>,
    /// What it is.
    pub kind: SpanKind,
    /// What it is called.
    pub name: Cow<'static, str>,
    /// When it has begun, in nanoseconds since 1970.
    pub start: u64,
    /// When it has ended.
    pub end: u64,
    /// What else is known.
    pub attributes: Vec<(&'static str, AttributeValue)>,
    /// Why it has failed, if it has.
    pub error: Option<String>,
}

/// What a span is, to other spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    /// A part of what the host does.
    Internal,
    /// A request of a client.
    Server,
    /// A request to another server.
    Client,
}

/// The value of an attribute.
#[derive(Debug, Clone, PartialEq)]
pub enum AttributeValue {
    /// Text.
    Text(String),
    /// A whole number.
    Integer(u64),
}

impl From<String> for AttributeValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for AttributeValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<u64> for AttributeValue {
    fn from(number: u64) -> Self {
        Self::Integer(number)
    }
}
