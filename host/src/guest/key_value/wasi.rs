//! `wasi:keyvalue` in both drafts that are in use, which differ: in the cursor of a list, in the integer of an increment, in
//! what many values are, and in that only the later one has `cas`.

use std::time::Instant;

use bytes::Bytes;
use wasmtime::Result;
use wasmtime::component::{
    ComponentType, Lift, Linker, LinkerInstance, Lower, Resource, ResourceType, WasmList, WasmStr,
};

use super::super::scheduler::NextSlice;
use super::super::state::GuestState;
use super::{CallFailure, Store, StoreRefusal, call, integer, key, text, value};
use crate::exchange::MAX_RUN;
use crate::key_value::{ChangeOutcome, KeyValueError, MAX_BATCH_BYTES, MAX_KEYS, StoreChange};

const DRAFT: &str = "0.2.0-draft";
const DRAFT2: &str = "0.2.0-draft2";

/// The versions of `wasi:keyvalue`.
pub(in super::super) const WASI_KEYVALUE_VERSIONS: [&str; 2] = [DRAFT, DRAFT2];

/// `bucket`: the name of a store. What it is granted is looked up in each call.
struct Bucket(String);

/// `cas`: what was the value of a key when the guest looked. Its hash is enough, and takes no memory.
struct Cas {
    store: String,
    key: Bytes,
    seen: Option<blake3::Hash>,
}

/// `error`
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum WasiStoreError {
    #[component(name = "no-such-store")]
    NoSuchStore,
    #[component(name = "access-denied")]
    AccessDenied,
    #[component(name = "other")]
    Other(String),
}

impl From<CallFailure> for WasiStoreError {
    fn from(failure: CallFailure) -> Self {
        match failure {
            CallFailure::Refused(StoreRefusal::Denied) | CallFailure::Failed(KeyValueError::ReadOnly) => {
                Self::AccessDenied
            }
            CallFailure::Refused(StoreRefusal::NoSuchStore) => Self::NoSuchStore,
            CallFailure::Failed(error) => Self::Other(error.to_string()),
        }
    }
}

/// `cas-error`
#[derive(ComponentType, Lower)]
#[component(variant)]
enum CasError {
    #[component(name = "store-error")]
    Store(WasiStoreError),
    #[component(name = "cas-failed")]
    Failed(Resource<Cas>),
}

/// `key-response`
#[derive(ComponentType, Lower)]
#[component(record)]
struct KeyResponse<C> {
    keys: Vec<String>,
    cursor: Option<C>,
}

type WasiResult<T> = std::result::Result<T, WasiStoreError>;

