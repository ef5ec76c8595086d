//! What is to be done after a listing of the source.
//!
//! Decides what counts as a change, and when a component that is missing is removed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Catalog, CatalogEntry, CatalogUpdate};
use crate::routes::component::ComponentKey;
use crate::routes::fingerprint::Fingerprint;
use crate::routes::source::Unread;

/// How many settle times the removal of a route waits at most while other components are being loaded.
const REMOVAL_SETTLE_TIMES: u32 = 10;

impl Catalog {
    /// Compares a listing that was made at `now` with what is known. Components below `unread` stay as they are. A change
    /// counts only once the fingerprint has stayed the same for `settle_time`: before that, the file may be half of a copy, or
    /// missing for a moment until another one takes its name.
    pub(in crate::routes) fn update(
        &mut self,
        components: Vec<(ComponentKey, Fingerprint)>,
        unread: &[Unread],
        now: Instant,
        settle_time: Duration,
    ) -> CatalogUpdate {
        let is_unread = |key: &ComponentKey| unread.iter().any(|it| it.covers(key.path()));
        let known = self.entries.keys().filter(|key| !is_unread(key));
        let mut fingerprints: BTreeMap<ComponentKey, Fingerprint> =
            known.map(|key| (key.clone(), Fingerprint::GONE)).collect();
        for (key, fingerprint) in components {
            // The key that is known may be reported as another file.
            fingerprints.remove(&key);
            fingerprints.insert(key, fingerprint);
        }
        let mut result = CatalogUpdate::default();
        self.scanned_at = Some(now);
        if std::mem::take(&mut self.holders_unchecked) {
            let gone =
                self.holders.present().into_iter().filter(|key| !fingerprints.contains_key(key) && !is_unread(key));
            gone.for_each(|key| self.holders.mark_missing(&key, None, now));
        }
        result.removed |= self.holders.expire(now) && self.waits_for_claim;
        self.has_unsettled = false;
        self.unread = unread.to_vec();
        let confirms_next_scan = std::mem::take(&mut self.confirms_next_scan);
        if confirms_next_scan {
            self.guards.forget_removed();
            if self.first_load_done {
                self.holders.release_missing();
            }
        }
        for (key, fingerprint) in fingerprints {
            self.update_one(&mut result, key, fingerprint, confirms_next_scan, (now, settle_time));
        }
        self.remove_leaving(&mut result, now, settle_time);
        result
    }

    /// Compares one component.
    fn update_one(
        &mut self,
        result: &mut CatalogUpdate,
        key: ComponentKey,
        fingerprint: Fingerprint,
        confirms_next_scan: bool,
        (now, settle_time): (Instant, Duration),
    ) {
        let wanted = self.is_wanted(&key);
        let is_kept = wanted && key.is_middleware();
        // Its route file may say that it guards a path.
        let unknown =
            fingerprint.has_route_file() && self.entries.get(&key).is_none_or(|it| it.skipped != Some(fingerprint));
        let wanted = wanted || unknown || fingerprint.is_gone();
        let entry = self.entries.entry(key.clone()).or_insert_with(|| {
            self.holders.mark_present(&key);
            CatalogEntry::new(fingerprint, now)
        });
        if entry.fingerprint != fingerprint {
            (entry.fingerprint, entry.unchanged_since, entry.confirmed) = (fingerprint, now, false);
        }
        entry.confirmed |= confirms_next_scan;
        if entry.load_started == Some(fingerprint) || !wanted {
            return;
        }
        let settles_at = entry.unchanged_since + settle_time;
        if now < settles_at {
            self.has_unsettled |= !fingerprint.is_gone();
            result.rescan_by(settles_at);
            return;
        }
        entry.load_started = Some(fingerprint);
        if fingerprint.is_gone() {
            (entry.pending, entry.diagnostics) = (None, Vec::new());
            // The routes behind it stay so, which is reported.
            result.removed |= is_kept;
        } else {
            self.guards.restore(&key);
            result.to_load.push((key, fingerprint));
        }
    }

    /// The operator has told the host to reload: the next listing is as intended, and middleware that it lacks is removed
    /// from the routes behind it.
    pub(in crate::routes) fn confirm_next_scan(&mut self) {
        self.confirms_next_scan = true;
    }

    /// The source cannot be listed. What a later listing has may not be what the operator intended.
    pub(in crate::routes) fn cancel_confirmation(&mut self) {
        self.confirms_next_scan = false;
    }

    /// Removes components that are missing, unless others are being loaded: a route whose files are moved one by one must not
    /// be missing meanwhile. The wait is bounded.
    fn remove_leaving(&mut self, result: &mut CatalogUpdate, now: Instant, settle_time: Duration) {
        let awaited = self.is_unsettled() || !result.to_load.is_empty();
        let mut removed = Vec::new();
        for (key, entry) in self.entries.iter().filter(|(key, entry)| entry.is_leaving() && !self.is_kept(key)) {
            let until = entry.unchanged_since + REMOVAL_SETTLE_TIMES * settle_time;
            match awaited && now < until {
                true => result.rescan_by(until),
                false => removed.push(key.clone()),
            }
        }
        result.removed |= !removed.is_empty();
        removed.iter().for_each(|key| self.remove(key));
    }

    pub(super) fn remove(&mut self, key: &ComponentKey) {
        let Some(entry) = self.entries.remove(key) else { return };
        match (entry.confirmed, self.scanned_at) {
            (true, _) => {
                self.guards.forget(key);
                self.holders.release(key);
            }
            (false, now) => {
                self.guards.remove(key);
                now.into_iter().for_each(|now| self.holders.mark_missing(key, entry.loaded, now));
            }
        }
    }

    /// Whether a missing component stays in use: it is middleware, and the operator has not confirmed its removal.
    pub(super) fn is_kept(&self, key: &ComponentKey) -> bool {
        let is_confirmed = self.entries.get(key).is_some_and(|entry| entry.confirmed);
        key.is_middleware() && !is_confirmed && self.is_wanted(key)
    }
}
