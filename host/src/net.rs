//! Sockets: the streams of clients and what a connection needs to read from, write to and wait for one.
//!
//! Nobody else names a socket of the system or of the runtime, so that another transport is another variant of [`Stream`].
//! It knows neither HTTP nor who reads and writes.

mod bind;
pub mod buffers;
mod client;
mod linger;
mod listener;
mod peer;
mod stream;
mod timer;
mod write_queue;

pub use bind::{BindError, bind};
pub use client::ClientStream;
pub use linger::{LingerBounds, MAX_SILENCE, linger};
pub use listener::{AcceptedSocket, ListenAddress, Listener, RegisteredListener, Role, UnregisteredStream};
pub use peer::{ClientKey, Peer, PeerAddress};
pub use stream::{MAX_READ_AHEAD, PeerState, Stream, is_read_ahead_full};
pub use timer::Timer;
pub use write_queue::WriteQueue;
