//! Text that strangers have made, in a form that is fit for people: escaped, and cut to a bound.

use std::borrow::Cow;

/// `text` with every character escaped that does not stand for itself alone: fit for a line of a log, and for a terminal.
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

/// Whether a character stands for itself alone: it ends no line, drives no terminal, and does not change the order in
/// which others are shown (the bidirectional controls of Unicode Standard Annex 9).
#[must_use]
pub fn is_plain(char: char) -> bool {
    let changes_order =
        matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}');
    let ends_line = matches!(char, '\u{2028}' | '\u{2029}');
    !char.is_control() && !changes_order && !ends_line
}

/// The first `max_bytes` bytes of `text`, and `...` if there were more. No character is split.
#[must_use]
pub fn excerpt(text: &str, max_bytes: usize) -> Cow<'_, str> {
    match text.len() <= max_bytes {
        true => Cow::Borrowed(text),
        false => Cow::Owned(format!("{}...", &text[..text.floor_char_boundary(max_bytes)])),
    }
}
