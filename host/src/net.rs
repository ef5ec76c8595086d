//! Sockets: listeners, the streams that they accept, their peers, and the buffers and timers of a connection.
//!
//! All calls of the system and of the runtime about a socket are made here, and `clippy.toml` forbids the types for them
//! anywhere else. So another transport, such as TLS or a Unix socket, is a variant of [`Stream`], [`Listener`] and [`Peer`],
//! and no change of a caller. What a variant has to do is in the documentation of each method.

mod bind;
pub mod buffers;
mod client;
mod forwarded;
mod handover;
mod http2;
mod hyper_stream;
mod inherited;
mod linger;
mod listen;
mod listener;
mod local;
#[cfg(test)]
pub mod memory;
mod peer;
mod proxy_header;
mod proxy_reader;
mod socket_file;
mod stream;
mod timer;
pub mod tls;
mod trusted_proxies;
mod write_queue;

pub use bind::{BindError, bind, bind_or_inherit};
pub use client::{ClientStream, connect};
pub use forwarded::{FORWARDED_PROTO, ForwardedClient, ForwardedField, forwarded_scheme};
pub use handover::{HandedOver, ListenerHandle, Predecessor, Successor};
pub use http2::{Http2Connection, Http2Stream};
pub use hyper_stream::HyperStream;
pub use inherited::InheritedSockets;
pub use linger::{LingerBounds, MAX_SILENCE, linger};
pub use listen::{ListenSpec, ListenSpecError, ListenTarget, ListenerSettings, ProxyHeader, Role, Scheme};
pub use listener::{AcceptedSocket, ListenAddress, Listener, RegisteredListener, UnregisteredStream};
pub use local::{LocalClient, LocalListener, LocalStream};
pub use peer::{ClientKey, Peer, PeerAddress};
pub use proxy_header::{MAX_PROXY_HEADER, ProxyHeaderEnd, ProxyHeaderError, parse_proxy_header};
pub use proxy_reader::{ReadHeaderError, read_proxy_header};
pub use socket_file::{LocalBindError, SocketFile};
pub use stream::{MAX_READ_AHEAD, PeerState, Stream, is_read_ahead_full};
pub use timer::Timer;
pub use trusted_proxies::{TrustedProxies, TrustedProxy};
pub use write_queue::WriteQueue;
