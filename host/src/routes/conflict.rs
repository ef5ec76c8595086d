//! Routes that claim the same requests: neither is mounted there, so that none is answered by the wrong one of two.
//!
//! Owns the reports about it. It must not know of options or handlers.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use matchit::Router;

use super::method;
use super::path::comparable_pattern;
use super::route::Route;
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

/// Settles who answers at which pattern.
pub(super) fn settle<H>(routes: &[Arc<Route<H>>]) -> Settled {
    let mut claims = claims(routes);
    let mut diagnostics = drop_overlaps(routes, &mut claims);
    loop {
        match router(&claims) {
            Ok(router) => return Settled { claims, router, diagnostics },
            Err(refused) => diagnostics.extend(drop_ambiguous(routes, &mut claims, &refused)),
        }
    }
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

/// Drops the claims to one pattern whose methods overlap.
fn drop_overlaps<H>(routes: &[Arc<Route<H>>], claims: &mut Claims) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for (pattern, claimants) in claims.iter_mut() {
        let mut dropped = Vec::new();
        for (one, other) in pairs(claimants) {
            let (first, second) = (&routes[one].mount, &routes[other].mount);
            if let Some(method) = method::overlap(&first.methods, &second.methods) {
                diagnostics.push(Diagnostic {
                    severity: Severity::Error,
                    file: second.file.clone(),
                    reason: format!("`{method} {pattern}` is claimed by {} too", first.file.display()),
                    remedy: format!("give one of the two another path or other methods; neither is at `{pattern}` now"),
                });
                dropped.extend([one, other]);
            }
        }
        claimants.retain(|claimant| !dropped.contains(claimant));
    }
    claims.retain(|_, claimants| !claimants.is_empty());
    diagnostics
}

/// Every two of `items`, in order.
fn pairs<T: Copy>(items: &[T]) -> impl Iterator<Item = (T, T)> {
    items.iter().enumerate().flat_map(|(place, one)| items[place + 1..].iter().map(|other| (*one, *other)))
}

/// A router of all patterns, or those that it refused.
fn router(claims: &Claims) -> Result<Router<usize>, Vec<String>> {
    let mut router = Router::new();
    let mut refused = Vec::new();
    for (place, pattern) in claims.keys().enumerate() {
        if router.insert(comparable_pattern(pattern), place).is_err() {
            refused.push(pattern.clone());
        }
    }
    match refused.is_empty() {
        true => Ok(router),
        false => Err(refused),
    }
}

/// Drops the patterns that a router refused, and all that they conflict with: which of two was refused is but their
/// order.
fn drop_ambiguous<H>(routes: &[Arc<Route<H>>], claims: &mut Claims, refused: &[String]) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let mut dropped = refused.to_vec();
    for (place, pattern) in refused.iter().enumerate() {
        let rivals: Vec<&String> = claims.keys().filter(|other| conflict(pattern, other)).collect();
        let alone = rivals.is_empty().then(|| "the other patterns, taken together".to_owned());
        let described = rivals
            .iter()
            .filter(|rival| !refused[..place].contains(rival))
            .flat_map(|rival| claims[*rival].iter().map(move |holder| (rival, &routes[*holder].mount.file)))
            .map(|(rival, file)| format!("`{rival}` of {}", file.display()));
        let described: Vec<String> = described.chain(alone).collect();
        for claimant in &claims[pattern] {
            let file = &routes[*claimant].mount.file;
            diagnostics.extend(described.iter().map(|rival| ambiguous(file, pattern, rival)));
        }
        dropped.extend(rivals.into_iter().cloned());
    }
    claims.retain(|pattern, _| !dropped.contains(pattern));
    diagnostics
}

fn ambiguous(file: &Path, pattern: &str, rival: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        file: file.to_owned(),
        reason: format!("path `{pattern}` cannot be told from {rival}"),
        remedy:
            "give both captures one name where they are the same path, or set the paths apart; neither is there now"
                .to_owned(),
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
