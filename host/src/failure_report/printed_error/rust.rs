//! A panic of Rust.

use super::PrintedError;

/// `thread 'NAME' (ID) panicked at FILE:LINE:COLUMN:`, the message on the next lines, and a note at the first panic.
pub(super) fn panic(printed: &[String], at: usize) -> Option<PrintedError> {
    let source = place(&printed[at])?;
    let length = printed[at + 1..].iter().take_while(|line| !is_note(line) && place(line).is_none()).count();
    let message = printed[at + 1..at + 1 + length].join("\n");
    let mut end = at + 1 + length;
    end += usize::from(printed.get(end).is_some_and(|line| is_note(line)));
    let message = if message.is_empty() { "panic".to_owned() } else { format!("panic: {message}") };
    Some(PrintedError { message, source: source.to_owned(), stack: Vec::new(), lines: at..end })
}

/// The place that the first line of a panic names.
pub(super) fn place(line: &str) -> Option<&str> {
    let place = line.strip_prefix("thread '")?.split_once(" panicked at ")?.1.strip_suffix(':')?;
    place.contains(':').then_some(place)
}

fn is_note(line: &str) -> bool {
    line.starts_with("note: run with `RUST_BACKTRACE=")
}
