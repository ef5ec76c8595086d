//! Routes that claim the same requests: none is answered by the wrong one of two. Who answered before goes on; where
//! none did, neither is mounted there.
//!
//! Owns the reports about it. Patterns that differ are no matter here: the most specific answers. It must not know of
//! options or handlers.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::method;
use super::pattern::shape;
use super::route::Route;
use super::table::Mounted;
use crate::diagnostic::{Diagnostic, Severity};

#[cfg(test)]
mod tests;

/// What is left of the routes' claims once the conflicting ones are gone.
pub(super) struct Settled {
    /// The routes that answer at the patterns of each shape.
    pub(super) claims: Claims,
    /// What was dropped, and why.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Those who claim the patterns of a shape.
pub(super) type Claims = BTreeMap<String, Vec<Claimant>>;

/// A route that claims a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claimant {
    /// The route, by its place among all.
    pub(super) index: usize,
    /// The pattern, with its own names of captures.
    pub(super) pattern: String,
}

/// How a claim stands against another; the greater one holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tenure {
    /// The file did not answer at this pattern.
    New,
    /// It did, for other methods.
    Changed,
    /// It did, for the same methods.
    Held,
}

/// All routes, and where they answered before: by the shape of the pattern.
struct Claimants<'r, H> {
    routes: &'r [Arc<Route<H>>],
    before: BTreeMap<(&'r Path, String), &'r [String]>,
}

/// Settles who answers at which pattern, those being mounted `before` who were.
pub(super) fn settle<H>(routes: &[Arc<Route<H>>], before: &[Mounted<H>]) -> Settled {
    let claimants = Claimants { routes, before: before.iter().flat_map(held).collect() };
    let mut claims = claims(routes);
    let diagnostics = claimants.drop_overlaps(&mut claims);
    Settled { claims, diagnostics }
}

/// Where a route answered, and to which methods.
fn held<H>(mounted: &Mounted<H>) -> impl Iterator<Item = ((&Path, String), &[String])> {
    let mount = &mounted.route.mount;
    mounted.patterns.iter().map(|pattern| ((mount.file.as_path(), shape(pattern)), mount.methods.as_slice()))
}

fn claims<H>(routes: &[Arc<Route<H>>]) -> Claims {
    let mut claims = Claims::new();
    for (index, route) in routes.iter().enumerate() {
        for pattern in &route.mount.patterns {
            let claimants = claims.entry(shape(pattern)).or_default();
            if !claimants.iter().any(|claimant| claimant.index == index) {
                claimants.push(Claimant { index, pattern: pattern.clone() });
            }
        }
    }
    claims
}

impl<H> Claimants<'_, H> {
    fn tenure(&self, claimant: &Claimant, shape: &str) -> Tenure {
        let mount = &self.routes[claimant.index].mount;
        match self.before.get(&(mount.file.as_path(), shape.to_owned())) {
            None => Tenure::New,
            Some(methods) if *methods == mount.methods => Tenure::Held,
            Some(_) => Tenure::Changed,
        }
    }

    /// Drops the claims to patterns of one shape whose methods overlap.
    fn drop_overlaps(&self, claims: &mut Claims) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for (shape, claimants) in claims.iter_mut() {
            let mut dropped = Vec::new();
            for (one, other) in pairs(claimants) {
                let methods = |claimant: &Claimant| &self.routes[claimant.index].mount.methods;
                let Some(method) = method::overlap(methods(one), methods(other)) else { continue };
                let (loser, rival, losers) = match self.tenure(one, shape).cmp(&self.tenure(other, shape)) {
                    Ordering::Equal => (other, one, vec![one.index, other.index]),
                    Ordering::Greater => (other, one, vec![other.index]),
                    Ordering::Less => (one, other, vec![one.index]),
                };
                let file = |claimant: &Claimant| &self.routes[claimant.index].mount.file;
                diagnostics.push(overlapping(file(loser), method, &loser.pattern, file(rival), Left::of(&losers)));
                dropped.extend(losers);
            }
            claimants.retain(|claimant| !dropped.contains(&claimant.index));
        }
        claims.retain(|_, claimants| !claimants.is_empty());
        diagnostics
    }
}

/// Who of two is left where they conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The one that answered before.
    One,
    Neither,
}

impl Left {
    fn of(losers: &[usize]) -> Self {
        if losers.len() == 1 { Self::One } else { Self::Neither }
    }
}

/// Every two of `items`, in order.
fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    items.iter().enumerate().flat_map(|(place, one)| items[place + 1..].iter().map(move |other| (one, other)))
}

fn overlapping(file: &Path, method: &str, pattern: &str, rival: &Path, left: Left) -> Diagnostic {
    let rival = rival.display();
    let (claimed, result) = match left {
        Left::One => {
            (format!("by {rival}, which answers there already"), format!("this one is not at `{pattern}` now"))
        }
        Left::Neither => (format!("by {rival} too"), format!("neither is at `{pattern}` now")),
    };
    Diagnostic {
        severity: Severity::Error,
        file: file.to_owned(),
        reason: format!("`{method} {pattern}` is claimed {claimed}"),
        remedy: format!("give one of the two another path or other methods; {result}"),
    }
}
