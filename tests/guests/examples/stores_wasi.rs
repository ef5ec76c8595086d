//! Calls `wasi:keyvalue` of both drafts, as the steps of its query say, and is a component of wasi:http 0.2. Each step begins
//! with the draft, `1` or `2`, and a bucket: `1.get=BUCKET:KEY`. It answers with a line for each step.
//!
//! | step | does |
//! |---|---|
//! | `get=BUCKET:KEY`, `exists=BUCKET:KEY`, `delete=BUCKET:KEY` | as they say |
//! | `set=BUCKET:KEY:VALUE` | sets a value |
//! | `fill=BUCKET:KEY:BYTES` | sets a value of that many bytes |
//! | `list=BUCKET` | reports how many keys each page has, and how many there are |
//! | `increment=BUCKET:KEY:DELTA` | reports the sum |
//! | `many=BUCKET:COUNT` | sets, reads and deletes that many keys at once, and reports how many were read |
//! | `swap=BUCKET:KEY:VALUE` | of draft 2: swaps, and reports the value before |
//! | `stale=BUCKET:KEY:VALUE` | of draft 2: swaps after another change, and again with the handle that it gets then |

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

/// The version 0.2.0-draft.
mod first {
    wit_bindgen::generate!({
        inline: "
            package wasi:keyvalue@0.2.0-draft;
            interface store {
                variant error { no-such-store, access-denied, other(string) }
                record key-response { keys: list<string>, cursor: option<u64> }
                open: func(identifier: string) -> result<bucket, error>;
                resource bucket {
                    get: func(key: string) -> result<option<list<u8>>, error>;
                    set: func(key: string, value: list<u8>) -> result<_, error>;
                    delete: func(key: string) -> result<_, error>;
                    exists: func(key: string) -> result<bool, error>;
                    list-keys: func(cursor: option<u64>) -> result<key-response, error>;
                }
            }
            interface atomics {
                use store.{bucket, error};
                increment: func(bucket: borrow<bucket>, key: string, delta: u64) -> result<u64, error>;
            }
            interface batch {
                use store.{bucket, error};
                get-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<list<option<tuple<string, list<u8>>>>, error>;
                set-many: func(bucket: borrow<bucket>, key-values: list<tuple<string, list<u8>>>) -> result<_, error>;
                delete-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<_, error>;
            }
            world imports { import store; import atomics; import batch; }
        ",
    });
    pub use wasi::keyvalue::{atomics, batch, store};
}

/// The version 0.2.0-draft2.
mod second {
    wit_bindgen::generate!({
        inline: "
            package wasi:keyvalue@0.2.0-draft2;
            interface store {
                variant error { no-such-store, access-denied, other(string) }
                record key-response { keys: list<string>, cursor: option<string> }
                open: func(identifier: string) -> result<bucket, error>;
                resource bucket {
                    get: func(key: string) -> result<option<list<u8>>, error>;
                    set: func(key: string, value: list<u8>) -> result<_, error>;
                    delete: func(key: string) -> result<_, error>;
                    exists: func(key: string) -> result<bool, error>;
                    list-keys: func(cursor: option<string>) -> result<key-response, error>;
                }
            }
            interface atomics {
                use store.{bucket, error};
                variant cas-error { store-error(error), cas-failed(cas) }
                resource cas {
                    new: static func(bucket: borrow<bucket>, key: string) -> result<cas, error>;
                    current: func() -> result<option<list<u8>>, error>;
                }
                increment: func(bucket: borrow<bucket>, key: string, delta: s64) -> result<s64, error>;
                swap: func(cas: cas, value: list<u8>) -> result<_, cas-error>;
            }
            interface batch {
                use store.{bucket, error};
                get-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<list<tuple<string, option<list<u8>>>>, error>;
                set-many: func(bucket: borrow<bucket>, key-values: list<tuple<string, list<u8>>>) -> result<_, error>;
                delete-many: func(bucket: borrow<bucket>, keys: list<string>) -> result<_, error>;
            }
            world imports { import store; import atomics; import batch; }
        ",
    });
    pub use wasi::keyvalue::{atomics, batch, store};
}

struct Component;

wasip2::http::proxy::export!(Component);

impl Guest for Component {
    fn handle(request: IncomingRequest, outparam: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let mut report = String::new();
        for piece in query.split('&') {
            let (step, argument) = piece.split_once('=').unwrap_or((piece, ""));
            let mut parts = argument.splitn(3, ':');
            let [bucket, key, value] = [(); 3].map(|()| parts.next().unwrap_or_default());
            let reported = match step.split_once('.') {
                Some(("1", step)) => run_first(step, bucket, key, value),
                Some(("2", step)) => run_second(step, bucket, key, value),
                _ => Ok("no step".to_owned()),
            };
            report += &format!("{step}: {}\n", reported.unwrap_or_else(|error| error));
        }
        answer(outparam, report.as_bytes());
    }
}

fn text(value: Option<Vec<u8>>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| String::from_utf8_lossy(&value).into_owned())
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

