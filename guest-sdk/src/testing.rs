//! Calls a handler in a unit test, without a host: with a request that the test makes, and a response that is recorded.
//!
//! The module exists when a crate is built for the machine that it is built on, as `cargo test` in a project of `host new`
//! does. The attribute [`handler`](crate::handler) leaves the function as it is, so a test passes it to [`call`]:
//!
//! ```standalone_crate
//! use guest_sdk::{Options, Request, handler};
//!
//! #[handler(path = "/greet/{name}", greeting = "Hello")]
//! fn greet(request: Request, options: Options) -> String {
//!     let greeting = options.text("greeting").unwrap_or_default();
//!     format!("{greeting}, {}!\n", request.param("name").unwrap_or_default())
//! }
//!
//! # fn main() {
//! use guest_sdk::testing::{TestRequest, call};
//!
//! let request = TestRequest::get("/greet/Ada").param("name", "Ada").option("greeting", "Hi");
//! let response = call(greet, request);
//! assert_eq!((response.status, response.text()), (200, "Hi, Ada!\n".to_owned()));
//! # }
//! ```
//!
//! A test has what [`Request`](crate::Request), [`Response`](crate::Response), [`Options`](crate::Options),
//! [`push`](crate::push) and [`context`](crate::context) do, and the [`config`](crate::config), the stores
//! ([`kv`](crate::kv)) and the other servers ([`http`](crate::http)) that it says:
//!
//! ```standalone_crate
//! use guest_sdk::testing::{TestRequest, call};
//! use guest_sdk::{http, kv};
//!
//! # fn main() {
//! let handler = || -> Result<String, Box<dyn std::error::Error>> {
//!     let weather = http::get("https://api.example.com/weather?city=Bern")?.text()?;
//!     Ok(format!("visit {}: {weather}", kv::increment("visits", 1)?))
//! };
//! let request = TestRequest::get("/").stored("", "visits", "6").upstream("https://api.example.com/", 200, "sunny");
//! let response = call(handler, request);
//! assert_eq!((response.text(), response.calls.len()), ("visit 7: sunny".to_owned(), 1));
//! # }
//! ```
//!
//! It has no routes: path parameters and options are those that the test sets, limits do not hold, and nothing expires.
//! Middleware needs a host: `host test` sends requests to the component itself.

mod call;
pub(crate) mod imports;
mod mock;
pub(crate) mod services;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{Outcome, Value};

pub use call::{TestHandler, call};

/// A request for a handler.
#[derive(Debug, Clone)]
pub struct TestRequest {
    method: String,
    target: String,
    fields: Vec<(String, Vec<u8>)>,
    params: Vec<(String, String)>,
    options: Vec<(String, Value)>,
    context: Vec<(String, Vec<u8>)>,
    peer: String,
    body: Vec<u8>,
    subscribers: u32,
    config: BTreeMap<String, String>,
    stores: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
    /// The beginnings of URLs, with the status and the body of what is answered.
    upstreams: Vec<(String, u16, Vec<u8>)>,
}

/// A call to another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamCall {
    /// The method.
    pub method: String,
    /// The URL.
    pub url: String,
    /// The fields that the handler has set, with names in lower case.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What a handler has made of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct TestResponse {
    /// The status. If the handler has failed before it wrote anything, it is 500.
    pub status: u16,
    /// The fields that the handler has set, in order, without those of the host.
    pub fields: Vec<(String, Vec<u8>)>,
    /// The whole body: what was written and then returned.
    pub body: Vec<u8>,
    /// Each write, without the empty one that completes a response.
    pub chunks: Vec<Vec<u8>>,
    /// What the handler has returned, or [`Outcome::Close`] after `response.close()`.
    pub outcome: Outcome,
    /// Whether the handler has completed the response itself, with an empty write.
    pub is_finished: bool,
    /// Why the handler has failed, if it has: it returned an error, or called `response.fail`.
    pub failure: Option<String>,
    /// The topics that the response is subscribed to.
    pub subscribed: Vec<String>,
    /// The topics and the chunks that were published.
    pub published: Vec<(String, Vec<u8>)>,
    /// The topic whose history the response reads, and the id after which it begins.
    pub resumed: Option<(String, Option<String>)>,
    /// The topics and the events that were appended.
    pub appended: Vec<(String, Vec<u8>)>,
    /// The topics whose responses were finished.
    pub finished: Vec<String>,
    /// The calls to other servers, in order.
    pub calls: Vec<UpstreamCall>,
    /// What the stores have afterwards, by their names and keys.
    pub stores: BTreeMap<String, BTreeMap<String, Vec<u8>>>,
}

