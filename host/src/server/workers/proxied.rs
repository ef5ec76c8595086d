//! Connections that start with a header of the PROXY protocol, in which a trusted proxy names their client.

use std::cell::Cell;
use std::time::{Duration, Instant};

use super::ConnectionSlot;
use crate::close_reason::CloseReason;
use crate::net::{ListenerSettings, Peer, Stream, read_proxy_header};

/// The shortest time between two log lines of a worker about connections of others than trusted proxies.
const REPORTS: Duration = Duration::from_secs(10);

thread_local! {
    static REPORTED: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Reads the header of a connection, and serves it as that of the client that is named. Without a header from a trusted proxy
/// it is closed, without a response: whoever does not speak this protocol expects another one.
pub(super) async fn serve(stream: Stream, proxy: Peer, settings: ListenerSettings, mut slot: ConnectionSlot) {
    let worker = slot.worker.clone();
    let client = match identify(&stream, &proxy, &slot).await {
        Ok(client) => client,
        Err(reason) => return worker.counters().count_closed(reason),
    };
    slot.permit.belongs_to(&client);
    if let Some(connection) = super::connection(stream, client, settings, &worker) {
        super::serve(connection.through(proxy), slot).await;
    }
}

/// The client of a connection from `proxy`, which is the proxy itself if it names none.
async fn identify(stream: &Stream, proxy: &Peer, slot: &ConnectionSlot) -> Result<Peer, CloseReason> {
    let worker = &slot.worker;
    if !worker.config().trusted_proxies.contains(proxy) {
        report(proxy);
        return Err(CloseReason::Untrusted);
    }
    let header = tokio::time::timeout(worker.config().timeouts.head, read_proxy_header(stream));
    let header = tokio::select! {
        header = header => header.map_err(|_| CloseReason::HeadTimeout)?,
        () = worker.stopping().wait() => return Err(CloseReason::Stopping),
    };
    match header {
        Ok(client) => Ok(client.unwrap_or(*proxy)),
        Err(error) => {
            tracing::debug!(target: "connection", peer = %proxy, "connection closed: {error}");
            Err(CloseReason::NoProxyHeader)
        }
    }
}

/// Tells the operator, who may have forgotten to trust a proxy.
fn report(peer: &Peer) {
    if REPORTED.get().is_none_or(|reported| reported.elapsed() >= REPORTS) {
        REPORTED.set(Some(Instant::now()));
        tracing::warn!(
            target: "server",
            client = %peer.address(),
            "a connection is closed: its listener takes clients from trusted proxies alone; if this is one, name it with \
             --trusted-proxy"
        );
    }
}
