//! Tests of the embedded stores, on a storage in memory that can fail and crash. What stores of every backend do is tested
//! in `tests/it/grants/store_suite.rs`.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::embedded::MAX_PASSED_OVER;
use super::state_file::Storage;
use super::*;

/// A disk: what is on it, and what was written since the last sync.
#[derive(Debug, Default)]
struct Disk(Mutex<DiskState>);

#[derive(Debug, Default, Clone)]
struct DiskState {
    synced: Vec<u8>,
    current: Vec<u8>,
    unsynced: Vec<(usize, Vec<u8>)>,
    capacity: Option<usize>,
    fails_to_sync: bool,
    syncs: usize,
}

impl Disk {
    fn change(&self, change: impl FnOnce(&mut DiskState)) {
        change(&mut self.0.lock().expect("no holder has panicked"));
    }

    /// The disk after a crash that came when some of what was not synced yet had been written.
    fn after_crash(&self, written: usize) -> Arc<Self> {
        let state = self.0.lock().expect("no holder has panicked").clone();
        let mut data = state.synced;
        data.resize(state.current.len(), 0);
        let written = written.min(state.unsynced.len());
        for (offset, bytes) in &state.unsynced[..written] {
            if let Some(place) = data.get_mut(*offset..offset + bytes.len()) {
                place.copy_from_slice(bytes);
            }
        }
        Arc::new(Self(Mutex::new(DiskState { synced: data.clone(), current: data, ..DiskState::default() })))
    }
}

