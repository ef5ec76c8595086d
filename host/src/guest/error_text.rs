//! What wasmtime says of a failure, as text for a log or a terminal.
//!
//! A component chooses the names in it. Owns that none of them ends a line, drives a terminal or fills a disk.

use std::fmt::{self, Display, Write};

use wasmtime::{FrameInfo, FrameSymbol, WasmBacktrace};

use crate::text::printable;

#[cfg(test)]
mod tests;

/// The most bytes of a name in a backtrace.
const MAX_NAME_BYTES: usize = 256;

/// The most bytes of a line that a guest prints.
const MAX_LINE_BYTES: usize = 4 * 1024;

/// The most bytes of an error's text.
const MAX_REASON_BYTES: usize = 2048;

/// Where an error came from, in one line.
pub(super) fn cause(error: &wasmtime::Error) -> String {
    bounded(error.root_cause(), MAX_REASON_BYTES)
}

/// A name that a component has given something.
pub(super) fn quoted(name: &str) -> String {
    bounded(name, MAX_NAME_BYTES)
}

/// A line that a guest has printed, as another process tells it.
pub(super) fn line(text: &str) -> String {
    bounded(text, MAX_LINE_BYTES)
}

/// Why a handler gave up, in its own words, in one line.
pub(super) fn reason(text: &str) -> String {
    bounded(text, MAX_REASON_BYTES)
}

/// An error and all that led to it, in one line.
pub(super) fn chain(error: &wasmtime::Error) -> String {
    bounded(format_args!("{error:#}"), MAX_REASON_BYTES)
}

/// Whether it was the system that had no memory, or no address space.
pub(super) fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    let of_system = |cause: &(dyn std::error::Error + 'static)| {
        let errno = cause.downcast_ref::<rustix::io::Errno>().map(|errno| errno.raw_os_error());
        let code = errno.or_else(|| cause.downcast_ref::<std::io::Error>()?.raw_os_error());
        code == Some(rustix::io::Errno::NOMEM.raw_os_error())
    };
    error.chain().any(of_system)
}

/// Where an error's guest was: a line for each frame, each after a line break; nothing where it ran no Wasm.
pub(super) fn backtrace(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let frames = trace.frames().iter().enumerate();
    let frames = frames.map(|(number, of)| format!("\n  {number:>3}: {}", frame(of)));
    frames.fold("\nerror while executing at wasm backtrace:".to_owned(), |lines, line| lines + &line)
}

/// A frame as wasmtime writes it: its place and function, and what its debug information says.
fn frame(frame: &FrameInfo) -> String {
    let offset = frame.module_offset().map_or_else(String::new, |offset| format!("{offset:#8x} - "));
    let function = frame.func_name().map_or_else(|| format!("<wasm function {}>", frame.func_index()), name);
    if frame.symbols().is_empty() {
        return format!("{offset}{}!{function}", name(frame.module().name().unwrap_or("<unknown>")));
    }
    let symbols: Vec<String> = frame.symbols().iter().map(|of| symbol(of, &function)).collect();
    offset + &symbols.join("\n                - ")
}

fn symbol(symbol: &FrameSymbol, function: &str) -> String {
    let name = symbol.name().map_or_else(|| function.to_owned(), name);
    let Some(file) = symbol.file() else { return name };
    let number = |number: Option<u32>| number.map_or_else(String::new, |number| format!(":{number}"));
    let file = bounded(file, MAX_NAME_BYTES);
    format!("{name}\n                    at {file}{}{}", number(symbol.line()), number(symbol.column()))
}

/// A function's name, demangled where it is one of Rust's.
fn name(mangled: &str) -> String {
    bounded(rustc_demangle::demangle(mangled), MAX_NAME_BYTES)
}

/// The beginning of a text, with its control characters escaped.
fn bounded(text: impl Display, max_bytes: usize) -> String {
    let mut bounded = BoundedText { text: String::new(), left: max_bytes };
    if write!(bounded, "{text}").is_err() {
        bounded.text.push_str("...");
    }
    bounded.text
}

/// Takes so many bytes and no more: a short mangled name can have a text of a megabyte.
struct BoundedText {
    text: String,
    left: usize,
}

impl Write for BoundedText {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let kept = &piece[..piece.floor_char_boundary(self.left)];
        self.text.push_str(&printable(kept));
        self.left -= kept.len();
        if kept.len() < piece.len() { Err(fmt::Error) } else { Ok(()) }
    }
}
