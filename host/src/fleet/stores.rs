//! Key-value stores at the engine, which all hosts of a fleet share.
//!
//! Each call is one script at the engine, so it is one step for all hosts. A thread, which the first call starts, has the
//! connection; a worker awaits its answer and goes on with other requests meanwhile.
//!
//! The keys of a store have a hash tag, so that a cluster keeps them on one node.

mod log;

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout_at};

use super::backoff::Backoff;
use super::redis::{EngineSettings, StoreConnection, StoreFailure};
use crate::key_value::{BackendAnswer, ChangeOutcome, KeyPage, KeyValueBackend, KeyValueError, StoreChange, StoreName};

use log::OutageLog;

/// How long a call may take, with all that it waits for.
const TIMEOUT: Duration = Duration::from_secs(1);

/// How many bytes of calls wait for the engine. More wait for room.
const QUEUE_BYTES: usize = 32 * 1024 * 1024;

/// What a call counts for at least, and each of its arguments besides its bytes.
const CALL_BYTES: usize = 1024;
const ARGUMENT_BYTES: usize = 64;

/// A connection that is lost within this time is not made again at once.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// What a call answers.
type Answer = Vec<Option<Bytes>>;

/// The key-value stores at an engine. The thread ends once this is dropped.
#[derive(Debug)]
pub struct EngineStores {
    engine: EngineSettings,
    /// Where the thread takes calls. `None` if the system gives no thread.
    calls: OnceLock<Option<UnboundedSender<StoreCall>>>,
    room: Arc<Semaphore>,
}

/// A call on its way to the engine.
#[derive(Debug)]
struct StoreCall {
    keys: [Vec<u8>; 4],
    arguments: Vec<Bytes>,
    /// Whether it changes nothing, so that it may be made twice.
    is_read: bool,
    deadline: Instant,
    answer: oneshot::Sender<Result<Answer, KeyValueError>>,
    _room: OwnedSemaphorePermit,
}

/// The connection, as calls see it.
#[derive(Debug, Clone)]
enum StoreLink {
    Connecting,
    Connected(StoreConnection),
    /// The last attempt to connect has failed. Calls do not wait for the next one.
    Away,
}

impl EngineStores {
    /// The stores at this engine, which is not connected yet.
    #[must_use]
    pub fn new(engine: EngineSettings) -> Self {
        Self { engine, calls: OnceLock::new(), room: Arc::new(Semaphore::new(QUEUE_BYTES)) }
    }

    fn calls(&self) -> Result<&UnboundedSender<StoreCall>, KeyValueError> {
        let calls = self.calls.get_or_init(|| {
            let (sender, calls) = unbounded_channel();
            let engine = self.engine.clone();
            let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
            let started = runtime.and_then(|runtime| {
                let thread = std::thread::Builder::new().name("engine-stores".to_owned());
                thread.spawn(move || runtime.block_on(serve(engine, calls)))
            });
            let say = |error: &io::Error| {
                tracing::error!(target: "fleet", "there is no thread for key-value stores: {error}");
            };
            started.inspect_err(say).ok().map(|_| sender)
        });
        calls.as_ref().ok_or(KeyValueError::Storage)
    }

    async fn call(&self, store: &StoreName, arguments: Vec<Bytes>, is_read: bool) -> Result<Answer, KeyValueError> {
        let deadline = Instant::now() + TIMEOUT;
        let bytes: usize = arguments.iter().map(|argument| argument.len() + ARGUMENT_BYTES).sum();
        let bytes = u32::try_from((bytes + CALL_BYTES).min(QUEUE_BYTES)).unwrap_or(u32::MAX);
        let room = timeout_at(deadline, self.room.clone().acquire_many_owned(bytes)).await;
        let Ok(Ok(room)) = room else { return Err(KeyValueError::Storage) };
        let (answer, answered) = oneshot::channel();
        let keys = keys(self.engine.prefix(), store);
        let call = StoreCall { keys, arguments, is_read, deadline, answer, _room: room };
        self.calls()?.send(call).map_err(|_| KeyValueError::Storage)?;
        answered.await.map_err(|_| KeyValueError::Storage)?
    }
}