impl Storage for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().expect("no holder has panicked").current.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let (state, offset) = (self.0.lock().expect("no holder has panicked"), offset as usize);
        out.copy_from_slice(state.current.get(offset..offset + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.0.lock().expect("no holder has panicked");
        if state.capacity.is_some_and(|capacity| len as usize > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.current.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.0.lock().expect("no holder has panicked");
        if state.fails_to_sync {
            return Err(io::Error::other("the disk is broken"));
        }
        state.synced = state.current.clone();
        state.unsynced.clear();
        state.syncs += 1;
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.0.lock().expect("no holder has panicked");
        let offset = offset as usize;
        state.current.get_mut(offset..offset + data.len()).ok_or(io::ErrorKind::UnexpectedEof)?.copy_from_slice(data);
        state.unsynced.push((offset, data.to_vec()));
        Ok(())
    }
}

struct Bench {
    disk: Arc<Disk>,
    backend: Arc<EmbeddedBackend>,
    now: Arc<AtomicU64>,
}

impl Bench {
    fn new() -> Self {
        Self::on(Arc::default())
    }

    fn on(disk: Arc<Disk>) -> Self {
        let now = Arc::new(AtomicU64::new(1_000_000));
        let clock = now.clone();
        let backend = EmbeddedBackend::with(disk.clone(), Arc::new(move || clock.load(Ordering::SeqCst)), None)
            .expect("it is answered");
        Self { disk, backend: Arc::new(backend), now }
    }

    fn store(&self, name: &StoreName, max_bytes: u64) -> TestStore {
        TestStore(KeyValueStore::new(Some(self.backend.clone()), name.clone(), max_bytes, true))
    }

    fn shop(&self) -> TestStore {
        self.store(&StoreName::of_route("a", "shop"), DEFAULT_MAX_STORE_BYTES)
    }

    fn pass(&self, time: Duration) {
        self.now.fetch_add(time.as_millis() as u64, Ordering::SeqCst);
    }
}

/// A store whose calls block.
struct TestStore(KeyValueStore);

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().expect("it is answered").block_on(future)
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

impl TestStore {
    fn get(&self, key: &str) -> Option<Bytes> {
        block_on(self.0.get(bytes(key))).expect("it is answered")
    }

    fn change(&self, change: StoreChange) -> Result<ChangeOutcome, KeyValueError> {
        block_on(self.0.change(change))
    }

    fn set(&self, key: &str, value: &str) -> Result<ChangeOutcome, KeyValueError> {
        self.change(StoreChange::Set { entries: vec![(bytes(key), bytes(value))], time_to_live: None })
    }

    fn set_for(&self, key: &str, value: &str, seconds: u64) {
        let time_to_live = Some(Duration::from_secs(seconds));
        self.change(StoreChange::Set { entries: vec![(bytes(key), bytes(value))], time_to_live })
            .expect("it is answered");
    }

    fn increment(&self, key: &str, delta: i64) -> Result<ChangeOutcome, KeyValueError> {
        self.change(StoreChange::Increment { key: bytes(key), delta })
    }

    fn swap(&self, key: &str, expected: Option<&str>, new: Option<&str>) -> ChangeOutcome {
        let (expected, new) = (expected.map(bytes), new.map(bytes));
        self.change(StoreChange::CompareAndSwap { key: bytes(key), expected, new }).expect("it is answered")
    }

    fn keys(&self, prefix: &str) -> Vec<Bytes> {
        block_on(self.0.list(prefix.as_bytes(), None, MAX_KEYS)).expect("it is answered").keys
    }
}

#[test]
fn a_read_only_store_is_read_and_not_changed() {
    let bench = Bench::new();
    let shop = bench.shop();
    shop.set("0", "1").expect("it is answered");
    let read_only = KeyValueStore { can_write: false, ..shop.0.clone() };
    assert_eq!(block_on(read_only.change(StoreChange::Delete(vec![]))), Err(KeyValueError::ReadOnly));
    assert!(block_on(read_only.get(bytes("0"))).expect("it is answered").is_some());
}

#[test]
fn an_expired_entry_is_gone_at_once_and_its_room_is_free() {
    let bench = Bench::new();
    let store = bench.store(&StoreName::shared("s"), cost("a", 10) + cost("b", 10) - 1);
    store.set_for("a", "0123456789", 5);
    assert_eq!(store.set("b", "0123456789"), Err(KeyValueError::Full { max_bytes: store_max(&store) }));
    bench.pass(Duration::from_millis(4999));
    assert!(store.get("a").is_some());
    bench.pass(Duration::from_millis(1));
    assert_eq!(store.get("a"), None);
    assert!(store.keys("").is_empty());
    assert_eq!(store.swap("a", Some("0123456789"), None), ChangeOutcome::NotAsExpected);
    store.set("b", "0123456789").expect("it is answered");
}

#[test]
fn to_set_an_entry_again_changes_when_it_expires() {
    let bench = Bench::new();
    let shop = bench.shop();
    shop.set_for("a", "1", 5);
    shop.set("a", "2").expect("it is answered");
    shop.set_for("b", "1", 5);
    shop.set_for("b", "2", 50);
    shop.set_for("n", "1", 5);
    shop.increment("n", 1).expect("it is answered");
    bench.pass(Duration::from_secs(10));
    assert_eq!((shop.get("a"), shop.get("b"), shop.get("n")), (Some(bytes("2")), Some(bytes("2")), None));
    assert_eq!(shop.increment("n", 1), Ok(ChangeOutcome::Integer(1)));
    bench.pass(Duration::from_secs(100));
    assert_eq!((shop.get("b"), shop.get("n")), (None, Some(bytes("1"))));
}

#[test]
fn more_entries_expire_than_are_removed_at_once_and_none_is_seen() {
    let bench = Bench::new();
    let shop = bench.store(&StoreName::shared("s"), 600 * (cost("000", 1)));
    let entries = (0..600).map(|number| (bytes(&format!("{number:03}")), bytes("x"))).collect();
    shop.change(StoreChange::Set { entries, time_to_live: Some(Duration::from_secs(1)) }).expect("it is answered");
    bench.pass(Duration::from_secs(1));
    assert!(shop.keys("").is_empty());
    let entries = (600..999).map(|number| (bytes(&number.to_string()), bytes("x"))).collect();
    shop.change(StoreChange::Set { entries, time_to_live: None }).expect("it is answered");
    assert_eq!(shop.keys("").len(), 399);
}

#[test]
fn a_page_passes_over_a_bounded_number_of_expired_entries_and_the_next_one_goes_on() {
    let bench = Bench::new();
    let shop = bench.shop();
    let expired = 2 * MAX_PASSED_OVER + 1;
    for number in 0..=expired / MAX_KEYS {
        let keys = (number * MAX_KEYS..expired.min((number + 1) * MAX_KEYS)).map(|key| bytes(&format!("k{key:05}")));
        let entries = keys.map(|key| (key, Bytes::new())).collect();
        let set = StoreChange::Set { entries, time_to_live: Some(Duration::from_secs(1)) };
        assert_eq!(shop.change(set), Ok(ChangeOutcome::Made));
    }
    for key in ["a", "b", "z"] {
        shop.set(key, "").expect("it is answered");
    }
    // The writer, which removes what has expired, is not woken.
    bench.pass(Duration::from_secs(2));
    let (mut after, mut pages) = (None::<Bytes>, Vec::new());
    loop {
        let page = block_on(shop.0.list(b"", after.as_deref(), 10)).expect("it is answered");
        pages.push(page.keys.clone());
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec!["a", "b"], vec![], vec!["z"]]);
}

