//! The messages of the control socket.

use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use crate::routes::Site;

/// A chunk to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishRequest {
    /// Whose topic it is.
    pub scope: TopicScope,
    /// The topic.
    pub topic: String,
    /// The bytes.
    pub chunk: Vec<u8>,
}

/// Whose topics are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicScope {
    /// Those of the routes in this directory, which is relative to the routes directory.
    Directory(PathBuf),
    /// Those of the routes of a site whose files have this name as `topics`.
    Named {
        /// The site.
        site: Site,
        /// The name.
        name: String,
    },
}

impl TopicScope {
    /// The topics of the routes in a directory, which is relative to the routes directory. `None` if it leads out of that.
    #[must_use]
    pub fn of_directory(directory: &Path) -> Option<Self> {
        let mut plain = PathBuf::new();
        for component in directory.components() {
            match component {
                Component::Normal(name) => plain.push(name),
                Component::CurDir => {}
                Component::Prefix(_) | Component::RootDir | Component::ParentDir => return None,
            }
        }
        Some(Self::Directory(plain))
    }
}

impl PublishRequest {
    /// The request as it is sent.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let (directory, site, name) = match &self.scope {
            TopicScope::Directory(directory) => (Some(directory.to_string_lossy()), None, None),
            TopicScope::Named { site, name } => (None, site.name(), Some(name)),
        };
        let line = json!({
            "publish": { "directory": directory, "site": site, "topics": name, "topic": self.topic, "bytes": self.chunk.len() },
        });
        let mut bytes = format!("{line}\n").into_bytes();
        bytes.extend_from_slice(&self.chunk);
        bytes
    }

    /// Reads a request without its chunk, and the length of the chunk.
    pub(super) fn parse(line: &[u8]) -> Result<(Self, usize), String> {
        let wrong = || "the request is malformed; use the `host` that runs".to_owned();
        let line: Value = serde_json::from_slice(line.strip_suffix(b"\n").ok_or_else(wrong)?).map_err(|_| wrong())?;
        let publish = &line["publish"];
        let scope = match (publish["directory"].as_str(), publish["topics"].as_str()) {
            (Some(directory), None) => TopicScope::of_directory(Path::new(directory)).ok_or_else(wrong)?,
            (None, Some(name)) => {
                let site = publish["site"].as_str().map_or(Ok(Site::default()), Site::named);
                TopicScope::Named { site: site.map_err(|_| wrong())?, name: name.to_owned() }
            }
            (Some(_), Some(_)) | (None, None) => return Err(wrong()),
        };
        let topic = publish["topic"].as_str().ok_or_else(wrong)?.to_owned();
        let length = publish["bytes"].as_u64().and_then(|length| usize::try_from(length).ok()).ok_or_else(wrong)?;
        Ok((Self { scope, topic, chunk: Vec::new() }, length))
    }
}

/// The answer to a request.
pub(super) fn answer(result: Result<u32, String>) -> Vec<u8> {
    let line = match result {
        Ok(reached) => json!({ "reached": reached }),
        Err(reason) => json!({ "error": reason }),
    };
    format!("{line}\n").into_bytes()
}

/// Reads an answer: how many subscribers were reached, or why none were.
pub(super) fn read_answer(answer: &[u8]) -> Result<u32, String> {
    let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
    match (answer["reached"].as_u64().and_then(|reached| u32::try_from(reached).ok()), answer["error"].as_str()) {
        (Some(reached), _) => Ok(reached),
        (None, Some(reason)) => Err(reason.to_owned()),
        (None, None) => Err("it gave no answer; use the `host` that runs".to_owned()),
    }
}
