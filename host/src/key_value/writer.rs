//! The thread that writes: commits all changes that wait in one transaction, and removes what has expired.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use bytes::Bytes;
use redb::{ReadableTable, Table, WriteTransaction};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::embedded::{DatabaseState, ENTRIES, EXPIRIES, EXPIRY_BYTES, USED, live, millis};
use super::{ChangeOutcome, ENTRY_OVERHEAD_BYTES, KeyValueError, StoreChange, StoreName};

/// The most changes of one transaction.
const MAX_GROUP: usize = 1024;

/// The most expired entries that are removed in one transaction.
const MAX_EXPIRED: usize = 256;

/// The most expired entries that are removed to make room for a change.
const MAX_EXPIRED_FOR_ROOM: usize = 4096;

/// What an entry of a queued change takes besides its bytes.
pub(super) const ENTRY_BYTES: usize = 64;

/// How long the writer waits before it looks for expired entries again.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(1);

/// How long the writer leaves the disk to others between two transactions that remove expired entries.
const BETWEEN_REMOVALS: Duration = Duration::from_millis(10);

/// How long the writer waits for a change if nothing expires.
const IDLE: Duration = Duration::from_secs(3600);

/// A change on its way to the writer.
pub(super) struct QueuedChange {
    pub(super) store: StoreName,
    pub(super) max_bytes: u64,
    pub(super) change: StoreChange,
    pub(super) answer: oneshot::Sender<Result<ChangeOutcome, KeyValueError>>,
    pub(super) _room: OwnedSemaphorePermit,
}

pub(super) struct Writer {
    state: Arc<DatabaseState>,
    changes: Receiver<QueuedChange>,
}

/// What a transaction has come to.
struct Committed {
    answers: Vec<Result<ChangeOutcome, KeyValueError>>,
    /// When the next entry expires.
    next_expiry: Option<u64>,
}

impl Writer {
    pub(super) fn new(state: Arc<DatabaseState>, changes: Receiver<QueuedChange>) -> Self {
        Self { state, changes }
    }

    /// Runs until nobody can queue a change any more.
    pub(super) fn run(self) {
        let mut wait = Duration::ZERO;
        loop {
            let mut group = Vec::new();
            match self.changes.recv_timeout(wait) {
                Ok(change) => group.push(change),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // The others have come while the transaction before was on its way to the disk.
            group.extend(self.changes.try_iter().take(MAX_GROUP - 1));
            wait = self.commit(group);
        }
    }

    /// Commits changes and answers them. Returns how long to wait for more.
    fn commit(&self, group: Vec<QueuedChange>) -> Duration {
        if self.state.has_failed() && !self.reopen() {
            answer_all(group, &KeyValueError::Storage);
            return EXPIRY_INTERVAL;
        }
        let now = (self.state.clock)();
        match self.state.with(|database| transact(database.begin_write()?, &group, now)) {
            Ok(Committed { answers, next_expiry }) => {
                for (queued, answer) in group.into_iter().zip(answers) {
                    // Whoever has asked may have gone.
                    let _ = queued.answer.send(answer);
                }
                match next_expiry.map(|expiry| Duration::from_millis(expiry.saturating_sub(now))) {
                    None => IDLE,
                    // There are more than one transaction removes.
                    Some(Duration::ZERO) => BETWEEN_REMOVALS,
                    Some(wait) => wait.clamp(EXPIRY_INTERVAL, IDLE),
                }
            }
            Err(error) => {
                // After an error a database takes no more changes until it is opened again.
                self.reopen();
                answer_all(group, &error);
                EXPIRY_INTERVAL
            }
        }
    }

    fn reopen(&self) -> bool {
        let reopened = self.state.reopen();
        if let Err(error) = &reopened {
            tracing::error!(target: "server", "the key-value stores cannot be opened again: {error}");
        }
        reopened.is_ok()
    }
}

fn answer_all(group: Vec<QueuedChange>, error: &KeyValueError) {
    for queued in group {
        let _ = queued.answer.send(Err(error.clone()));
    }
}

/// Makes changes one after the other and commits them. A change that is refused changes nothing.
fn transact(transaction: WriteTransaction, group: &[QueuedChange], now: u64) -> Result<Committed, redb::Error> {
    let mut tables = Tables {
        entries: transaction.open_table(ENTRIES)?,
        expiries: transaction.open_table(EXPIRIES)?,
        used: transaction.open_table(USED)?,
        now,
        has_changed: false,
    };
    tables.remove_expired(MAX_EXPIRED)?;
    let mut answers = Vec::with_capacity(group.len());
    for queued in group {
        answers.push(tables.make(queued)?);
    }
    let next_expiry = tables.expiries.first()?.map(|(key, _)| key.value().0);
    let has_changed = tables.has_changed;
    drop(tables);
    match has_changed {
        true => transaction.commit()?,
        false => transaction.abort()?,
    }
    Ok(Committed { answers, next_expiry })
}

struct Tables<'t> {
    entries: Table<'t, (&'static str, &'static [u8]), &'static [u8]>,
    expiries: Table<'t, (u64, &'static str, &'static [u8]), ()>,
    used: Table<'t, &'static str, u64>,
    now: u64,
    has_changed: bool,
}

