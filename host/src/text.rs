//! Makes untrusted text fit for people: escapes and truncates it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

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

/// A time in UTC as RFC 3339 has it, to the second. One before 1970 is that of 1970, and one after the year 9999 is its end.
#[must_use]
pub fn date_and_time(time: SystemTime) -> String {
    // Clocks and files may have any time.
    let end = UNIX_EPOCH + Duration::from_secs(253_402_300_799);
    humantime::format_rfc3339_seconds(time.clamp(UNIX_EPOCH, end)).to_string()
}

/// A time in UTC as `HH:MM:SS`.
#[must_use]
pub fn time_of_day(time: SystemTime) -> String {
    let time = date_and_time(time);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_time_can_be_written() {
        let at = |seconds: u64| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)).expect("the system has it");
        assert_eq!(date_and_time(at(86_399)), "1970-01-01T23:59:59Z");
        assert_eq!(date_and_time(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00Z");
        assert_eq!(date_and_time(at(300_000_000_000)), "9999-12-31T23:59:59Z");
        assert_eq!(time_of_day(at(300_000_000_000)), "23:59:59");
    }
}
