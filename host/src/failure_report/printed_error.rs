//! Finds the error in what a guest has printed. Each language has its own form of it, here a file each.

mod go;
mod javascript;
mod python;
mod rust;

use std::ops::Range;

use super::stack::Frame;

/// An error as its language prints it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PrintedError {
    /// What is wrong, in one or more lines.
    pub(super) message: String,
    /// The place in the handler's source: `FILE:LINE`, or with a column. Empty if it is not known.
    pub(super) source: String,
    /// The stack, in the order in which the language prints it.
    pub(super) stack: Vec<Frame>,
    /// Which of the printed lines it is.
    pub(super) lines: Range<usize>,
}

/// A part of what was printed: the lines from an index on.
type Parser = fn(&[String], usize) -> Option<PrintedError>;

impl PrintedError {
    /// The last error in the lines: a handler may have printed others that it has handled.
    pub(super) fn last_in(printed: &[String]) -> Option<Self> {
        const PARSERS: [Parser; 5] = [python::traceback, javascript::exception, rust::panic, go::panic, assertion];
        let mut last: Option<Self> = None;
        let mut at = 0;
        while at < printed.len() {
            let Some(found) = PARSERS.iter().find_map(|parser| parser(printed, at)) else {
                at += 1;
                continue;
            };
            at = found.lines.end.max(at + 1);
            last = Some(match last {
                // The interpreter panics because of the error that it has printed.
                Some(cause) if python::is_end_of(&found) => Self { lines: cause.lines.start..found.lines.end, ..cause },
                _ => found,
            });
        }
        last
    }
}

/// An assertion of C that failed: `Assertion failed: EXPRESSION (FILE: FUNCTION: LINE)`.
fn assertion(printed: &[String], at: usize) -> Option<PrintedError> {
    let line = &printed[at];
    let (expression, place) = line.strip_prefix("Assertion failed: ")?.strip_suffix(')')?.rsplit_once(" (")?;
    let mut place = place.split(": ");
    let (file, function, number) = (place.next()?, place.next()?, place.next()?);
    number.parse::<u32>().ok()?;
    Some(PrintedError {
        message: format!("assertion failed: {expression}"),
        source: format!("{file}:{number}"),
        stack: vec![Frame::of_handler(format!("  {function} ({file}:{number})"))],
        lines: at..at + 1,
    })
}
