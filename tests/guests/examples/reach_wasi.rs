//! Reaches for what may be granted, as `reach` does, but is a component of wasi:http 0.2. `config=NAME` and `configs` ask
//! `wasi:config/store` of the version 0.2.0-rc.1, `draft=NAME` and `drafts` the draft before it.

#[path = "reach_steps/mod.rs"]
mod reach_steps;

use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};

/// The version 0.2.0-rc.1.
mod release_candidate {
    wit_bindgen::generate!({
        inline: "
            package wasi:config@0.2.0-rc.1;
            interface store {
                variant error { upstream(string), io(string) }
                get: func(key: string) -> result<option<string>, error>;
                get-all: func() -> result<list<tuple<string, string>>, error>;
            }
            world imports { import store; }
        ",
    });
    pub use wasi::config::store;
}

/// The version 0.2.0-draft-2024-09-27.
mod draft {
    wit_bindgen::generate!({
        inline: "
            package wasi:config@0.2.0-draft-2024-09-27;
            interface store {
                variant error { upstream(string), io(string) }
                get: func(key: string) -> result<option<string>, error>;
                get-all: func() -> result<list<tuple<string, string>>, error>;
            }
            world imports { import store; }
        ",
    });
    pub use wasi::config::store;
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
            report += &run(step, argument);
            report.push('\n');
        }
        answer(outparam, report.as_bytes());
    }
}

fn run(step: &str, argument: &str) -> String {
    let text = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
    match step {
        "config" => format!("config: {}", text(release_candidate::store::get(argument).ok().flatten())),
        "configs" => format!("configs: {:?}", release_candidate::store::get_all().unwrap_or_default()),
        "draft" => format!("draft: {}", text(draft::store::get(argument).ok().flatten())),
        "drafts" => format!("drafts: {:?}", draft::store::get_all().unwrap_or_default()),
        _ => reach_steps::run(step, argument).unwrap_or_else(|| format!("{step}: no step")),
    }
}

fn answer(outparam: ResponseOutparam, text: &[u8]) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("it was not asked for");
    ResponseOutparam::set(outparam, Ok(response));
    let stream = body.write().expect("it was not asked for");
    stream.blocking_write_and_flush(text).expect("the client reads");
    drop(stream);
    OutgoingBody::finish(body, None).expect("the body is whole");
}