/// An entry as it was stored.
struct Stored {
    /// The moment of expiry, or 0.
    expiry: u64,
    value: Bytes,
}

/// What an entry counts for.
fn cost(key: &[u8], value: &[u8]) -> u64 {
    (key.len() + value.len()) as u64 + ENTRY_OVERHEAD_BYTES
}

type Answer = Result<ChangeOutcome, KeyValueError>;

impl Tables<'_> {
    /// Removes entries that have expired. Returns how many.
    fn remove_expired(&mut self, limit: usize) -> Result<usize, redb::StorageError> {
        for removed in 0..limit {
            let Some((first, _)) = self.expiries.first()? else { return Ok(removed) };
            let (expiry, store, key) = first.value();
            if expiry > self.now {
                return Ok(removed);
            }
            let (store, key) = (StoreName(store.into()), Bytes::copy_from_slice(key));
            drop(first);
            self.remove(&store, &key)?;
            self.expiries.remove((expiry, store.as_str(), key.as_ref()))?;
        }
        Ok(limit)
    }

    /// An entry, which may have expired.
    fn stored(&self, store: &StoreName, key: &[u8]) -> Result<Option<Stored>, redb::StorageError> {
        let stored = self.entries.get((store.as_str(), key))?;
        Ok(stored.and_then(|stored| {
            let (expiry, value) = live(stored.value(), 0)?;
            Some(Stored { expiry, value: Bytes::copy_from_slice(value) })
        }))
    }

    /// An entry that has not expired.
    fn live(&self, store: &StoreName, key: &[u8]) -> Result<Option<Stored>, redb::StorageError> {
        let now = self.now;
        Ok(self.stored(store, key)?.filter(|stored| stored.expiry == 0 || stored.expiry > now))
    }

    fn used(&self, store: &StoreName) -> Result<u64, redb::StorageError> {
        Ok(self.used.get(store.as_str())?.map_or(0, |used| used.value()))
    }

    fn set_used(&mut self, store: &StoreName, used: u64) -> Result<(), redb::StorageError> {
        match used {
            0 => self.used.remove(store.as_str())?.is_some(),
            _ => self.used.insert(store.as_str(), used)?.is_some(),
        };
        Ok(())
    }

    /// Removes an entry, expired or not.
    fn remove(&mut self, store: &StoreName, key: &[u8]) -> Result<(), redb::StorageError> {
        let Some(old) = self.stored(store, key)? else { return Ok(()) };
        self.has_changed = true;
        self.entries.remove((store.as_str(), key))?;
        if old.expiry != 0 {
            self.expiries.remove((old.expiry, store.as_str(), key))?;
        }
        let used = self.used(store)?.saturating_sub(cost(key, &old.value));
        self.set_used(store, used)
    }

    /// Sets an entry. There has to be room for it.
    fn insert(&mut self, store: &StoreName, key: &[u8], value: &[u8], expiry: u64) -> Result<(), redb::StorageError> {
        self.remove(store, key)?;
        self.has_changed = true;
        let mut stored = self.entries.insert_reserve((store.as_str(), key), EXPIRY_BYTES + value.len())?;
        let (of_expiry, of_value) = stored.as_mut().split_at_mut(EXPIRY_BYTES);
        of_expiry.copy_from_slice(&expiry.to_le_bytes());
        of_value.copy_from_slice(value);
        drop(stored);
        if expiry != 0 {
            self.expiries.insert((expiry, store.as_str(), key), ())?;
        }
        let used = self.used(store)?.saturating_add(cost(key, value));
        self.set_used(store, used)
    }

    /// Whether there is room for entries, of which no two have the same key.
    fn has_room(
        &mut self,
        store: &StoreName,
        max_bytes: u64,
        entries: &[(Bytes, Bytes)],
    ) -> Result<bool, redb::StorageError> {
        loop {
            let used = self.used(store)?;
            let (mut added, mut freed) = (0u64, 0u64);
            for (key, value) in entries {
                added += cost(key, value);
                freed += self.stored(store, key)?.map_or(0, |old| cost(key, &old.value));
            }
            // What makes a store smaller is allowed, even if it holds too much because the limit was lowered.
            if used.saturating_sub(freed) + added <= max_bytes || added <= freed {
                return Ok(true);
            }
            if self.remove_expired(MAX_EXPIRED_FOR_ROOM)? == 0 {
                return Ok(false);
            }
        }
    }

    fn make(&mut self, queued: &QueuedChange) -> Result<Answer, redb::StorageError> {
        let QueuedChange { store, max_bytes, change, .. } = queued;
        let full = Err(KeyValueError::Full { max_bytes: *max_bytes });
        match change {
            StoreChange::Set { entries, time_to_live } => {
                let entries = last_of_each(entries);
                if !self.has_room(store, *max_bytes, &entries)? {
                    return Ok(full);
                }
                let expiry = time_to_live.map_or(0, |time| self.now.saturating_add(millis(time)).max(1));
                for (key, value) in &entries {
                    self.insert(store, key, value, expiry)?;
                }
                Ok(Ok(ChangeOutcome::Made))
            }
            StoreChange::Delete(keys) => {
                for key in keys {
                    self.remove(store, key)?;
                }
                Ok(Ok(ChangeOutcome::Made))
            }
            StoreChange::Increment { key, delta } => {
                let old = self.live(store, key)?;
                let expiry = old.as_ref().map_or(0, |old| old.expiry);
                let sum = match old.map_or(Some(0), |old| integer(&old.value)) {
                    None => return Ok(Err(KeyValueError::NotInteger)),
                    Some(number) => number.checked_add(*delta),
                };
                let Some(sum) = sum else { return Ok(Err(KeyValueError::Overflow)) };
                let entry = [(key.clone(), Bytes::from(sum.to_string()))];
                if !self.has_room(store, *max_bytes, &entry)? {
                    return Ok(full);
                }
                self.insert(store, key, &entry[0].1, expiry)?;
                Ok(Ok(ChangeOutcome::Integer(sum)))
            }
            StoreChange::CompareAndSwap { key, expected, new } => {
                let old = self.live(store, key)?.map(|old| old.value);
                match (old == *expected, new) {
                    (false, _) => return Ok(Ok(ChangeOutcome::NotAsExpected)),
                    (true, None) => self.remove(store, key)?,
                    (true, Some(new)) => {
                        if !self.has_room(store, *max_bytes, &[(key.clone(), new.clone())])? {
                            return Ok(full);
                        }
                        self.insert(store, key, new, 0)?;
                    }
                }
                Ok(Ok(ChangeOutcome::Made))
            }
        }
    }
}

/// The entries without those that a later one of the same key replaces.
fn last_of_each(entries: &[(Bytes, Bytes)]) -> Vec<(Bytes, Bytes)> {
    let mut last = std::collections::BTreeMap::new();
    for (key, value) in entries {
        last.insert(key.clone(), value.clone());
    }
    last.into_iter().collect()
}

/// The integer that a value is, in decimal digits.
fn integer(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.parse().ok()
}
