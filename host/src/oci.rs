//! Components in registries: `component = "oci://…"` in a route file in place of a file beside it.
//!
//! ```text
//! RegistryComponents     which components are followed, and what each is now    `components`, with a thread of its own
//!   -> Fetcher           a tag -> a digest -> a manifest -> the component       `fetch`, `manifest`, `signature`
//!   -> RegistryClient    requests, redirects, tokens, passwords                 `client`, `authorization`, `credentials`
//!   -> OciStore          what was fetched, by its digest                        `store`
//! ```
//!
//! Nothing of a registry is trusted: each thing that is read is bounded, and what has another digest than it should is
//! refused, when it comes and each time it is read from the store. What was fetched once serves on if its registry is away.

mod authorization;
mod client;
mod components;
mod credentials;
mod digest;
mod error;
mod fetch;
mod manifest;
mod push;
mod reference;
mod signature;
mod store;

pub use components::{OciSettings, RegistryComponents};
pub use digest::{ContentDigest, DigestError};
pub use error::OciError;
pub use manifest::{MAX_COMPONENT, ManifestError};
pub use push::{PushedComponent, push};
pub use reference::{ComponentReference, FetchedComponent, ReferenceError, RegistryComponent, Repository, TagOrDigest};
pub use signature::{SignatureError, SignatureKey, SignatureKeyError};