impl TestRequest {
    /// A request with this method and this target: a path, and a query if there is one.
    #[must_use]
    pub fn new(method: &str, target: &str) -> Self {
        Self {
            method: method.to_owned(),
            target: target.to_owned(),
            fields: vec![("host".to_owned(), b"localhost".to_vec())],
            params: Vec::new(),
            options: Vec::new(),
            context: Vec::new(),
            peer: "127.0.0.1".to_owned(),
            body: Vec::new(),
            subscribers: 0,
            config: BTreeMap::new(),
            stores: BTreeMap::new(),
            upstreams: Vec::new(),
        }
    }

    /// A `GET` request.
    #[must_use]
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// A `POST` request with a body.
    #[must_use]
    pub fn post(target: &str, body: impl AsRef<[u8]>) -> Self {
        Self::new("POST", target).body(body)
    }

    /// A request of the host's own timer ([`Request::is_timer`](crate::Request::is_timer)).
    #[must_use]
    pub fn timer(target: &str) -> Self {
        Self { peer: "timer".to_owned(), ..Self::new("TIMER", target) }
    }

    /// Adds a line of a field.
    #[must_use]
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push((name.to_ascii_lowercase(), value.as_ref().to_vec()));
        self
    }

    /// Sets a path parameter: what `{name}` in a path captures.
    #[must_use]
    pub fn param(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets an option. The test sees none of those that the attribute declares.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options.retain(|(known, _)| known != name);
        self.options.push((name.to_owned(), value.into()));
        self
    }

    /// Sets a name of the context, as middleware does.
    #[must_use]
    pub fn context(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.context.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Sets the client's address.
    #[must_use]
    pub fn peer(mut self, address: &str) -> Self {
        address.clone_into(&mut self.peer);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    /// Sets a setting or a secret, as `config` of a grant does.
    #[must_use]
    pub fn config(mut self, name: &str, value: &str) -> Self {
        self.config.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Grants a store by its name, empty if nothing is [`stored`](Self::stored). Without it no store is granted.
    #[must_use]
    pub fn store(mut self, name: &str) -> Self {
        self.stores.entry(name.to_owned()).or_default();
        self
    }

    /// Grants a store by its name, with this value of a key. `""` is the store that [`kv`](crate::kv) opens by itself.
    #[must_use]
    pub fn stored(mut self, store: &str, key: &str, value: impl AsRef<[u8]>) -> Self {
        self.stores.entry(store.to_owned()).or_default().insert(key.to_owned(), value.as_ref().to_vec());
        self
    }

    /// Answers calls to URLs that begin like this, which ends at a `/`, a `?` or the end of the URL. Of several the last one
    /// counts; any other call is denied.
    #[must_use]
    pub fn upstream(mut self, url: &str, status: u16, body: impl AsRef<[u8]>) -> Self {
        self.upstreams.push((url.to_owned(), status, body.as_ref().to_vec()));
        self
    }

    /// Sets how many subscribers each topic has, which `publish` and `finish` return.
    #[must_use]
    pub fn subscribers(mut self, subscribers: u32) -> Self {
        self.subscribers = subscribers;
        self
    }
}

/// Whether a URL begins with `start`, as a whole part of it.
fn is_upstream(start: &str, url: &str) -> bool {
    url.strip_prefix(start).is_some_and(|rest| rest.is_empty() || start.ends_with('/') || rest.starts_with(['/', '?']))
}

impl TestResponse {
    /// What a store has afterwards, as text; what is no UTF-8 is replaced by U+FFFD.
    #[must_use]
    pub fn stored(&self, store: &str, key: &str) -> Option<String> {
        let value = self.stores.get(store)?.get(key)?;
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// The body as text; what is no UTF-8 is replaced by U+FFFD.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The first line of a field that the handler has set, as text.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<String> {
        let (_, value) = self.fields.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(String::from_utf8_lossy(value).into_owned())
    }
}

macro_rules! into_value {
    ($($from:ty => $case:ident),*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$case(value.into())
            }
        }
    )*};
}

into_value!(bool => Boolean, i64 => Integer, i32 => Integer, f64 => Float, &str => Text, String => Text);
