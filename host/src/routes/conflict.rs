//! Routes that claim the same requests: none is answered by the wrong one of two. What the operator says goes before what
//! a component declares; who answered before goes on; where that settles nothing, neither is mounted there.
//!
//! Owns the reports about it. Patterns that differ are no matter here: the most specific answers. It must not know of
//! options or handlers.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::component::ComponentKey;
use super::holders::{Authority, CLAIM_KEPT, Holders, Reserved, ReservedBy};
use super::method;
use super::pattern::shape;
use super::route::Route;
use crate::diagnostic::Diagnostic;

#[cfg(test)]
mod tests;

/// What is left of the routes' claims once the conflicting ones are gone.
pub(super) struct Settled {
    /// The routes that answer at the patterns of each shape.
    pub(super) claims: Claims,
    /// What was dropped, and why.
    pub(super) diagnostics: Vec<Diagnostic>,
    /// Whether some claim waits for that of a file which is gone to lapse.
    pub(super) waits: bool,
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
enum Precedence {
    /// The file did not answer at this pattern.
    New,
    /// It did, for other methods.
    Changed,
    /// It did, for the same methods.
    Held,
}

/// All routes, and who answered where before.
struct Claimants<'r> {
    routes: &'r [Arc<Route>],
    holders: &'r Holders,
}

/// Settles who answers at which pattern.
pub(super) fn settle(routes: &[Arc<Route>], holders: &Holders) -> Settled {
    let claimants = Claimants { routes, holders };
    let mut claims = claims(routes);
    let mut diagnostics = claimants.drop_overlaps(&mut claims);
    let waits = claimants.drop_reserved(&mut claims, &mut diagnostics);
    claims.retain(|_, claimants| !claimants.is_empty());
    Settled { claims, diagnostics, waits }
}

fn claims(routes: &[Arc<Route>]) -> Claims {
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

impl Claimants<'_> {
    fn standing(&self, claimant: &Claimant, shape: &str) -> (Authority, Precedence) {
        let mount = &self.routes[claimant.index].mount;
        let tenure = match self.holders.methods(shape, &mount.key) {
            None => Precedence::New,
            Some(methods) if *methods == mount.methods => Precedence::Held,
            Some(_) => Precedence::Changed,
        };
        (mount.authority, tenure)
    }

    /// Drops the claims to patterns of one shape whose methods overlap.
    fn drop_overlaps(&self, claims: &mut Claims) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for (shape, claimants) in claims.iter_mut() {
            let mut dropped = Vec::new();
            for (one, other) in pairs(claimants) {
                let methods = |claimant: &Claimant| &self.routes[claimant.index].mount.methods;
                let Some(method) = method::overlap(methods(one), methods(other)) else { continue };
                let (standing, other_standing) = (self.standing(one, shape), self.standing(other, shape));
                let (loser, rival, losers) = match standing.cmp(&other_standing) {
                    Ordering::Equal => (other, one, vec![one.index, other.index]),
                    Ordering::Greater => (other, one, vec![other.index]),
                    Ordering::Less => (one, other, vec![one.index]),
                };
                let left = match (losers.as_slice(), standing.0.cmp(&other_standing.0)) {
                    ([_], Ordering::Equal) => Winner::Former,
                    ([_], _) => Winner::Of(standing.0.max(other_standing.0)),
                    _ => Winner::Neither,
                };
                let key = |claimant: &Claimant| &self.routes[claimant.index].mount.key;
                diagnostics.push(overlapping(key(loser), method, &loser.pattern, key(rival), left));
                dropped.extend(losers);
            }
            claimants.retain(|claimant| !dropped.contains(&claimant.index));
        }
        diagnostics
    }

    /// Drops the claims to what is kept for a route that does not serve now. True where one of these lapses.
    fn drop_reserved(&self, claims: &mut Claims, diagnostics: &mut Vec<Diagnostic>) -> bool {
        let served: BTreeSet<&ComponentKey> = self.routes.iter().map(|route| &route.mount.key).collect();
        let mut waits = false;
        for (shape, claimants) in claims.iter_mut() {
            let reserved = self.holders.reserved(shape, |key| served.contains(key));
            claimants.retain(|claimant| {
                let mount = &self.routes[claimant.index].mount;
                let is_before = |reserved: &&Reserved<'_>| match reserved.by {
                    ReservedBy::Operator(authority) => authority > mount.authority,
                    ReservedBy::Held | ReservedBy::Away => mount.authority == Authority::Declared,
                };
                let method = |reserved: &Reserved<'_>| {
                    let method = method::overlap(reserved.methods, &mount.methods)?;
                    Some(kept(&mount.key, method, &claimant.pattern, reserved))
                };
                let first = reserved.iter().filter(is_before).find_map(|it| Some((it.by, method(it)?)));
                let Some((by, diagnostic)) = first else { return true };
                waits |= by == ReservedBy::Away;
                diagnostics.push(diagnostic);
                false
            });
        }
        waits
    }
}

/// Who of two is left where they conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Winner {
    /// The one that answered before.
    Former,
    /// The one that has it by more.
    Of(Authority),
    Neither,
}

/// Every two of `items`, in order.
fn pairs<T>(items: &[T]) -> impl Iterator<Item = (&T, &T)> {
    items.iter().enumerate().flat_map(|(place, one)| items[place + 1..].iter().map(move |other| (one, other)))
}

fn overlapping(key: &ComponentKey, method: &str, pattern: &str, rival: &ComponentKey, left: Winner) -> Diagnostic {
    let claimed = match left {
        Winner::Former => format!("by {rival}, which answers there already"),
        Winner::Of(Authority::RouteFile) => format!("by {rival}, whose route file sets it"),
        Winner::Of(Authority::Place | Authority::Declared) => format!("by {rival}, whose place it is"),
        Winner::Neither => format!("by {rival} too"),
    };
    let result = match left {
        Winner::Former | Winner::Of(_) => format!("this one is not at `{pattern}` now"),
        Winner::Neither => format!("neither is at `{pattern}` now"),
    };
    claimed_otherwise(
        key,
        method,
        pattern,
        &claimed,
        &format!("give one of the two another path or other methods; {result}"),
    )
}

/// A route claims what is kept for another.
fn kept(key: &ComponentKey, method: &str, pattern: &str, reserved: &Reserved<'_>) -> Diagnostic {
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
        ReservedBy::Away => {
            let claimed = format!("by {rival}, which answered there and is gone");
            let seconds = CLAIM_KEPT.as_secs();
            let remedy = format!(
                "wait {seconds} s for it to come back; if it is meant to go, reload with SIGHUP; this one is not at \
                 `{pattern}` now"
            );
            return claimed_otherwise(key, method, pattern, &claimed, &remedy);
        }
    };
    claimed_otherwise(key, method, pattern, &claimed, &format!("{remedy}; this one is not at `{pattern}` now"))
}

fn claimed_otherwise(key: &ComponentKey, method: &str, pattern: &str, claimed: &str, remedy: &str) -> Diagnostic {
    Diagnostic::error(key, format!("`{method} {pattern}` is claimed {claimed}"), remedy)
}
