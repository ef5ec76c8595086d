//! Handlers over wasi:http 0.2, for `wasmtime serve` and for Vibrato: `/hello` as Vibrato's example of that name answers it,
//! `/stream`, 256 MiB in writes of 64 KiB, `/echo`, which sends the request's body back, and `/fetch?AUTHORITY`, which
//! answers what it gets from `http://AUTHORITY/hello`.

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    Fields, IncomingBody, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse, ResponseOutparam, Scheme,
};
use wasip2::io::streams::{OutputStream, StreamError};

const STREAM_WRITES: usize = 4096;
const WRITE_BYTES: usize = 64 * 1024;

struct Hello;

impl wasip2::exports::http::incoming_handler::Guest for Hello {
    fn handle(request: IncomingRequest, response_out: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let is_hello = target.starts_with("/hello");
        let content_type = if is_hello { "text/html; charset=utf-8" } else { "application/octet-stream" };
        let fields = Fields::from_list(&[("content-type".to_owned(), content_type.as_bytes().to_vec())])
            .expect("the field is well-formed");
        let response = OutgoingResponse::new(fields);
        let body = response.body().expect("the first call gives the body");
        ResponseOutparam::set(response_out, Ok(response));
        let stream = body.write().expect("the first call gives the stream");
        // A client that goes away ends the stream; there is nobody left to tell.
        let _ = match () {
            () if is_hello => hello(&stream),
            () if target.starts_with("/stream") => long(&stream),
            () if target.starts_with("/fetch?") => fetch(&target["/fetch?".len()..], &stream),
            () => echo(&request, &stream),
        };
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

/// Sends what an upstream answers.
fn fetch(authority: &str, stream: &OutputStream) -> Result<(), StreamError> {
    let request = OutgoingRequest::new(Fields::new());
    request.set_scheme(Some(&Scheme::Http)).expect("it is a scheme");
    request.set_authority(Some(authority)).expect("the request has an authority");
    request.set_path_with_query(Some("/hello")).expect("it is a path");
    let future = outgoing_handler::handle(request, None).expect("it may be asked");
    future.subscribe().block();
    let response = future.get().expect("it was waited for").expect("it is taken once").expect("the upstream answers");
    send_all(&response.consume().expect("the first call gives the body"), stream)
}

fn echo(request: &IncomingRequest, stream: &OutputStream) -> Result<(), StreamError> {
    send_all(&request.consume().expect("the first call gives the body"), stream)
}

/// Sends a body that comes in.
fn send_all(body: &IncomingBody, stream: &OutputStream) -> Result<(), StreamError> {
    let input = body.stream().expect("the first call gives the stream");
    loop {
        match input.blocking_read(WRITE_BYTES as u64) {
            Ok(piece) => write_all(stream, &piece)?,
            Err(StreamError::Closed) => return stream.blocking_flush(),
            Err(error) => return Err(error),
        }
    }
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
