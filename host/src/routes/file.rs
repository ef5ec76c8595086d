//! The route file, `NAME.toml` beside `NAME.wasm`: the operator's paths, methods and options of a route.
//!
//! Owns its keys. Whether options exist and have the right type is checked later.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Spanned;

use super::declared_paths::Declare;
use super::method::{self, MethodError};
use super::middleware::MAX_NAMES;
use super::pattern::{self, PatternError};
use crate::grants::GrantTable;
use crate::oci::{ReferenceError, RegistryComponent};
use crate::options::{Value, ValueError, is_name};
use crate::push;
use crate::text::printable;

mod component;
mod grant;
mod lines;
mod request_fields;
#[cfg(test)]
mod tests;
mod timer;

pub(super) use component::NamedComponent;
pub use grant::{GrantEntryError, GrantMistake};
pub use request_fields::{RequestFieldEntry, RequestFieldError};
pub use timer::TimerError;

use lines::{line, lines_in};

/// What a route file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RouteFile {
    /// `path` or `paths`: patterns, checked. Empty if the file has neither.
    pub paths: Vec<String>,
    /// `method` or `methods`, checked. `None` if the file has neither; an empty list is every method.
    pub methods: Option<Vec<String>>,
    /// `middleware`: names, checked and distinct.
    pub middleware: Vec<String>,
    /// `topics`: the scope of topics, checked. `None` if the file does not have it.
    pub topics: Option<String>,
    /// `declare`: which paths the component may declare. `None` if the file does not have it.
    pub declare: Option<Declare>,
    /// `grant`: what the component may reach, checked in form.
    pub grant: GrantTable,
    /// `request-fields`: fields of requests that the host sets, checked, sorted by name. Whether the route's patterns have
    /// the captures that they name is not checked yet.
    pub request_fields: Vec<RequestFieldEntry>,
    /// `timer`: how often the host runs the route without a client. `None` if the file does not have it.
    pub timer: Option<Duration>,
    /// `component` and `poll`: the component in a registry. `None` if it is the file beside this one.
    pub component: Option<RegistryComponent>,
    /// Every other key, sorted by name. Names and ranges are not checked yet.
    pub options: Vec<(String, Value)>,
    lines: BTreeMap<String, usize>,
}

/// A mistake in a route file. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RouteFileError {
    /// Not TOML.
    #[error("line {line}: {reason}")]
    Syntax {
        /// The line of the first error.
        line: usize,
        /// The parser's message.
        reason: String,
    },
    /// A key of the route file whose value has the wrong type.
    #[error("line {line}: `{key}` is something else; expected {expected}")]
    Type {
        /// Where the value is.
        line: usize,
        /// The key.
        key: &'static str,
        /// What the key takes, in words.
        expected: &'static str,
    },
    /// Two keys that mean the same.
    #[error("line {line}: both `{one}` and `{many}` are there; expected one of them")]
    Both {
        /// Where the second is.
        line: usize,
        /// The key for one.
        one: &'static str,
        /// The key for a list.
        many: &'static str,
    },
    /// A pattern that is not valid.
    #[error("line {line}: {error}")]
    Path {
        /// Where the value is.
        line: usize,
        /// What is wrong with it.
        error: PatternError,
    },
    /// A method that cannot be declared.
    #[error("line {line}: {error}")]
    Method {
        /// Where the value is.
        line: usize,
        /// What is wrong with it.
        error: MethodError,
    },
    /// A name that is not valid for middleware, or is there twice, or is one too many.
    #[error(
        "line {line}: `middleware` names `{}`; expected names of letters, digits, `_` and `-`, each once and {MAX_NAMES} \
         at most, as in [\"auth\"] for `_auth.wasm`", printable(.name)
    )]
    Middleware {
        /// Where the list is.
        line: usize,
        /// The first such name.
        name: String,
    },
    /// A grant that is not valid.
    #[error("line {line}: the grant `{}` {error}", printable(.name))]
    Grant {
        /// Where it is.
        line: usize,
        /// Its name, as in `config.theme`.
        name: String,
        /// What is wrong with it.
        error: GrantEntryError,
    },
    /// A field of `request-fields` that is not valid.
    #[error("line {line}: the request field `{}` {error}", printable(.name))]
    RequestField {
        /// Where the field is.
        line: usize,
        /// Its name.
        name: String,
        /// What is wrong with it.
        error: RequestFieldError,
    },
    /// A timer that is not valid.
    #[error("line {line}: the timer {error}")]
    Timer {
        /// Where it is.
        line: usize,
        /// What is wrong with it.
        error: TimerError,
    },
    /// A component that is not valid.
    #[error("line {line}: `component`: {error}")]
    Component {
        /// Where it is.
        line: usize,
        /// What is wrong with it.
        error: ReferenceError,
    },
    /// A component that never changes is looked at.
    #[error("line {line}: `poll` is there, and `component` has a digest, which never changes")]
    NeedlessPoll {
        /// Where `poll` is.
        line: usize,
    },
    /// An option whose value is not valid.
    #[error("line {line}: option `{}` {error}", printable(.name))]
    Option {
        /// Where the value is.
        line: usize,
        /// The option's name.
        name: String,
        /// What is wrong with its value.
        error: ValueError,
    },
}

