//! Key-value stores: calls with any keys, values, prefixes and cursors give what a map gives, within the limits of a store.

#![no_main]

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use host_fuzz::key_value::{
    ChangeOutcome, ENTRY_OVERHEAD_BYTES, EmbeddedBackend, KeyValueError, KeyValueStore, MAX_KEY_BYTES, StoreChange,
    StoreName,
};
use libfuzzer_sys::arbitrary::{Arbitrary, Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};

/// Small, so that fuzzers reach it.
const MAX_BYTES: u64 = 1000;

/// All stores, in a directory in memory if there is one. Nothing of it outlives the process but its name.
static BACKEND: LazyLock<Arc<EmbeddedBackend>> = LazyLock::new(|| {
    let memory = std::path::Path::new("/dev/shm");
    let directory = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let directory = directory.join(format!("fuzz-stores-{}", std::process::id()));
    let backend = EmbeddedBackend::open(&directory).expect("a directory can be made");
    // The file stays open.
    std::fs::remove_dir_all(&directory).expect("it is there");
    Arc::new(backend)
});

type Model = BTreeMap<Bytes, Bytes>;

fn wait<F: Future>(future: F) -> F::Output {
    let thread = std::thread::current();
    let waker = Arc::new(Unpark(thread)).into();
    let (mut future, mut context) = (pin!(future), std::task::Context::from_waker(&waker));
    loop {
        match future.as_mut().poll(&mut context) {
            std::task::Poll::Ready(output) => return output,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(std::thread::Thread);

impl std::task::Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A key of few letters, so that keys are met again. Seldom a longer one.
fn key(input: &mut Unstructured<'_>) -> Result<Bytes> {
    let length = match input.int_in_range(0..=20)? {
        20 => usize::from(u16::arbitrary(input)?) % (MAX_KEY_BYTES + 2),
        length => length % 4,
    };
    (0..length).map(|_| Ok(*input.choose(b"a/\0\xff")?)).collect()
}

fn value(input: &mut Unstructured<'_>) -> Result<Bytes> {
    Ok(match input.int_in_range(0..=2)? {
        0 => Bytes::from(i64::arbitrary(input)?.to_string()),
        _ => Bytes::from(vec![b'v'; input.int_in_range(0..=300)?]),
    })
}

fn used(model: &Model) -> u64 {
    model.iter().map(|(key, value)| (key.len() + value.len()) as u64 + ENTRY_OVERHEAD_BYTES).sum()
}

/// Whether a key is valid, and the model with the entry, if it fits.
fn with(model: &Model, key: &Bytes, value: Bytes) -> std::result::Result<Model, KeyValueError> {
    let mut changed = model.clone();
    changed.insert(key.clone(), value);
    // What makes a store no larger is allowed.
    match used(&changed) <= MAX_BYTES || used(&changed) <= used(model) {
        true => Ok(changed),
        false => Err(KeyValueError::Full { max_bytes: MAX_BYTES }),
    }
}

fn step(input: &mut Unstructured<'_>, store: &KeyValueStore, model: &mut Model) -> Result<()> {
    let key = key(input)?;
    let bad_key = (!(1..=MAX_KEY_BYTES).contains(&key.len())).then(|| KeyValueError::Key(key.len()));
    let (change, expected) = match input.int_in_range(0..=5)? {
        0 => {
            let got = wait(store.get(key.clone()));
            assert_eq!(got, bad_key.map_or_else(|| Ok(model.get(&key).cloned()), Err));
            return Ok(());
        }
        1 => return list(input, store, model, &key),
        2 => {
            let value = value(input)?;
            // What expires at once is never seen, but it has to fit.
            let expires = bool::arbitrary(input)?;
            let expected = with(model, &key, value.clone()).map(|mut changed| {
                if expires {
                    changed.remove(&key);
                }
                (changed, ChangeOutcome::Made)
            });
            let time_to_live = expires.then_some(Duration::ZERO);
            (StoreChange::Set { entries: vec![(key.clone(), value)], time_to_live }, expected)
        }
        3 => {
            let mut changed = model.clone();
            changed.remove(&key);
            (StoreChange::Delete(vec![key.clone()]), Ok((changed, ChangeOutcome::Made)))
        }
        4 => {
            let delta = i64::arbitrary(input)?;
            let old = model.get(&key).map_or(Some(0), |old| str::from_utf8(old).ok()?.parse::<i64>().ok());
            let expected = match old.map(|old| old.checked_add(delta)) {
                None => Err(KeyValueError::NotInteger),
                Some(None) => Err(KeyValueError::Overflow),
                Some(Some(sum)) => {
                    let changed = with(model, &key, Bytes::from(sum.to_string()));
                    changed.map(|changed| (changed, ChangeOutcome::Integer(sum)))
                }
            };
            (StoreChange::Increment { key: key.clone(), delta }, expected)
        }
        _ => {
            let current = model.get(&key).cloned();
            let expects = if bool::arbitrary(input)? { current.clone() } else { Some(value(input)?) };
            let new = if bool::arbitrary(input)? { Some(value(input)?) } else { None };
            let expected = match (current == expects, &new) {
                (false, _) => Ok((model.clone(), ChangeOutcome::NotAsExpected)),
                (true, Some(new)) => with(model, &key, new.clone()).map(|changed| (changed, ChangeOutcome::Made)),
                (true, None) => {
                    let mut changed = model.clone();
                    changed.remove(&key);
                    Ok((changed, ChangeOutcome::Made))
                }
            };
            (StoreChange::CompareAndSwap { key: key.clone(), expected: expects, new }, expected)
        }
    };
    let outcome = wait(store.change(change));
    match bad_key.map_or(expected, Err) {
        Ok((changed, expected)) => {
            assert_eq!(outcome, Ok(expected));
            *model = changed;
        }
        Err(error) => assert_eq!(outcome, Err(error)),
    }
    Ok(())
}

/// Lists the keys with a prefix, page by page.
fn list(input: &mut Unstructured<'_>, store: &KeyValueStore, model: &Model, prefix: &Bytes) -> Result<()> {
    let mut after = if bool::arbitrary(input)? { Some(key(input)?) } else { None };
    let limit = input.int_in_range(0..=5)?;
    if after.as_ref().is_some_and(|after| !(1..=MAX_KEY_BYTES).contains(&after.len())) {
        assert_eq!(wait(store.list(prefix, after.as_deref(), limit)), Err(KeyValueError::Cursor));
        return Ok(());
    }
    if prefix.len() > MAX_KEY_BYTES {
        let refused = wait(store.list(prefix, after.as_deref(), limit));
        assert_eq!(refused, Err(KeyValueError::Key(prefix.len())));
        return Ok(());
    }
    let is_behind = |key: &&Bytes| after.as_ref().is_none_or(|after| *key > after);
    let expected: Vec<Bytes> = model.keys().filter(|key| key.starts_with(prefix)).filter(is_behind).cloned().collect();
    let mut all = Vec::new();
    loop {
        let page = wait(store.list(prefix, after.as_deref(), limit)).expect("the prefix and the cursor are valid");
        assert!(page.keys.len() <= limit.max(1));
        all.extend(page.keys);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(all, expected);
    Ok(())
}

fuzz_target!(|data: &[u8]| -> Corpus {
    let store = KeyValueStore::new(Some(BACKEND.clone()), StoreName::shared("fuzz"), MAX_BYTES, true);
    let (mut input, mut model) = (Unstructured::new(data), Model::new());
    let mut steps = 0;
    // An input that ends early is as good.
    while !input.is_empty() && steps < 32 && step(&mut input, &store, &mut model).is_ok() {
        steps += 1;
    }
    let keys = model.into_keys().collect();
    assert_eq!(wait(store.change(StoreChange::Delete(keys))), Ok(ChangeOutcome::Made));
    assert_eq!(wait(store.list(b"", None, 1)).map(|page| page.keys), Ok(Vec::new()));
    if steps > 0 { Corpus::Keep } else { Corpus::Reject }
});
