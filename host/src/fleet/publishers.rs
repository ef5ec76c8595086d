//! The routes of other hosts, as users of topics.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::push::{Quotas, ScopeName, TopicUser};

/// The most that are remembered. A directory is a name that anybody who can write to the engine chooses.
const MAX_USERS: usize = 1024;

/// Routes of other hosts by their scope and their directory.
#[derive(Debug, Default)]
pub(super) struct Publishers {
    users: HashMap<Arc<ScopeName>, HashMap<PathBuf, TopicUser>>,
    count: usize,
}

impl Publishers {
    /// The route of another host that has published to a topic of `scope`.
    pub(super) fn get(&mut self, scope: &Arc<ScopeName>, directory: &Path) -> &TopicUser {
        // A topic of a directory is reached from that directory alone.
        let (directory, named) = match &**scope {
            ScopeName::Directory(directory) => (directory.as_path(), None),
            ScopeName::Named(name) => (directory, Some(name.as_str())),
        };
        let is_known = self.users.get(scope).is_some_and(|users| users.contains_key(directory));
        if !is_known {
            if self.count == MAX_USERS {
                *self = Self::default();
            }
            self.count += 1;
        }
        let users = self.users.entry(scope.clone()).or_default();
        // Its own host has charged it already.
        users.entry(directory.to_owned()).or_insert_with(|| TopicUser::new(directory, named, Quotas::default()))
    }
}