impl RouteFileError {
    /// What the operator can do about it.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "write it as TOML: `name = value` on a line, text in quotes",
            Self::Type { .. } | Self::Method { .. } | Self::Middleware { .. } | Self::Option { .. } => {
                "write what is expected in its place"
            }
            Self::Both { .. } => "keep one of them",
            Self::Component { .. } => "write the reference that `host push` prints, or the same with a tag",
            Self::NeedlessPoll { .. } => "remove `poll`, or name a tag",
            Self::Timer { .. } => "write it as `[timer]` and below it `every = 5`",
            Self::Grant { .. } => "write what is expected in its place, or remove it from `[grant]`",
            Self::Path { error, .. } => error.remedy(),
            Self::RequestField { error, .. } => error.remedy(),
        }
    }
}

/// A key for one text, and the key for a list of them.
struct Keys {
    one: &'static str,
    many: &'static str,
    /// What `one` takes.
    text: &'static str,
    /// What `many` takes.
    list: &'static str,
}

const PATHS: Keys = Keys {
    one: "path",
    many: "paths",
    text: "text, as in \"/hello\"",
    list: "a list of texts that is not empty, as in [\"/hello\", \"/page/{id}\"]",
};

const METHODS: Keys = Keys {
    one: "method",
    many: "methods",
    text: "text, as in \"GET\"",
    list: "a list of texts, as in [\"GET\", \"POST\"]",
};

const MIDDLEWARE: &str = "middleware";

/// The largest route file that is read, in bytes.
pub(super) const MAX_ROUTE_FILE_BYTES: u64 = 1024 * 1024;

/// Whose topics the route shares.
pub(super) const TOPICS: &str = "topics";
const DECLARE: &str = "declare";

/// What the component may reach.
pub(super) const GRANT: &str = "grant";

/// Fields of requests that the host sets.
pub(super) const REQUEST_FIELDS: &str = "request-fields";

/// When the host runs the route without a client.
pub(super) const TIMER: &str = "timer";

/// The component in a registry.
pub(super) const COMPONENT: &str = "component";

/// How often its tag is looked at. Without `component`, it is an option like any other.
const POLL: &str = "poll";

/// All keys of a file that are no options.
pub(super) const KEYS: [&str; 11] = [
    PATHS.one,
    PATHS.many,
    METHODS.one,
    METHODS.many,
    MIDDLEWARE,
    TOPICS,
    DECLARE,
    GRANT,
    REQUEST_FIELDS,
    TIMER,
    COMPONENT,
];

/// What a component declares beside its options.
pub(super) const DECLARED_KEYS: [&str; 4] = [PATHS.one, PATHS.many, METHODS.one, METHODS.many];

/// The keys that a component might take for options, and that only the operator sets.
pub(super) const OPERATOR_KEYS: [&str; 5] = [COMPONENT, GRANT, REQUEST_FIELDS, TIMER, TOPICS];

/// The keys of a file, and their values with their positions.
type Table = BTreeMap<String, Spanned<toml::Value>>;