#[test]
fn changes_of_many_share_their_commits_and_none_is_lost() {
    let bench = Bench::new();
    let shop = bench.shop();
    let before = bench.disk.0.lock().expect("no holder has panicked").syncs;
    let increments = (0..200).map(|_| shop.0.change(StoreChange::Increment { key: bytes("n"), delta: 1 }));
    let mut increments: Vec<_> = increments.map(Box::pin).collect();
    // The disk is held until all are queued.
    let held = bench.disk.0.lock().expect("no holder has panicked");
    for increment in &mut increments {
        let poll = increment.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        assert!(poll.is_pending());
    }
    drop(held);
    for increment in increments {
        block_on(increment).expect("it is answered");
    }
    assert_eq!(shop.get("n"), Some(bytes("200")));
    let syncs = bench.disk.0.lock().expect("no holder has panicked").syncs - before;
    assert!(syncs < 20, "{syncs} syncs for 200 changes");
}

#[test]
fn a_full_disk_is_an_error_and_nothing_answered_is_lost() {
    let bench = Bench::new();
    let shop = bench.shop();
    shop.set("kept", "yes").expect("it is answered");
    let len = bench.disk.len().expect("it is answered") as usize;
    bench.disk.change(|disk| disk.capacity = Some(len));
    let value = "v".repeat(MAX_VALUE_BYTES);
    let mut written = Vec::new();
    for number in 0..64 {
        match shop.set(&number.to_string(), &value) {
            Ok(_) => written.push(number),
            Err(error) => {
                assert_eq!(error, KeyValueError::Storage);
                break;
            }
        }
    }
    assert!(written.len() < 64);
    assert_eq!(shop.get("kept"), Some(bytes("yes")));
    assert!(written.iter().all(|number| shop.get(&number.to_string()).is_some()));
    shop.set("small", "1").expect("it is answered");
    bench.disk.change(|disk| disk.capacity = None);
    shop.set("large", &value).expect("it is answered");
    assert_eq!((shop.get("kept"), shop.get("small")), (Some(bytes("yes")), Some(bytes("1"))));
}