/// The keys of a store: its entries, their keys in order, when they expire, and what it holds.
fn keys(prefix: &str, store: &StoreName) -> [Vec<u8>; 4] {
    ["entries", "keys", "expiries", "used"].map(|what| format!("{prefix}:k:{{{}}}:{what}", store.as_str()).into_bytes())
}

/// Serves calls until nobody can make one any more.
async fn serve(engine: EngineSettings, mut calls: UnboundedReceiver<StoreCall>) {
    let (sender, link) = watch::channel(StoreLink::Connecting);
    let connecting = tokio::spawn(keep_connected(engine, sender));
    while let Some(call) = calls.recv().await {
        tokio::spawn(answer(call, link.clone()));
    }
    connecting.abort();
}

/// Connects, again and again.
async fn keep_connected(engine: EngineSettings, link: watch::Sender<StoreLink>) {
    let mut backoff = Backoff::new();
    let mut log = OutageLog::new(engine.clone());
    loop {
        match engine.connect_to_stores().await {
            Ok(connection) => {
                log.note_connected();
                backoff.reset();
                link.send_replace(StoreLink::Connected(connection.clone()));
                let made = Instant::now();
                connection.lost().await;
                link.send_replace(StoreLink::Connecting);
                if made.elapsed() < SHORT_LIFE {
                    backoff.wait().await;
                }
            }
            Err(error) => {
                log.note_away(&error);
                link.send_replace(StoreLink::Away);
                backoff.wait().await;
            }
        }
    }
}

/// Makes a call and answers it.
async fn answer(call: StoreCall, link: watch::Receiver<StoreLink>) {
    let result = make(&call, link).await;
    // Whoever has asked may have gone.
    let _ = call.answer.send(result);
}

/// Makes a call. One that reads is made once more if its connection was closed meanwhile.
async fn make(call: &StoreCall, mut link: watch::Receiver<StoreLink>) -> Result<Answer, KeyValueError> {
    let mut tried: Option<StoreConnection> = None;
    loop {
        let connected = timeout_at(call.deadline, connection(&mut link, tried.as_ref())).await;
        let connection = connected.map_err(|_| KeyValueError::Storage)??;
        let failure = match timeout_at(call.deadline, connection.call(&call.keys, &call.arguments)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(failure)) => failure,
            Err(_) => StoreFailure::Lost,
        };
        match failure {
            StoreFailure::TooManyBytes => return Err(KeyValueError::BatchBytes),
            StoreFailure::Refused => return Err(KeyValueError::Storage),
            StoreFailure::Lost => connection.give_up(),
        }
        if !call.is_read || tried.is_some() {
            return Err(KeyValueError::Storage);
        }
        tried = Some(connection);
    }
}

/// The connection, which is another one than `tried`. Waits while it is made.
async fn connection(
    link: &mut watch::Receiver<StoreLink>,
    tried: Option<&StoreConnection>,
) -> Result<StoreConnection, KeyValueError> {
    let is_settled = |link: &StoreLink| match link {
        StoreLink::Connecting => false,
        StoreLink::Connected(connection) => tried.is_none_or(|tried| !tried.is(connection)),
        StoreLink::Away => true,
    };
    match &*link.wait_for(is_settled).await.map_err(|_| KeyValueError::Storage)? {
        StoreLink::Connected(connection) => Ok(connection.clone()),
        StoreLink::Connecting | StoreLink::Away => Err(KeyValueError::Storage),
    }
}

impl KeyValueBackend for EngineStores {
    fn get<'a>(&'a self, store: &'a StoreName, keys: &'a [Bytes]) -> BackendAnswer<'a, Vec<Option<Bytes>>> {
        Box::pin(async move {
            let values = self.call(store, arguments("get", keys.iter().cloned()), true).await?;
            // One for each key.
            if values.len() == keys.len() { Ok(values) } else { Err(KeyValueError::Storage) }
        })
    }

    fn list<'a>(
        &'a self,
        store: &'a StoreName,
        prefix: &'a [u8],
        after: Option<&'a [u8]>,
        limit: usize,
    ) -> BackendAnswer<'a, KeyPage> {
        Box::pin(async move {
            let given = [Bytes::copy_from_slice(prefix), text(limit)].into_iter();
            let given = given.chain(after.map(Bytes::copy_from_slice));
            let mut answer = self.call(store, arguments("list", given), true).await?.into_iter();
            let next = answer.next().ok_or(KeyValueError::Storage)?;
            Ok(KeyPage { keys: answer.flatten().collect(), next })
        })
    }

    fn change<'a>(
        &'a self,
        store: &'a StoreName,
        max_bytes: u64,
        change: StoreChange,
    ) -> BackendAnswer<'a, ChangeOutcome> {
        Box::pin(async move {
            let answer = self.call(store, arguments_of(change, max_bytes), false).await?;
            outcome(&answer, max_bytes)
        })
    }
}

