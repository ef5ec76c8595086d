//! Key-value stores: the interface `key-value` of this host's own package, and both drafts of `wasi:keyvalue`.
//!
//! A guest has names of stores only. Each call looks up what its current invocation was granted.

mod wasi;

use std::time::Duration;

use bytes::Bytes;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, WasmList, WasmStr};
use wasmtime::{Result, StoreContextMut};

use super::state::GuestState;
use crate::key_value::{
    ChangeOutcome, KeyPage, KeyValueError, KeyValueStore, MAX_KEY_BYTES, MAX_KEYS, MAX_VALUE_BYTES, StoreChange,
};
use crate::metrics::StoreOutcome;
use crate::trace::SpanKind;

pub(super) use wasi::{WASI_KEYVALUE_VERSIONS, add_to_linker};

type Store<'s> = StoreContextMut<'s, GuestState>;

/// Why a guest does not reach a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StoreRefusal {
    /// No store was granted, or there is no request.
    Denied,
    /// Stores were granted, and none of that name.
    NoSuchStore,
}

/// Why a call has failed.
#[derive(Debug)]
enum CallFailure {
    Refused(StoreRefusal),
    Failed(KeyValueError),
}

/// Calls the store that was granted by a name. The handler's clock runs meanwhile. The span of the call has the operation as the
/// conventions of OpenTelemetry for databases have it.
async fn call<T>(
    store: &mut Store<'_>,
    name: &str,
    operation: &'static str,
    call: impl AsyncFnOnce(&KeyValueStore) -> std::result::Result<T, KeyValueError>,
) -> std::result::Result<T, CallFailure> {
    let (exchange, granted) = store.data().key_value_store(name).map_err(CallFailure::Refused)?;
    let mut span = exchange
        .trace()
        .and_then(|trace| trace.begin(SpanKind::Client, || format!("{operation} {name}").trim_end().to_owned()));
    if let Some(span) = &mut span {
        span.note("db.system.name", granted.system());
        span.note("db.operation.name", operation);
        span.note("db.namespace", name);
    }
    let result = exchange.wait_elsewhere(call(&granted)).await;
    if let (Some(span), Err(error)) = (&mut span, &result) {
        span.fail(error);
    }
    drop(span);
    let outcome = result.as_ref().map_or_else(KeyValueError::outcome, |_| StoreOutcome::Ok);
    store.data().count_store_call(name, &granted, outcome);
    if let Err(error) = &result {
        store.data().note_store_failure(name, error);
    }
    result.map_err(CallFailure::Failed)
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The longest name of a store that is looked up, in bytes. No grant has a longer one.
const MAX_NAME_BYTES: usize = 256;

/// The name of a store. What is too long for one is cut, and is granted to nobody.
fn name(store: &Store<'_>, name: &WasmStr) -> Result<String> {
    let name = name.to_str(store)?;
    let end = name.char_indices().map(|(at, _)| at).find(|at| *at > MAX_NAME_BYTES);
    Ok(name[..end.unwrap_or(name.len())].to_owned())
}

/// Copies a key of the guest, unless it is longer than any. An empty one is for the store to refuse.
fn key(store: &Store<'_>, key: &WasmStr) -> Result<std::result::Result<Bytes, KeyValueError>> {
    let key = key.to_str(store)?;
    Ok(match key.len() <= MAX_KEY_BYTES {
        true => Ok(Bytes::copy_from_slice(key.as_bytes())),
        false => Err(KeyValueError::Key(key.len())),
    })
}

/// Copies a value of the guest, unless it is longer than any.
fn value(store: &Store<'_>, value: &WasmList<u8>) -> std::result::Result<Bytes, KeyValueError> {
    let value = value.as_le_slice(store);
    if value.len() <= MAX_VALUE_BYTES {
        Ok(Bytes::copy_from_slice(value))
    } else {
        Err(KeyValueError::Value(value.len()))
    }
}

/// `error` of the interface `key-value`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum GuestKeyValueError {
    #[component(name = "denied")]
    Denied,
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "read-only")]
    ReadOnly,
    #[component(name = "too-large")]
    TooLarge,
    #[component(name = "full")]
    Full,
    #[component(name = "other")]
    Other(String),
}

impl From<CallFailure> for GuestKeyValueError {
    fn from(failure: CallFailure) -> Self {
        let error = match failure {
            CallFailure::Refused(StoreRefusal::Denied) => return Self::Denied,
            CallFailure::Refused(StoreRefusal::NoSuchStore) => return Self::NoSuchStore,
            CallFailure::Failed(error) => error,
        };
        match error {
            KeyValueError::ReadOnly => Self::ReadOnly,
            KeyValueError::Key(_)
            | KeyValueError::Value(_)
            | KeyValueError::TooManyKeys
            | KeyValueError::BatchBytes => Self::TooLarge,
            KeyValueError::Full { .. } => Self::Full,
            KeyValueError::NotInteger
            | KeyValueError::Overflow
            | KeyValueError::Cursor
            | KeyValueError::Storage
            | KeyValueError::NotOpen => Self::Other(error.to_string()),
        }
    }
}

/// `page`
#[derive(ComponentType, Lift, Lower)]
#[component(record)]
struct GuestPage {
    keys: Vec<String>,
    cursor: Option<String>,
}

