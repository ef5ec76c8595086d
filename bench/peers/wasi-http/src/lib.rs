//! Hello and a stream over wasi:http 0.2, for `wasmtime serve`: `/hello` as Vibrato's example of that name answers it,
//! and `/stream`, 256 MiB in writes of 64 KiB.

use wasip2::http::types::{Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam};
use wasip2::io::streams::{OutputStream, StreamError};

const STREAM_WRITES: usize = 4096;
const WRITE_BYTES: usize = 64 * 1024;

struct Hello;

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let is_stream = request.path_with_query().is_some_and(|target| target.starts_with("/stream"));
        let content_type = if is_stream { "application/octet-stream" } else { "text/html; charset=utf-8" };
        let fields = Fields::from_list(&[("content-type".to_owned(), content_type.as_bytes().to_vec())])
            .expect("the field is well-formed");
        let response = OutgoingResponse::new(fields);
        let body = response.body().expect("the first call gives the body");
        ResponseOutparam::set(response_out, Ok(response));
        let stream = body.write().expect("the first call gives the stream");
        // A client that goes away ends the stream; there is nobody left to tell.
        let _ = if is_stream { long(&stream) } else { hello(&stream) };
        drop(stream);
        let _ = OutgoingBody::finish(body, None);
    }
}

fn hello(stream: &OutputStream) -> Result<(), StreamError> {
    stream.blocking_write_and_flush(b"HelloWorld!")
}

fn long(stream: &OutputStream) -> Result<(), StreamError> {
    let piece = vec![b'x'; WRITE_BYTES];
    for _ in 0..STREAM_WRITES {
        write_all(stream, &piece)?;
    }
    stream.blocking_flush()
}

/// Writes as much at once as the host permits.
fn write_all(stream: &OutputStream, mut rest: &[u8]) -> Result<(), StreamError> {
    while !rest.is_empty() {
        match usize::try_from(stream.check_write()?) {
            Ok(0) => stream.subscribe().block(),
            Ok(permitted) => {
                let (now, later) = rest.split_at(permitted.min(rest.len()));
                stream.write(now)?;
                rest = later;
            }
            Err(_) => unreachable!("a permit is no more than a memory holds"),
        }
    }
    Ok(())
}

wasip2::http::proxy::export!(Hello);
