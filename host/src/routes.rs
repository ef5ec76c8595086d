//! Routes: which target answers a method and a path, with which options.
//!
//! ```text
//! users/[id].wasm          bytes, ComponentKey        `disk`, a `source`: lists, reads, watches
//! hello.py                 script -> handler          `script`, `interpreters`: run by the component of its language
//! users/[id].toml          text -> RouteFile          `file`
//!                          path in tree -> pattern    `pattern`: also checks declared ones
//!                          all of it -> Route         `load`: compiles the component
//! _auth.wasm               LoadedMiddleware           `middleware`: which of them are in a route's chain
//!            all components -> what to load           `catalog`, fed by the thread of `directory`
//!                Vec<Route> -> RouteTable             `table`, without the losers of a `conflict`; `pending`: still loading
//!        host, method, path -> Lookup                 `table`, over `site`, `path`'s decoding and `matcher`
//! ```
//!
//! A [`RouteTable`] never changes: [`Current`] replaces it by another, and requests in flight keep theirs.

mod catalog;
mod changes;
mod component;
mod conflict;
mod current;
mod declared_paths;
mod directory;
mod disk;
pub mod file;
mod fingerprint;
mod holder_store;
mod holders;
mod ignored_files;
mod interpreters;
mod load;
mod matcher;
pub mod method;
mod middleware;
mod path;
pub mod pattern;
mod pattern_cover;
mod pending;
mod route;
mod script;
mod segment;
mod site;
mod source;
mod suggestions;
mod table;
mod target;
mod timer;
mod unserved;
mod watch;

pub use component::{ComponentKey, ComponentRole};
pub use current::Current;
pub use declared_paths::{Declare, DeclareError};
pub use directory::{Directory, Setup};
#[cfg(test)]
pub(crate) use disk::Disk;
pub use file::{RouteFile, RouteFileError};
pub use holder_store::{HolderStoreError, HolderStoreSetup};
pub use holders::{Authority, CLAIM_KEPT, Holders};
#[cfg(test)]
pub(crate) use interpreters::Interpreters;
#[cfg(test)]
pub(crate) use load::{Candidate, Load, Loaded, Loader, Unfinished};
pub use method::{MethodError, TIMER_METHOD};
pub use middleware::{ChainLink, LoadedMiddleware};
pub use pattern::PatternError;
pub use pattern_cover::Cover;
pub use pending::PendingRoute;
pub use route::{Mount, Route, RoutePermit};
pub use script::Language;
pub use site::{Site, SiteError};
pub use suggestions::{Similarity, suggest};
pub use table::{LoadReport, Lookup, MountedRoute, Params, RouteTable};
pub use target::RouteTarget;
pub use timer::RouteTimer;
pub use unserved::UnservedRoute;
pub use watch::WatchError;
pub(crate) use watch::Watcher;
