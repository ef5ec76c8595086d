//! The request that the invocation answers. Owns its reading side but for the body; must not know the response.

use crate::bindings::vibrato::handler::request;
use crate::{Body, HttpVersion, query};

/// The request that this invocation answers.
///
/// All but its body is the same however often it is asked for; every call asks the host, so keep what is used twice.
///
/// ```no_run
/// # fn f(request: guest_sdk::Request) {
/// let id = request.param("id"); // What `{id}` in the route's path captured.
/// let page = request.query_param("page").and_then(|page| page.parse().ok()).unwrap_or(1_u32);
/// let language = request.field_text("accept-language");
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Request(());

impl Request {
    /// There is one request to an invocation, so there is nothing to name it by.
    pub(crate) const fn of_invocation() -> Self {
        Self(())
    }

    /// The method, case-sensitive: `GET` (RFC 9110 section 9). A `HEAD` request is seen as `HEAD`.
    #[must_use]
    pub fn method(&self) -> String {
        request::method()
    }

    /// The request target as it was sent (RFC 9112 section 3.2): visible ASCII, percent-encoding untouched.
    #[must_use]
    pub fn target(&self) -> String {
        request::target()
    }

    /// The target's path without its query, percent-encoding untouched: `/page/7`.
    #[must_use]
    pub fn path(&self) -> String {
        request::path()
    }

    /// The target's query without its `?`, percent-encoding untouched; `None` where the target has no `?`.
    #[must_use]
    pub fn query(&self) -> Option<String> {
        request::query()
    }

    /// The first value of a name in the query, decoded: `bytes` in `/download?bytes=7` is `7`. A name without `=`
    /// has an empty value.
    #[must_use]
    pub fn query_param(&self, name: &str) -> Option<String> {
        query::value(&request::query()?, name)
    }

    /// All names and values of the query, decoded, in the order they came.
    ///
    /// They are read as a form's are: parted by `&`, `+` and `%20` for a space. Broken percent-encoding stands for
    /// itself, and bytes that are no UTF-8 are replaced by U+FFFD.
    #[must_use]
    pub fn query_params(&self) -> Vec<(String, String)> {
        query::pairs(&request::query().unwrap_or_default()).collect()
    }

    /// The version of HTTP that the client speaks.
    #[must_use]
    pub fn version(&self) -> HttpVersion {
        request::version()
    }

    /// All fields in the order they came: names in lower case, values without the white space around them.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        request::fields()
    }

    /// One field by its name, in any case. Several lines are combined in order with `, ` between them (RFC 9110
    /// section 5.3), those of `cookie` with `; `. `None` where it did not come.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Vec<u8>> {
        request::field(name)
    }

    /// One field as text, as [`field`](Self::field) has it. `None` also where its value is no UTF-8.
    #[must_use]
    pub fn field_text(&self, name: &str) -> Option<String> {
        String::from_utf8(request::field(name)?).ok()
    }

    /// One of the path segments that the route's pattern captured, percent-decoded: `id` in `/page/{id}`.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        let (_, value) = request::params().into_iter().find(|(param, _)| param == name)?;
        Some(value)
    }

    /// All path segments that the route's pattern captured, by name, percent-decoded.
    #[must_use]
    pub fn params(&self) -> Vec<(String, String)> {
        request::params()
    }

    /// The client's address, without its port: `192.0.2.1`, `2001:db8::1`.
    #[must_use]
    pub fn peer(&self) -> String {
        request::peer()
    }

    /// The body, to be read piece by piece. A second one goes on where the first stopped.
    #[must_use]
    pub fn body(&self) -> Body {
        Body::of_invocation()
    }
}
