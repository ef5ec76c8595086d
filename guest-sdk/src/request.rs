//! The request that the invocation answers, except for its body.

use crate::host::request;
use crate::{Body, HttpVersion, query};

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

    /// The version of HTTP of the request.
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

    /// The first value of a cookie (RFC 6265 section 4.2), without the quotation marks around it, if it has them.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        cookie(&self.field_text("cookie")?, name).map(str::to_owned)
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
}

/// The first value of a cookie in a `cookie` field.
fn cookie<'f>(field: &'f str, name: &str) -> Option<&'f str> {
    let pairs = field.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.map(|(known, value)| (known.trim(), value.trim())).find(|(known, _)| *known == name)?;
    Some(value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value))
}

#[cfg(test)]
mod tests {
    use super::cookie;

    #[test]
    fn a_cookie_is_found_by_its_name_among_others() {
        for (field, expected) in [
            ("a=1", Some("1")),
            ("b=2; a=1; a=3", Some("1")),
            ("b=2;a = 1 ", Some("1")),
            ("a=\"1\"", Some("1")),
            ("a=1=2", Some("1=2")),
            ("a=", Some("")),
            ("ba=1; a", None),
            ("A=1", None),
            ("", None),
        ] {
            assert_eq!(cookie(field, "a"), expected, "{field}");
        }
    }
}
