//! What every key-value store does, wherever it is: one suite, for the embedded stores and for those at an engine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host::fleet::{EngineSettings, EngineSpec, EngineStores};
use host::key_value::{
    ChangeOutcome, DEFAULT_MAX_STORE_BYTES, ENTRY_OVERHEAD_BYTES, EmbeddedBackend, KeyPage, KeyValueBackend,
    KeyValueError, KeyValueStore, MAX_KEY_BYTES, MAX_KEYS, MAX_VALUE_BYTES, StoreChange, StoreName,
};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::support::redis::Redis;
use crate::support::wait_until;

/// Where stores are in a test.
pub struct Bench {
    place: Place,
    backend: Option<Arc<dyn KeyValueBackend>>,
    runtime: Arc<Runtime>,
}

enum Place {
    Directory(TempDir),
    Engine(Redis),
}

impl Bench {
    fn embedded() -> Option<Self> {
        Some(Self::new(Place::Directory(tempfile::tempdir().expect("a directory can be made"))))
    }

    fn engine() -> Option<Self> {
        Some(Self::new(Place::Engine(Redis::start()?)))
    }

    fn new(place: Place) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be made");
        Self { backend: Some(place.open()), place, runtime: Arc::new(runtime) }
    }

    /// The same stores, opened by another host.
    fn opened_again(mut self) -> Self {
        // A state file is used by one host at a time.
        self.backend = None;
        self.backend = Some(self.place.open());
        self
    }

    fn store(&self, name: &StoreName, max_bytes: u64) -> TestStore {
        TestStore::new(self.backend.clone().expect("it is open"), name.clone(), max_bytes, self.runtime.clone())
    }

    fn shop(&self) -> TestStore {
        self.store(&StoreName::of_route("a", "shop"), DEFAULT_MAX_STORE_BYTES)
    }
}

impl Place {
    fn open(&self) -> Arc<dyn KeyValueBackend> {
        match self {
            Self::Directory(directory) => Arc::new(EmbeddedBackend::open(directory.path()).expect("it can be opened")),
            Self::Engine(redis) => Arc::new(EngineStores::new(engine_of(redis))),
        }
    }
}

/// The settings of a host with this engine.
pub fn engine_of(redis: &Redis) -> EngineSettings {
    let (url, prefix) = (redis.url(), "vibrato".to_owned());
    EngineSettings::new(EngineSpec { url, prefix, ..EngineSpec::default() }).expect("it is an engine")
}

/// A store whose calls block.
pub struct TestStore {
    store: KeyValueStore,
    max_bytes: u64,
    runtime: Arc<Runtime>,
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// What an entry counts for.
fn cost(key: &str, value: u64) -> u64 {
    key.len() as u64 + value + ENTRY_OVERHEAD_BYTES
}

impl TestStore {
    pub fn new(backend: Arc<dyn KeyValueBackend>, name: StoreName, max_bytes: u64, runtime: Arc<Runtime>) -> Self {
        Self { store: KeyValueStore::new(Some(backend), name, max_bytes, true), max_bytes, runtime }
    }

    pub fn try_get(&self, key: &str) -> Result<Option<Bytes>, KeyValueError> {
        self.runtime.block_on(self.store.get(bytes(key)))
    }

    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.try_get(key).expect("it is answered")
    }

    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, KeyValueError> {
        self.runtime.block_on(self.store.get_many(keys))
    }

    pub fn change(&self, change: StoreChange) -> Result<ChangeOutcome, KeyValueError> {
        self.runtime.block_on(self.store.change(change))
    }

    pub fn set(&self, key: &str, value: &str) -> Result<ChangeOutcome, KeyValueError> {
        self.change(StoreChange::Set { entries: vec![(bytes(key), bytes(value))], time_to_live: None })
    }

    fn set_for(&self, key: &str, value: &str, time: Duration) {
        let entries = vec![(bytes(key), bytes(value))];
        self.change(StoreChange::Set { entries, time_to_live: Some(time) }).expect("it is answered");
    }

    pub fn increment(&self, key: &str, delta: i64) -> Result<ChangeOutcome, KeyValueError> {
        self.change(StoreChange::Increment { key: bytes(key), delta })
    }

