//! Conflicts between routes that claim the same requests, that is patterns of one site and
//! shape with a method in common.
//!
//! The operator's word goes before a component's declaration; then the route goes on that answered before. If neither
//! decides, none of the two is mounted there. Each conflict is reported. Patterns of different shapes do not conflict: the
//! most specific one answers.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::component::ComponentKey;
use super::holders::{Authority, CLAIM_KEPT, Holders, Reserved, ReservedBy};
use super::method;
use super::route::Route;
use crate::diagnostic::Diagnostic;

#[cfg(test)]
mod tests;

/// The claims without those that lost a conflict.
pub(super) struct ResolvedClaims {
    /// The routes that answer at the patterns of each shape.
    pub(super) claims: Claims,
    /// What was dropped and why.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Whether some claim waits until that of a removed component expires.
    pub(super) waits_for_claim: bool,
}

/// The claimants of each shape in its site.
pub(super) type Claims = BTreeMap<String, Vec<Claimant>>;

/// A route that claims a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claimant {
    /// The route, as an index into all routes.
    pub(super) index: usize,
    /// The pattern, with its own names of captures.
    pub(super) pattern: String,
}

/// How long a route has answered at a pattern. The greater one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precedence {
    /// It did not answer at this pattern.
    New,
    /// It did, for other methods.
    Changed,
    /// It did, for the same methods.
    Held,
}

/// All routes, and who held which pattern before.
struct Claimants<'r> {
    routes: &'r [Arc<Route>],
    holders: &'r Holders,
}

/// Resolves which routes answer at which patterns.
pub(super) fn resolve(routes: &[Arc<Route>], holders: &Holders) -> ResolvedClaims {
    let claimants = Claimants { routes, holders };
    let mut claims = claims(routes);
    let mut diagnostics = claimants.drop_overlaps(&mut claims);
    let waits_for_claim = claimants.drop_reserved(&mut claims, &mut diagnostics);
    claims.retain(|_, claimants| !claimants.is_empty());
    ResolvedClaims { claims, diagnostics, waits_for_claim }
}

fn claims(routes: &[Arc<Route>]) -> Claims {
    let mut claims = Claims::new();
    for (index, route) in routes.iter().enumerate() {
        for pattern in &route.mount.patterns {
            let claimants = claims.entry(route.mount.key.site().shape(pattern)).or_default();
            if !claimants.iter().any(|claimant| claimant.index == index) {
                claimants.push(Claimant { index, pattern: pattern.clone() });
            }
        }
    }
    claims
}

impl Claimants<'_> {
    fn precedence(&self, claimant: &Claimant, shape: &str) -> (Authority, Precedence) {
        let mount = &self.routes[claimant.index].mount;
        let history = match self.holders.methods(shape, &mount.key) {
            None => Precedence::New,
            Some(methods) if *methods == mount.methods => Precedence::Held,
            Some(_) => Precedence::Changed,
        };
        (mount.authority, history)
    }

    /// Drops the claims to patterns of one shape whose methods overlap.
    fn drop_overlaps(&self, claims: &mut Claims) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for (shape, claimants) in claims.iter_mut() {
            let mut dropped = Vec::new();
            for (one, other) in pairs(claimants) {
                let methods = |claimant: &Claimant| &self.routes[claimant.index].mount.methods;
                let Some(method) = method::overlap(methods(one), methods(other)) else { continue };
                let (precedence, other_precedence) = (self.precedence(one, shape), self.precedence(other, shape));
                let (loser, rival, losers) = match precedence.cmp(&other_precedence) {
                    Ordering::Equal => (other, one, vec![one.index, other.index]),
                    Ordering::Greater => (other, one, vec![other.index]),
                    Ordering::Less => (one, other, vec![one.index]),
                };
                let winner = match (losers.as_slice(), precedence.0.cmp(&other_precedence.0)) {
                    ([_], Ordering::Equal) => Winner::Former,
                    ([_], _) => Winner::Of(precedence.0.max(other_precedence.0)),
                    _ => Winner::Neither,
                };
                let key = |claimant: &Claimant| &self.routes[claimant.index].mount.key;
                diagnostics.push(overlap_diagnostic(key(loser), method, &loser.pattern, key(rival), winner));
                dropped.extend(losers);
            }
            claimants.retain(|claimant| !dropped.contains(&claimant.index));
        }
        diagnostics
    }

    /// Drops the claims to patterns that are reserved for routes which do not serve now. Returns whether one of these
    /// reservations expires.
    fn drop_reserved(&self, claims: &mut Claims, diagnostics: &mut Vec<Diagnostic>) -> bool {
        let served: BTreeSet<&ComponentKey> = self.routes.iter().map(|route| &route.mount.key).collect();
        let mut waits_for_claim = false;
        for (shape, claimants) in claims.iter_mut() {
            let reserved = self.holders.reserved(shape, |key| served.contains(key));
            claimants.retain(|claimant| {
                let mount = &self.routes[claimant.index].mount;
                let is_before = |reserved: &&Reserved<'_>| match reserved.by {
                    ReservedBy::Operator(authority) => authority > mount.authority,
                    ReservedBy::Held | ReservedBy::Missing => mount.authority == Authority::Declared,
                };
                let method = |reserved: &Reserved<'_>| {
                    let method = method::overlap(reserved.methods, &mount.methods)?;
                    Some(reserved_diagnostic(&mount.key, method, &claimant.pattern, reserved))
                };
                let first = reserved.iter().filter(is_before).find_map(|it| Some((it.by, method(it)?)));
                let Some((by, diagnostic)) = first else { return true };
                waits_for_claim |= by == ReservedBy::Missing;
                diagnostics.push(diagnostic);
                false
            });
        }
        waits_for_claim
    }
}

