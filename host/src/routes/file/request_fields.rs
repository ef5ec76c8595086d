//! The table `[request-fields]` of a route file: fields of requests that the host sets, and where their values come from.

use std::collections::BTreeMap;

use thiserror::Error;

use super::super::component::ComponentKey;
use super::super::segment::capture_names;
use super::{REQUEST_FIELDS, RouteFile, RouteFileError, text};
use crate::diagnostic::Diagnostic;
use crate::guest::request_fields::{is_same, may_be_set};
use crate::guest::{FieldSource, RequestField, World};
use crate::http::fields::check_name;
use crate::options::is_name;
use crate::text::{excerpt, printable};

/// The most fields that the host sets in a request.
const MAX_FIELDS: usize = 16;

/// The longest name in the context, in bytes.
const MAX_CONTEXT_NAME_BYTES: usize = 256;

/// The most bytes of a wrong source that a message quotes.
const MAX_QUOTED_BYTES: usize = 64;

/// A field of a route file, with its line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestFieldEntry {
    /// Where it is. Lines count from 1.
    pub line: usize,
    /// The field.
    pub field: RequestField,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestFieldError {
    /// The name is no token, or too long.
    #[error("is no name of a field; expected letters, digits and `-`, 256 at most, as in `x-user`")]
    Name,
    /// Components do not see the field, or it describes the body.
    #[error("is of the connection or of the body, and cannot be set")]
    Fixed,
    /// Another field has the same name.
    #[error("has the same name as `{0}`: case does not matter, nor whether it is `-` or `_`")]
    Twice(String),
    /// There are more of them than a table may have.
    #[error("is one too many; expected {MAX_FIELDS} fields at most")]
    TooMany,
    /// The source is none.
    #[error("is from {found}; expected \"peer\", \"id\", \"context:NAME\" or \"param:NAME\", as in \"context:user\"")]
    Source {
        /// What it is instead.
        found: String,
    },
}

impl RequestFieldError {
    /// What the operator can do about it.
    pub(super) fn remedy(&self) -> &'static str {
        match self {
            Self::Name => "name a field, or leave the line out",
            Self::Fixed => "choose a name of your own, as in `x-user`",
            Self::Twice(_) => "keep one of them",
            Self::TooMany => "keep those that the component reads",
            Self::Source { .. } => "write what is expected in its place",
        }
    }
}

impl RouteFile {
    /// Reports fields that the host cannot set for a handler of this world at these patterns.
    pub(in crate::routes) fn check_request_fields(
        &self,
        key: &ComponentKey,
        world: World,
        patterns: &[String],
    ) -> Vec<Diagnostic> {
        let Some(line) = self.line(REQUEST_FIELDS).filter(|_| !self.request_fields.is_empty()) else {
            return Vec::new();
        };
        let wrong = |line, reason: &str, remedy: &str| {
            Diagnostic::error(key.route_file(), format!("line {line}: {reason}"), remedy)
        };
        if world == World::Vibrato {
            // A warning would not do: such a handler sees what the client has sent under these names.
            let name = world.name();
            let reason = format!("`{REQUEST_FIELDS}` is for handlers of wasi:http, and this one is of {name}");
            let remedy = "remove it: such a handler has `peer` and `params` of its request, and the context";
            return vec![wrong(line, &reason, remedy)];
        }
        let captures: Vec<String> = patterns.iter().flat_map(|pattern| capture_names(pattern)).collect();
        let check = |RequestFieldEntry { line, field: RequestField { name, source } }: &RequestFieldEntry| {
            let FieldSource::Param(param) = source else { return None };
            if captures.contains(param) {
                return None;
            }
            let reason =
                format!("the request field `{name}` is from the capture `{param}`, which no path of the route has");
            let remedy = match captures.first() {
                Some(capture) => format!("name one that it has, as in \"param:{capture}\""),
                None => format!("capture it, as in `path = \"/{{{param}}}\"`, or remove the field"),
            };
            Some(wrong(*line, &reason, &remedy))
        };
        self.request_fields.iter().filter_map(check).collect()
    }
}

/// Reads the fields of a table, whose `lines` are by name.
pub(super) fn read(
    named: toml::Table,
    lines: &BTreeMap<String, usize>,
    default_line: usize,
) -> Result<Vec<RequestFieldEntry>, Vec<RouteFileError>> {
    let (mut entries, mut errors): (Vec<RequestFieldEntry>, Vec<RouteFileError>) = (Vec::new(), Vec::new());
    for (name, source) in named {
        let line = lines.get(&name).copied().unwrap_or(default_line);
        match field(&name, source, &entries) {
            Ok(field) => entries.push(RequestFieldEntry { line, field }),
            Err(error) => errors.push(RouteFileError::RequestField { line, name, error }),
        }
    }
    entries.sort_by(|one, other| one.field.name.cmp(&other.field.name));
    if errors.is_empty() { Ok(entries) } else { Err(errors) }
}

fn field(name: &str, source: toml::Value, others: &[RequestFieldEntry]) -> Result<RequestField, RequestFieldError> {
    check_name(name).map_err(|_| RequestFieldError::Name)?;
    if !may_be_set(name) {
        return Err(RequestFieldError::Fixed);
    }
    if let Some(other) = others.iter().find(|other| is_same(&other.field.name, name)) {
        return Err(RequestFieldError::Twice(other.field.name.clone()));
    }
    if others.len() >= MAX_FIELDS {
        return Err(RequestFieldError::TooMany);
    }
    let found = found(&source);
    let source = text(source).as_deref().and_then(parse).ok_or(RequestFieldError::Source { found })?;
    Ok(RequestField { name: name.to_ascii_lowercase(), source })
}

/// A source as it is written.
fn parse(source: &str) -> Option<FieldSource> {
    match source.split_once(':') {
        None if source == "peer" => Some(FieldSource::Peer),
        None if source == "id" => Some(FieldSource::Id),
        Some(("context", name)) if (1..=MAX_CONTEXT_NAME_BYTES).contains(&name.len()) => {
            Some(FieldSource::Context(name.to_owned()))
        }
        Some(("param", name)) if is_name(name) => Some(FieldSource::Param(name.to_owned())),
        None | Some(_) => None,
    }
}

/// A value for a message.
fn found(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => format!("\"{}\"", printable(&excerpt(text, MAX_QUOTED_BYTES))),
        toml::Value::Table(_) => "a table".to_owned(),
        toml::Value::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    }
}