impl RouteFile {
    /// Reads a route file.
    ///
    /// # Errors
    /// All mistakes at once, those in paths and methods first. If the file is not TOML, only the first one.
    pub fn parse(text: &str) -> Result<Self, Vec<RouteFileError>> {
        let mut table: Table = toml::from_str(text).map_err(|error| vec![syntax(text, &error)])?;
        let lines = table.iter().map(|(key, value)| (key.clone(), line(text, &value.span()))).collect();
        let mut reading = RouteFileReader { lines, errors: Vec::new() };
        let paths = reading.paths(&mut table);
        let methods = reading.methods(&mut table);
        let middleware = reading.middleware(&mut table);
        let topics = reading.topics(&mut table);
        let declare = reading.declare(&mut table);
        let grant = reading.grant(text, &mut table);
        let request_fields = reading.request_fields(text, &mut table);
        let timer = reading.timer(text, &mut table);
        let component = reading.component(&mut table);
        let options = reading.options(&table);
        match reading.errors.is_empty() {
            true => Ok(Self {
                paths,
                methods,
                middleware,
                topics,
                declare,
                grant,
                request_fields,
                timer,
                component,
                options,
                lines: reading.lines,
            }),
            false => Err(reading.errors),
        }
    }

    /// The first key that only a handler can have, and not a middleware, with its line.
    #[must_use]
    pub fn of_handler(&self) -> Option<(&'static str, usize)> {
        let keys = [METHODS.one, METHODS.many, MIDDLEWARE, TOPICS, DECLARE, REQUEST_FIELDS, TIMER];
        keys.into_iter().filter_map(|key| Some((key, self.line(key)?))).min_by_key(|(_, line)| *line)
    }

    /// The line of a key's value, for mistakes that are found later.
    #[must_use]
    pub fn line(&self, key: &str) -> Option<usize> {
        self.lines.get(key).copied()
    }
}

/// A file while it is read, with the mistakes so far.
struct RouteFileReader {
    lines: BTreeMap<String, usize>,
    errors: Vec<RouteFileError>,
}

impl RouteFileReader {
    fn paths(&mut self, table: &mut Table) -> Vec<String> {
        let Some((line, paths)) = self.texts(table, &PATHS) else { return Vec::new() };
        if paths.is_empty() {
            self.errors.push(RouteFileError::Type { line, key: PATHS.many, expected: PATHS.list });
        }
        if let Err(error) = pattern::check_all(&paths) {
            self.errors.push(RouteFileError::Path { line, error });
        }
        paths
    }

    fn methods(&mut self, table: &mut Table) -> Option<Vec<String>> {
        let (line, methods) = self.texts(table, &METHODS)?;
        if let Err(error) = method::check(&methods) {
            self.errors.push(RouteFileError::Method { line, error });
        }
        Some(methods)
    }

    fn middleware(&mut self, table: &mut Table) -> Vec<String> {
        let Some(value) = table.remove(MIDDLEWARE) else { return Vec::new() };
        let line = self.lines[MIDDLEWARE];
        let names: Option<Vec<String>> = match value.into_inner() {
            toml::Value::Array(items) => items.into_iter().map(text).collect(),
            _ => None,
        };
        let Some(names) = names else {
            let expected = "a list of names, as in [\"auth\"]";
            self.errors.push(RouteFileError::Type { line, key: MIDDLEWARE, expected });
            return Vec::new();
        };
        let is_bad = |at: usize| at >= MAX_NAMES || !is_name(&names[at]) || names[..at].contains(&names[at]);
        if let Some(at) = (0..names.len()).find(|at| is_bad(*at)) {
            self.errors.push(RouteFileError::Middleware { line, name: names[at].clone() });
        }
        names
    }

    fn topics(&mut self, table: &mut Table) -> Option<String> {
        let value = table.remove(TOPICS)?;
        let name = text(value.into_inner()).filter(|name| push::is_topic(name));
        if name.is_none() {
            let expected = "a name of 1 to 128 bytes without control characters, as in \"chat\"";
            self.errors.push(RouteFileError::Type { line: self.lines[TOPICS], key: TOPICS, expected });
        }
        name
    }

