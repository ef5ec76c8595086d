//! Route handlers for Vibrato, an HTTP server, as WebAssembly components.
//!
//! A handler uses the attribute [`handler`] and can ask for three things: [`Request`], [`Response`] and [`Options`].
//! [`IntoOutcome`] lists what each return type means. [`push`] reaches parked responses, and [`sse`] formats events.
//! [`http`] calls other servers and [`kv`] keeps values across requests, if the operator grants that.
//! [`form`] reads forms, [`multipart`] those with files, [`cookie`] sets cookies, and with the feature `json` the module `json` reads and writes JSON. [`config`] has the settings
//! and secrets that the operator grants.
//! Unit tests call a handler with the module `testing`.
//! Middleware uses [`on_request`], [`on_response`] and [`context`]. The contract with the host is the WIT package
//! `vibrato:handler`, in this crate's folder `wit`; [`bindings`] is generated from it.
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
//! A handler declares what it needs as arguments, and the client gets what it returns. A handler can also write chunks
//! itself and choose how the response ends:
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
//! Build it as a `cdylib` with `cargo build --release --target wasm32-wasip2`, and put the `.wasm` into the routes
//! directory of a host. Each request is answered by a new instance: memory of a handler does not outlive the request,
//! unless the option `reuse` is above 1.

mod accept;
mod argument;
// Generated: change `wit/` or the generator instead, see `tests/bindings.rs`.
#[allow(missing_docs, reason = "generated")]
#[allow(unsafe_code, reason = "the canonical ABI passes pointers")]
#[allow(clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
#[allow(clippy::unwrap_used, unused_qualifications, reason = "generated")]
#[doc(hidden)]
#[rustfmt::skip]
pub mod bindings;
mod bindings_of_middleware;
mod body;
mod charset;
pub mod config;
pub mod context;
pub mod cookie;
mod declaration;
mod failure;
pub mod form;
pub mod http;
#[cfg(feature = "json")]
pub mod json;
pub mod kv;
pub mod multipart;
mod options;
mod outcome;
pub mod push;
mod query;
mod redirect;
mod request;
mod request_error;
mod response;
pub mod sse;
mod step;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod websocket;

/// What the host offers: its imports, or in a test what the test offers.
mod host {
    #[cfg(target_family = "wasm")]
    pub(crate) use crate::bindings::vibrato::handler::{
        config, context, http_client, key_value, options, push, request, response,
    };
    #[cfg(not(target_family = "wasm"))]
    pub(crate) use crate::testing::imports::{context, options, push, request, response};
    #[cfg(not(target_family = "wasm"))]
    pub(crate) use crate::testing::services::{config, http_client, key_value};
}

pub use argument::Argument;
pub use bindings::vibrato::handler::types::{HttpVersion, Outcome, Step, Value};
pub use body::{Body, BodyError};
pub use guest_sdk_macros::{handler, on_message, on_request, on_response};
pub use options::Options;
pub use outcome::{Close, IntoOutcome, Manual};
pub use redirect::Redirect;
pub use request::Request;
pub use request_error::RequestError;
pub use response::{Error, Response};
pub use step::{HookResult, IntoStep};

/// The example of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Used by the expansion of the attributes, and not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use crate::argument::argument;
    pub use crate::bindings::{self, Guest, export};
    pub use crate::bindings_of_middleware::{on_request, on_response};
    pub use crate::declaration::{Declaration, Entry, List, Text, Value};
    pub use crate::outcome::outcome;
    pub use crate::step::{report_result, step};
    pub use crate::websocket::bindings as messages;
    pub use crate::websocket::{into_reply, message};
}