/// Links both drafts.
pub(in super::super) fn add_to_linker(linker: &mut Linker<GuestState>) -> Result<()> {
    for version in WASI_KEYVALUE_VERSIONS {
        add_store(&mut linker.instance(&format!("wasi:keyvalue/store@{version}"))?)?;
        let mut batch = linker.instance(&format!("wasi:keyvalue/batch@{version}"))?;
        add_batch(&mut batch)?;
    }
    linker.instance(&format!("wasi:keyvalue/store@{DRAFT}"))?.func_wrap_async(
        "[method]bucket.list-keys",
        |mut store: Store<'_>, (bucket, cursor): (Resource<Bucket>, Option<u64>)| {
            Box::new(async move { Ok((list_from(&mut store, &bucket, cursor.unwrap_or(0)).await?,)) })
        },
    )?;
    linker.instance(&format!("wasi:keyvalue/store@{DRAFT2}"))?.func_wrap_async(
        "[method]bucket.list-keys",
        |mut store: Store<'_>, (bucket, cursor): (Resource<Bucket>, Option<WasmStr>)| {
            Box::new(async move {
                let name = name_of(&mut store, &bucket)?;
                let after = match cursor.map(|cursor| key(&store, &cursor)).transpose()?.transpose() {
                    Ok(after) => after,
                    Err(_) => return Ok((Err(CallFailure::Failed(KeyValueError::Cursor).into()),)),
                };
                let page = call(&mut store, &name, "list", async |granted| {
                    granted.list(b"", after.as_deref(), MAX_KEYS).await
                });
                let page = page.await;
                let response = page.map(|page| KeyResponse {
                    keys: page.keys.iter().map(text).collect(),
                    cursor: page.next.as_ref().map(text),
                });
                Ok((response.map_err(WasiStoreError::from),))
            })
        },
    )?;
    linker.instance(&format!("wasi:keyvalue/batch@{DRAFT}"))?.func_wrap_async(
        "get-many",
        |mut store: Store<'_>, (bucket, keys): (Resource<Bucket>, Vec<String>)| {
            Box::new(async move {
                let values = get_many(&mut store, &bucket, keys).await?;
                let found = |(key, value): (String, Option<Bytes>)| value.map(|value| (key, value));
                Ok((values.map(|values| values.into_iter().map(found).collect::<Vec<_>>()),))
            })
        },
    )?;
    linker.instance(&format!("wasi:keyvalue/batch@{DRAFT2}"))?.func_wrap_async(
        "get-many",
        |mut store: Store<'_>, (bucket, keys): (Resource<Bucket>, Vec<String>)| {
            Box::new(async move { Ok((get_many(&mut store, &bucket, keys).await?,)) })
        },
    )?;
    linker.instance(&format!("wasi:keyvalue/atomics@{DRAFT}"))?.func_wrap_async(
        "increment",
        |mut store: Store<'_>, (bucket, of, delta): (Resource<Bucket>, WasmStr, u64)| {
            Box::new(async move {
                let sum = match i64::try_from(delta) {
                    Ok(delta) => increment(&mut store, &bucket, &of, delta).await?,
                    Err(_) => Err(CallFailure::Failed(KeyValueError::Overflow).into()),
                };
                let below = |_| WasiStoreError::Other("the integer is below 0".to_owned());
                Ok((sum.and_then(|sum| u64::try_from(sum).map_err(below)),))
            })
        },
    )?;
    let mut atomics = linker.instance(&format!("wasi:keyvalue/atomics@{DRAFT2}"))?;
    atomics.func_wrap_async(
        "increment",
        |mut store: Store<'_>, (bucket, of, delta): (Resource<Bucket>, WasmStr, i64)| {
            Box::new(async move { Ok((increment(&mut store, &bucket, &of, delta).await?,)) })
        },
    )?;
    add_cas(&mut atomics)
}

fn name_of(store: &mut Store<'_>, bucket: &Resource<Bucket>) -> Result<String> {
    Ok(store.data_mut().table_mut().get(bucket)?.0.clone())
}

async fn change(
    store: &mut Store<'_>,
    bucket: &Resource<Bucket>,
    change: StoreChange,
) -> Result<WasiResult<ChangeOutcome>> {
    let name = name_of(store, bucket)?;
    let changed = call(store, &name, change.operation(), async |granted| granted.change(change).await).await;
    Ok(changed.map_err(WasiStoreError::from))
}

async fn increment(
    store: &mut Store<'_>,
    bucket: &Resource<Bucket>,
    of: &WasmStr,
    delta: i64,
) -> Result<WasiResult<i64>> {
    let key = match key(store, of)? {
        Ok(key) => key,
        Err(error) => return Ok(Err(CallFailure::Failed(error).into())),
    };
    Ok(change(store, bucket, StoreChange::Increment { key, delta }).await?.map(integer))
}

async fn get(store: &mut Store<'_>, name: &str, key: Bytes) -> WasiResult<Option<Bytes>> {
    call(store, name, "get", async |granted| granted.get(key).await).await.map_err(WasiStoreError::from)
}

async fn get_many(
    store: &mut Store<'_>,
    bucket: &Resource<Bucket>,
    keys: Vec<String>,
) -> Result<WasiResult<Vec<(String, Option<Bytes>)>>> {
    let name = name_of(store, bucket)?;
    let wanted: Vec<Bytes> = keys.iter().take(MAX_KEYS + 1).map(|key| Bytes::copy_from_slice(key.as_bytes())).collect();
    let values = call(store, &name, "get-many", async |granted| granted.get_many(&wanted).await).await;
    Ok(values.map(|values| keys.into_iter().zip(values).collect()).map_err(WasiStoreError::from))
}