/// What the script takes to make a change.
fn arguments_of(change: StoreChange, max_bytes: u64) -> Vec<Bytes> {
    let max_bytes = text(max_bytes);
    match change {
        StoreChange::Set { entries, time_to_live } => {
            let time = time_to_live.map(|time| text(time.as_millis())).unwrap_or_default();
            let entries = entries.into_iter().flat_map(|(key, value)| [key, value]);
            arguments("set", [max_bytes, time].into_iter().chain(entries))
        }
        StoreChange::Delete(keys) => arguments("delete", keys),
        StoreChange::Increment { key, delta } => arguments("increment", [max_bytes, key, text(delta)]),
        StoreChange::CompareAndSwap { key, expected, new } => {
            let marked = |value: Option<Bytes>| value.map(|value| Bytes::from([b"=", &*value].concat()));
            let [expected, new] = [expected, new].map(|value| marked(value).unwrap_or_default());
            arguments("swap", [max_bytes, key, expected, new])
        }
    }
}

fn arguments(call: &'static str, given: impl IntoIterator<Item = Bytes>) -> Vec<Bytes> {
    [Bytes::from_static(call.as_bytes())].into_iter().chain(given).collect()
}

fn text(value: impl ToString) -> Bytes {
    value.to_string().into()
}

/// What the script says of a change.
fn outcome(answer: &[Option<Bytes>], max_bytes: u64) -> Result<ChangeOutcome, KeyValueError> {
    let words = [0, 1].map(|index| answer.get(index).and_then(Option::as_deref));
    match words {
        [Some(b"made"), None] => Ok(ChangeOutcome::Made),
        [Some(b"not-as-expected"), None] => Ok(ChangeOutcome::NotAsExpected),
        [Some(b"integer"), Some(sum)] => {
            let sum = std::str::from_utf8(sum).ok().and_then(|sum| sum.parse().ok());
            sum.map(ChangeOutcome::Integer).ok_or(KeyValueError::Storage)
        }
        [Some(b"full"), None] => Err(KeyValueError::Full { max_bytes }),
        [Some(b"not-integer"), None] => Err(KeyValueError::NotInteger),
        [Some(b"overflow"), None] => Err(KeyValueError::Overflow),
        _ => Err(KeyValueError::Storage),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_a_store_have_one_hash_tag_and_no_others() {
        let keys_of = |store: StoreName| keys("v", &store).map(|key| String::from_utf8(key).expect("it is text"));
        let keys = keys_of(StoreName::shared("carts"));
        assert_eq!(keys[0], "v:k:{shared\0carts}:entries");
        assert!(keys.iter().all(|key| key.starts_with("v:k:{shared\0carts}:")));
    }

    #[test]
    fn what_is_no_answer_of_the_script_is_an_error() {
        let answer = |words: &[&'static str]| {
            let words: Vec<_> = words.iter().map(|word| Some(Bytes::from_static(word.as_bytes()))).collect();
            outcome(&words, 7)
        };
        assert_eq!(answer(&["made"]), Ok(ChangeOutcome::Made));
        assert_eq!(answer(&["integer", "-9223372036854775808"]), Ok(ChangeOutcome::Integer(i64::MIN)));
        assert_eq!(answer(&["full"]), Err(KeyValueError::Full { max_bytes: 7 }));
        for words in [&[][..], &["integer"], &["integer", "x"], &["made", "x"], &["else"]] {
            assert_eq!(answer(words), Err(KeyValueError::Storage), "{words:?}");
        }
    }
}
