//! Uses key-value stores, as the steps of its query say: `get=STORE:KEY`, `set=STORE:KEY:VALUE`, `set-for=STORE:KEY:MS`,
//! `fill=STORE:KEY:BYTES`, `read=STORE:KEY:TIMES`, `delete=STORE:KEY`, `list=STORE:PREFIX`, `page=STORE:PREFIX:LIMIT`, `increment=STORE:KEY:DELTA`,
//! `swap=STORE:KEY:OLD:NEW` (`-` is no entry), and `add=STORE:KEY:N`, which adds by compare-and-swap. It
//! answers with a line for each step.

use std::time::Duration;

use guest_sdk::{Request, handler, kv};

#[handler(content_type = "text/plain; charset=utf-8")]
fn stores(request: Request) -> String {
    let mut report = String::new();
    for (step, argument) in request.query_params() {
        let mut parts = argument.splitn(4, ':');
        let [store, key, value, other] = [(); 4].map(|()| parts.next().unwrap_or_default());
        let line = run(&step, store, key, value, other).unwrap_or_else(|error| format!("{error:?}"));
        report += &format!("{step}: {line}\n");
    }
    report
}

fn run(step: &str, store: &str, key: &str, value: &str, other: &str) -> Result<String, kv::Error> {
    let named = kv::open(store);
    let done = |()| "ok".to_owned();
    Ok(match step {
        "get" if store.is_empty() => shown(kv::get(key)?),
        "get" => shown(named.get(key)?),
        "set" if store.is_empty() => kv::set(key, value).map(done)?,
        "set" => named.set(key, value).map(done)?,
        "set-for" => {
            let time = Duration::from_millis(value.parse().expect("a number of milliseconds"));
            named.set_for(key, "x", time).map(done)?
        }
        "fill" => named.set(key, vec![b'x'; number(value) as usize]).map(done)?,
        "read" => {
            let mut found = 0;
            for _ in 0..number(value) {
                found += i64::from(named.get(key)?.is_some());
            }
            found.to_string()
        }
        "delete" => named.delete(key).map(done)?,
        "list" => named.list(key).collect::<Result<Vec<_>, _>>()?.join(" "),
        "page" => {
            let page = named.page(key, None, number(value) as u32)?;
            format!("{} {:?}", page.keys.join(" "), page.cursor)
        }
        "increment" => named.increment(key, number(value))?.to_string(),
        "swap" => {
            let bytes = |text| Some(str::as_bytes(text)).filter(|text| *text != b"-");
            named.compare_and_swap(key, bytes(value), bytes(other))?.to_string()
        }
        "add" => loop {
            let old = named.get(key)?;
            let sum = old.as_deref().map_or(0, |old| number(&String::from_utf8_lossy(old))) + number(value);
            if named.compare_and_swap(key, old.as_deref(), Some(sum.to_string().as_bytes()))? {
                break sum.to_string();
            }
        },
        _ => "no step".to_owned(),
    })
}

fn shown(value: Option<Vec<u8>>) -> String {
    value.map_or_else(|| "none".to_owned(), |value| String::from_utf8_lossy(&value).into_owned())
}

fn number(text: &str) -> i64 {
    text.parse().expect("a number")
}
