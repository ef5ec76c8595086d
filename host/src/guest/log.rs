//! What a guest prints, line by line into the log, with the route and the request it belongs to.
//!
//! Owns the bounds that keep a stranger's prints from filling a disk: a line is cut at 4 KiB, and an invocation has
//! 64 KiB in all.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

#[cfg(test)]
mod tests;

const MAX_LINE_BYTES: usize = 4 * 1024;
const MAX_BYTES: usize = 64 * 1024;

/// The two streams of one invocation.
#[derive(Clone)]
pub(super) struct GuestLog {
    stdout: Stream,
    stderr: Stream,
}

impl GuestLog {
    pub(super) fn new(route: Arc<str>, request: Option<u64>) -> Self {
        let stream = |name| {
            Stream(Arc::new(Mutex::new(Lines {
                name,
                route: route.clone(),
                request,
                partial: Vec::new(),
                left: Some(MAX_BYTES),
            })))
        };
        Self { stdout: stream("stdout"), stderr: stream("stderr") }
    }

    pub(super) fn stdout(&self) -> impl StdoutStream + 'static {
        self.stdout.clone()
    }

    pub(super) fn stderr(&self) -> impl StdoutStream + 'static {
        self.stderr.clone()
    }

    /// Logs what is left of a line that was not ended.
    pub(super) fn finish(&self) {
        self.stdout.lines().finish();
        self.stderr.lines().finish();
    }
}

#[derive(Clone)]
struct Stream(Arc<Mutex<Lines>>);

impl Stream {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Lines {
    name: &'static str,
    route: Arc<str>,
    request: Option<u64>,
    partial: Vec<u8>,
    /// The bytes that are still logged; none once it was said that no more are.
    left: Option<usize>,
}

impl Lines {
    fn write(&mut self, bytes: &[u8]) {
        let Some(left) = self.left else { return };
        let (kept, dropped) = bytes.split_at(bytes.len().min(left));
        self.left = Some(left - kept.len());
        for line in kept.split_inclusive(|&byte| byte == b'\n') {
            self.extend_line(line);
        }
        if !dropped.is_empty() {
            self.finish();
            self.log(&format!("printed more than {MAX_BYTES} bytes; the rest is dropped"));
            self.left = None;
        }
    }

    fn extend_line(&mut self, mut rest: &[u8]) {
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at(rest.len().min(MAX_LINE_BYTES - self.partial.len()));
            self.partial.extend_from_slice(piece);
            if self.partial.ends_with(b"\n") || self.partial.len() == MAX_LINE_BYTES {
                self.finish();
            }
            rest = behind;
        }
    }

    fn finish(&mut self) {
        if self.partial.is_empty() {
            return;
        }
        let partial = std::mem::take(&mut self.partial);
        self.log(String::from_utf8_lossy(&partial).trim_end_matches(['\n', '\r']));
    }

    fn log(&self, line: &str) {
        let (route, stream) = (&*self.route, self.name);
        // A guest's line may hold anything; control characters could forge lines of the log or drive a terminal.
        let line: String = line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect();
        match self.request {
            Some(request) => tracing::info!(target: "guest", route, request, stream, "{line}"),
            None => tracing::info!(target: "guest", route, stream, "{line}"),
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.finish();
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl AsyncWrite for Stream {
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
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
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
