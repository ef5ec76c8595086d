//! The event of an ended request.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::exchange::ExchangeEnd;
use crate::http::head::RequestHead;
use crate::http::version::Version;
use crate::meter::Cost;
use crate::net::PeerAddress;
use crate::trace::TraceId;

/// The most bytes of a target that are reported.
const MAX_TARGET: usize = 2048;

/// The most bytes of a host that are reported.
const MAX_HOST: usize = 255;

/// A request that has ended: its last byte is sent, or its response is truncated.
#[derive(Debug, Clone)]
pub struct EndedRequest {
    /// When it ended.
    pub time: SystemTime,
    /// The client's address.
    pub client: PeerAddress,
    /// The trusted proxy that has named the client. `None` if the client has connected itself.
    pub proxy: Option<PeerAddress>,
    /// The request line. None if the head could not be parsed.
    pub asked: Option<LoggedRequestLine>,
    /// The status. None if no head was made.
    pub status: Option<u16>,
    /// The bytes of the body that were sent, without framing.
    pub body: u64,
    /// All bytes that were sent, heads and framing included.
    pub wire: u64,
    /// The route that answered. None if the host did.
    pub route: Option<Arc<str>>,
    /// The number of the request, as in other lines of the log.
    pub request: u64,
    /// The id of its trace, if requests are traced.
    pub trace: Option<TraceId>,
    /// How the response ended.
    pub end: ExchangeEnd,
    /// From the complete head to the end. Zero if the head was not complete.
    pub took: Duration,
    /// The durations that are measured.
    pub cost: Cost,
}

/// A request line, and the host that the request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedRequestLine {
    /// The method.
    pub method: Box<str>,
    /// The target, truncated to 2048 bytes.
    pub target: Box<str>,
    /// The version that it is served as.
    pub version: Version,
    /// The host that it is for, with its port if it has one, truncated to 255 bytes. None if it names none.
    pub host: Option<Box<str>>,
}

impl LoggedRequestLine {
    /// The request line of a head.
    #[must_use]
    pub fn of(head: &RequestHead) -> Self {
        let target = head.target();
        // Targets are ASCII.
        let target = target.get(..MAX_TARGET).unwrap_or(target);
        // So are hosts.
        let host = head.authority().map(|host| host.get(..MAX_HOST).unwrap_or(host).into());
        Self { method: head.method().into(), target: target.into(), version: head.version(), host }
    }
}
