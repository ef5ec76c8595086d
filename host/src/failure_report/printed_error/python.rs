//! A traceback of Python.

use super::super::stack::Frame;
use super::PrintedError;
use super::rust;

/// The first line of a traceback.
const START: &str = "Traceback (most recent call last):";

/// What CPython prints between an exception and one that was raised because of it.
const LINKS: [&str; 2] = [
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
];

/// Where componentize-py has the standard library and its own bindings.
const RUNTIME: [&str; 4] = ["/python/", "/world/", "/bundled/", "<frozen "];

/// A traceback, with those of the exceptions that caused it.
pub(super) fn traceback(printed: &[String], at: usize) -> Option<PrintedError> {
    if printed[at] != START {
        return None;
    }
    let mut error = PrintedError { lines: at..at + 1, ..PrintedError::default() };
    loop {
        read(printed, &mut error);
        let end = error.lines.end;
        let links = printed.get(end).is_some_and(|line| LINKS.contains(&line.as_str()));
        if !links || printed.get(end + 1).is_none_or(|line| line != START) {
            return Some(error);
        }
        // The message so far is that of a cause, and the place is in the traceback of the effect.
        error.stack.push(Frame::of_handler(std::mem::take(&mut error.message)));
        error.stack.push(Frame::of_handler(printed[end].as_str()));
        error.source.clear();
        error.lines.end += 2;
    }
}

/// Reads frames, and the message that follows them.
fn read(printed: &[String], error: &mut PrintedError) {
    let mut rest = printed[error.lines.end..].iter().peekable();
    while let Some(line) = rest.next_if(|line| line.starts_with([' ', '\t'])) {
        error.lines.end += 1;
        match (frame(line), error.stack.last_mut()) {
            (Some((frame, source)), _) => {
                // The most recent call is the last.
                if let Some(source) = source {
                    error.source = source;
                }
                error.stack.push(frame);
            }
            // The line of the source, or a note that lines are left out.
            (None, Some(frame)) => frame.extend(line),
            (None, None) => error.stack.push(Frame::of_handler(line.as_str())),
        }
    }
    let is_message = |line: &&&String| {
        **line != START && !LINKS.contains(&line.as_str()) && rust::place(line).is_none() && !line.starts_with("note: ")
    };
    let message: Vec<&str> = rest.by_ref().take_while(|line| is_message(&line)).map(String::as_str).collect();
    error.lines.end += message.len();
    error.message = message.join("\n");
}

/// A line such as `  File "/0/app.py", line 9, in look_up`, and the place in the handler's source if it is there.
/// componentize-py numbers the directories of its `--python-path`: `/0/`.
fn frame(line: &str) -> Option<(Frame, Option<String>)> {
    let (path, rest) = line.trim_start().strip_prefix("File \"")?.split_once("\", line ")?;
    if RUNTIME.iter().any(|start| path.starts_with(start)) {
        return Some((Frame::of_runtime(line), None));
    }
    let number: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let inside = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    let file =
        inside.filter(|(mount, _)| mount.bytes().all(|byte| byte.is_ascii_digit())).map_or(path, |(_, file)| file);
    let frame = Frame::of_handler(format!("  File \"{file}\", line {rest}"));
    Some((frame, Some(format!("{file}:{number}"))))
}

/// Whether it is the panic of componentize-py after an exception that nobody has caught.
pub(super) fn is_end_of(panic: &PrintedError) -> bool {
    panic.message == "panic: Python function threw an unexpected exception"
}
