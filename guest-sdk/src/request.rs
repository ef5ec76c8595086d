//! The request that the invocation answers, except for its body.

use crate::form::Form;
use crate::host::request;
use crate::multipart::{self, Multipart};
use crate::{Body, HttpVersion, RequestError, accept, charset, cookie, query};

/// The request that this invocation answers.
///
/// Everything except the body can be read any number of times. Each call asks the host, so keep a value that is used
/// twice.
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
    /// An invocation has one request, so it needs no identifier.
    pub(crate) const fn of_invocation() -> Self {
        Self(())
    }

    /// The method, case-sensitive: `GET` (RFC 9110 section 9). A `HEAD` request is seen as `HEAD`.
    #[must_use]
    pub fn method(&self) -> String {
        request::method()
    }

    /// Whether the host has made this request itself, by the `[timer]` in the route's file. Its method is `TIMER`, which no
    /// client can send to a handler. Its response is dropped.
    #[must_use]
    pub fn is_timer(&self) -> bool {
        self.method() == "TIMER"
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

    /// The target's query without its `?`, percent-encoding untouched. `None` if the target has no `?`.
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

    /// All names and values of the query, decoded, in the order in which they were sent.
    ///
    /// They are decoded like a form: separated by `&`, with `+` or `%20` for a space. Invalid percent-encoding is left
    /// as it is, and bytes that are not UTF-8 are replaced by U+FFFD.
    #[must_use]
    pub fn query_params(&self) -> Vec<(String, String)> {
        query::pairs(&request::query().unwrap_or_default()).collect()
    }

    /// The protocol that the client speaks: `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`. Later hosts may have others.
    #[must_use]
    pub fn protocol(&self) -> String {
        request::protocol()
    }

    /// The scheme of the request's URL: `https` if the connection is encrypted, else `http`.
    #[must_use]
    pub fn scheme(&self) -> String {
        request::scheme()
    }

    /// The version of HTTP of the request. HTTP/2 reads as `Http11`; [`protocol`](Self::protocol) tells them apart.
    #[must_use]
    pub fn version(&self) -> HttpVersion {
        request::version()
    }

    /// All fields in the order in which they were sent: names in lower case, values without surrounding white space.
    #[must_use]
    pub fn fields(&self) -> Vec<(String, Vec<u8>)> {
        request::fields()
    }

    /// A field by its name, in any case. Several lines are joined in order by `, ` (RFC 9110 section 5.3), those of
    /// `cookie` by `; `. `None` if the request has no such field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Vec<u8>> {
        request::field(name)
    }

    /// A field as text, joined as by [`field`](Self::field). `None` also if its value is not UTF-8.
    #[must_use]
    pub fn field_text(&self, name: &str) -> Option<String> {
        String::from_utf8(request::field(name)?).ok()
    }

    /// The first value of a cookie (RFC 6265 section 4.2), percent-decoded, without the quotation marks around it, if it has
    /// them.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        let field = self.field_text("cookie")?;
        cookie::pairs(&field).find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// All cookies, decoded, in the order in which they were sent.
    #[must_use]
    pub fn cookies(&self) -> Vec<(String, String)> {
        let field = self.field_text("cookie").unwrap_or_default();
        cookie::pairs(&field).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Which of some media types the client likes best (RFC 9110 section 12.5.1): the first of them if it likes several as
    /// much, `None` if it accepts none.
    #[must_use]
    pub fn prefers<'t>(&self, types: &[&'t str]) -> Option<&'t str> {
        accept::preferred(self.field_text("accept").as_deref(), types)
    }

    /// A path parameter, percent-decoded: `id` in `/page/{id}`.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<String> {
        let (_, value) = request::params().into_iter().find(|(param, _)| param == name)?;
        Some(value)
    }

    /// All path parameters by name, percent-decoded.
    #[must_use]
    pub fn params(&self) -> Vec<(String, String)> {
        request::params()
    }

    /// The client's address, without its port: `192.0.2.1`, `2001:db8::1`.
    #[must_use]
    pub fn peer(&self) -> String {
        request::peer()
    }

    /// The body, read piece by piece. A second one continues where the first stopped.
    #[must_use]
    pub fn body(&self) -> Body {
        Body::of_invocation()
    }

    /// The whole body as text, of at most `limit` bytes, in the charset of its type, which is UTF-8 if it names none.
    ///
    /// # Errors
    ///
    /// 415 if the charset is not known (UTF-8, US-ASCII, ISO-8859-1, windows-1252 and UTF-16 are), 400 if the body is not in
    /// it, 413 past the limit, or why the body cannot be read.
    pub fn text(&self, limit: usize) -> Result<String, RequestError> {
        let charset = multipart::parameter(&self.field_text("content-type").unwrap_or_default(), "charset");
        charset::decode(self.body().read_all(limit)?, charset.as_deref().unwrap_or("utf-8"))
    }

    /// The body as a form: urlencoded, or the texts of a multipart one, without its files. It has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// 415 if it is neither, 400 if it is malformed, 413 past the limit, or why the body cannot be read.
    pub fn form(&self, limit: usize) -> Result<Form, RequestError> {
        Form::of(*self, limit)
    }

    /// The body as a multipart form, which is read part by part. It has at most `limit` bytes.
    ///
    /// # Errors
    ///
    /// 415 if it is none.
    pub fn multipart(&self, limit: usize) -> Result<Multipart, RequestError> {
        Multipart::of(*self, limit)
    }
}
