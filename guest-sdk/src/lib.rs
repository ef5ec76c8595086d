//! Route handlers for Vibrato, an HTTP/1.x server, as WebAssembly components.
//!
//! This crate owns how a handler reads in Rust: the attribute [`handler`], the three things a handler can ask for
//! ([`Request`], [`Response`], [`Options`]), what each return type means ([`IntoOutcome`]), and how responses that stay
//! open are reached ([`push`]); and how middleware does: [`on_request`], [`on_response`], [`context`]. It must not know
//! how the host paces, frames or routes; the contract between the two is the WIT package `vibrato:handler`, which lies in
//! this crate's folder `wit`, and of which [`bindings`] is generated.
//!
//! ```standalone_crate
//! use guest_sdk::{Options, Request, Response, handler};
//!
//! #[handler(path = "/hello", rate = 2_097_152, buffer_size = 32_768, a = 1)]
//! fn hello(request: Request, response: Response, options: Options) -> impl Iterator<Item = &'static str> {
//!     ["Hello", "World!"].into_iter()
//! }
//! # fn main() {}
//! ```
//!
//! What a handler takes, it asks for; what it returns is what the client gets, which [`IntoOutcome`] lists. A handler
//! can also write by itself, and say how it ends:
//!
//! ```standalone_crate
//! use guest_sdk::{Error, Request, Response, handler};
//!
//! #[handler(path = "/page/{id}", method = ["GET", "PUT"], max_body = 65_536)]
//! fn page(request: Request, response: Response) -> Result<String, Error> {
//!     let id = request.param("id").unwrap_or_default();
//!     if id != "7" {
//!         response.set_status(404)?.set_field("cache-control", "no-store")?;
//!         return Ok("there is no such page\n".to_owned());
//!     }
//!     response.write("the page, ")?.write("in several chunks: ")?; // Each returns once there is room for more.
//!     Ok(id)
//! }
//! # fn main() {}
//! ```
//!
//! Build it as a `cdylib` with `cargo build --release --target wasm32-wasip2`, and drop the `.wasm` into the routes
//! directory of a host. Each request is answered by an instance of its own: nothing a handler keeps in memory
//! outlives its request, unless the option `reuse` is set above 1.

mod argument;
// Generated, so only a change of `wit/` or of the generator may change it: `tests/bindings.rs`.
#[allow(missing_docs, reason = "generated")]
#[allow(unsafe_code, reason = "the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
#[allow(clippy::unwrap_used, unused_qualifications, reason = "generated")]
#[doc(hidden)]
#[rustfmt::skip]
pub mod bindings;
mod bindings_of_middleware;
mod body;
pub mod context;
mod declaration;
mod failure;
mod options;
mod outcome;
pub mod push;
mod query;
mod request;
mod response;
mod step;
pub mod websocket;

pub use argument::Argument;
pub use bindings::vibrato::handler::types::{HttpVersion, Outcome, Step, Value};
pub use body::{Body, BodyError};
pub use guest_sdk_macros::{handler, on_message, on_request, on_response};
pub use options::Options;
pub use outcome::{Close, IntoOutcome, Manual};
pub use request::Request;
pub use response::{Error, Response};
pub use step::{IntoSeen, IntoStep};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// What the attributes expand to calls these and nothing else; none of it is for people.
#[doc(hidden)]
pub mod __private {
    pub use crate::argument::argument;
    pub use crate::bindings::{self, Guest, export};
    pub use crate::bindings_of_middleware::{on_request, on_response};
    pub use crate::declaration::{Declaration, Entry, List, Text, Value};
    pub use crate::outcome::outcome;
    pub use crate::step::{seen, step};
    pub use crate::websocket::bindings as messages;
    pub use crate::websocket::{into_reply, message};
}
