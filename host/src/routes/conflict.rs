//! Routes that claim the same requests: none is answered by the wrong one of two. Who answered before goes on; where
//! none did, neither is mounted there.
//!
//! Owns the reports about it. It must not know of options or handlers.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use matchit::Router;

use super::method;
use super::path::comparable_pattern;
use super::route::Route;
use super::table::Mounted;
use crate::diagnostic::{Diagnostic, Severity};

#[cfg(test)]
mod tests;

/// What is left of the routes' claims once the conflicting ones are gone.
pub(super) struct Settled {
    /// The routes, as indices, that answer at each pattern, by pattern.
    pub(super) claims: Claims,
    /// Finds the place of a pattern in the order of `claims`.
    pub(super) router: Router<usize>,
    /// What was dropped, and why.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Routes, as indices, by the pattern that they claim.
pub(super) type Claims = BTreeMap<String, Vec<usize>>;

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

/// All routes, and where they answered before.
struct Claimants<'r, H> {
    routes: &'r [Arc<Route<H>>],
    before: BTreeMap<(&'r Path, &'r str), &'r [String]>,
}

/// Settles who answers at which pattern, those being mounted `before` who were.
pub(super) fn settle<H>(routes: &[Arc<Route<H>>], before: &[Mounted<H>]) -> Settled {
    let claimants = Claimants { routes, before: before.iter().flat_map(held).collect() };
    let mut claims = claims(routes);
    let mut diagnostics = claimants.drop_overlaps(&mut claims);
    loop {
        match claimants.router(&claims) {
            Ok(router) => return Settled { claims, router, diagnostics },
            Err(refused) => diagnostics.extend(claimants.drop_ambiguous(&mut claims, &refused)),
        }
    }
}

/// Where a route answered, and to which methods.
fn held<H>(mounted: &Mounted<H>) -> impl Iterator<Item = ((&Path, &str), &[String])> {
    let mount = &mounted.route.mount;
    mounted.patterns.iter().map(|pattern| ((mount.file.as_path(), pattern.as_str()), mount.methods.as_slice()))
}

fn claims<H>(routes: &[Arc<Route<H>>]) -> Claims {
    let mut claims = Claims::new();
    for (index, route) in routes.iter().enumerate() {
        for pattern in &route.mount.patterns {
            let claimants = claims.entry(pattern.clone()).or_default();
            if !claimants.contains(&index) {
                claimants.push(index);
            }
        }
    }
    claims
}

impl<H> Claimants<'_, H> {
    fn tenure(&self, claimant: usize, pattern: &str) -> Tenure {
        let mount = &self.routes[claimant].mount;
        match self.before.get(&(mount.file.as_path(), pattern)) {
            None => Tenure::New,
            Some(methods) if *methods == mount.methods => Tenure::Held,
            Some(_) => Tenure::Changed,
        }
    }

    /// The greatest tenure of a pattern's claimants.
    fn longest(&self, claims: &Claims, pattern: &str) -> Tenure {
        let tenures = claims[pattern].iter().map(|claimant| self.tenure(*claimant, pattern));
        tenures.max().unwrap_or(Tenure::New)
    }

    /// Drops the claims to one pattern whose methods overlap.
    fn drop_overlaps(&self, claims: &mut Claims) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for (pattern, claimants) in claims.iter_mut() {
            let mut dropped = Vec::new();
            for (one, other) in pairs(claimants) {
                let methods = |claimant: usize| &self.routes[claimant].mount.methods;
                let Some(method) = method::overlap(methods(one), methods(other)) else { continue };
                let (loser, rival, losers) = match self.tenure(one, pattern).cmp(&self.tenure(other, pattern)) {
                    Ordering::Equal => (other, one, vec![one, other]),
                    Ordering::Greater => (other, one, vec![other]),
                    Ordering::Less => (one, other, vec![one]),
                };
                let file = |claimant: usize| &self.routes[claimant].mount.file;
                diagnostics.push(overlapping(file(loser), method, pattern, file(rival), Left::of(&losers)));
                dropped.extend(losers);
            }
            claimants.retain(|claimant| !dropped.contains(claimant));
        }
        claims.retain(|_, claimants| !claimants.is_empty());
        diagnostics
    }

    /// A router of all patterns, or those that it refused: it takes first who answered before.
    fn router(&self, claims: &Claims) -> Result<Router<usize>, Vec<String>> {
        let mut patterns: Vec<(usize, &String)> = claims.keys().enumerate().collect();
        patterns.sort_by_key(|(_, pattern)| Reverse(self.longest(claims, pattern)));
        let mut router = Router::new();
        let mut refused = Vec::new();
        for (place, pattern) in patterns {
            if router.insert(comparable_pattern(pattern), place).is_err() {
                refused.push(pattern.clone());
            }
        }
        match refused.is_empty() {
            true => Ok(router),
            false => Err(refused),
        }
    }

    /// Drops the patterns that a router refused, and all that they conflict with and that have not answered before:
    /// which of two was refused is but their order.
    fn drop_ambiguous(&self, claims: &mut Claims, refused: &[String]) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        let mut dropped = refused.to_vec();
        for (place, pattern) in refused.iter().enumerate() {
            let tenure = self.longest(claims, pattern);
            let rivals = claims.keys().filter(|other| conflict(pattern, other));
            let rivals: Vec<(&String, Tenure)> =
                rivals.map(|rival| (rival, self.longest(claims, rival))).filter(|(_, of)| *of >= tenure).collect();
            let mut described: Vec<(String, Left)> = Vec::new();
            for (rival, of) in rivals.iter().filter(|(rival, _)| !refused[..place].contains(rival)) {
                let left = if *of == tenure { Left::Neither } else { Left::One };
                let files = claims[*rival].iter().map(|holder| &self.routes[*holder].mount.file);
                described.extend(files.map(|file| (format!("`{rival}` of {}", file.display()), left)));
            }
            if rivals.is_empty() {
                described.push(("the other patterns, taken together".to_owned(), Left::Neither));
            }
            for claimant in &claims[pattern] {
                let file = &self.routes[*claimant].mount.file;
                diagnostics.extend(described.iter().map(|(rival, left)| ambiguous(file, pattern, rival, *left)));
            }
            dropped.extend(rivals.into_iter().filter(|(_, of)| *of == tenure).map(|(rival, _)| rival.clone()));
        }
        claims.retain(|pattern, _| !dropped.contains(pattern));
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
fn pairs<T: Copy>(items: &[T]) -> impl Iterator<Item = (T, T)> {
    items.iter().enumerate().flat_map(|(place, one)| items[place + 1..].iter().map(|other| (*one, *other)))
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

fn ambiguous(file: &Path, pattern: &str, rival: &str, left: Left) -> Diagnostic {
    let (rival, result) = match left {
        Left::One => (format!("{rival}, which answers already"), "this one is not there now"),
        Left::Neither => (rival.to_owned(), "neither is there now"),
    };
    Diagnostic {
        severity: Severity::Error,
        file: file.to_owned(),
        reason: format!("path `{pattern}` cannot be told from {rival}"),
        remedy: format!("give both captures one name where they are the same path, or set the paths apart; {result}"),
    }
}

/// Whether a router takes only one of two patterns.
fn conflict(one: &str, other: &str) -> bool {
    let refuses_second = |first: &str, second: &str| {
        let mut router = Router::new();
        router.insert(comparable_pattern(first), ()).is_ok() && router.insert(comparable_pattern(second), ()).is_err()
    };
    one != other && (refuses_second(one, other) || refuses_second(other, one))
}
