//! Routes: which handler answers a method and a path, under which options.
//!
//! ```text
//! routes/users/[id].wasm   place -> pattern     `pattern`: also checks declared ones
//! routes/users/[id].toml   text -> RouteFile    `file`
//!                          both -> Route        `load`: reads the disk, compiles
//! routes/_auth.wasm        Layer                `layer`: which of them are a route's chain
//!                     all of them               `directory`: finds, loads in threads, publishes what `catalog` knows
//!                 Vec<Route> -> RouteTable      `table`, without what `conflict` drops; `awaited`: what is to come
//!               method, path -> Lookup          `table`, over `path`'s decoding and `matcher`
//! ```
//!
//! A [`RouteTable`] never changes: [`Current`] swaps it for another, and requests in flight keep theirs. It must not know of
//! connections, and of a handler only that there is one.

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
mod load;
mod matcher;
pub mod method;
mod middleware;
mod path;
pub mod pattern;
mod pattern_cover;
mod pending;
mod route;
mod segment;
mod source;
mod suggestions;
mod table;
mod target;
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
pub(crate) use load::{Candidate, Load, Loaded, Loader, Unfinished};
pub use method::MethodError;
pub use middleware::{ChainLink, LoadedMiddleware};
pub use pattern::PatternError;
pub use pattern_cover::Cover;
pub use pending::PendingRoute;
pub use route::{Mount, Route, RoutePermit};
pub use suggestions::{Similarity, suggest};
pub use table::{Lookup, MountedRoute, Params, RouteTable};
pub use target::RouteTarget;
pub use watch::WatchError;
