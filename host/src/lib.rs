//! Vibrato: an HTTP server (HTTP/1.x and HTTP/2) whose route handlers are WebAssembly components.
//!
//! This library is the server; the program `host` is a thin layer over it. The path of a request:
//!
//! ```text
//! server (accept) -> connection (one client) -> http (bytes -> head) -> routes (path -> route)
//!        -> guest (one invocation) <-> exchange <-> body_reader, pump (body in, response out) -> socket
//! ```
//!
//! # Example
//!
//! Serve the directory `routes` on a free port, and stop:
//!
//! ```no_run
//! use host::config::Config;
//! use host::net;
//! use host::server::Server;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (server, diagnostics) = Server::new(Config::default())?;
//! for diagnostic in diagnostics {
//!     eprintln!("{diagnostic}");
//! }
//! let running = server.start(net::bind(&["127.0.0.1:0".parse()?])?)?;
//! println!("listening on {}", running.urls()[0]);
//! running.stop();
//! running.join();
//! # Ok(())
//! # }
//! ```

#![cfg_attr(not(test), warn(clippy::disallowed_types))]

pub mod access_log;
#[cfg(feature = "acme")]
pub mod acme;
pub mod admin;
mod body_reader;
pub mod certificates;
mod clock;
pub mod close_reason;
pub mod config;
mod connection;
mod connection_table;
pub mod control;
pub mod dev;
pub mod diagnostic;
mod exchange;
mod failure_report;
pub mod fleet;
pub mod grants;
pub mod guest;
pub mod http_file;
pub mod key_value;
pub mod line_writer;
pub mod log_quota;
mod memory_budget;
pub mod meter;
pub mod metrics;
#[allow(clippy::disallowed_types, reason = "sockets have their names here")]
pub mod net;
pub mod observe;
pub mod oci;
pub mod options;
#[allow(clippy::disallowed_types, reason = "it connects to the sockets of others")]
pub mod outbound;
mod page;
mod private_directory;
mod pump;
pub mod push;
pub mod quarantine;
pub mod rate;
pub mod redaction;
mod regular_file;
pub mod routes;
pub mod server;
pub mod share;
pub mod source_tree;
pub mod text;
pub mod trace;
pub mod websocket;
mod worker;

pub use protocol::{http, http1, http2, response};
