//! Hello over wasi:http 0.3, for `wasmtime serve`, as Vibrato's example of that name answers it.

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::{wit_bindgen, wit_future, wit_stream};

struct Hello;

impl wasip3::exports::http::handler::Guest for Hello {
    async fn handle(_: Request) -> Result<Response, ErrorCode> {
        let fields = Fields::from_list(&[("content-type".to_owned(), b"text/html; charset=utf-8".to_vec())])
            .expect("the field is well-formed");
        let (mut body, body_reader) = wit_stream::new();
        let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
        drop(trailers);
        let (response, _sent) = Response::new(fields, Some(body_reader), trailers_reader);
        wit_bindgen::spawn_local(async move {
            // What a client that goes away leaves unread is nobody's.
            let _ = body.write_all(b"HelloWorld!".to_vec()).await;
        });
        Ok(response)
    }
}

wasip3::http::service::export!(Hello);