    fn swap(&self, key: &str, expected: Option<&str>, new: Option<&str>) -> ChangeOutcome {
        let (expected, new) = (expected.map(bytes), new.map(bytes));
        self.change(StoreChange::CompareAndSwap { key: bytes(key), expected, new }).expect("it is answered")
    }

    fn list(&self, prefix: &str, after: Option<&[u8]>, limit: usize) -> Result<KeyPage, KeyValueError> {
        self.runtime.block_on(self.store.list(prefix.as_bytes(), after, limit))
    }

    fn keys(&self, prefix: &str) -> Vec<Bytes> {
        self.list(prefix, None, MAX_KEYS).expect("it is answered").keys
    }

    fn pages(&self, prefix: &str, limit: usize) -> Vec<Vec<Bytes>> {
        let (mut after, mut pages) = (None::<Bytes>, Vec::new());
        loop {
            let page = self.list(prefix, after.as_deref(), limit).expect("it is answered");
            pages.push(page.keys);
            after = page.next;
            if after.is_none() {
                return pages;
            }
        }
    }
}

/// A test of each of these for both places.
macro_rules! of_both {
    ($($name:ident)*) => {
        mod embedded {
            $(#[test] fn $name() { super::Bench::embedded().into_iter().for_each(super::$name); })*
        }
        mod engine {
            $(#[test] fn $name() { super::Bench::engine().into_iter().for_each(super::$name); })*
        }
    };
}

of_both! {
    what_is_set_is_read_until_it_is_deleted
    stores_of_other_names_routes_and_of_all_are_apart
    an_expired_entry_is_gone_and_its_room_is_free
    to_set_an_entry_again_changes_when_it_expires
    an_increment_counts_from_nothing_and_refuses_what_is_no_integer
    a_swap_is_made_only_if_the_entry_is_as_expected
    pages_follow_each_other_in_order_within_a_prefix
    a_page_passes_over_a_bounded_number_of_expired_entries_and_the_next_one_goes_on
    keys_values_and_calls_have_bounds
    a_time_to_live_of_any_length_is_taken
    a_store_is_full_to_the_byte_and_refuses_the_whole_call
    bytes_of_any_kind_are_kept_as_they_are
    increments_at_the_same_time_are_exact
    a_store_is_as_a_map
}

fn what_is_set_is_read_until_it_is_deleted(bench: Bench) {
    let shop = bench.shop();
    assert_eq!(shop.get("a"), None);
    shop.set("a", "1").expect("it is answered");
    shop.set("a", "2").expect("it is answered");
    assert_eq!(shop.get("a"), Some(bytes("2")));
    drop(shop);
    let bench = bench.opened_again();
    let shop = bench.shop();
    assert_eq!(shop.get("a"), Some(bytes("2")));
    assert_eq!(shop.change(StoreChange::Delete(vec![bytes("a"), bytes("b")])), Ok(ChangeOutcome::Made));
    assert_eq!(shop.get("a"), None);
}

fn stores_of_other_names_routes_and_of_all_are_apart(bench: Bench) {
    let names = [
        StoreName::of_route("a", "shop"),
        StoreName::of_route("b", "shop"),
        StoreName::of_route("a", "shop2"),
        StoreName::of_route("a", "}:keys"),
        StoreName::shared("shop"),
        StoreName::shared_in("site", "shop"),
    ];
    let stores = names.map(|name| bench.store(&name, 1000));
    for (number, store) in stores.iter().enumerate() {
        store.set("k", &number.to_string()).expect("it is answered");
    }
    for (number, store) in stores.iter().enumerate() {
        assert_eq!(store.get("k"), Some(bytes(&number.to_string())));
        assert_eq!(store.keys(""), ["k"]);
    }
    stores[0].change(StoreChange::Delete(vec![bytes("k")])).expect("it is answered");
    assert!(stores[1..].iter().all(|store| store.get("k").is_some()));
}

fn an_expired_entry_is_gone_and_its_room_is_free(bench: Bench) {
    let store = bench.store(&StoreName::shared("s"), cost("a", 10) + cost("b", 10) - 1);
    store.set_for("a", "0123456789", Duration::from_secs(3600));
    assert_eq!(store.set("b", "0123456789"), Err(KeyValueError::Full { max_bytes: store.max_bytes }));
    store.set_for("a", "0123456789", Duration::from_millis(1));
    wait_until("it has expired", || store.get("a").is_none());
    assert!(store.keys("").is_empty());
    assert_eq!(store.swap("a", Some("0123456789"), None), ChangeOutcome::NotAsExpected);
    store.set("b", "0123456789").expect("it is answered");
}

fn to_set_an_entry_again_changes_when_it_expires(bench: Bench) {
    let shop = bench.shop();
    let (soon, late) = (Duration::from_millis(50), Duration::from_secs(3600));
    shop.set_for("a", "1", soon);
    shop.set("a", "2").expect("it is answered");
    shop.set_for("b", "1", soon);
    shop.set_for("b", "2", late);
    shop.set_for("n", "1", soon);
    // Its time stays.
    shop.increment("n", 1).expect("it is answered");
    wait_until("it has expired", || shop.get("n").is_none());
    assert_eq!((shop.get("a"), shop.get("b")), (Some(bytes("2")), Some(bytes("2"))));
    assert_eq!(shop.increment("n", 1), Ok(ChangeOutcome::Integer(1)));
    // A swap has no time.
    shop.set_for("s", "1", late);
    assert_eq!(shop.swap("s", Some("1"), Some("2")), ChangeOutcome::Made);
    assert_eq!(shop.get("s"), Some(bytes("2")));
}

fn an_increment_counts_from_nothing_and_refuses_what_is_no_integer(bench: Bench) {
    let shop = bench.shop();
    assert_eq!(shop.increment("n", 5), Ok(ChangeOutcome::Integer(5)));
    assert_eq!(shop.increment("n", -7), Ok(ChangeOutcome::Integer(-2)));
    assert_eq!(shop.get("n"), Some(bytes("-2")));
    for (text, delta, sum) in [
        (i64::MAX.to_string(), 0, i64::MAX),
        (i64::MAX.to_string(), -1, i64::MAX - 1),
        ("9007199254740993".to_owned(), 2, 9_007_199_254_740_995),
        ((-1).to_string(), i64::MIN + 1, i64::MIN),
        ("+007".to_owned(), 1, 8),
        ("-0".to_owned(), 1, 1),
    ] {
        shop.set("n", &text).expect("it is answered");
        assert_eq!(shop.increment("n", delta), Ok(ChangeOutcome::Integer(sum)), "{text}");
        assert_eq!(shop.get("n"), Some(bytes(&sum.to_string())));
    }
    for (text, delta) in [(i64::MAX, 1), (i64::MIN, -1), (-1, i64::MIN)] {
        shop.set("n", &text.to_string()).expect("it is answered");
        assert_eq!(shop.increment("n", delta), Err(KeyValueError::Overflow), "{text}");
        assert_eq!(shop.get("n"), Some(bytes(&text.to_string())), "it is as it was");
    }
    for text in ["", "1.5", " 1", "1 ", "x", "-", "+-1", "0x10", "1e3", "9223372036854775808"] {
        shop.set("n", text).expect("it is answered");
        assert_eq!(shop.increment("n", 1), Err(KeyValueError::NotInteger), "{text}");
        assert_eq!(shop.get("n"), Some(bytes(text)), "it is as it was");
    }
}

fn a_swap_is_made_only_if_the_entry_is_as_expected(bench: Bench) {
    let shop = bench.shop();
    assert_eq!(shop.swap("a", Some("1"), Some("2")), ChangeOutcome::NotAsExpected);
    assert_eq!(shop.swap("a", Some(""), Some("2")), ChangeOutcome::NotAsExpected);
    assert_eq!(shop.swap("a", None, Some("1")), ChangeOutcome::Made);
    assert_eq!(shop.swap("a", None, Some("2")), ChangeOutcome::NotAsExpected);
    assert_eq!(shop.swap("a", Some("1"), Some("")), ChangeOutcome::Made);
    assert_eq!(shop.get("a"), Some(bytes("")));
    assert_eq!(shop.swap("a", None, Some("2")), ChangeOutcome::NotAsExpected);
    assert_eq!(shop.swap("a", Some(""), None), ChangeOutcome::Made);
    assert_eq!(shop.swap("a", None, None), ChangeOutcome::Made);
    assert_eq!(shop.get("a"), None);
}

fn pages_follow_each_other_in_order_within_a_prefix(bench: Bench) {
    let shop = bench.shop();
    for key in ["b/2", "a", "b/10", "b", "b/", "c", "b/1"] {
        shop.set(key, "").expect("it is answered");
    }
    assert_eq!(shop.pages("b/", 2), [["b/", "b/1"], ["b/10", "b/2"]]);
    assert_eq!(shop.list("b/", Some(b"a"), 9).expect("it is answered").keys.len(), 4);
    assert!(shop.list("b/", Some(b"c"), 9).expect("it is answered").keys.is_empty());
    assert_eq!(shop.list("b/", Some(b"b/1"), 1).expect("it is answered").keys, ["b/10"]);
    assert_eq!(shop.list("", Some(b""), 9), Err(KeyValueError::Cursor));
}

fn a_page_passes_over_a_bounded_number_of_expired_entries_and_the_next_one_goes_on(bench: Bench) {
    let shop = bench.shop();
    for key in ["a", "b", "z"] {
        shop.set(key, "").expect("it is answered");
    }
    // As many as two pages pass over, and one more.
    let (expired, time) = (2 * 4096 + 1, Duration::from_millis(1500));
    for first in (0..expired).step_by(MAX_KEYS) {
        let keys = (first..expired.min(first + MAX_KEYS)).map(|number| bytes(&format!("k{number:05}")));
        let entries = keys.map(|key| (key, Bytes::new())).collect();
        assert_eq!(shop.change(StoreChange::Set { entries, time_to_live: Some(time) }), Ok(ChangeOutcome::Made));
    }
    wait_until("they have expired", || shop.get(&format!("k{:05}", expired - 1)).is_none());
    let pages = shop.pages("", 10);
    assert_eq!(pages.concat(), ["a", "b", "z"]);
    // The embedded store removes what has expired by itself.
    assert!(pages.len() <= 3, "{pages:?}");
    if matches!(bench.place, Place::Engine(_)) {
        assert_eq!(pages, [vec!["a", "b"], vec![], vec!["z"]]);
    }
}

fn keys_values_and_calls_have_bounds(bench: Bench) {
    let shop = bench.shop();
    let (longest, most) = ("k".repeat(MAX_KEY_BYTES), "v".repeat(MAX_VALUE_BYTES));
    shop.set(&longest, &most).expect("it is answered");
    assert_eq!(shop.get(&longest).map(|value| value.len()), Some(MAX_VALUE_BYTES));
    assert_eq!(shop.set("", "v"), Err(KeyValueError::Key(0)));
    assert_eq!(shop.set(&format!("{longest}k"), "v"), Err(KeyValueError::Key(1025)));
    assert_eq!(shop.set("k", &format!("{most}v")), Err(KeyValueError::Value(MAX_VALUE_BYTES + 1)));
    let keys = vec![bytes("k"); MAX_KEYS + 1];
    assert_eq!(shop.get_many(&keys), Err(KeyValueError::TooManyKeys));
    assert_eq!(shop.change(StoreChange::Delete(keys)), Err(KeyValueError::TooManyKeys));
    let entries: Vec<_> = (0..9).map(|number| (bytes(&number.to_string()), bytes(&most))).collect();
    let all = StoreChange::Set { entries: entries.clone(), time_to_live: None };
    assert_eq!(shop.change(all), Err(KeyValueError::BatchBytes));
    for (key, value) in entries {
        shop.change(StoreChange::Set { entries: vec![(key, value)], time_to_live: None }).expect("it is answered");
    }
    let keys: Vec<_> = (0..9).map(|number| bytes(&number.to_string())).collect();
    assert_eq!(shop.get_many(&keys), Err(KeyValueError::BatchBytes));
    let many: Vec<_> = (0..MAX_KEYS).map(|number| (bytes(&format!("many{number}")), bytes("1"))).collect();
    shop.change(StoreChange::Set { entries: many.clone(), time_to_live: None }).expect("it is answered");
    let keys: Vec<_> = many.into_iter().map(|(key, _)| key).collect();
    assert_eq!(shop.get_many(&keys), Ok(vec![Some(bytes("1")); MAX_KEYS]));
    assert_eq!(shop.change(StoreChange::Delete(keys)), Ok(ChangeOutcome::Made));
    assert!(shop.keys("many").is_empty());
}

fn a_time_to_live_of_any_length_is_taken(bench: Bench) {
    let shop = bench.shop();
    shop.set_for("a", "1", Duration::MAX);
    assert!(shop.get("a").is_some());
    shop.set_for("a", "2", Duration::ZERO);
    assert_eq!(shop.get("a"), None);
}

fn a_store_is_full_to_the_byte_and_refuses_the_whole_call(bench: Bench) {
    let both = cost("a", 10) + cost("b", 10);
    let full = |max_bytes| Err(KeyValueError::Full { max_bytes });
    let store = bench.store(&StoreName::shared("s"), both);
    store.set("a", "0123456789").expect("it is answered");
    assert_eq!(store.set("b", "0123456789+"), full(both));
    let entries = vec![(bytes("a"), bytes("")), (bytes("b"), bytes("")), (bytes("c"), bytes(""))];
    assert_eq!(store.change(StoreChange::Set { entries, time_to_live: None }), full(both));
    assert_eq!((store.get("a"), store.get("c")), (Some(bytes("0123456789")), None));
    store.set("b", "0123456789").expect("it is answered");
    assert_eq!(store.increment("n", 1), full(both));
    assert_eq!((store.get("n"), store.keys("").len()), (None, 2));
    assert_eq!(store.swap("b", Some("0123456789"), Some("1")), ChangeOutcome::Made);
    store.set("b", "0123456789").expect("it is answered");
    // Another store is not full, and this one stays so in another host.
    bench.store(&StoreName::shared("t"), both).set("a", "1").expect("it is answered");
    drop(store);
    let bench = bench.opened_again();
    let store = bench.store(&StoreName::shared("s"), both);
    assert_eq!(store.set("c", ""), full(both));
    let lower = bench.store(&StoreName::shared("s"), 1);
    lower.set("a", "0").expect("it is answered");
    assert_eq!(lower.set("a", "01"), full(1));
}

fn bytes_of_any_kind_are_kept_as_they_are(bench: Bench) {
    let shop = bench.shop();
    let all: Vec<u8> = (0..=255).collect();
    let entries = vec![(bytes("\0[(=\r\n{}é"), Bytes::from(all.clone()))];
    shop.change(StoreChange::Set { entries, time_to_live: None }).expect("it is answered");
    assert_eq!(shop.get("\0[(=\r\n{}é"), Some(Bytes::from(all)));
    assert_eq!(shop.keys("\0["), ["\0[(=\r\n{}é"]);
}

fn increments_at_the_same_time_are_exact(bench: Bench) {
    let shop = bench.shop();
    shop.runtime.block_on(async {
        let increments: Vec<_> = (0..500)
            .map(|_| {
                let store = shop.store.clone();
                tokio::spawn(async move { store.change(StoreChange::Increment { key: bytes("n"), delta: 1 }).await })
            })
            .collect();
        for increment in increments {
            increment.await.expect("it does not panic").expect("it is answered");
        }
    });
    assert_eq!(shop.get("n"), Some(bytes("500")));
}

#[derive(Debug, Clone)]
enum Act {
    Set(Vec<(u8, u8)>, bool),
    Delete(u8),
    Increment(u8, i8),
    Swap(u8, Option<u8>, Option<u8>),
}

fn act() -> impl Strategy<Value = Act> {
    let key = || 0..6u8;
    let value = || 0..4u8;
    prop_oneof![
        4 => (prop::collection::vec((key(), value()), 1..4), any::<bool>()).prop_map(|(set, lives)| Act::Set(set, lives)),
        1 => key().prop_map(Act::Delete),
        2 => (key(), any::<i8>()).prop_map(|(key, delta)| Act::Increment(key, delta)),
        3 => (key(), prop::option::of(value()), prop::option::of(value())).prop_map(|(key, old, new)| Act::Swap(key, old, new)),
    ]
}

const MODEL_BYTES: u64 = 600;

/// What a store is expected to hold.
#[derive(Default)]
struct Model(BTreeMap<Bytes, Bytes>);

impl Model {
    /// Sets entries if there is room.
    fn set(&mut self, set: &[(Bytes, Bytes)]) -> bool {
        let used = |entries: &BTreeMap<Bytes, Bytes>| {
            entries.iter().map(|(key, value)| (key.len() + value.len()) as u64 + ENTRY_OVERHEAD_BYTES).sum::<u64>()
        };
        let mut entries = self.0.clone();
        entries.extend(set.iter().cloned());
        let fits = used(&entries) <= MODEL_BYTES || used(&entries) <= used(&self.0);
        if fits {
            self.0 = entries;
        }
        fits
    }

    /// What the store has to answer to an act, as a change of it.
    fn make(&mut self, act: &Act) -> (StoreChange, Result<ChangeOutcome, KeyValueError>) {
        let key = |number: u8| bytes(&"k".repeat(usize::from(number) + 1));
        // The longest does not fit beside two others.
        let text = |number: u8| bytes(&"1".repeat(usize::from(number) * 40));
        let full = Err(KeyValueError::Full { max_bytes: MODEL_BYTES });
        let made = |fits: bool| if fits { Ok(ChangeOutcome::Made) } else { full.clone() };
        match act {
            Act::Set(set, lives) => {
                let entries: Vec<_> = set.iter().map(|(number, value)| (key(*number), text(*value))).collect();
                let outcome = made(self.set(&entries));
                let time_to_live = lives.then_some(Duration::from_secs(3600));
                (StoreChange::Set { entries, time_to_live }, outcome)
            }
            Act::Delete(number) => {
                self.0.remove(&key(*number));
                (StoreChange::Delete(vec![key(*number)]), Ok(ChangeOutcome::Made))
            }
            Act::Increment(number, delta) => {
                let number_of = |value: &Bytes| std::str::from_utf8(value).ok()?.parse::<i64>().ok();
                let (key, delta) = (key(*number), i64::from(*delta));
                let outcome = match self.0.get(&key).map_or(Some(0), number_of).map(|old| old.checked_add(delta)) {
                    None => Err(KeyValueError::NotInteger),
                    Some(None) => Err(KeyValueError::Overflow),
                    Some(Some(sum)) => match self.set(&[(key.clone(), bytes(&sum.to_string()))]) {
                        true => Ok(ChangeOutcome::Integer(sum)),
                        false => full.clone(),
                    },
                };
                (StoreChange::Increment { key, delta }, outcome)
            }
            Act::Swap(number, expected, new) => {
                let (key, expected, new) = (key(*number), expected.map(text), new.map(text));
                let outcome = match (self.0.get(&key) == expected.as_ref(), &new) {
                    (false, _) => Ok(ChangeOutcome::NotAsExpected),
                    (true, None) => {
                        self.0.remove(&key);
                        Ok(ChangeOutcome::Made)
                    }
                    (true, Some(new)) => made(self.set(&[(key.clone(), new.clone())])),
                };
                (StoreChange::CompareAndSwap { key, expected, new }, outcome)
            }
        }
    }
}

fn a_store_is_as_a_map(bench: Bench) {
    let mut runner = TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) });
    let number = std::cell::Cell::new(0);
    let result = runner.run(&prop::collection::vec(act(), 1..60), |acts| {
        number.set(number.get() + 1);
        let store = bench.store(&StoreName::shared(&format!("model{}", number.get())), MODEL_BYTES);
        let mut model = Model::default();
        for act in acts {
            let (change, outcome) = model.make(&act);
            prop_assert_eq!(store.change(change), outcome);
            let keys: Vec<_> = model.0.keys().cloned().collect();
            let values: Vec<_> = model.0.values().cloned().map(Some).collect();
            prop_assert_eq!(store.get_many(&keys), Ok(values));
            prop_assert_eq!(store.keys(""), keys);
        }
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}
