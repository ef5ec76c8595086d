//! Formats wasmtime's errors for a log or a terminal.
//!
//! A component chooses the names in these texts. So control characters are escaped and every text is bounded.

use std::fmt::{self, Display, Write};

use wasmtime::{FrameInfo, FrameSymbol, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::text::printable;

#[cfg(test)]
mod tests;

/// Maximum bytes of a name in a backtrace.
const MAX_NAME_BYTES: usize = 256;

/// Maximum bytes of a line of guest output.
const MAX_LINE_BYTES: usize = 4 * 1024;

/// Maximum bytes of an error's text.
const MAX_REASON_BYTES: usize = 2048;

/// The root cause of an error, in one line.
pub(super) fn cause(error: &wasmtime::Error) -> String {
    if let Some(I32Exit(status)) = error.downcast_ref() {
        return format!("called `exit` with status {status}");
    }
    bounded(error.root_cause(), MAX_REASON_BYTES)
}

/// A name that a component has chosen.
pub(super) fn quoted(name: &str) -> String {
    bounded(name, MAX_NAME_BYTES)
}

/// A line of guest output that a child process has forwarded.
pub(super) fn line(text: &str) -> String {
    bounded(text, MAX_LINE_BYTES)
}

/// The reason that a handler gave to `fail`, in one line.
pub(super) fn reason(text: &str) -> String {
    bounded(text, MAX_REASON_BYTES)
}

/// An error and its causes, in one line.
pub(super) fn chain(error: &wasmtime::Error) -> String {
    bounded(format_args!("{error:#}"), MAX_REASON_BYTES)
}

/// Whether the system had no memory or no address space.
pub(super) fn is_out_of_memory(error: &wasmtime::Error) -> bool {
    let is_enomem = |cause: &(dyn std::error::Error + 'static)| {
        let errno = cause.downcast_ref::<rustix::io::Errno>().map(|errno| errno.raw_os_error());
        let code = errno.or_else(|| cause.downcast_ref::<std::io::Error>()?.raw_os_error());
        code == Some(rustix::io::Errno::NOMEM.raw_os_error())
    };
    error.chain().any(is_enomem)
}

/// The backtrace of an error: each frame on a line of its own, after a line break. Empty if no Wasm was running.
pub(super) fn backtrace(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let frames = trace.frames().iter().enumerate();
    let frames = frames.map(|(number, of)| format!("\n  {number:>3}: {}", frame(of)));
    frames.fold("\nerror while executing at wasm backtrace:".to_owned(), |lines, line| lines + &line)
}

/// A frame in wasmtime's format: offset, function, and source location if there is debug information.
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

/// A function's name, demangled if it is a Rust name.
fn name(mangled: &str) -> String {
    // The alternate form leaves out hashes.
    bounded(format_args!("{:#}", rustc_demangle::demangle(mangled)), MAX_NAME_BYTES)
}

/// The beginning of a text, with control characters escaped.
fn bounded(text: impl Display, max_bytes: usize) -> String {
    let mut bounded = BoundedText { text: String::new(), left: max_bytes };
    if write!(bounded, "{text}").is_err() {
        bounded.text.push_str("...");
    }
    bounded.text
}

/// Stops after a number of bytes: demangling can turn a short name into a megabyte of text.
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
