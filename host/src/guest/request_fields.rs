//! Which fields of a request a component of wasi:http sees, whatever its version.
//!
//! Owns which of the client's fields are hidden, and the fields that the host sets instead of the client: the table
//! `[request-fields]` of a route file.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::Invocation;
use crate::exchange::{Exchange, Request};
use crate::http::fields::{CONNECTION_FIELDS, Fields};
use crate::http::grammar::is_field_value;
use crate::text::printable;

#[cfg(test)]
mod tests;

/// Fields of a request that no component sees, beside those of its connection (RFC 9110 section 7.6.1): `host` is what
/// its authority says.
const HIDDEN: [&str; 2] = ["host", "http2-settings"];

/// Connection options that are no names of fields.
const PLAIN_OPTIONS: [&[u8]; 3] = [b"close", b"keep-alive", b""];

/// Where the host takes the value of a field from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldSource {
    /// The address of the client.
    Peer,
    /// The number of the request, as it is in the log.
    Id,
    /// What middleware has left in the context under this name.
    Context(String),
    /// What the route's pattern has captured under this name, percent-decoded.
    Param(String),
}

impl fmt::Display for FieldSource {
    /// As in a route file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Peer => f.write_str("peer"),
            Self::Id => f.write_str("id"),
            Self::Context(name) => write!(f, "context:{}", printable(name)),
            Self::Param(name) => write!(f, "param:{}", printable(name)),
        }
    }
}

/// A field of requests that the host sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestField {
    /// Its name, in lower case. The host may set it: see [`may_be_set`].
    pub name: String,
    /// Where its value comes from.
    pub source: FieldSource,
}

/// The fields that the host sets in all requests of a route: `[request-fields]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFields(Vec<RequestField>);

/// Whether the host may set a field of requests. A field that no component sees, or that describes the body, stays as it is.
#[must_use]
pub fn may_be_set(name: &str) -> bool {
    !is_hidden(name) && !name.eq_ignore_ascii_case("content-length")
}

/// Whether two names may be the same to a component. Many programs turn the fields into variables as CGI does
/// (RFC 3875 section 4.1.18), so that `x-user`, `X-User` and `x_user` are one.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    let fold = |byte: u8| if byte == b'_' { b'-' } else { byte.to_ascii_lowercase() };
    one.len() == other.len() && one.bytes().map(fold).eq(other.bytes().map(fold))
}

impl RequestFields {
    /// The fields of a route. `None` if there are none.
    #[must_use]
    pub fn new(fields: Vec<RequestField>) -> Option<Arc<Self>> {
        (!fields.is_empty()).then(|| Arc::new(Self(fields)))
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &RequestField> {
        self.0.iter()
    }
}

/// The fields of one request as a component of wasi:http sees them.
#[derive(Debug, Clone, Default)]
pub(super) struct VisibleFields(Option<Arc<SetFields>>);

/// The fields that the host sets in one request.
#[derive(Debug)]
struct SetFields {
    fields: Arc<RequestFields>,
    /// Their values. `None`: the source has none, so that the request has no such field.
    values: Vec<Option<Bytes>>,
}

impl VisibleFields {
    /// Those of the request of an invocation. What the host sets has the value that it has now.
    pub(super) fn of(invocation: &Invocation) -> Self {
        let Some(fields) = &invocation.request_fields else { return Self(None) };
        let value = |field: &RequestField| value(&field.source, &invocation.exchange, invocation.id);
        let values = fields.iter().map(value).collect();
        Self(Some(Arc::new(SetFields { fields: fields.clone(), values })))
    }

    /// Calls `each` with the name, in lower case, and the value of each field line: first those that the host sets, so that
    /// no bound on fields leaves them out, then those of `request` in order.
    pub(super) fn for_each(&self, request: &Request, mut each: impl FnMut(&str, &[u8])) {
        if let Self(Some(set)) = self {
            for (field, value) in set.fields.iter().zip(&set.values) {
                if let Some(value) = value {
                    each(&field.name, value);
                }
            }
        }
        let dropped = connection_options(request);
        for (name, value) in request.head.fields() {
            if is_visible(name, value, &dropped) && !self.sets(name) {
                each(&name.to_ascii_lowercase(), value);
            }
        }
    }

    /// Removes the trailers of a request whose names are those of fields that the host sets.
    pub(super) fn remove_from(&self, trailers: &mut Fields) {
        trailers.retain(|name| !self.sets(name));
    }

    /// Whether the host sets a field of this name.
    fn sets(&self, name: &str) -> bool {
        self.0.as_ref().is_some_and(|set| set.fields.iter().any(|field| is_same(&field.name, name)))
    }
}

/// The value that a source has for a request, if it is one of a field (RFC 9110 section 5.5).
fn value(source: &FieldSource, exchange: &Exchange, id: u64) -> Option<Bytes> {
    let request = exchange.request()?;
    let value = match source {
        FieldSource::Peer => request.peer.address().into(),
        FieldSource::Id => id.to_string().into(),
        FieldSource::Context(name) => exchange.context_value(name)?,
        FieldSource::Param(name) => {
            let (_, value) = request.params.iter().find(|(known, _)| known == name)?;
            value.clone().into()
        }
    };
    is_field_value(&value).then_some(value)
}

/// Whether no component sees a field of this name.
fn is_hidden(name: &str) -> bool {
    let is = |hidden: &&str| name.eq_ignore_ascii_case(hidden);
    CONNECTION_FIELDS.iter().any(is) || HIDDEN.iter().any(is)
}

/// Whether components see a field of a request whose connection drops these. `te` is seen if it is `trailers`.
fn is_visible(name: &str, value: &[u8], dropped: &[&[u8]]) -> bool {
    match name.eq_ignore_ascii_case("te") {
        true => value.eq_ignore_ascii_case(b"trailers"),
        false => !is_hidden(name) && !is_among(dropped, name.as_bytes()),
    }
}

/// The names that `connection` has, sorted: these fields are for the connection alone, too.
fn connection_options(request: &Request) -> Vec<&[u8]> {
    let values = request.head.values("connection");
    let options = values.flat_map(|value| value.split(|&byte| byte == b',')).map(<[u8]>::trim_ascii);
    let is_plain = |option: &[u8]| PLAIN_OPTIONS.iter().any(|plain| option.eq_ignore_ascii_case(plain));
    let mut names: Vec<&[u8]> = options.filter(|option| !is_plain(option)).collect();
    names.sort_unstable_by(|one, other| compare(one, other));
    names
}

fn is_among(sorted: &[&[u8]], name: &[u8]) -> bool {
    sorted.binary_search_by(|known| compare(known, name)).is_ok()
}

/// Compares names without regard to case.
fn compare(one: &[u8], other: &[u8]) -> Ordering {
    one.iter().map(u8::to_ascii_lowercase).cmp(other.iter().map(u8::to_ascii_lowercase))
}
