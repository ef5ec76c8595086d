//! Files of requests (`.http`), as editors send them, with what is expected of the responses.
//!
//! ```text
//! ### Who is greeted
//! # expect status 200
//! # expect body Hello, Ada!\n
//! GET /greet/Ada
//! Accept: text/plain
//! ```
//!
//! Requests are separated by lines that begin with `###`. A request is its line, its fields, an empty line and its body. Lines
//! before the body that begin with `#` or `//` are comments, and those that begin with `# expect ` are expectations.

mod escape;
mod expectation;
mod record;
#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::http::grammar::{is_field_value, is_token};
use crate::text::{excerpt, printable};

pub use escape::{escape, unescape};
pub use expectation::{Expectation, FieldLine, ReceivedResponse};
pub use record::record;

/// The most bytes of a wrong line that a message quotes.
const MAX_QUOTED_BYTES: usize = 64;

/// What separates requests.
const SEPARATOR: &str = "###";

/// One request of a file. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRequest {
    /// The line of the request line.
    pub line: usize,
    /// What follows `###`, if anything does.
    pub name: Option<String>,
    /// The method.
    pub method: String,
    /// The target: a path and a query.
    pub target: String,
    /// The fields in order. If the target was a URL, `Host` is the first of them.
    pub fields: Vec<(String, String)>,
    /// The body. `None` if there is none.
    pub body: Option<Vec<u8>>,
    /// What is expected of the response, each with its line.
    pub expectations: Vec<(usize, Expectation)>,
}

/// A mistake in a file. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {fault}")]
pub struct HttpFileError {
    /// Where it is.
    pub line: usize,
    /// What is wrong.
    pub fault: HttpFileFault,
}

/// What is wrong in a file of requests.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HttpFileFault {
    /// No method and target.
    #[error("`{0}` is no request line; write a method and a path, as in `GET /hello`")]
    RequestLine(String),
    /// No name and value.
    #[error("`{0}` is no field; write `Name: value`, and an empty line before a body")]
    Field(String),
    /// No expectation.
    #[error(
        "`{0}` is no expectation; write `status CODE`, `field NAME VALUE`, `field NAME`, `no field NAME`, `body TEXT`, \
         `body contains TEXT`, `closed` or `truncated` behind `# expect`"
    )]
    Expectation(String),
    /// A backslash with something else behind it than an escape.
    #[error("`{0}` has a backslash that begins no escape; write \\\\, \\n, \\r, \\t or \\x and two hexadecimal digits")]
    Escape(String),
    /// Expectations and no request below them.
    #[error("there is no request for what is expected here; write its line below")]
    NoRequest,
    /// `# body` and a body.
    #[error("there is a body in a comment and another below the fields; keep one")]
    TwoBodies,
}

/// Reads the requests of a file.
///
/// # Errors
/// The first mistake.
pub fn parse(text: &str) -> Result<Vec<FileRequest>, HttpFileError> {
    let mut requests = Vec::new();
    let mut section = Section::default();
    for (line, text) in (1..).zip(text.strip_prefix('\u{feff}').unwrap_or(text).split('\n')) {
        let text = text.strip_suffix('\r').unwrap_or(text);
        match text.strip_prefix(SEPARATOR) {
            Some(name) => {
                requests.extend(std::mem::take(&mut section).end()?);
                let name = name.trim_start_matches('#').trim();
                section.name = (!name.is_empty()).then(|| name.to_owned());
            }
            None => section.line(line, text)?,
        }
    }
    requests.extend(section.end()?);
    Ok(requests)
}

/// The lines between two separators, as far as they are read.
#[derive(Debug, Default)]
struct Section {
    name: Option<String>,
    request: Option<FileRequest>,
    /// The lines of the body, once the empty line before it was read.
    body: Option<Vec<String>>,
    /// The body that a comment has.
    commented_body: Option<(usize, Vec<u8>)>,
    expectations: Vec<(usize, Expectation)>,
}

