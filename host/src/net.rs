//! Sockets: the streams of clients and what a connection needs to read from, write to and wait for one.
//!
//! Nobody else names a socket of the system or of the runtime, so that another transport is another variant of [`Stream`].
//! It knows neither HTTP nor who reads and writes.

pub mod buffers;
mod stream;
mod timer;
mod write_queue;

pub use stream::{MAX_READ_AHEAD, PeerState, Stream, is_read_ahead_full};
pub use timer::Timer;
pub use write_queue::WriteQueue;