/// Which of two routes in conflict answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Winner {
    /// The one that answered before.
    Former,
    /// The one that has the pattern by this authority, which is the greater one.
    Of(Authority),
    Neither,
}

/// Every pair of `items`, in order.
fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    items.iter().enumerate().flat_map(|(index, one)| items[index + 1..].iter().map(move |other| (one, other)))
}

fn overlap_diagnostic(
    key: &ComponentKey,
    method: &str,
    pattern: &str,
    rival: &ComponentKey,
    winner: Winner,
) -> Diagnostic {
    let claimed = match winner {
        Winner::Former => format!("by {rival}, which answers there already"),
        Winner::Of(Authority::RouteFile) => format!("by {rival}, whose route file sets it"),
        Winner::Of(Authority::FilePath | Authority::Declared) => format!("by {rival}, whose place it is"),
        Winner::Neither => format!("by {rival} too"),
    };
    let result = match winner {
        Winner::Former | Winner::Of(_) => format!("this one is not at `{pattern}` now"),
        Winner::Neither => format!("neither is at `{pattern}` now"),
    };
    conflict_diagnostic(
        key,
        method,
        pattern,
        &claimed,
        &format!("give one of the two another path or other methods; {result}"),
    )
}

/// A route claims a pattern that is reserved for another.
fn reserved_diagnostic(key: &ComponentKey, method: &str, pattern: &str, reserved: &Reserved<'_>) -> Diagnostic {
    let rival = reserved.key;
    let (claimed, remedy) = match reserved.by {
        ReservedBy::Operator(Authority::RouteFile) => {
            (format!("by {rival}, whose route file sets it"), "mend that one, or take the path out of its route file")
        }
        ReservedBy::Operator(_) => {
            (format!("by {rival}, whose place it is"), "mend that one, or give this one another path")
        }
        ReservedBy::Held => {
            (format!("by {rival}, which answered there and is not served now"), "mend that one, or remove it")
        }
        ReservedBy::Missing => {
            let claimed = format!("by {rival}, which answered there and is gone");
            let seconds = CLAIM_KEPT.as_secs();
            let remedy = format!(
                "wait {seconds} s for it to come back; if it is meant to go, reload with SIGHUP; this one is not at \
                 `{pattern}` now"
            );
            return conflict_diagnostic(key, method, pattern, &claimed, &remedy);
        }
    };
    conflict_diagnostic(key, method, pattern, &claimed, &format!("{remedy}; this one is not at `{pattern}` now"))
}

fn conflict_diagnostic(key: &ComponentKey, method: &str, pattern: &str, claimed: &str, remedy: &str) -> Diagnostic {
    Diagnostic::error(key, format!("`{method} {pattern}` is claimed {claimed}"), remedy)
}
