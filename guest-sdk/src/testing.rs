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
//! [`push`](crate::push) and [`context`](crate::context) do. It has no routes: path parameters and options are those that
//! the test sets, and limits do not hold. The modules `config`, `http` and `kv`, and middleware, need a host: `host test`
//! sends requests to the component itself.

mod call;
pub(crate) mod imports;
mod mock;
#[cfg(test)]
mod tests;

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
    /// The topics whose responses were finished.
    pub finished: Vec<String>,
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

    /// Sets how many subscribers each topic has, which `publish` and `finish` return.
    #[must_use]
    pub fn subscribers(mut self, subscribers: u32) -> Self {
        self.subscribers = subscribers;
        self
    }
}

impl TestResponse {
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