#[test]
fn a_failed_sync_is_an_error_and_what_was_answered_stays() {
    let bench = Bench::new();
    let shop = bench.shop();
    shop.set("a", "1").expect("it is answered");
    bench.disk.change(|disk| disk.fails_to_sync = true);
    assert_eq!(shop.set("a", "2"), Err(KeyValueError::Storage));
    assert_eq!(shop.set("a", "3"), Err(KeyValueError::Storage));
    bench.disk.change(|disk| disk.fails_to_sync = false);
    shop.set("b", "1").expect("it is answered");
    // Nobody knows what has become of the others.
    let left = shop.get("a").expect("it is answered");
    assert!([bytes("1"), bytes("2"), bytes("3")].contains(&left), "{left:?}");
    assert_eq!(shop.get("b"), Some(bytes("1")));
}

#[test]
fn a_state_file_is_used_by_one_host_at_a_time() {
    let directory = tempfile::tempdir().expect("it is answered");
    let first = EmbeddedBackend::open(&directory.path().join("state")).expect("it is answered");
    let second = EmbeddedBackend::open(&directory.path().join("state")).expect_err("it is refused").to_string();
    assert!(second.contains("key-value.redb is in use by another host; stop that host"), "{second}");
    drop(first);
    EmbeddedBackend::open(&directory.path().join("state")).expect("it is answered");
}

#[test]
fn a_file_that_is_no_database_is_an_error_that_names_it() {
    let directory = tempfile::tempdir().expect("it is answered");
    std::fs::write(directory.path().join("key-value.redb"), "no database ".repeat(10_000)).expect("it is answered");
    let error = EmbeddedBackend::open(directory.path()).expect_err("it is refused").to_string();
    assert!(error.contains("key-value.redb") && error.contains("put a backup in its place"), "{error}");
}

fn cost(key: &str, value: u64) -> u64 {
    key.len() as u64 + value + ENTRY_OVERHEAD_BYTES
}

fn store_max(store: &TestStore) -> u64 {
    store.0.max_bytes
}