impl From<KeyPage> for GuestPage {
    fn from(page: KeyPage) -> Self {
        Self { keys: page.keys.iter().map(text).collect(), cursor: page.next.as_ref().map(text) }
    }
}

type GuestAnswer<T> = (std::result::Result<T, GuestKeyValueError>,);

fn answer<T>(result: std::result::Result<T, CallFailure>) -> GuestAnswer<T> {
    (result.map_err(GuestKeyValueError::from),)
}

/// Answers a call that is refused before its store is looked up.
fn refuse<T>(store: &Store<'_>, name: &WasmStr, error: KeyValueError) -> Result<GuestAnswer<T>> {
    store.data().note_store_failure(&self::name(store, name)?, &error);
    Ok(answer(Err(CallFailure::Failed(error))))
}

/// Links the interface `key-value`.
pub(super) fn add(linker: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    linker.func_wrap_async("get", |mut store: Store<'_>, (name, of): (WasmStr, WasmStr)| {
        Box::new(async move {
            let of = match key(&store, &of)? {
                Ok(key) => key,
                Err(error) => return refuse(&store, &name, error),
            };
            let name = self::name(&store, &name)?;
            Ok(answer(call(&mut store, &name, "get", async |granted| granted.get(of).await).await))
        })
    })?;
    linker.func_wrap_async(
        "set",
        |mut store: Store<'_>, (name, of, to, time): (WasmStr, WasmStr, WasmList<u8>, Option<u64>)| {
            Box::new(async move {
                let entries = match (key(&store, &of)?, value(&store, &to)) {
                    (Ok(key), Ok(value)) => vec![(key, value)],
                    (Err(error), _) | (_, Err(error)) => return refuse(&store, &name, error),
                };
                let change = StoreChange::Set { entries, time_to_live: time.map(Duration::from_millis) };
                Ok(answer(changed(&mut store, &name, change).await?.map(|_| ())))
            })
        },
    )?;
    linker.func_wrap_async("delete", |mut store: Store<'_>, (name, of): (WasmStr, WasmStr)| {
        Box::new(async move {
            let of = match key(&store, &of)? {
                Ok(key) => key,
                Err(error) => return refuse(&store, &name, error),
            };
            let change = StoreChange::Delete(vec![of]);
            Ok(answer(changed(&mut store, &name, change).await?.map(|_| ())))
        })
    })?;
    linker.func_wrap_async(
        "list",
        |mut store: Store<'_>, (name, prefix, cursor, limit): (WasmStr, WasmStr, Option<WasmStr>, u32)| {
            Box::new(async move {
                let cursor = cursor.map(|cursor| key(&store, &cursor)).transpose()?.transpose();
                let (prefix, cursor) = match (key(&store, &prefix)?, cursor) {
                    (Ok(prefix), Ok(cursor)) => (prefix, cursor),
                    (Err(error), _) | (_, Err(error)) => return refuse(&store, &name, error),
                };
                let (name, limit) = (self::name(&store, &name)?, usize::try_from(limit).unwrap_or(MAX_KEYS));
                let page = call(&mut store, &name, "list", async |granted| {
                    granted.list(&prefix, cursor.as_deref(), limit).await
                })
                .await;
                Ok(answer(page.map(GuestPage::from)))
            })
        },
    )?;
    linker.func_wrap_async("increment", |mut store: Store<'_>, (name, of, delta): (WasmStr, WasmStr, i64)| {
        Box::new(async move {
            let of = match key(&store, &of)? {
                Ok(key) => key,
                Err(error) => return refuse(&store, &name, error),
            };
            let change = StoreChange::Increment { key: of, delta };
            Ok(answer(changed(&mut store, &name, change).await?.map(integer)))
        })
    })?;
    linker.func_wrap_async(
        "compare-and-swap",
        |mut store: Store<'_>,
         (name, of, expected, new): (WasmStr, WasmStr, Option<WasmList<u8>>, Option<WasmList<u8>>)| {
            Box::new(async move {
                let [expected, new] = [expected, new].map(|it| it.map(|it| value(&store, &it)).transpose());
                let (of, expected, new) = match (key(&store, &of)?, expected, new) {
                    (Ok(of), Ok(expected), Ok(new)) => (of, expected, new),
                    (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => return refuse(&store, &name, error),
                };
                let change = StoreChange::CompareAndSwap { key: of, expected, new };
                let outcome = changed(&mut store, &name, change).await?;
                Ok(answer(outcome.map(|outcome| outcome != ChangeOutcome::NotAsExpected)))
            })
        },
    )
}

type ChangeResult = std::result::Result<ChangeOutcome, CallFailure>;

async fn changed(store: &mut Store<'_>, name: &WasmStr, change: StoreChange) -> Result<ChangeResult> {
    let name = self::name(store, name)?;
    Ok(call(store, &name, change.operation(), async |granted| granted.change(change).await).await)
}

/// The integer that a change has led to.
fn integer(outcome: ChangeOutcome) -> i64 {
    match outcome {
        ChangeOutcome::Integer(integer) => integer,
        ChangeOutcome::Made | ChangeOutcome::NotAsExpected => 0,
    }
}
