//! The names of channels at the engine.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use super::message::HostId;
use super::redis::HistoryKeys;
use crate::push::ScopeName;

/// The name of a channel.
pub(super) type Channel = Arc<[u8]>;

/// The channel of a topic: `PREFIX:t:d3:a/b:TOPIC` for the routes in the directory `a/b`, with the length of its name so that no
/// two topics have one channel, or `PREFIX:t:n4:NAME:TOPIC` for those of a named scope.
pub(super) fn of_topic(prefix: &str, scope: &ScopeName, topic: &str) -> Channel {
    let (kind, name) = match scope {
        ScopeName::Directory(directory) => ('d', directory.as_os_str().as_bytes()),
        ScopeName::Named(name) => ('n', name.as_bytes()),
    };
    let head = format!("{prefix}:t:{kind}{}:", name.len());
    [head.as_bytes(), name, b":", topic.as_bytes()].concat().into()
}

/// The keys of the history of a topic. What is between the braces decides in which part of a cluster a key is, so both are in one.
pub(super) fn history_keys(channel: &Channel, prefix: &str) -> HistoryKeys {
    // The channel begins with the prefix and `:t:`.
    let topic = channel.get(prefix.len() + ":t:".len()..).unwrap_or_default();
    let key = |kind: &str| [format!("{prefix}:l:{{").as_bytes(), topic, b"}:", kind.as_bytes()].concat();
    HistoryKeys { stream: key("events"), run: key("run") }
}

/// The channel on which a host hears only itself.
pub(super) fn of_host(prefix: &str, host: HostId) -> Channel {
    format!("{prefix}:h:{host}").into_bytes().into()
}
