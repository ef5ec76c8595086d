//! The request of `host call`: its flags, and its encoding.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use host::http_file::FileRequest;
use host::net::ListenAddress;
use host::routes::Mount;

/// Flags that describe the request.
#[derive(Debug, Args)]
#[command(next_help_heading = "Request")]
pub(super) struct CallRequest {
    /// Request target: the path, percent-encoded, and the query [default: the route's path, if it has no parameters].
    #[arg(long, value_name = "PATH")]
    path: Option<String>,

    /// Request method [default: GET, or POST with a body].
    #[arg(long, value_name = "METHOD")]
    method: Option<String>,

    /// A field, as in "Accept: text/plain"; can be given several times.
    #[arg(long, value_name = "FIELD", value_parser = field)]
    field: Vec<(String, String)>,

    /// Request body.
    #[arg(long, value_name = "TEXT", conflicts_with = "body_file")]
    body: Option<String>,

    /// File with the request body; `-` is stdin.
    #[arg(long, value_name = "FILE")]
    body_file: Option<PathBuf>,
}

impl CallRequest {
    /// The method.
    pub(super) fn method(&self) -> &str {
        let default = if self.body.is_some() || self.body_file.is_some() { "POST" } else { "GET" };
        self.method.as_deref().unwrap_or(default)
    }

    /// The request to a route. What was typed is taken as it is, even if HTTP forbids it.
    pub(super) fn for_route(&self, mount: &Mount) -> anyhow::Result<FileRequest> {
        let (method, target) = (self.method(), self.target(mount)?);
        for (flag, text) in [("--method", method), ("--path", target)] {
            anyhow::ensure!(!text.contains(char::is_control), "`{flag}` contains a control character; remove it");
        }
        Ok(FileRequest {
            line: 1,
            name: None,
            method: method.to_owned(),
            target: target.to_owned(),
            fields: self.field.clone(),
            body: self.body()?,
            expectations: Vec::new(),
        })
    }

    fn target<'t>(&'t self, mount: &'t Mount) -> anyhow::Result<&'t str> {
        let plain = || mount.patterns.iter().find(|pattern| !pattern.contains('{'));
        let target = self.path.as_ref().or_else(plain);
        let target = target.with_context(|| {
            format!("the route has no fixed path; set --path to match one of {}", mount.patterns.join(", "))
        })?;
        Ok(target)
    }

    fn body(&self) -> anyhow::Result<Option<Vec<u8>>> {
        match (&self.body, &self.body_file) {
            (Some(text), _) => Ok(Some(text.clone().into_bytes())),
            (None, Some(file)) => Ok(Some(read(file)?)),
            (None, None) => Ok(None),
        }
    }
}

/// Encodes a request. `Host`, `Connection` and `Content-Length` are added unless it has them.
pub(in crate::cli) fn encode(request: &FileRequest, host: &ListenAddress) -> Vec<u8> {
    let FileRequest { method, target, fields, body, .. } = request;
    let mut head = format!("{method} {target} HTTP/1.1\r\n");
    let mut add = |name: &str, value: &str| head += &format!("{name}: {value}\r\n");
    let is_given = |name: &str| fields.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
    if !is_given("host") {
        add("Host", &host.to_string());
    }
    if !is_given("connection") {
        add("Connection", "close");
    }
    fields.iter().for_each(|(name, value)| add(name, value));
    if let Some(body) = body
        && !is_given("content-length")
        && !is_given("transfer-encoding")
    {
        add("Content-Length", &body.len().to_string());
    }
    head += "\r\n";
    [head.as_bytes(), body.as_deref().unwrap_or_default()].concat()
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    if file == Path::new("-") {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read the body from stdin")?;
        return Ok(bytes);
    }
    std::fs::read(file).with_context(|| format!("cannot read the body from {}", file.display()))
}

fn field(text: &str) -> Result<(String, String), String> {
    let expected = "expected `Name: value`, without control characters";
    let (name, value) = text.split_once(':').ok_or(expected)?;
    let is_invalid = name.is_empty() || text.contains(|c: char| c.is_control() && c != '\t');
    if is_invalid { Err(expected.to_owned()) } else { Ok((name.to_owned(), value.trim().to_owned())) }
}
