//! What is to be done about the components of a directory as they look now.
//!
//! Owns what a change is, and what becomes of a component that is gone.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Catalog, CatalogEntry, Findings};
use crate::routes::component::ComponentKey;
use crate::routes::fingerprint::Fingerprint;
use crate::routes::source::Unread;

/// For how many times the rest of a file a route whose component is gone waits at most for others to come.
const REMOVAL_RESTS: u32 = 10;

impl Catalog {
    /// Takes in which components there are at `now`. Of those below `unread` nothing is known: they stay as they are. A
    /// change is one only once it has rested for `rest`: before, it may be half of a copy, or the moment between a
    /// removal and a file of the same name.
    pub(in crate::routes) fn find(
        &mut self,
        components: Vec<(ComponentKey, Fingerprint)>,
        unread: &[Unread],
        now: Instant,
        rest: Duration,
    ) -> Findings {
        let is_unread = |key: &ComponentKey| unread.iter().any(|it| it.covers(key.path()));
        let known = self.entries.keys().filter(|key| !is_unread(key));
        let mut looks: BTreeMap<ComponentKey, Fingerprint> =
            known.map(|key| (key.clone(), Fingerprint::GONE)).collect();
        looks.extend(components);
        let mut findings = Findings::default();
        self.looked_at = Some(now);
        if std::mem::take(&mut self.recalled) {
            let gone = self.holders.files().into_iter().filter(|key| !looks.contains_key(key) && !is_unread(key));
            gone.for_each(|key| self.holders.leave(&key, None, now));
        }
        findings.removed |= self.holders.lapse(now) && self.waits;
        self.resting = false;
        self.unread = unread.to_vec();
        let confirming = std::mem::take(&mut self.confirming);
        if confirming {
            self.guards.forget_removed();
            if self.settled {
                self.holders.release_away();
            }
        }
        for (key, look) in looks {
            self.find_one(&mut findings, key, look, confirming, (now, rest));
        }
        self.remove_leaving(&mut findings, now, rest);
        findings
    }

    /// Takes in how one component looks.
    fn find_one(
        &mut self,
        findings: &mut Findings,
        key: ComponentKey,
        look: Fingerprint,
        confirming: bool,
        (now, rest): (Instant, Duration),
    ) {
        let wanted = self.is_wanted(&key);
        let is_kept = wanted && key.is_middleware();
        // Whether it guards a path its file says.
        let unknown = look.has_route_file() && self.entries.get(&key).is_none_or(|it| it.passed_over != Some(look));
        let wanted = wanted || unknown || look.is_gone();
        let entry = self.entries.entry(key.clone()).or_insert_with(|| {
            self.holders.come(&key);
            CatalogEntry::new(look, now)
        });
        if entry.look != look {
            (entry.look, entry.since, entry.confirmed) = (look, now, false);
        }
        entry.confirmed |= confirming;
        if entry.begun == Some(look) || !wanted {
            return;
        }
        let rested = entry.since + rest;
        if now < rested {
            self.resting |= !look.is_gone();
            findings.look_again(rested);
            return;
        }
        entry.begun = Some(look);
        if look.is_gone() {
            (entry.loading, entry.diagnostics) = (None, Vec::new());
            // What is behind it goes on, and that is told.
            findings.removed |= is_kept;
        } else {
            self.guards.restore(&key);
            findings.changed.push((key, look));
        }
    }

    /// The files that are found next are as they are meant to be: what they no longer guard is not to be guarded.
    pub(in crate::routes) fn confirm(&mut self) {
        self.confirming = true;
    }

    /// Nothing can be found now: what is found later the operator has not seen.
    pub(in crate::routes) fn unconfirm(&mut self) {
        self.confirming = false;
    }

    /// Removes those that are gone, unless others are on their way: a route that is moved, a file at a time, must not be
    /// missing until it is back. So that they do not wait for ever they wait only for some rests.
    fn remove_leaving(&mut self, findings: &mut Findings, now: Instant, rest: Duration) {
        let awaited = self.is_unsettled() || !findings.changed.is_empty();
        let mut removed = Vec::new();
        for (key, entry) in self.entries.iter().filter(|(key, entry)| entry.is_leaving() && !self.is_kept(key)) {
            let until = entry.since + REMOVAL_RESTS * rest;
            match awaited && now < until {
                true => findings.look_again(until),
                false => removed.push(key.clone()),
            }
        }
        findings.removed |= !removed.is_empty();
        removed.iter().for_each(|key| self.remove(key));
    }

    pub(super) fn remove(&mut self, key: &ComponentKey) {
        let Some(entry) = self.entries.remove(key) else { return };
        match (entry.confirmed, self.looked_at) {
            (true, _) => {
                self.guards.forget(key);
                self.holders.release(key);
            }
            (false, now) => {
                self.guards.remove(key);
                now.into_iter().for_each(|now| self.holders.leave(key, entry.loaded, now));
            }
        }
    }

    /// Whether a component that is gone stays as it was: it is middleware, and nobody has said that it is meant to go.
    pub(super) fn is_kept(&self, key: &ComponentKey) -> bool {
        let is_meant = self.entries.get(key).is_some_and(|entry| entry.confirmed);
        key.is_middleware() && !is_meant && self.is_wanted(key)
    }
}
