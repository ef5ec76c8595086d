//! Lets a request wait while routes are still being loaded, for at most the time that the server allows.

use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use arc_swap::Guard;

use super::client::Client;
use super::io::watch_peer;
use crate::close_reason::CloseReason;
use crate::http::accept::BodyForm;
use crate::http::head::RequestHead;
use crate::net::PeerState;
use crate::routes::{Lookup, RouteTable};

/// Waits until the routes certainly decide the request, and returns them. Returns the current routes if that takes too
/// long, if the server stops, or for `OPTIONS *`, which no route serves.
pub(super) async fn wait_for_routes(
    client: &mut Client,
    head: &RequestHead,
) -> Result<Guard<Arc<RouteTable>>, CloseReason> {
    let until = Instant::now() + client.worker.config().timeouts.load;
    let mut table = client.worker.routes();
    while !head.is_for_server() && matches!(table.lookup(head), Lookup::Pending) {
        // A page that reloads itself tells more than a browser that waits.
        if prefers_page(client, head) {
            break;
        }
        let (worker, past) = (client.worker.clone(), Arc::clone(&table));
        match wait_for(client, worker.routes_after(&past), until).await? {
            WaitEnd::Happened => table = client.worker.routes(),
            WaitEnd::Enough => break,
        }
    }
    Ok(table)
}

/// Whether a client is shown a page in place of a wait: a browser, in development mode.
fn prefers_page(client: &Client, head: &RequestHead) -> bool {
    let is_dev = client.worker.dev().is_some() && head.method() == "GET";
    is_dev && BodyForm::preferred(head.values("accept")) == BodyForm::Html
}

/// Waits for an event, until `until` at most or until the server stops. If the client resets the connection during the
/// wait, the connection ends.
pub(super) async fn wait_for(
    client: &mut Client,
    event: impl Future<Output = ()>,
    until: Instant,
) -> Result<WaitEnd, CloseReason> {
    let (socket, input, half_closed) = (&client.socket, client.http.input_mut(), &mut client.half_closed);
    let mut event = std::pin::pin!(event);
    let mut stopping = std::pin::pin!(client.worker.stopping().wait());
    std::future::poll_fn(|cx| {
        if event.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(WaitEnd::Happened));
        }
        if stopping.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Ok(WaitEnd::Enough));
        }
        if watch_peer(cx, socket, input, half_closed) == Some(PeerState::Gone) {
            return Poll::Ready(Err(CloseReason::ClientGone));
        }
        client.timer.poll(cx, until).map(|()| Ok(WaitEnd::Enough))
    })
    .await
}

/// What ended a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WaitEnd {
    /// The event has happened.
    Happened,
    /// It was waited for long enough.
    Enough,
}
