//! A panic or a fatal error of Go.

use super::super::stack::Frame;
use super::PrintedError;

/// How the first line begins.
const STARTS: [&str; 2] = ["panic: ", "fatal error: "];

/// The packages of the runtime, and what the bindings have around a handler.
const RUNTIME: [&str; 6] = ["runtime.", "runtime/", "internal/", "panic(", "main.wasm_export_", "syscall."];

/// The message, `goroutine N [STATE]:`, and for each frame a line with its function and one with its place.
pub(super) fn panic(printed: &[String], at: usize) -> Option<PrintedError> {
    if !STARTS.iter().any(|start| printed[at].starts_with(start)) {
        return None;
    }
    let rest = &printed[at + 1..];
    let goroutine = rest.iter().position(|line| line.starts_with("goroutine ") && line.ends_with(':'));
    // Without a stack only the line itself is known to belong to it. A message of several lines is indented.
    let length = goroutine.unwrap_or_else(|| rest.iter().take_while(|line| line.starts_with('\t')).count());
    let message = printed[at..=at + length].join("\n");
    let mut error = PrintedError { message, lines: at..at + 1 + length, ..PrintedError::default() };
    if goroutine.is_none() {
        return Some(error);
    }
    error.lines.end += 1;
    let mut rest = rest[length + 1..].iter().peekable();
    while let Some(function) = rest.next() {
        let Some(place) = rest.next_if(|line| line.starts_with('\t')) else { break };
        error.lines.end += 2;
        let text = format!("  {function}\n    {}", place.trim_start());
        let file = place.trim_start().split(" +0x").next().unwrap_or_default();
        if is_runtime(function, file) {
            error.stack.push(Frame::of_runtime(text));
            continue;
        }
        if error.source.is_empty() {
            error.source = file.to_owned();
        }
        error.stack.push(Frame::of_handler(text));
    }
    Some(error)
}

/// Whether a frame is of Go's own packages or of the bindings. Go's own are in `GOROOT/src`, where the path after `src/`
/// begins with the name of the package.
fn is_runtime(function: &str, file: &str) -> bool {
    let package = function.split(['(', '{']).next().unwrap_or(function);
    let package = package.rsplit_once('/').map_or_else(
        || package.split('.').next().unwrap_or_default().to_owned(),
        |(parents, last)| format!("{parents}/{}", last.split('.').next().unwrap_or_default()),
    );
    RUNTIME.iter().any(|start| function.starts_with(start))
        || file.contains(&format!("/go/src/{package}/"))
        || file.ends_with("/wit_exports.go")
}
