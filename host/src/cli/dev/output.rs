//! What a build prints: to the terminal as it is, and its beginning and its end for pages.

use std::collections::VecDeque;

/// How many bytes of the beginning and of the end are kept. The first error is the one that matters.
const MAX_HEAD_BYTES: usize = 32 * 1024;
const MAX_TAIL_BYTES: usize = 16 * 1024;

/// The beginning and the end of what was printed.
#[derive(Debug, Default)]
pub(super) struct BoundedOutput {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: usize,
}

impl BoundedOutput {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let free = MAX_HEAD_BYTES - self.head.len();
        let (head, rest) = bytes.split_at(free.min(bytes.len()));
        self.head.extend_from_slice(head);
        // Only the end of it can stay.
        let skipped = rest.len().saturating_sub(MAX_TAIL_BYTES);
        self.tail.extend(&rest[skipped..]);
        let excess = self.tail.len().saturating_sub(MAX_TAIL_BYTES);
        self.tail.drain(..excess);
        self.dropped += skipped + excess;
    }

    /// As text without colours, and without what else controls a terminal.
    pub(super) fn text(&self) -> String {
        let (front, back) = self.tail.as_slices();
        let mut bytes = self.head.clone();
        if self.dropped > 0 {
            bytes.extend_from_slice(format!("\n... {} bytes are left out ...\n", self.dropped).as_bytes());
        }
        bytes.extend_from_slice(front);
        bytes.extend_from_slice(back);
        plain(&String::from_utf8_lossy(&bytes))
    }
}

/// Text without escape sequences and control characters, except line breaks and tabs.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '\x1b' => match chars.next() {
                // A control sequence ends with a letter or one of `@[\]^_`{|}~` (ECMA-48).
                Some('[') => while chars.next().is_some_and(|char| !('\x40'..='\x7e').contains(&char)) {},
                // A command of the operating system, such as a link, ends with BEL or with ESC and `\`.
                Some(']') => while chars.next().is_some_and(|char| char != '\x07' && char != '\\') {},
                Some(_) | None => {}
            },
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' | '\t' => plain.push(char),
            char if host::text::is_plain(char) => plain.push(char),
            _ => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_and_the_end_are_kept_within_bounds() {
        let mut output = BoundedOutput::default();
        output.push(b"first\n");
        assert_eq!(output.text(), "first\n");
        for _ in 0..1000 {
            output.push(&[b'x'; 1000]);
        }
        output.push(&[b'y'; 100_000]);
        output.push(b"\nlast");
        let text = output.text();
        assert!(text.len() < MAX_HEAD_BYTES + MAX_TAIL_BYTES + 100);
        assert!(text.starts_with("first\nxxx") && text.ends_with("y\nlast"), "{text}");
        let left_out = 6 + 1_000_000 + 100_000 + 5 - MAX_HEAD_BYTES - MAX_TAIL_BYTES;
        assert!(text.contains(&format!("\n... {left_out} bytes are left out ...\n")), "{text}");
    }

    #[test]
    fn colours_and_controls_are_removed_and_the_text_stays() {
        let mut output = BoundedOutput::default();
        output.push(
            "\x1b[1m\x1b[38;5;9merror\x1b[0m: \x1b]8;;http://x\x1b\\E0308\x1b]8;;\x07 \u{7}\u{202e}é\r\n\tat\x1b"
                .as_bytes(),
        );
        output.push(&[0xff]);
        assert_eq!(output.text(), "error: E0308 é\n\tat\u{fffd}".replace("at\u{fffd}", "at"));
    }
}
