//! Long bodies over wasi:http 0.3, for `wasmtime serve` and for Vibrato: `/stream`, 256 MiB in writes of 64 KiB, and `/echo`,
//! which sends the request's body back. Apart from hello, which need not ask for its path.

use wasip3::http::types::{ErrorCode, Fields, Request, Response};
use wasip3::wit_bindgen::{StreamResult, StreamWriter};
use wasip3::{wit_bindgen, wit_future, wit_stream};

const STREAM_WRITES: usize = 4096;
const WRITE_BYTES: usize = 64 * 1024;

struct Bodies;

impl wasip3::exports::http::handler::Guest for Bodies {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        let is_stream = request.get_path_with_query().is_some_and(|target| target.starts_with("/stream"));
        let fields = Fields::from_list(&[("content-type".to_owned(), b"application/octet-stream".to_vec())])
            .expect("the field is well-formed");
        let (mut body, body_reader) = wit_stream::new();
        let (trailers, trailers_reader) = wit_future::new(|| Ok(None));
        drop(trailers);
        let (response, _sent) = Response::new(fields, Some(body_reader), trailers_reader);
        wit_bindgen::spawn_local(async move {
            // What a client that goes away leaves unread is nobody's.
            if is_stream {
                long(&mut body).await;
            } else {
                echo(request, &mut body).await;
            }
        });
        Ok(response)
    }
}

async fn long(body: &mut StreamWriter<u8>) {
    for _ in 0..STREAM_WRITES {
        if !body.write_all(vec![b'x'; WRITE_BYTES]).await.is_empty() {
            return;
        }
    }
}

async fn echo(request: Request, body: &mut StreamWriter<u8>) {
    let (read, read_reader) = wit_future::new(|| Ok(()));
    drop(read);
    let (mut input, _trailers) = Request::consume_body(request, read_reader);
    loop {
        let (result, piece) = input.read(Vec::with_capacity(WRITE_BYTES)).await;
        if !matches!(result, StreamResult::Complete(_)) || !body.write_all(piece).await.is_empty() {
            return;
        }
    }
}

wasip3::http::service::export!(Bodies);
