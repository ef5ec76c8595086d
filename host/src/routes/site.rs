//! Sites: the routes of a host name. Those of `example.org` are in the directory `@example.org` of the routes directory.
//!
//! Owns which directories are sites, and which site a request is for. A name is compared without regard to case and without
//! its port and the dot at its end. It is not decoded: a name that is not ASCII is sent, and written, as A-labels
//! (RFC 5891), as in `xn--bcher-kva.example`.

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fmt;
use std::net::Ipv6Addr;
use std::path::{Component, Path};
use std::sync::Arc;

use thiserror::Error;

use super::pattern::shape;
use crate::http::loopback::host;

#[cfg(test)]
mod tests;

/// What the name of a site's directory begins with.
const MARK: char = '@';

/// The directory of the default site.
const DEFAULT: &str = "default";

/// What the name of a site begins with that has all names below another.
const BELOW: &str = "*.";

/// The longest host name, and the longest label, in bytes (RFC 1035 section 2.3.4).
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// Which requests a tree of routes is for: those of a name, those of all names below another, or, by default, those of
/// names that no other site has. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site(Option<Arc<str>>);

/// Why the name of a directory is not that of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SiteError {
    /// There is nothing after the `@`, or an empty label.
    #[error("a part of its host name is empty")]
    Empty,
    /// An upper-case letter.
    #[error("its host name has an upper-case letter")]
    UpperCase,
    /// A letter that is not ASCII.
    #[error("its host name is not ASCII")]
    NotAscii,
    /// A port after the name.
    #[error("its host name has a port")]
    Port,
    /// A dot at the end.
    #[error("its host name ends with a dot")]
    Dot,
    /// A `*` that is not the whole first label, or with nothing but numbers after it.
    #[error("its host name has a `*` that stands for no names below another")]
    Wildcard,
    /// An address of IPv6 that is not written as the host compares it.
    #[error("its host name is no address of IPv6 as RFC 5952 writes it")]
    Address,
    /// More than 253 bytes, or a label of more than 63.
    #[error("its host name is longer than {MAX_NAME_BYTES} bytes, or a part of it than {MAX_LABEL_BYTES}")]
    TooLong,
    /// Another character.
    #[error("its host name has a character that host names do not have")]
    Character,
}

impl SiteError {
    /// What the operator can do.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Empty => "name it `@example.org`, or `@default` for all names without a site",
            Self::UpperCase => "rename it in lower case: a request may have either",
            Self::NotAscii => "write its A-labels, as in `@xn--bcher-kva.example`",
            Self::Port => "leave the port out: a site has all ports of its name",
            Self::Dot => "leave the dot at the end out: a request may have it or not",
            Self::Wildcard => {
                "write `@*.example.org` for all names below it, or `@default` for all names without a site"
            }
            Self::Address => "write it in brackets and in its short form, as in `@[2001:db8::1]`",
            Self::TooLong => "use a name that can exist in the DNS",
            Self::Character => "use letters, digits, `-`, `_` and dots, as in `@example.org`",
        }
    }
}

impl Site {
    /// The site that a directory at the top of the tree of routes holds. `None` if it holds none.
    ///
    /// # Errors
    /// If it is to hold one, and its name is not valid.
    pub(super) fn of_directory_name(name: &OsStr) -> Option<Result<Self, SiteError>> {
        if !name.as_encoded_bytes().starts_with(MARK.encode_utf8(&mut [0; 4]).as_bytes()) {
            return None;
        }
        let name = name.to_str().and_then(|name| name.strip_prefix(MARK)).ok_or(SiteError::NotAscii);
        Some(name.and_then(Self::named))
    }

    /// The site of a name: `example.org`, `*.example.org`, `[2001:db8::1]` or `default`.
    ///
    /// # Errors
    /// If the name is not valid.
    pub fn named(name: &str) -> Result<Self, SiteError> {
        if name == DEFAULT {
            return Ok(Self::default());
        }
        check(name)?;
        Ok(Self(Some(name.into())))
    }

    /// The site of a directory of the tree of routes, and where that site begins there.
    pub fn of_directory(directory: &Path) -> (Self, &Path) {
        let first = directory.components().next();
        match first {
            Some(Component::Normal(first)) => match Self::of_directory_name(first) {
                Some(Ok(site)) => (site, Path::new(first)),
                Some(Err(_)) | None => (Self::default(), Path::new("")),
            },
            Some(_) | None => (Self::default(), Path::new("")),
        }
    }

    /// Its name. `None` for the default site.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Its name, if it has a single one.
    #[must_use]
    pub fn exact_name(&self) -> Option<&str> {
        self.name().filter(|name| !name.starts_with(BELOW))
    }

    /// A name that the operator gives to what routes of this site share. No other site shares it.
    #[must_use]
    pub fn scoped(&self, name: &str) -> String {
        match self.name() {
            Some(site) => format!("{MARK}{site}\0{name}"),
            None => name.to_owned(),
        }
    }

    /// The shape of a pattern of this site. No pattern of another site has it.
    pub(super) fn shape(&self, pattern: &str) -> String {
        let shape = shape(pattern);
        match self.name() {
            Some(name) => format!("{MARK}{name}{shape}"),
            None => shape,
        }
    }
}