impl Section {
    fn line(&mut self, line: usize, text: &str) -> Result<(), HttpFileError> {
        if let Some(body) = &mut self.body {
            body.push(text.to_owned());
            return Ok(());
        }
        if let Some(comment) = text.strip_prefix('#') {
            return self.comment(line, comment);
        }
        match &mut self.request {
            _ if text.starts_with("//") => Ok(()),
            None if text.trim().is_empty() => Ok(()),
            None => {
                self.request = Some(request_line(line, text)?);
                Ok(())
            }
            Some(_) if text.is_empty() => {
                self.body = Some(Vec::new());
                Ok(())
            }
            Some(request) => {
                request.fields.push(field(line, text)?);
                Ok(())
            }
        }
    }

    fn comment(&mut self, line: usize, comment: &str) -> Result<(), HttpFileError> {
        let comment = comment.strip_prefix(' ').unwrap_or(comment);
        let unescaped = |text: &str| {
            unescape(text).ok_or_else(|| HttpFileError { line, fault: HttpFileFault::Escape(quoted(text)) })
        };
        if let Some(body) = comment.strip_prefix("body ") {
            self.commented_body = Some((line, unescaped(body)?));
        } else if let Some(expected) = comment.strip_prefix("expect ") {
            let expectation = Expectation::parse(expected).map_err(|fault| HttpFileError { line, fault })?;
            self.expectations.push((line, expectation));
        }
        Ok(())
    }

    fn end(self) -> Result<Option<FileRequest>, HttpFileError> {
        let Self { name, request, body, commented_body, expectations } = self;
        let Some(mut request) = request else {
            return match expectations.first() {
                Some((line, _)) => Err(HttpFileError { line: *line, fault: HttpFileFault::NoRequest }),
                None => Ok(None),
            };
        };
        // Empty lines at the end are for readers.
        let body = body.map(|lines| lines.join("\n").trim_end_matches('\n').to_owned().into_bytes());
        request.body = match (body.filter(|body| !body.is_empty()), commented_body) {
            (Some(_), Some((line, _))) => return Err(HttpFileError { line, fault: HttpFileFault::TwoBodies }),
            (body, commented) => body.or(commented.map(|(_, body)| body)),
        };
        (request.name, request.expectations) = (name, expectations);
        Ok(Some(request))
    }
}

/// `GET /path`, `GET http://host/path HTTP/1.1`, or a URL alone, which is a GET.
fn request_line(line: usize, text: &str) -> Result<FileRequest, HttpFileError> {
    let wrong = || HttpFileError { line, fault: HttpFileFault::RequestLine(quoted(text)) };
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let (method, target) = match words.as_slice() {
        [target] => ("GET", *target),
        [method, target] | [method, target, "HTTP/1.1"] => (*method, *target),
        _ => return Err(wrong()),
    };
    let (host, target) = match target.strip_prefix("http://").or_else(|| target.strip_prefix("https://")) {
        Some(rest) => {
            let (host, _) = rest.split_once(['/', '?']).unwrap_or((rest, ""));
            let behind = &rest[host.len()..];
            let target = if behind.starts_with('/') { behind.to_owned() } else { format!("/{behind}") };
            (Some(host), target)
        }
        None => (None, target.to_owned()),
    };
    let is_visible = target.bytes().all(|byte| byte.is_ascii_graphic()) && (target.starts_with('/') || target == "*");
    if !is_token(method.as_bytes()) || !is_visible || host.is_some_and(str::is_empty) {
        return Err(wrong());
    }
    let fields = host.map(|host| ("Host".to_owned(), host.to_owned())).into_iter().collect();
    let method = method.to_owned();
    Ok(FileRequest { line, name: None, method, target, fields, body: None, expectations: Vec::new() })
}

fn field(line: usize, text: &str) -> Result<(String, String), HttpFileError> {
    let parsed = text.split_once(':').map(|(name, value)| (name, value.trim()));
    match parsed.filter(|(name, value)| is_token(name.as_bytes()) && is_field_value(value.as_bytes())) {
        Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
        None => Err(HttpFileError { line, fault: HttpFileFault::Field(quoted(text)) }),
    }
}

/// A part of a file for a message.
fn quoted(text: &str) -> String {
    printable(&excerpt(text, MAX_QUOTED_BYTES))
}
