//! Calls other servers, as the steps of its query say, but is a component of wasi:http 0.2. It answers with a line for each
//! step that reports something. Bytes of a URL must not be encoded.
//!
//! | step | does |
//! |---|---|
//! | `get=URL` | sends a `GET` request, reads its response, and reports `200 body` or the error |
//! | `METHOD=URL` | makes a request, in upper case, for the steps that follow |
//! | `field=NAME:VALUE`, `connect=MS`, `first-byte=MS`, `between-bytes=MS` | change it |
//! | `write=TEXT`, `write-bytes=N` | write some of its body once it is on its way, and report an error |
//! | `write-early=N` | writes N bytes of its body before it is on its way |
//! | `drop-body` | drops its body unfinished |
//! | `trailer=NAME:VALUE` | a trailer, which `send` sends |
//! | `send` | finishes it, and reports the status or the error |
//! | `race=MS` | waits for the response and for a timer, and reports which came |
//! | `head=NAME` | reports a field of the response |
//! | `some=MAX`, `rest`, `trailers` | reports a piece of the body, the length of the rest of it, or the trailers |
//! | `held=N:URL` | sends N requests at once, keeps their responses, and reports the last result |
//! | `keep` | leaves the response for the next request of a reused instance |

use std::cell::RefCell;

use wasip2::clocks::monotonic_clock;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    self, ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingRequest, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, OutgoingResponse, RequestOptions, ResponseOutparam, Scheme,
};
use wasip2::io::poll;
use wasip2::io::streams::{InputStream, OutputStream, StreamError};

struct Component;

wasip2::http::proxy::export!(Component);

thread_local! {
    static KEPT: RefCell<Option<Answer>> = const { RefCell::new(None) };
}

/// A response whose body is read. The stream is dropped before the body.
struct Answer {
    stream: Option<InputStream>,
    body: Option<IncomingBody>,
    response: IncomingResponse,
}

/// A request that is made.
struct Call {
    method: Method,
    url: String,
    fields: Vec<(String, Vec<u8>)>,
    options: RequestOptions,
}

/// A request that is on its way. The stream is dropped before the body.
struct Sending {
    stream: Option<OutputStream>,
    body: Option<OutgoingBody>,
    future: Result<FutureIncomingResponse, ErrorCode>,
}

#[derive(Default)]
struct Script {
    call: Option<Call>,
    sending: Option<Sending>,
    trailers: Vec<(String, Vec<u8>)>,
    answer: Option<Answer>,
}

impl Guest for Component {
    fn handle(request: IncomingRequest, outparam: ResponseOutparam) {
        let target = request.path_with_query().unwrap_or_default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        let mut script = Script { answer: KEPT.take(), ..Script::default() };
        let mut report = String::new();
        for piece in query.split('&') {
            let (step, argument) = piece.split_once('=').unwrap_or((piece, ""));
            if let Some(line) = script.run(step, argument) {
                report += &format!("{step}: {line}\n");
            }
        }
        answer(outparam, report.as_bytes());
    }
}

impl Script {
    fn run(&mut self, step: &str, argument: &str) -> Option<String> {
        match step {
            "get" => Some(get(argument).unwrap_or_else(|code| name(&code))),
            "field" => {
                let (name, value) = argument.split_once(':')?;
                let fields = Fields::new();
                if let Err(error) = fields.append(name, value.as_bytes()) {
                    return Some(format!("{error:?}").replace("HeaderError::", ""));
                }
                self.call.as_mut()?.fields.push((name.to_owned(), value.as_bytes().to_vec()));
                None
            }
            "connect" => self.call.as_ref()?.options.set_connect_timeout(Some(nanoseconds(argument))).err().map(error),
            "first-byte" => {
                self.call.as_ref()?.options.set_first_byte_timeout(Some(nanoseconds(argument))).err().map(error)
            }
            "between-bytes" => {
                self.call.as_ref()?.options.set_between_bytes_timeout(Some(nanoseconds(argument))).err().map(error)
            }
            "write" => self.write(argument.as_bytes()),
            "write-bytes" => self.write(&vec![b'x'; argument.parse().ok()?]),
            "write-early" => {
                let early = vec![b'x'; argument.parse().ok()?];
                self.start(&early);
                None
            }
            "drop-body" => {
                self.start(b"");
                let sending = self.sending.as_mut()?;
                drop(sending.stream.take());
                drop(sending.body.take());
                None
            }
            "trailer" => {
                let (name, value) = argument.split_once(':')?;
                self.trailers.push((name.to_owned(), value.as_bytes().to_vec()));
                None
            }
            "send" => {
                self.start(b"");
                let trailers = std::mem::take(&mut self.trailers);
                let trailers = (!trailers.is_empty()).then(|| Fields::from_list(&trailers).expect("they are fields"));
                let Sending { stream, body, future } = self.sending.take()?;
                drop(stream);
                if let Some(Err(code)) = body.map(|body| OutgoingBody::finish(body, trailers)) {
                    return Some(name(&code));
                }
                Some(match future.and_then(|future| wait(&future)) {
                    Ok(response) => {
                        let status = response.status().to_string();
                        self.answer = Some(Answer::new(response));
                        status
                    }
                    Err(code) => name(&code),
                })
            }
            "race" => {
                self.start(b"");
                let future = self.sending.as_ref()?.future.as_ref().ok()?;
                let timer = monotonic_clock::subscribe_duration(nanoseconds(argument));
                let pollable = future.subscribe();
                Some(format!("{:?}", poll::poll(&[&pollable, &timer])))
            }
            "head" => {
                let values = self.answer.as_ref()?.response.headers().get(argument);
                Some(values.first().map(|value| String::from_utf8_lossy(value).into_owned()).unwrap_or_default())
            }
            "some" => Some(match self.answer.as_mut()?.read(argument.parse().ok()?) {
                Ok(piece) => {
                    piece.map_or_else(|| "end".to_owned(), |piece| String::from_utf8_lossy(&piece).into_owned())
                }
                Err(code) => name(&code),
            }),
            "rest" => Some(self.answer.as_mut()?.rest().map_or_else(|code| name(&code), |rest| rest.len().to_string())),
            "trailers" => Some(self.answer.as_mut()?.trailers()),
            "held" => {
                let (number, url) = argument.split_once(':')?;
                let futures: Vec<_> =
                    (0..number.parse::<usize>().ok()?).map(|_| Call::new("GET", url)?.start(b"").future).collect();
                let answers: Result<Vec<_>, _> =
                    futures.into_iter().map(|future| future.and_then(|future| wait(&future))).collect();
                Some(answers.map_or_else(|code| name(&code), |answers| answers.len().to_string()))
            }
            "keep" => {
                KEPT.set(self.answer.take());
                None
            }
            method => {
                self.call = Call::new(method, argument).ok();
                None
            }
        }
    }