    fn declare(&mut self, table: &mut Table) -> Option<Declare> {
        let value = table.remove(DECLARE)?;
        let declare = text(value.into_inner()).and_then(|text| text.parse().ok());
        if declare.is_none() {
            let expected = "\"nothing\", \"below\" or \"any\"";
            self.errors.push(RouteFileError::Type { line: self.lines[DECLARE], key: DECLARE, expected });
        }
        declare
    }

    /// Takes the grants out of the table. `text` is the whole file, for the lines of wrong ones.
    fn grant(&mut self, text: &str, table: &mut Table) -> GrantTable {
        let Some(value) = table.remove(GRANT) else { return GrantTable::default() };
        let line = self.lines[GRANT];
        let toml::Value::Table(named) = value.into_inner() else {
            self.errors.push(RouteFileError::Type { line, key: GRANT, expected: "a table, as in `[grant]`" });
            return GrantTable::default();
        };
        grant::read(text, named, line).unwrap_or_else(|mistakes| {
            let error = |GrantMistake { line, name, error }| RouteFileError::Grant { line, name, error };
            self.errors.extend(mistakes.into_iter().map(error));
            GrantTable::default()
        })
    }

    /// Takes the fields that the host sets out of the table. `text` is the whole file, for the lines of wrong ones.
    fn request_fields(&mut self, text: &str, table: &mut Table) -> Vec<RequestFieldEntry> {
        let Some(value) = table.remove(REQUEST_FIELDS) else { return Vec::new() };
        let line = self.lines[REQUEST_FIELDS];
        let toml::Value::Table(named) = value.into_inner() else {
            let expected = "a table, as in `[request-fields]`";
            self.errors.push(RouteFileError::Type { line, key: REQUEST_FIELDS, expected });
            return Vec::new();
        };
        request_fields::read(named, &lines_in(text, &[REQUEST_FIELDS]), line).unwrap_or_else(|errors| {
            self.errors.extend(errors);
            Vec::new()
        })
    }

    /// Takes the timer out of the table. `text` is the whole file, for the lines of its keys.
    fn timer(&mut self, text: &str, table: &mut Table) -> Option<Duration> {
        let value = table.remove(TIMER)?;
        let line = self.lines[TIMER];
        let lines = lines_in(text, &[TIMER]);
        match timer::read(value.into_inner()) {
            Ok(every) => Some(every),
            Err((key, error)) => {
                let line = key.and_then(|key| lines.get(&key).copied()).unwrap_or(line);
                self.errors.push(RouteFileError::Timer { line, error });
                None
            }
        }
    }

    fn options(&mut self, table: &Table) -> Vec<(String, Value)> {
        let mut options = Vec::with_capacity(table.len());
        for (name, value) in table {
            match Value::try_from(value.get_ref()) {
                Ok(value) => options.push((name.clone(), value)),
                Err(error) => {
                    let line = self.lines[name];
                    self.errors.push(RouteFileError::Option { line, name: name.clone(), error });
                }
            }
        }
        options
    }

    /// Takes the texts of a key out of the table, with their line.
    fn texts(&mut self, table: &mut Table, keys: &Keys) -> Option<(usize, Vec<String>)> {
        let (one, many) = (table.remove(keys.one), table.remove(keys.many));
        let (key, expected, value) = match (one, many) {
            (None, None) => return None,
            (Some(one), None) => (keys.one, keys.text, one),
            (None, Some(many)) => (keys.many, keys.list, many),
            (Some(_), Some(_)) => {
                let line = self.lines[keys.one].max(self.lines[keys.many]);
                self.errors.push(RouteFileError::Both { line, one: keys.one, many: keys.many });
                return None;
            }
        };
        let line = self.lines[key];
        let texts = match value.into_inner() {
            toml::Value::String(text) if key == keys.one => Some(vec![text]),
            toml::Value::Array(items) if key == keys.many => items.into_iter().map(text).collect(),
            _ => None,
        };
        if texts.is_none() {
            self.errors.push(RouteFileError::Type { line, key, expected });
        }
        texts.map(|texts| (line, texts))
    }
}

fn text(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        _ => None,
    }
}

fn syntax(text: &str, error: &toml::de::Error) -> RouteFileError {
    let line = error.span().map_or(1, |span| line(text, &span));
    RouteFileError::Syntax { line, reason: error.message().to_owned() }
}