/// What both drafts have, in the same words.
macro_rules! common_steps {
    ($bucket:ident, $step:ident, $key:ident, $value:ident, $name:ident, $page:expr) => {
        match $step {
            "get" => Some(text($bucket.get($key).map_err($name)?)),
            "exists" => Some($bucket.exists($key).map_err($name)?.to_string()),
            "delete" => Some($bucket.delete($key).map(ok).map_err($name)?),
            "set" => Some($bucket.set($key, $value.as_bytes()).map(ok).map_err($name)?),
            "fill" => Some($bucket.set($key, &vec![b'x'; number($value) as usize]).map(ok).map_err($name)?),
            "list" => {
                let (mut cursor, mut pages, mut keys) = (None, Vec::new(), Vec::new());
                loop {
                    let page = $page(cursor.take()).map_err($name)?;
                    pages.push(page.keys.len());
                    keys.extend(page.keys);
                    cursor = page.cursor;
                    if cursor.is_none() {
                        break;
                    }
                }
                let count = keys.len();
                keys.sort();
                keys.dedup();
                Some(format!("{pages:?} {count} {}", keys.len()))
            }
            _ => None,
        }
    };
}

fn ok((): ()) -> String {
    "ok".to_owned()
}

fn run_first(step: &str, bucket: &str, key: &str, value: &str) -> Result<String, String> {
    use first::{atomics, batch, store};
    let name = |error| match error {
        store::Error::NoSuchStore => "no-such-store".to_owned(),
        store::Error::AccessDenied => "access-denied".to_owned(),
        store::Error::Other(text) => text,
    };
    let bucket = store::open(bucket).map_err(name)?;
    if let Some(reported) =
        common_steps!(bucket, step, key, value, name, |cursor: Option<u64>| bucket.list_keys(cursor))
    {
        return Ok(reported);
    }
    match step {
        "increment" => Ok(atomics::increment(&bucket, key, number(value) as u64).map_err(name)?.to_string()),
        "many" => {
            let keys: Vec<String> = (0..number(key)).map(|at| format!("many/{at}")).collect();
            let entries: Vec<_> = keys.iter().map(|key| (key.clone(), key.clone().into_bytes())).collect();
            batch::set_many(&bucket, &entries).map_err(name)?;
            let values = batch::get_many(&bucket, &keys).map_err(name)?;
            let found = values.iter().flatten().filter(|(key, value)| key.as_bytes() == value).count();
            batch::delete_many(&bucket, &keys).map_err(name)?;
            let left = batch::get_many(&bucket, &keys).map_err(name)?.iter().flatten().count();
            Ok(format!("{found} {left}"))
        }
        _ => Ok("no step".to_owned()),
    }
}

fn run_second(step: &str, bucket: &str, key: &str, value: &str) -> Result<String, String> {
    use second::{atomics, batch, store};
    let name = |error| match error {
        store::Error::NoSuchStore => "no-such-store".to_owned(),
        store::Error::AccessDenied => "access-denied".to_owned(),
        store::Error::Other(text) => text,
    };
    let bucket = store::open(bucket).map_err(name)?;
    let page = |cursor: Option<String>| bucket.list_keys(cursor.as_deref());
    if let Some(reported) = common_steps!(bucket, step, key, value, name, page) {
        return Ok(reported);
    }
    match step {
        "increment" => Ok(atomics::increment(&bucket, key, number(value)).map_err(name)?.to_string()),
        "many" => {
            let keys: Vec<String> = (0..number(key)).map(|at| format!("many/{at}")).collect();
            let entries: Vec<_> = keys.iter().map(|key| (key.clone(), key.clone().into_bytes())).collect();
            batch::set_many(&bucket, &entries).map_err(name)?;
            let values = batch::get_many(&bucket, &keys).map_err(name)?;
            let found = values.iter().filter(|(key, value)| Some(key.as_bytes()) == value.as_deref()).count();
            batch::delete_many(&bucket, &keys).map_err(name)?;
            let values = batch::get_many(&bucket, &keys).map_err(name)?;
            let left = values.iter().filter(|(_, value)| value.is_some()).count();
            Ok(format!("{found} {left}"))
        }
        "swap" => {
            let cas = atomics::Cas::new(&bucket, key).map_err(name)?;
            let before = text(cas.current().map_err(name)?);
            match atomics::swap(cas, value.as_bytes()) {
                Ok(()) => Ok(before),
                Err(atomics::CasError::StoreError(error)) => Err(name(error)),
                Err(atomics::CasError::CasFailed(_)) => Ok("failed".to_owned()),
            }
        }
        "stale" => {
            let cas = atomics::Cas::new(&bucket, key).map_err(name)?;
            bucket.set(key, b"between").map_err(name)?;
            let again = match atomics::swap(cas, value.as_bytes()) {
                Err(atomics::CasError::CasFailed(again)) => again,
                Err(atomics::CasError::StoreError(error)) => return Err(name(error)),
                Ok(()) => return Ok("swapped what had changed".to_owned()),
            };
            let between = text(again.current().map_err(name)?);
            let swapped = atomics::swap(again, value.as_bytes()).is_ok();
            Ok(format!("{between} {swapped} {}", text(bucket.get(key).map_err(name)?)))
        }
        _ => Ok("no step".to_owned()),
    }
}

fn answer(outparam: ResponseOutparam, text: &[u8]) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("it was not asked for");
    ResponseOutparam::set(outparam, Ok(response));
    let stream = body.write().expect("it was not asked for");
    for piece in text.chunks(4096) {
        stream.blocking_write_and_flush(piece).expect("the client reads");
    }
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body is whole");
}
