//! Logs the output of a guest line by line, with its route and its request.
//!
//! The bounds keep an untrusted guest from filling the disk: a line is truncated at 4 KiB, and an invocation may print
//! 64 KiB on both streams together, where each line counts at least 128 bytes. Empty lines are skipped. The output of
//! all invocations of a route per unit of time is bounded by its [`LogQuota`].

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use super::Invocation;
use crate::exchange::Exchange;
use crate::log_quota::LogQuota;
use crate::text::is_plain;
use crate::trace::TraceId;

#[cfg(test)]
mod tests;

const MAX_LINE_BYTES: usize = 4 * 1024;
const MAX_BYTES: usize = 64 * 1024;

/// The least that a line counts against [`MAX_BYTES`]: roughly the bytes that the log adds to it.
const MIN_LINE_COST: usize = 128;

/// The standard output streams of an instance.
#[derive(Clone)]
pub(super) struct GuestLog {
    stdout: LogStream,
    stderr: LogStream,
}

impl GuestLog {
    /// For an invocation with or without a request. If `quota` is `None`, only the bounds of the invocation apply.
    pub(super) fn new(route: Arc<str>, request: Option<u64>, quota: Option<Arc<LogQuota>>) -> Self {
        let error_page = Weak::new();
        let log = Log { route, request, trace: None, quota, left: Some(MAX_BYTES), error_page };
        let log = Arc::new(Mutex::new(log));
        let stream = |name| {
            let lines = Lines { name, partial: Vec::new(), log: log.clone() };
            LogStream(Arc::new(Mutex::new(lines)))
        };
        Self { stdout: stream("stdout"), stderr: stream("stderr") }
    }

    pub(super) fn stdout(&self) -> impl StdoutStream + 'static {
        self.stdout.clone()
    }

    pub(super) fn stderr(&self) -> impl StdoutStream + 'static {
        self.stderr.clone()
    }

    /// For an invocation.
    pub(super) fn of(invocation: &Invocation) -> Self {
        let Invocation { exchange, options, route, id, .. } = invocation;
        let log = Self::new(route.clone(), Some(*id), Some(options.log.clone()));
        {
            let lines = log.stdout.lines();
            let mut log = lines.log();
            log.error_page = error_page(exchange);
            log.trace = exchange.trace().map(|trace| trace.id());
        }
        log
    }

    /// Starts the output of another request, with the bounds of an invocation reset.
    pub(super) fn begin_invocation(&self, invocation: &Invocation) {
        self.finish();
        let lines = self.stdout.lines();
        let mut log = lines.log();
        (log.request, log.left) = (Some(invocation.id), Some(MAX_BYTES));
        log.quota = Some(invocation.options.log.clone());
        log.error_page = error_page(&invocation.exchange);
        log.trace = invocation.exchange.trace().map(|trace| trace.id());
    }

    /// Logs an incomplete last line.
    pub(super) fn finish(&self) {
        self.stdout.lines().finish();
        self.stderr.lines().finish();
    }
}

#[derive(Clone)]
struct LogStream(Arc<Mutex<Lines>>);

impl LogStream {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream, split into lines.
struct Lines {
    name: &'static str,
    partial: Vec<u8>,
    log: Arc<Mutex<Log>>,
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            if self.log().left.is_none() {
                return;
            }
            self.extend_line(line);
        }
    }

    fn extend_line(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(MAX_LINE_BYTES - self.partial.len()));
            self.partial.extend_from_slice(piece);
            if self.partial.ends_with(b"\n") {
                self.finish();
            } else if self.partial.len() == MAX_LINE_BYTES {
                let begun = self.partial.split_off(whole_characters(&self.partial));
                self.finish();
                self.partial = begun;
            }
            rest = behind;
        }
    }

    fn finish(&mut self) {
        self.log().line(self.name, &self.partial);
        self.partial.clear();
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The length without an incomplete character at the end.
fn whole_characters(bytes: &[u8]) -> usize {
    for behind in 1..=bytes.len().min(3) {
        let at = bytes.len() - behind;
        let length = match bytes[at] {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if length > behind { at } else { bytes.len() };
    }
    bytes.len()
}

/// State that both streams share.
struct Log {
    route: Arc<str>,
    request: Option<u64>,
    trace: Option<TraceId>,
    quota: Option<Arc<LogQuota>>,
    /// The bytes that may still be logged. `None` once the bound was exceeded and reported.
    left: Option<usize>,
    /// The exchange whose error page shows the output, if it has one.
    error_page: Weak<Exchange>,
}

/// The exchange if its error page shows the output.
fn error_page(exchange: &Arc<Exchange>) -> Weak<Exchange> {
    if exchange.keeps_output() { Arc::downgrade(exchange) } else { Weak::new() }
}

impl Log {
    fn line(&mut self, stream: &'static str, line: &[u8]) {
        let Some(left) = self.left else { return };
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end_matches(['\n', '\r']);
        if line.is_empty() {
            return;
        }
        // Replace control characters: they could forge log lines, control a terminal, or reorder the displayed text.
        let line: String = line.chars().map(|c| if is_plain(c) || c == '\t' { c } else { '\u{fffd}' }).collect();
        if let Some(exchange) = self.error_page.upgrade() {
            exchange.note_printed(&line);
        }
        self.left = left.checked_sub(line.len().max(MIN_LINE_COST));
        match self.left {
            Some(_) => self.log_line(stream, &line),
            None => self.log_line(
                stream,
                &format!("printed more than {MAX_BYTES} bytes, {MIN_LINE_COST} a line at least; the rest is dropped"),
            ),
        }
    }

    fn log_line(&self, stream: &'static str, line: &str) {
        let route = &*self.route;
        if self.quota.as_ref().is_some_and(|quota| !quota.admit(route, line.len().max(MIN_LINE_COST))) {
            return;
        }
        match self.request {
            Some(request) => {
                let trace = self.trace.map(tracing::field::display);
                tracing::info!(target: "guest", route, request, trace, stream, "{line}");
            }
            None => tracing::info!(target: "guest", route, stream, "{line}"),
        }
    }
}

impl IsTerminal for LogStream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for LogStream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for LogStream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.lines().write(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LogStream {
    async fn ready(&mut self) {}
}

impl OutputStream for LogStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.lines().write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(MAX_BYTES)
    }
}
