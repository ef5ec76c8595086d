//! Makes untrusted text fit for people: escapes and truncates it.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

/// Escapes every character of `text` that is not plain, for a log line or a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for char in text.chars() {
        match is_plain(char) {
            true => printable.push(char),
            false => printable.extend(char.escape_default()),
        }
    }
    printable
}

/// Whether a character is safe to print: it does not end a line, control a terminal, or change the order of displayed
/// text (the bidirectional controls of Unicode Standard Annex 9).
#[must_use]
pub fn is_plain(char: char) -> bool {
    let changes_order =
        matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}');
    let ends_line = matches!(char, '\u{2028}' | '\u{2029}');
    !char.is_control() && !changes_order && !ends_line
}

/// A time in UTC as `HH:MM:SS`.
#[must_use]
pub fn time_of_day(time: SystemTime) -> String {
    // A clock may be set to before 1970.
    let time = humantime::format_rfc3339_seconds(time.max(UNIX_EPOCH)).to_string();
    time.split(['T', 'Z']).nth(1).unwrap_or_default().to_owned()
}

/// The first `max_bytes` bytes of `text`, followed by `...` if it is longer. Does not split a character.
#[must_use]
pub fn excerpt(text: &str, max_bytes: usize) -> Cow<'_, str> {
    match text.len() <= max_bytes {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("{}...", &text[..text.floor_char_boundary(max_bytes)])),
    }
}
