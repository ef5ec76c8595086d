//! Writes a request and its response as a file of requests.

use std::fmt::Write as _;

use super::{FileRequest, ReceivedResponse, escape};

/// The largest body of a response that is recorded whole, in bytes.
const MAX_BODY_BYTES: usize = 4096;

/// The request, and the response as what is expected: its status, its type and its body.
#[must_use]
pub fn record(request: &FileRequest, response: &ReceivedResponse) -> String {
    let mut text = format!("### {} {}\n", request.method, request.target);
    // Writing to a `String` never fails.
    let mut line = |arguments: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{arguments}");
    };
    match response.status {
        None => line(format_args!("# expect closed")),
        Some(status) => {
            line(format_args!("# expect status {status}"));
            let content_type = response.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
            if let Some((_, value)) = content_type {
                line(format_args!("# expect field content-type {}", String::from_utf8_lossy(value)));
            }
            match (response.is_truncated, response.body.len()) {
                (true, _) => line(format_args!("# expect truncated")),
                (false, ..=MAX_BODY_BYTES) => line(format_args!("# expect body {}", escape(&response.body))),
                (false, bytes) => line(format_args!("# The body had {bytes} bytes.")),
            }
        }
    }
    let body = request.body.as_deref().unwrap_or_default();
    let plain = str::from_utf8(body).ok().filter(|body| is_plain(body));
    if plain.is_none() {
        line(format_args!("# body {}", escape(body)));
    }
    line(format_args!("{} {}", request.method, request.target));
    request.fields.iter().for_each(|(name, value)| line(format_args!("{name}: {value}")));
    if let Some(body) = plain.filter(|body| !body.is_empty()) {
        line(format_args!("\n{body}"));
    }
    text
}

/// Whether a body is read as it is if it is written below the fields.
fn is_plain(body: &str) -> bool {
    !body.ends_with('\n')
        && body.lines().all(|line| !line.starts_with("###"))
        && !body.chars().any(|character| character.is_control() && character != '\n' && character != '\t')
}
