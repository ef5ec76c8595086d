//! An exception of JavaScript: as QuickJS in componentize-qjs reports it, or StarlingMonkey in componentize-js.

use super::super::stack::Frame;
use super::{PrintedError, rust};

/// What StarlingMonkey prints before the message.
const STARLING: [&str; 3] =
    ["Error while running request handler: ", "Uncaught exception: ", "Exception while evaluating top-level script: "];

/// An exception that nobody has caught.
pub(super) fn exception(printed: &[String], at: usize) -> Option<PrintedError> {
    quickjs(printed, at).or_else(|| starling(printed, at))
}

/// A panic with a value of Rust as its message:
/// `Failed to call 'NAME': Exception(Exception { message: Some("…"), stack: Some("…") })`, or `Value(…)` if what was thrown is no `Error`.
fn quickjs(printed: &[String], at: usize) -> Option<PrintedError> {
    let panic = rust::panic(printed, at)?;
    let thrown = panic.message.strip_prefix("panic: Failed to call '")?.split_once("': ")?.1;
    if let Some(value) = thrown.strip_prefix("Value(") {
        let value = value.strip_suffix(')').unwrap_or(value);
        let text = value.strip_prefix("String(Ok(").and_then(|text| Some(quoted(text)?.0));
        let message = text.map_or_else(|| format!("thrown: {value}"), |text| format!("thrown: {text:?}"));
        return Some(PrintedError { message, lines: panic.lines, ..PrintedError::default() });
    }
    let (message, rest) = quoted(thrown.strip_prefix("Exception(Exception { message: Some(")?)?;
    let stack = rest.strip_prefix("), stack: Some(").and_then(|stack| Some(quoted(stack)?.0)).unwrap_or_default();
    let mut error = PrintedError { message, lines: panic.lines, ..PrintedError::default() };
    for line in stack.lines().filter(|line| !line.trim().is_empty()) {
        // `    at inner (/app.js:10:10)`: the component has its files in the root directory.
        let place = line.rsplit_once(['(', ' ']).map_or("", |(_, place)| place.trim_end_matches(')'));
        error.push(line.replacen("(/", "(", 1), place.trim_start_matches('/'));
    }
    Some(error)
}

/// The message, `Stack:`, and a line such as `  look_up@app.js:1:44` for each frame.
fn starling(printed: &[String], at: usize) -> Option<PrintedError> {
    let message = STARLING.iter().find_map(|start| printed[at].strip_prefix(start))?;
    let mut error = PrintedError { message: message.to_owned(), lines: at..at + 1, ..PrintedError::default() };
    let mut rest = printed[at + 1..].iter().peekable();
    if rest.next_if(|line| *line == "Stack:").is_some() {
        error.lines.end += 1;
        while let Some(line) = rest.next_if(|line| line.starts_with(' ')) {
            error.lines.end += 1;
            error.push(line.clone(), line.rsplit_once('@').map_or("", |(_, place)| place));
        }
    }
    Some(error)
}

impl PrintedError {
    /// Adds a frame; the first that has a place in a file is where the error is.
    fn push(&mut self, line: String, place: &str) {
        let is_place =
            place.contains(':') && place.ends_with(|char: char| char.is_ascii_digit()) && !place.starts_with('<');
        // A class of errors has a frame of its own, for its constructor.
        let is_constructor = line.split_once(" (").is_some_and(|(function, _)| function.ends_with("Error"));
        if self.source.is_empty() && is_place && !is_constructor {
            self.source = place.to_owned();
        }
        self.stack.push(if is_place { Frame::of_handler(line) } else { Frame::of_runtime(line) });
    }
}

/// A string as Rust's `Debug` prints it, and what follows it.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.strip_prefix('"')?.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 2..])),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                't' => value.push(' '),
                // What would control a terminal stays escaped.
                'u' => value.push_str("\\u"),
                escaped @ ('"' | '\'' | '\\') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            char => value.push(char),
        }
    }
    None
}
