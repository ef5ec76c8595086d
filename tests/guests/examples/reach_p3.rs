//! Reaches for what may be granted, as `reach` does, but is a component of wasi:http 0.3. Only the steps of `reach_steps`.

#[path = "reach_steps/mod.rs"]
mod reach_steps;

use wasip3::exports::http::handler::Guest;
use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{spawn_local, wit_future, wit_stream};

struct Component;

wasip3::http::service::export!(Component);

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let target = request.get_path_with_query().unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let mut report = String::new();
        for piece in query.split('&') {
            let (step, argument) = piece.split_once('=').unwrap_or((piece, ""));
            report += &reach_steps::run(step, argument).unwrap_or_else(|| format!("{step}: no step"));
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