/// A page of the first draft, whose cursor is the number of keys before it.
async fn list_from(
    store: &mut Store<'_>,
    bucket: &Resource<Bucket>,
    cursor: u64,
) -> Result<WasiResult<KeyResponse<u64>>> {
    let name = name_of(store, bucket)?;
    let (mut skip, mut after) = (cursor, None::<Bytes>);
    loop {
        let limit =
            usize::try_from(skip).map_or(MAX_KEYS, |skip| if skip == 0 { MAX_KEYS } else { skip.min(MAX_KEYS) });
        let page = call(store, &name, "list", async |granted| granted.list(b"", after.as_deref(), limit).await).await;
        let page = match page {
            Ok(page) => page,
            Err(failure) => return Ok(Err(failure.into())),
        };
        let passed = page.keys.len() as u64;
        let is_last = page.next.is_none();
        // A number cannot say that the next page begins behind entries that have expired.
        if skip == 0 && (is_last || passed > 0) {
            let cursor = (!is_last).then(|| cursor.saturating_add(passed));
            return Ok(Ok(KeyResponse { keys: page.keys.iter().map(text).collect(), cursor }));
        }
        if is_last {
            return Ok(Ok(KeyResponse { keys: Vec::new(), cursor: None }));
        }
        skip = skip.saturating_sub(passed);
        after = page.next;
        if let Some(exchange) = store.data().exchange().cloned()
            && exchange.should_yield(Instant::now)
        {
            let slice = NextSlice::after(store.data().handler(), MAX_RUN, Some(exchange.clone()));
            exchange.wait_elsewhere(slice).await;
        }
    }
}

fn add_store(interface: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    interface.resource("bucket", ResourceType::host::<Bucket>(), |mut store, index| {
        store.data_mut().table_mut().delete(Resource::<Bucket>::new_own(index))?;
        Ok(())
    })?;
    interface.func_wrap("open", |mut store: Store<'_>, (name,): (WasmStr,)| {
        let name = super::name(&store, &name)?;
        let opened: WasiResult<_> = match store.data().key_value_store(&name) {
            Err(refusal) => Err(CallFailure::Refused(refusal).into()),
            Ok(_) => {
                let bucket = store.data_mut().table_mut().push(Bucket(name));
                bucket.map_err(|_| WasiStoreError::Other("the component has too many resources".to_owned()))
            }
        };
        Ok((opened,))
    })?;
    interface.func_wrap_async(
        "[method]bucket.get",
        |mut store: Store<'_>, (bucket, of): (Resource<Bucket>, WasmStr)| {
            Box::new(async move {
                let name = name_of(&mut store, &bucket)?;
                let of = match key(&store, &of)? {
                    Ok(key) => key,
                    Err(error) => return Ok((Err(CallFailure::Failed(error).into()),)),
                };
                Ok((get(&mut store, &name, of).await,))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]bucket.exists",
        |mut store: Store<'_>, (bucket, of): (Resource<Bucket>, WasmStr)| {
            Box::new(async move {
                let name = name_of(&mut store, &bucket)?;
                let of = match key(&store, &of)? {
                    Ok(key) => key,
                    Err(error) => return Ok((Err(CallFailure::Failed(error).into()),)),
                };
                Ok((get(&mut store, &name, of).await.map(|value| value.is_some()),))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]bucket.set",
        |mut store: Store<'_>, (bucket, of, to): (Resource<Bucket>, WasmStr, WasmList<u8>)| {
            Box::new(async move {
                let entries = match (key(&store, &of)?, value(&store, &to)) {
                    (Ok(key), Ok(value)) => vec![(key, value)],
                    (Err(error), _) | (_, Err(error)) => return Ok((Err(CallFailure::Failed(error).into()),)),
                };
                let set = StoreChange::Set { entries, time_to_live: None };
                Ok((change(&mut store, &bucket, set).await?.map(|_| ()),))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]bucket.delete",
        |mut store: Store<'_>, (bucket, of): (Resource<Bucket>, WasmStr)| {
            Box::new(async move {
                let of = match key(&store, &of)? {
                    Ok(key) => key,
                    Err(error) => return Ok((Err(CallFailure::Failed(error).into()),)),
                };
                let delete = StoreChange::Delete(vec![of]);
                Ok((change(&mut store, &bucket, delete).await?.map(|_| ()),))
            })
        },
    )
}

fn add_batch(interface: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    interface.func_wrap_async(
        "set-many",
        |mut store: Store<'_>, (bucket, entries): (Resource<Bucket>, Vec<(String, Bytes)>)| {
            Box::new(async move {
                let bytes: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();
                if bytes > MAX_BATCH_BYTES {
                    return Ok((Err(CallFailure::Failed(KeyValueError::BatchBytes).into()),));
                }
                let entries = entries.into_iter().map(|(key, value)| (Bytes::from(key), value)).collect();
                let set = StoreChange::Set { entries, time_to_live: None };
                Ok((change(&mut store, &bucket, set).await?.map(|_| ()),))
            })
        },
    )?;
    interface.func_wrap_async("delete-many", |mut store: Store<'_>, (bucket, keys): (Resource<Bucket>, Vec<String>)| {
        Box::new(async move {
            let delete = StoreChange::Delete(keys.into_iter().map(Bytes::from).collect());
            Ok((change(&mut store, &bucket, delete).await?.map(|_| ()),))
        })
    })
}