    /// Sends the request, if it is not on its way, with what is written of its body before.
    fn start(&mut self, early: &[u8]) {
        if let Some(call) = self.call.take() {
            self.sending = Some(call.start(early));
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Option<String> {
        self.start(b"");
        let sending = self.sending.as_ref()?;
        if let Err(code) = &sending.future {
            return Some(name(code));
        }
        sending.stream.as_ref()?.blocking_write_and_flush(bytes).err().map(|error| stream_error(&error))
    }
}

impl Call {
    fn new(method: &str, url: &str) -> Result<Self, ErrorCode> {
        let method = match method {
            "GET" => Method::Get,
            "POST" => Method::Post,
            "PUT" => Method::Put,
            "HEAD" => Method::Head,
            "CONNECT" => Method::Connect,
            other => Method::Other(other.to_owned()),
        };
        Ok(Self { method, url: url.to_owned(), fields: Vec::new(), options: RequestOptions::new() })
    }

    fn start(self, early: &[u8]) -> Sending {
        let Self { method, url, fields, options } = self;
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", &url));
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let fields = Fields::from_list(&fields).expect("they are fields");
        let request = OutgoingRequest::new(fields);
        request.set_method(&method).expect("it is a method");
        request
            .set_scheme(Some(&if scheme == "https" { Scheme::Https } else { Scheme::Http }))
            .expect("it is a scheme");
        request.set_authority(Some(authority)).expect("it is an authority");
        request.set_path_with_query(Some(path)).expect("it is a path");
        let has_body = !matches!(method, Method::Get | Method::Head);
        let body = has_body.then(|| request.body().expect("it was not asked for"));
        let stream = body.as_ref().map(|body| body.write().expect("it was not asked for"));
        if let Some(stream) = stream.as_ref().filter(|_| !early.is_empty()) {
            stream.blocking_write_and_flush(early).expect("there is room");
        }
        Sending { stream, body, future: outgoing_handler::handle(request, Some(options)) }
    }
}

impl Answer {
    fn new(response: IncomingResponse) -> Self {
        let body = response.consume().expect("it was not asked for");
        let stream = body.stream().expect("it was not asked for");
        Self { stream: Some(stream), body: Some(body), response }
    }

    fn read(&mut self, max: u64) -> Result<Option<Vec<u8>>, ErrorCode> {
        let stream = self.stream.as_ref().expect("the body is not finished");
        match stream.blocking_read(max) {
            Ok(piece) => Ok(Some(piece)),
            Err(StreamError::Closed) => Ok(None),
            Err(StreamError::LastOperationFailed(error)) => Err(types::http_error_code(&error).expect("it has a code")),
        }
    }

    fn rest(&mut self) -> Result<Vec<u8>, ErrorCode> {
        let mut rest = Vec::new();
        while let Some(piece) = self.read(1 << 20)? {
            rest.extend(piece);
        }
        Ok(rest)
    }

    fn trailers(&mut self) -> String {
        drop(self.stream.take());
        let Some(body) = self.body.take() else { return "taken".to_owned() };
        let future = IncomingBody::finish(body);
        future.subscribe().block();
        match future.get().expect("it is ready").expect("it was not taken") {
            Ok(trailers) => format!("{:?}", trailers.map(|fields| fields.entries()).unwrap_or_default()),
            Err(code) => name(&code),
        }
    }
}

fn get(url: &str) -> Result<String, ErrorCode> {
    let future = Call::new("GET", url)?.start(b"").future?;
    let mut answer = Answer::new(wait(&future)?);
    let body = answer.rest()?;
    Ok(format!("{} {}", answer.response.status(), String::from_utf8_lossy(&body)))
}

fn wait(future: &FutureIncomingResponse) -> Result<IncomingResponse, ErrorCode> {
    future.subscribe().block();
    future.get().expect("it is ready").expect("it was not taken")
}

/// The name of a code, without what it holds.
fn name(code: &ErrorCode) -> String {
    let text = format!("{code:?}").replace("ErrorCode::", "");
    text.split(['(', ' ']).next().unwrap_or_default().to_owned()
}

fn stream_error(error: &StreamError) -> String {
    match error {
        StreamError::Closed => "closed".to_owned(),
        StreamError::LastOperationFailed(error) => {
            types::http_error_code(error).map_or_else(String::new, |code| name(&code))
        }
    }
}

fn error((): ()) -> String {
    "refused".to_owned()
}

fn nanoseconds(milliseconds: &str) -> u64 {
    milliseconds.parse::<u64>().unwrap_or_default() * 1_000_000
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
