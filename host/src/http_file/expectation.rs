//! What is expected of a response, and how it compares with the one that came.

use super::{HttpFileFault, escape, quoted, unescape};
use crate::http::grammar::is_token;
use crate::text::excerpt;

/// The most bytes of a body that a report shows.
const MAX_SHOWN_BYTES: usize = 200;

/// What is expected of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// This status.
    Status(u16),
    /// A line of this field, with this value if one is given.
    Field(String, Option<String>),
    /// No line of this field.
    NoField(String),
    /// This body.
    Body(Vec<u8>),
    /// A body that has this in it.
    BodyContains(Vec<u8>),
    /// A connection that is closed without a response.
    Closed,
    /// A response that breaks off.
    Truncated,
}

/// A response as a client has received it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReceivedResponse {
    /// The status. `None` if no response came.
    pub status: Option<u16>,
    /// The fields in order.
    pub fields: Vec<FieldLine>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// Whether the response broke off.
    pub is_truncated: bool,
}

/// The name and the value of a field.
pub type FieldLine = (String, Vec<u8>);

impl Expectation {
    /// Reads what follows `# expect `.
    pub(super) fn parse(text: &str) -> Result<Self, HttpFileFault> {
        let wrong = || HttpFileFault::Expectation(quoted(text));
        let unescaped = |text: &str| unescape(text).ok_or_else(|| HttpFileFault::Escape(quoted(text)));
        let name = |name: &str| {
            let name = name.trim_end_matches(':');
            if is_token(name.as_bytes()) { Ok(name.to_owned()) } else { Err(wrong()) }
        };
        let text = text.trim_start();
        match text.split_once(' ').unwrap_or((text, "")) {
            ("status", code) => {
                let code = code.trim().parse().ok().filter(|code| (100..=999).contains(code));
                code.map(Self::Status).ok_or_else(wrong)
            }
            ("field", line) => match line.trim().split_once([' ', '\t']) {
                Some((field, value)) => Ok(Self::Field(name(field)?, Some(value.trim().to_owned()))),
                None => Ok(Self::Field(name(line.trim())?, None)),
            },
            ("no", line) => {
                let field = line.trim().strip_prefix("field ").ok_or_else(wrong)?;
                Ok(Self::NoField(name(field.trim())?))
            }
            ("body", body) => match body.strip_prefix("contains ") {
                Some(part) => Ok(Self::BodyContains(unescaped(part)?)),
                None => Ok(Self::Body(unescaped(body)?)),
            },
            ("closed", "") => Ok(Self::Closed),
            ("truncated", "") => Ok(Self::Truncated),
            _ => Err(wrong()),
        }
    }

    /// What came in place of what is expected. `None` if that came.
    #[must_use]
    pub fn mismatch(&self, response: &ReceivedResponse) -> Option<String> {
        let (expected, got) = match self {
            Self::Closed if response.status.is_none() => return None,
            Self::Closed => ("a closed connection without a response".to_owned(), told_status(response)),
            _ if response.status.is_none() => ("a response".to_owned(), told_status(response)),
            Self::Status(code) if response.status == Some(*code) => return None,
            Self::Status(code) => (format!("status {code}"), told_status(response)),
            Self::Field(name, None) if values(response, name).next().is_some() => return None,
            Self::Field(name, Some(value)) if values(response, name).any(|it| it == value.as_bytes()) => return None,
            Self::Field(name, value) => {
                let value = value.as_ref().map_or_else(String::new, |value| format!(": {value}"));
                (format!("the field {name}{value}"), told_field(response, name))
            }
            Self::NoField(name) if values(response, name).next().is_none() => return None,
            Self::NoField(name) => (format!("no field {name}"), told_field(response, name)),
            Self::Body(body) if *body == response.body => return None,
            Self::Body(body) => (format!("the body `{}`", shown(body)), told_body(response)),
            Self::BodyContains(part) if memchr::memmem::find(&response.body, part).is_some() => return None,
            Self::BodyContains(part) => (format!("a body with `{}` in it", shown(part)), told_body(response)),
            Self::Truncated if response.is_truncated => return None,
            Self::Truncated => ("a response that breaks off".to_owned(), "a complete one".to_owned()),
        };
        Some(format!("expected {expected}, got {got}"))
    }
}

impl ReceivedResponse {
    /// What is wrong with it if nothing in particular is expected: it is not complete, or its status is 400 or more.
    /// `expectations` are those that there are.
    #[must_use]
    pub fn unexpected(&self, expectations: &[(usize, Expectation)]) -> Option<String> {
        let has = |is: fn(&Expectation) -> bool| expectations.iter().any(|(_, expectation)| is(expectation));
        if self.is_truncated && !has(|it| matches!(it, Expectation::Truncated)) {
            return Some("expected a complete response, got one that breaks off".to_owned());
        }
        let is_bad = match self.status {
            Some(status) => status >= 400 && !has(|it| matches!(it, Expectation::Status(_))),
            None => expectations.is_empty(),
        };
        is_bad.then(|| format!("expected a status below 400, got {}", told_status(self)))
    }
}

fn values<'r>(response: &'r ReceivedResponse, name: &str) -> impl Iterator<Item = &'r [u8]> {
    let lines = response.fields.iter().filter(move |(it, _)| it.eq_ignore_ascii_case(name));
    lines.map(|(_, value)| value.as_slice())
}

fn told_status(response: &ReceivedResponse) -> String {
    response.status.map_or_else(|| "a closed connection without a response".to_owned(), |status| format!("{status}"))
}

fn told_field(response: &ReceivedResponse, name: &str) -> String {
    let values: Vec<String> = values(response, name).map(shown).collect();
    if values.is_empty() { "none".to_owned() } else { values.join(" and ") }
}

fn told_body(response: &ReceivedResponse) -> String {
    format!("`{}`", shown(&response.body))
}

/// Bytes for a report.
fn shown(bytes: &[u8]) -> String {
    excerpt(&escape(&bytes[..bytes.len().min(MAX_SHOWN_BYTES + 1)]), MAX_SHOWN_BYTES).into_owned()
}
