//! Reaches for what may be granted, as `reach` does, but is a component of wasi:http 0.3: the steps of `reach_steps`,
//! and `increment=KEY`, which adds 1 by `wasi:keyvalue`.

#[path = "reach_steps/mod.rs"]
mod reach_steps;

use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{spawn_local, wit_future, wit_stream};

/// The version 0.2.0-draft2.
mod keyvalue {
    wit_bindgen::generate!({
        inline: "
            package wasi:keyvalue@0.2.0-draft2;
            interface store {
                variant error { no-such-store, access-denied, other(string) }
                open: func(identifier: string) -> result<bucket, error>;
                resource bucket {}
            }
            interface atomics {
                use store.{bucket, error};
                increment: func(bucket: borrow<bucket>, key: string, delta: s64) -> result<s64, error>;
            }
            world imports { import store; import atomics; }
        ",
    });
    pub use wasi::keyvalue::{atomics, store};
}

struct Component;

wasip3::http::service::export!(Component);

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let mut report = String::new();
        for piece in query.split('&') {
            let (step, argument) = piece.split_once('=').unwrap_or((piece, ""));
            report += &match step {
                "increment" => format!("increment: {:?}", increment(argument)),
                _ => reach_steps::run(step, argument).unwrap_or_else(|| format!("{step}: no step")),
            };
            report.push('\n');
        }
        let (mut writer, reader) = wit_stream::new();
        let (trailers, no_trailers) = wit_future::new(|| Ok(None));
        drop(trailers);
        spawn_local(async move {
            let rest = writer.write_all(report.into_bytes()).await;
            assert!(rest.is_empty(), "the host reads");
        });
        Ok(Response::new(Fields::new(), Some(reader), no_trailers).0)
    }
}

fn increment(key: &str) -> Result<i64, keyvalue::store::Error> {
    keyvalue::atomics::increment(&keyvalue::store::open("")?, key, 1)
}
