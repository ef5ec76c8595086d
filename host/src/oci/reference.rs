//! References to components in registries, as in `oci://registry.example/shop/cart:1.2`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use super::digest::{ContentDigest, DigestError};
use crate::outbound::{Origin, OriginError, Scheme};

/// What a reference begins with.
const SCHEME: &str = "oci://";

/// The longest name of a repository, in bytes.
const MAX_REPOSITORY: usize = 255;

/// The longest tag, in bytes.
const MAX_TAG: usize = 128;

/// A repository of a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    /// The host and the port, if it has one.
    pub registry: String,
    /// The name of the repository.
    pub name: String,
}

/// Which manifest of a repository is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TagOrDigest {
    /// The one that has this tag now.
    Tag(String),
    /// The one of this digest, for ever.
    Digest(ContentDigest),
}

/// A component in a registry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentReference {
    /// Where it is.
    pub repository: Repository,
    /// Which one it is.
    pub version: TagOrDigest,
}

/// Where the component of a route comes from in place of a file, and how often it is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryComponent {
    /// The component.
    pub reference: ComponentReference,
    /// How often its tag is looked at.
    pub poll: Duration,
}

/// Which component of a registry was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchedComponent {
    /// The reference that the route file has.
    pub reference: ComponentReference,
    /// The digest of the manifest that this meant.
    pub digest: ContentDigest,
}

/// What is wrong with a reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReferenceError {
    /// It is in another form.
    #[error(
        "expected a reference, as in \"oci://registry.example/shop/cart:1.2\" or \"oci://registry.example/shop/cart@sha256:…\""
    )]
    Form,
    /// The registry is none.
    #[error("the registry {0}")]
    Registry(OriginError),
    /// The name of the repository is not valid.
    #[error(
        "the repository has a name that is not valid; expected lower case letters and digits, with `.`, `_` and `-` between them"
    )]
    Repository,
    /// There is neither a tag nor a digest.
    #[error("it has neither a tag nor a digest; write one behind it, as in `:1.2` or `@sha256:…`")]
    NoVersion,
    /// The tag is not valid.
    #[error("the tag is not valid; expected at most {MAX_TAG} letters, digits, `.`, `_` and `-`")]
    Tag,
    /// There are a tag and a digest.
    #[error("it has a tag and a digest; leave out one of them")]
    TagAndDigest,
    /// The digest is not valid.
    #[error("of the digest: {0}")]
    Digest(DigestError),
}

impl ComponentReference {
    /// Whether what it means can change.
    #[must_use]
    pub fn is_tag(&self) -> bool {
        matches!(self.version, TagOrDigest::Tag(_))
    }

    /// The same component by its digest.
    #[must_use]
    pub fn at(&self, digest: ContentDigest) -> Self {
        Self { repository: self.repository.clone(), version: TagOrDigest::Digest(digest) }
    }
}

impl FromStr for ComponentReference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let rest = text.strip_prefix(SCHEME).ok_or(ReferenceError::Form)?;
        let (registry, rest) = rest.split_once('/').ok_or(ReferenceError::Form)?;
        Origin::new(Scheme::Https, registry).map_err(ReferenceError::Registry)?;
        let (name, version) = match (rest.split_once('@'), rest.split_once(':')) {
            (Some((name, _)), _) if name.contains(':') => return Err(ReferenceError::TagAndDigest),
            (Some((name, digest)), _) => (name, TagOrDigest::Digest(digest.parse().map_err(ReferenceError::Digest)?)),
            (None, Some((_, tag))) if !is_tag(tag) => return Err(ReferenceError::Tag),
            (None, Some((name, tag))) => (name, TagOrDigest::Tag(tag.to_owned())),
            (None, None) => return Err(ReferenceError::NoVersion),
        };
        if !is_repository(name) {
            return Err(ReferenceError::Repository);
        }
        let repository = Repository { registry: registry.to_owned(), name: name.to_owned() };
        Ok(Self { repository, version })
    }
}

/// The grammar of the OCI distribution specification, section "Pulling manifests".
fn is_repository(name: &str) -> bool {
    name.len() <= MAX_REPOSITORY && name.split('/').all(is_component)
}

/// Letters and digits, with one `.`, one or two `_`, or some `-` between them.
fn is_component(component: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    let mut separators = component.split(|sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit());
    ends.into_iter().all(|end| end.is_some_and(|byte| is_letter(*byte)))
        && separators.all(|it| matches!(it, "" | "." | "_" | "__") || it.bytes().all(|byte| byte == b'-'))
}

fn is_tag(tag: &str) -> bool {
    let is_sign = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    (1..=MAX_TAG).contains(&tag.len()) && !tag.starts_with(['.', '-']) && tag.bytes().all(is_sign)
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.name)
    }
}

/// What stands in a path of the registry.
impl fmt::Display for TagOrDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

impl fmt::Display for ComponentReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.is_tag() { ':' } else { '@' };
        write!(f, "{}{separator}{}", self.repository, self.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_reference_names_a_registry_a_repository_and_a_version() {
        for (text, registry, name, is_tag) in [
            ("oci://registry.example/shop/cart:1.2", "registry.example", "shop/cart", true),
            ("oci://127.0.0.1:5000/a:latest", "127.0.0.1:5000", "a", true),
            ("oci://[::1]:5000/a__b-c.d--e/0:_x", "[::1]:5000", "a__b-c.d--e/0", true),
            (&format!("oci://localhost/a/b@{DIGEST}"), "localhost", "a/b", false),
        ] {
            let reference: ComponentReference = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
            let repository = &reference.repository;
            assert_eq!((&*repository.registry, &*repository.name, reference.is_tag()), (registry, name, is_tag));
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_reference_is_refused_with_the_reason() {
        let long = format!("oci://a/{}:1", "b".repeat(256));
        for (text, error) in [
            ("", ReferenceError::Form),
            ("registry.example/a:1", ReferenceError::Form),
            ("https://registry.example/a:1", ReferenceError::Form),
            ("oci://registry.example", ReferenceError::Form),
            ("oci:///a:1", ReferenceError::Registry(OriginError::NoHost)),
            ("oci://user:word@registry.example/a:1", ReferenceError::Registry(OriginError::HasUser)),
            ("oci://registry.example:x/a:1", ReferenceError::Registry(OriginError::Port)),
            ("oci://registry.example/a", ReferenceError::NoVersion),
            ("oci://registry.example/:1", ReferenceError::Repository),
            ("oci://registry.example/A:1", ReferenceError::Repository),
            ("oci://registry.example/a//b:1", ReferenceError::Repository),
            ("oci://registry.example/../b:1", ReferenceError::Repository),
            ("oci://registry.example/a_:1", ReferenceError::Repository),
            ("oci://registry.example/a..b:1", ReferenceError::Repository),
            ("oci://registry.example/a?b:1", ReferenceError::Repository),
            (&long, ReferenceError::Repository),
            ("oci://registry.example/a:", ReferenceError::Tag),
            ("oci://registry.example/a:.x", ReferenceError::Tag),
            ("oci://registry.example/a:x/y", ReferenceError::Tag),
            ("oci://registry.example/a@sha256:00", ReferenceError::Digest(DigestError)),
            (&format!("oci://registry.example/a:1@{DIGEST}"), ReferenceError::TagAndDigest),
        ] {
            assert_eq!(text.parse::<ComponentReference>(), Err(error), "{text}");
        }
    }
}