/// The shape of a pattern without its site.
pub(super) fn shape_in_site(shape: &str) -> &str {
    let start = if shape.starts_with(MARK) { shape.find('/').unwrap_or(shape.len()) } else { 0 };
    &shape[start..]
}

/// Its name, or `default`.
impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name().unwrap_or(DEFAULT))
    }
}

fn check(name: &str) -> Result<(), SiteError> {
    if let Some(address) = name.strip_prefix('[') {
        let is_canonical = |address: &str| address.parse().is_ok_and(|it: Ipv6Addr| it.to_string() == address);
        return match address.split_once(']') {
            Some((address, "")) if is_canonical(address) => Ok(()),
            Some((_, port)) if port.starts_with(':') => Err(SiteError::Port),
            Some(_) | None => Err(SiteError::Address),
        };
    }
    if !name.is_ascii() {
        return Err(SiteError::NotAscii);
    }
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(SiteError::UpperCase);
    }
    if name.parse::<Ipv6Addr>().is_ok() {
        return Err(SiteError::Address);
    }
    if let Some((_, port)) = name.split_once(':') {
        return Err(if port.bytes().all(|byte| byte.is_ascii_digit()) {
            SiteError::Port
        } else {
            SiteError::Character
        });
    }
    if name.ends_with('.') && name != "." {
        return Err(SiteError::Dot);
    }
    let below = name.strip_prefix(BELOW);
    let labels = below.unwrap_or(name);
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    if labels.contains('*') || (below.is_some() && labels.rsplit('.').next().is_some_and(is_number)) {
        return Err(SiteError::Wildcard);
    }
    if name.len() > MAX_NAME_BYTES || labels.split('.').any(|label| label.len() > MAX_LABEL_BYTES) {
        return Err(SiteError::TooLong);
    }
    labels.split('.').try_for_each(check_label)
}

fn check_label(label: &str) -> Result<(), SiteError> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    match label {
        "" => Err(SiteError::Empty),
        _ if label.starts_with('-') || label.ends_with('-') || !label.bytes().all(is_of_name) => {
            Err(SiteError::Character)
        }
        _ => Ok(()),
    }
}

/// A value for each site.
#[derive(Debug)]
pub(super) struct SiteMap<T> {
    default: T,
    /// Whether the default site has names that no other has.
    has_default: bool,
    /// `None` if there is only the default site: then no name is looked at.
    named: Option<Box<NamedSites<T>>>,
}

#[derive(Debug)]
struct NamedSites<T> {
    exact: HashMap<Box<str>, T>,
    /// Sites of all names below another, by that.
    below: HashMap<Box<str>, T>,
}

impl<T> SiteMap<T> {
    /// A map with a value for each of `sites`, made by `make`, and one for the default site.
    pub(super) fn new(sites: &BTreeSet<Site>, mut make: impl FnMut(&Site) -> T) -> Self {
        let default = Site::default();
        let (mut exact, mut below) = (HashMap::new(), HashMap::new());
        for site in sites {
            match site.name().map(|name| (name, name.strip_prefix(BELOW))) {
                Some((_, Some(parent))) => drop(below.insert(parent.into(), make(site))),
                Some((name, None)) => drop(exact.insert(name.into(), make(site))),
                None => {}
            }
        }
        let has_named = !exact.is_empty() || !below.is_empty();
        Self {
            default: make(&default),
            has_default: !has_named || sites.contains(&default),
            named: has_named.then(|| Box::new(NamedSites { exact, below })),
        }
    }

    /// The value of the site that a request with this authority is for: the site of that name, else that of the longest name
    /// which it is below, else the default site, if there is one. A request without an authority is for the default site.
    pub(super) fn find<'a>(&self, authority: impl FnOnce() -> Option<&'a str>) -> Option<&T> {
        let Some(named) = &self.named else { return Some(&self.default) };
        let found = authority().and_then(|authority| named.find(authority));
        found.or_else(|| self.has_default.then_some(&self.default))
    }

    /// The value of the site with exactly this name.
    pub(super) fn exact(&self, authority: &str) -> Option<&T> {
        self.named.as_ref()?.exact(authority)
    }

    /// The value of the default site.
    #[cfg(test)]
    pub(super) fn default_site(&self) -> &T {
        &self.default
    }
}

impl<T> NamedSites<T> {
    fn exact(&self, authority: &str) -> Option<&T> {
        self.with_name(authority, |name| self.exact.get(name))
    }

    fn find(&self, authority: &str) -> Option<&T> {
        self.with_name(authority, |name| self.exact.get(name).or_else(|| self.find_below(name)))
    }

    fn find_below(&self, name: &str) -> Option<&T> {
        if self.below.is_empty() {
            return None;
        }
        let parents = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]).filter(|_| !name.starts_with('.'));
        parents.filter_map(|parent| self.below.get(parent)).next()
    }

    /// Looks the host of an authority up, as names of sites are written.
    fn with_name<'s>(&'s self, authority: &str, find: impl FnOnce(&str) -> Option<&'s T>) -> Option<&'s T> {
        let name = host(authority);
        if name.len() > MAX_NAME_BYTES {
            return None;
        }
        if authority.starts_with('[') {
            let address: Ipv6Addr = name.parse().ok()?;
            return find(&format!("[{address}]"));
        }
        match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            true => find(&name.to_ascii_lowercase()),
            false => find(name),
        }
    }
}
