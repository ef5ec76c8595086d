//! Requests to other servers: what a route may reach, and the connections to it.
//!
//! ```text
//! HttpGrant::start -> origin (is it granted?) -> resolver (its addresses) -> address (may they be reached?)
//!                  -> transport (TCP, TLS) -> pool <-> hyper -> UpstreamResponse
//! ```
//!
//! Owns who may be reached and how. A name is looked up once, each of its addresses is judged, and the connection goes to
//! one that was judged. Nothing is followed, cached or decoded: a redirect is a response like any other. How a guest calls
//! it is for the interfaces in `guest` to say.
//!
//! A connection belongs to the worker and the grant of the request that opened it. No other route uses it.

mod address;
mod call;
mod failure;
mod grant;
mod limits;
mod origin;
mod pool;
mod resolver;
mod response;
#[cfg(test)]
mod tests;
mod tls;
mod transport;
mod upstream_body;

pub use address::{Network, NetworkError, is_public};
pub use call::{CallTimeouts, PendingResponse, UpstreamRequest};
pub use failure::UpstreamFailure;
pub use grant::{HttpGrant, InvocationCalls, UpstreamClient};
pub use limits::HttpLimits;
pub use origin::{HostName, Origin, OriginError, OriginPattern, Scheme, TargetUrl};
pub use resolver::{LookupPermit, Resolve, ResolveFuture};
pub use response::UpstreamResponse;
pub use rustls::pki_types::CertificateDer;
pub use tls::{CaError, read_ca};
pub use upstream_body::{BodyWriter, MAX_WAITING, UpstreamBody};