fn add_cas(atomics: &mut LinkerInstance<'_, GuestState>) -> Result<()> {
    atomics.resource("cas", ResourceType::host::<Cas>(), |mut store, index| {
        store.data_mut().table_mut().delete(Resource::<Cas>::new_own(index))?;
        Ok(())
    })?;
    atomics.func_wrap_async("[static]cas.new", |mut store: Store<'_>, (bucket, of): (Resource<Bucket>, WasmStr)| {
        Box::new(async move {
            let name = name_of(&mut store, &bucket)?;
            let of = match key(&store, &of)? {
                Ok(key) => key,
                Err(error) => return Ok((Err(CallFailure::Failed(error).into()),)),
            };
            let seen = match get(&mut store, &name, of.clone()).await {
                Ok(current) => current.map(|current| blake3::hash(&current)),
                Err(error) => return Ok((Err(error),)),
            };
            Ok((new_cas(&mut store, Cas { store: name, key: of, seen }),))
        })
    })?;
    atomics.func_wrap_async("[method]cas.current", |mut store: Store<'_>, (cas,): (Resource<Cas>,)| {
        Box::new(async move {
            let known = store.data_mut().table_mut().get(&cas)?;
            let (name, of) = (known.store.clone(), known.key.clone());
            let current = get(&mut store, &name, of).await;
            if let Ok(current) = &current {
                store.data_mut().table_mut().get_mut(&cas)?.seen =
                    current.as_ref().map(|current| blake3::hash(current));
            }
            Ok((current,))
        })
    })?;
    atomics.func_wrap_async("swap", |mut store: Store<'_>, (cas, to): (Resource<Cas>, WasmList<u8>)| {
        Box::new(async move {
            let Cas { store: name, key, seen } = store.data_mut().table_mut().delete(cas)?;
            let to = match value(&store, &to) {
                Ok(value) => value,
                Err(error) => return Ok((Err(CasError::Store(CallFailure::Failed(error).into())),)),
            };
            let current = match get(&mut store, &name, key.clone()).await {
                Ok(current) => current,
                Err(error) => return Ok((Err(CasError::Store(error)),)),
            };
            let mut seen_now = current.as_ref().map(|current| blake3::hash(current));
            if seen_now == seen {
                let swap = StoreChange::CompareAndSwap { key: key.clone(), expected: current, new: Some(to) };
                let swapped =
                    call(&mut store, &name, swap.operation(), async |granted| granted.change(swap).await).await;
                match swapped {
                    Ok(ChangeOutcome::NotAsExpected) => {}
                    Ok(ChangeOutcome::Made | ChangeOutcome::Integer(_)) => return Ok((Ok(()),)),
                    Err(failure) => return Ok((Err(CasError::Store(failure.into())),)),
                }
                seen_now = match get(&mut store, &name, key.clone()).await {
                    Ok(current) => current.map(|current| blake3::hash(&current)),
                    Err(error) => return Ok((Err(CasError::Store(error)),)),
                };
            }
            let again = new_cas(&mut store, Cas { store: name, key, seen: seen_now });
            Ok((Err(again.map_or_else(CasError::Store, CasError::Failed)),))
        })
    })
}

fn new_cas(store: &mut Store<'_>, cas: Cas) -> WasiResult<Resource<Cas>> {
    let made = store.data_mut().table_mut().push(cas);
    made.map_err(|_| WasiStoreError::Other("the component has too many resources".to_owned()))
}