#[derive(Debug, Clone)]
enum Act {
    Set(Vec<(u8, u8)>, Option<u8>),
    Delete(u8),
    Increment(u8, i8),
    Swap(u8, Option<u8>, Option<u8>),
    Pass(u8),
    Crash(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let key = || 0..6u8;
    let value = || 0..4u8;
    prop_oneof![
        4 => (prop::collection::vec((key(), value()), 1..4), prop::option::of(0..8u8)).prop_map(|(set, time)| Act::Set(set, time)),
        1 => key().prop_map(Act::Delete),
        2 => (key(), any::<i8>()).prop_map(|(key, delta)| Act::Increment(key, delta)),
        3 => (key(), prop::option::of(value()), prop::option::of(value())).prop_map(|(key, old, new)| Act::Swap(key, old, new)),
        1 => (1..6u8).prop_map(Act::Pass),
        1 => (0..40usize).prop_map(Act::Crash),
    ]
}

fn text(number: u8) -> Bytes {
    // The longest does not fit beside two others.
    bytes(&"1".repeat(usize::from(number) * 40))
}

/// What a store is expected to hold: by key, the value and the moment of expiry.
#[derive(Default)]
struct Model {
    entries: BTreeMap<Bytes, (Bytes, Option<u64>)>,
    now: u64,
}

const MODEL_BYTES: u64 = 600;

impl Model {
    fn live(&self) -> BTreeMap<Bytes, Bytes> {
        let is_live = |until: &Option<u64>| until.is_none_or(|until| until > self.now);
        let live = self.entries.iter().filter(|(_, (_, until))| is_live(until));
        live.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    /// Sets entries if there is room.
    fn set(&mut self, set: &[(Bytes, Bytes)], until: Option<u64>) -> bool {
        let now = self.now;
        self.entries.retain(|_, (_, until)| until.is_none_or(|until| until > now));
        let used = |entries: &BTreeMap<Bytes, (Bytes, Option<u64>)>| {
            entries.iter().map(|(key, (value, _))| (key.len() + value.len()) as u64 + ENTRY_OVERHEAD_BYTES).sum::<u64>()
        };
        let mut entries = self.entries.clone();
        entries.extend(set.iter().map(|(key, value)| (key.clone(), (value.clone(), until))));
        let fits = used(&entries) <= MODEL_BYTES || used(&entries) <= used(&self.entries);
        if fits {
            self.entries = entries;
        }
        fits
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_store_is_as_a_map_and_keeps_what_it_has_answered(acts in prop::collection::vec(act(), 1..60)) {
        let mut bench = Bench::new();
        let name = StoreName::shared("model");
        let mut store = bench.store(&name, MODEL_BYTES);
        let mut model = Model { now: bench.now.load(Ordering::SeqCst), ..Model::default() };
        let key = |number: u8| bytes(&"k".repeat(usize::from(number) + 1));
        let full = Err(KeyValueError::Full { max_bytes: MODEL_BYTES });
        for act in acts {
            match act {
                Act::Set(set, time) => {
                    let entries: Vec<_> = set.iter().map(|(number, value)| (key(*number), text(*value))).collect();
                    let until = time.map(|seconds| model.now + u64::from(seconds) * 1000);
                    let fits = model.set(&entries, until);
                    let time_to_live = time.map(|seconds| Duration::from_secs(seconds.into()));
                    let made = store.change(StoreChange::Set { entries, time_to_live });
                    prop_assert_eq!(made, if fits { Ok(ChangeOutcome::Made) } else { full.clone() });
                }
                Act::Delete(number) => {
                    model.entries.remove(&key(number));
                    store.change(StoreChange::Delete(vec![key(number)])).expect("it is answered");
                }
                Act::Increment(number, delta) => {
                    let old = model.live().get(&key(number)).cloned();
                    let until = old.as_ref().and_then(|_| model.entries[&key(number)].1);
                    let number_of = |value: &Bytes| std::str::from_utf8(value).expect("it is answered").parse::<i64>().ok();
                    let expected = match old.as_ref().map_or(Some(0), number_of) {
                        None => Err(KeyValueError::NotInteger),
                        Some(old) => match old.checked_add(delta.into()) {
                            None => Err(KeyValueError::Overflow),
                            Some(sum) if model.set(&[(key(number), bytes(&sum.to_string()))], until) => Ok(ChangeOutcome::Integer(sum)),
                            Some(_) => full.clone(),
                        },
                    };
                    prop_assert_eq!(store.change(StoreChange::Increment { key: key(number), delta: delta.into() }), expected);
                }
                Act::Swap(number, expected, new) => {
                    let (expected, new) = (expected.map(text), new.map(text));
                    let outcome = match (model.live().get(&key(number)) == expected.as_ref(), &new) {
                        (false, _) => Ok(ChangeOutcome::NotAsExpected),
                        (true, None) => {
                            model.entries.remove(&key(number));
                            Ok(ChangeOutcome::Made)
                        }
                        (true, Some(new)) if model.set(&[(key(number), new.clone())], None) => Ok(ChangeOutcome::Made),
                        (true, Some(_)) => full.clone(),
                    };
                    prop_assert_eq!(store.change(StoreChange::CompareAndSwap { key: key(number), expected, new }), outcome);
                }
                Act::Pass(seconds) => {
                    bench.pass(Duration::from_secs(seconds.into()));
                    model.now += u64::from(seconds) * 1000;
                }
                Act::Crash(written) => {
                    let now = bench.now.load(Ordering::SeqCst);
                    let disk = bench.disk.after_crash(written);
                    bench = Bench::on(disk);
                    bench.now.store(now, Ordering::SeqCst);
                    store = bench.store(&name, MODEL_BYTES);
                }
            }
            let live = model.live();
            let keys: Vec<_> = live.keys().cloned().collect();
            prop_assert_eq!(block_on(store.0.get_many(&keys)).expect("it is answered"), live.values().cloned().map(Some).collect::<Vec<_>>());
            prop_assert_eq!(store.keys(""), keys);
        }
    }
}
