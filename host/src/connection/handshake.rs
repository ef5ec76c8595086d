//! The handshake of TLS, before the first request.

use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::client::Client;
use super::host_response::HostResponse;
use super::reply::reply;
use super::request_terms::RequestTerms;
use crate::clock;
use crate::close_reason::CloseReason;
use crate::connection_table::IdleSince;
use crate::guest::scheduler::{HANDSHAKES, NextSlice};
use crate::http1::server::RequestFraming;
use crate::metrics::HandshakeOutcome;
use crate::net::Stream;
use crate::net::tls::Handshake;
use crate::worker::ShutdownWaiter;

/// The processor time that a handshake takes, about, most of it for one signature.
const HANDSHAKE_COST: Duration = Duration::from_micros(300);

/// How long a handshake may take while others wait for it to end.
const MAX_WHILE_OTHERS_WAIT: Duration = Duration::from_secs(1);

/// Completes the handshake of a client, within the timeout for a head. The connection is idle until its first request.
///
/// At most `limits.handshakes` of a worker are carried on at once. Past that a new one waits, and one that takes longer
/// than [`MAX_WHILE_OTHERS_WAIT`] is given up. What costs processor time waits for a time slice, so that many handshakes
/// hold up no request.
///
/// # Errors
/// Why the connection is closed.
pub(super) async fn complete(client: &mut Client) -> Result<(), CloseReason> {
    let ended = carry_on(client).await;
    let outcome = match (&ended, client.socket.tls_agreement()) {
        (Ok(()), Some(agreement)) => HandshakeOutcome::of(agreement.is_1_3, agreement.is_resumed),
        (Ok(()), None) | (Err(CloseReason::CertificateChallenge), _) => return ended,
        (Err(CloseReason::TlsHandshake), _) => HandshakeOutcome::Failed,
        (Err(_), _) => HandshakeOutcome::GivenUp,
    };
    client.worker.counters().count_handshake(outcome);
    ended
}

async fn carry_on(client: &mut Client) -> Result<(), CloseReason> {
    let worker = client.worker.clone();
    let mut reached = Box::pin(worker.stopping().wait());
    let mut stopping = ShutdownWaiter::new(worker.stopping(), reached.as_mut());
    let mut deadline = Instant::now() + worker.config().timeouts.head;

    std::future::poll_fn(|cx| {
        if client.socket.poll_readable(cx)?.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if stopping.poll(cx) && !client.socket.has_unread() {
            return Poll::Ready(Err(CloseReason::Stopping.into()));
        }
        poll_end(client, cx, deadline)
    })
    .await
    .map_err(|error| explain(client, error))?;

    let mut begin = pin!(worker.handshakes().begin());
    let _permit = std::future::poll_fn(|cx| match begin.as_mut().poll(cx) {
        Poll::Ready(permit) => Poll::Ready(Ok(permit)),
        Poll::Pending => poll_end(client, cx, deadline),
    })
    .await
    .map_err(|error| explain(client, error))?;
    NextSlice::after(HANDSHAKES, HANDSHAKE_COST, None).await;

    let mut recheck = Instant::now() + MAX_WHILE_OTHERS_WAIT;
    let ended = std::future::poll_fn(|cx| {
        loop {
            if let Poll::Ready(ended) = client.socket.poll_handshake(cx)? {
                return Poll::Ready(Ok(ended));
            }
            if stopping.poll(cx) {
                deadline = deadline.min(Instant::now() + client.worker.config().timeouts.drain_request);
            }
            let until = deadline.min(recheck);
            match poll_end(client, cx, until) {
                Poll::Ready(Err(End::TimedOut)) if until < deadline && !client.worker.handshakes().has_waiting() => {
                    recheck = Instant::now() + MAX_WHILE_OTHERS_WAIT;
                }
                ended => return ended,
            }
        }
    })
    .await
    .map_err(|error| explain(client, error))?;
    drop(_permit);
    match ended {
        Handshake::Complete => Ok(()),
        Handshake::NotTls => Err(answer_plain(client).await),
        Handshake::Challenge => Err(CloseReason::CertificateChallenge),
    }
}

/// Why a handshake has ended early.
enum End {
    Closed(CloseReason),
    TimedOut,
    Failed(std::io::Error),
}

impl From<CloseReason> for End {
    fn from(reason: CloseReason) -> Self {
        Self::Closed(reason)
    }
}

impl From<std::io::Error> for End {
    fn from(error: std::io::Error) -> Self {
        Self::Failed(error)
    }
}

/// Ready if the connection was evicted, or at `until`.
fn poll_end<T>(client: &mut Client, cx: &mut Context<'_>, until: Instant) -> Poll<Result<T, End>> {
    let Client { socket, worker, timer, .. } = client;
    if !socket.note_idle(|| IdleSince::new(clock::ticked(), worker.counters().requests())) {
        return Poll::Ready(Err(CloseReason::Evicted.into()));
    }
    timer.poll(cx, until).map(|()| Err(End::TimedOut))
}

fn explain(client: &Client, end: End) -> CloseReason {
    match end {
        End::Closed(reason) => reason,
        End::TimedOut => {
            tracing::debug!(target: "connection", peer = %client.peer, "TLS handshake failed: it was not complete in time");
            CloseReason::TlsHandshake
        }
        End::Failed(error) => {
            tracing::debug!(target: "connection", peer = %client.peer, "TLS handshake failed: {error}");
            CloseReason::TlsHandshake
        }
    }
}

/// Tells a client that has sent a request without TLS.
async fn answer_plain(client: &mut Client) -> CloseReason {
    tracing::debug!(target: "connection", peer = %client.peer, "a request without TLS on a listener that speaks TLS");
    let terms = RequestTerms::closing(RequestFraming::CLOSING);
    let response = HostResponse::new(400, "this port speaks TLS: use https:// in place of http://");
    let refused = reply(client, &terms, None, response.last(CloseReason::TlsHandshake)).await;
    refused.err().unwrap_or(CloseReason::TlsHandshake)
}

/// If a client begins TLS on a listener without it, tells the client so in its own protocol: by a fatal alert.
pub(super) fn refuse_tls(socket: &Stream) {
    /// A handshake that is refused (RFC 8446 section 6.2): fatal, handshake_failure.
    const ALERT: [u8; 7] = [21, 3, 1, 0, 2, 2, 40];
    // If the socket accepts nothing, the client has not read anything else either.
    let _ = socket.try_write(&ALERT);
}
