//! The lingering close.

use std::task::Poll;
use std::time::{Duration, Instant};

use super::{Stream, Timer};

/// How long to wait for a client that sends nothing.
pub const MAX_SILENCE: Duration = Duration::from_secs(2);

/// How long and how many bytes a client may continue to send after its last response.
#[derive(Debug, Clone, Copy)]
pub struct LingerBounds {
    /// How long.
    pub duration: Duration,
    /// How long from the shutdown of the server on.
    pub duration_on_shutdown: Duration,
    /// How many bytes.
    pub bytes: u64,
}

/// Reads and drops what the client continues to send, until it ends its side, is silent, or exceeds the bounds.
///
/// A socket that is closed with unread bytes resets the connection, and the client may lose its last response (RFC 9112
/// section 9.6).
pub async fn linger(stream: &Stream, timer: &mut Timer, bounds: LingerBounds, shutdown: impl Future<Output = ()>) {
    let mut left = bounds.bytes;
    let start = Instant::now();
    let (mut until, mut silent_until) = (start + bounds.duration, start + MAX_SILENCE);
    let mut shutdown = std::pin::pin!(shutdown);
    let mut is_shutdown = false;
    std::future::poll_fn(|cx| {
        if !is_shutdown && shutdown.as_mut().poll(cx).is_ready() {
            is_shutdown = true;
            until = until.min(Instant::now() + bounds.duration_on_shutdown);
        }
        while left > 0 {
            match stream.poll_discard(cx) {
                Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(read)) => {
                    left = left.saturating_sub(read as u64);
                    let now = Instant::now();
                    silent_until = now + MAX_SILENCE;
                    if now >= until {
                        return Poll::Ready(());
                    }
                }
                Poll::Pending => return timer.poll(cx, until.min(silent_until)),
            }
        }
        Poll::Ready(())
    })
    .await;
}
