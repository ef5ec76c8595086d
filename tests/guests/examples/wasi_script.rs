//! Runs the steps of its query in order, as `script` does, but is a component of wasi:http 0.2:
//! `/wasi_script?append=x-a:1&status=201&set&write=Hello&finish`.
//!
//! | step | does |
//! |---|---|
//! | `append=NAME:VALUE`, `replace=NAME:VALUE`, `delete=NAME` | the fields of the response, before anything else of it |
//! | `append-fields=N`, `append-bytes=N` | appends N fields, or one of N bytes, until an error |
//! | `status=N` | `set-status-code` |
//! | `set` | takes the response's body, and gives the response to `response-outparam.set` |
//! | `another` | makes another response, which the steps that follow are for |
//! | `set-without-body`, `set-error=CODE` | gives it without having taken the body, or an error |
//! | `write=TEXT`, `write-bytes=N` | one `blocking-write-and-flush`, of a text or of N times `x` |
//! | `pour=N` | writes N times `x` as `check-write` allows, and flushes |
//! | `fill` | writes until no room comes for 50 ms |
//! | `overrun=N` | writes N bytes more than `check-write` allows |
//! | `hoard=N` | makes N more responses, writes what `check-write` allows to each, and reports how much that was |
//! | `hoard-fields=N`, `hoard-headers=N` | makes N more responses of 30,000 bytes of fields, and reports how many of them had room; or asks for the fields of one N times |
//! | `check` | reports what `check-write` allows |
//! | `write-zeroes=N` | `blocking-write-zeroes-and-flush` |
//! | `trailer=NAME:VALUE` | a trailer that `finish` is to send |
//! | `finish`, `finish-with-stream` | `outgoing-body.finish`, with the stream dropped before, or not |
//! | `drop-body` | drops stream and body unfinished |
//! | `read`, `read-one=MAX`, `read-now=MAX` | reads the whole body, one blocking read, one that does not block |
//! | `echo`, `splice` | writes the body back, by reads and writes or by `blocking-splice` |
//! | `trailers`, `echo-trailers` | reports the request's trailers, or gives them to `finish` |
//! | `consume` | asks for the request's body once more |
//! | `drop-request` | drops the request and its body |
//! | `poll-body=MS` | polls the body together with a timer, and reports which was ready |
//! | `ready-body`, `ready-room` | asks a pollable of the body or of the stream whether it is ready, and drops it |
//! | `ask=method`, `ask=field:NAME`, ... | reports something of the request: see `ask` |
//! | `keep` | keeps all that this request has in a static when the steps are over |
//! | `kept=STEP:ARGUMENT` | runs a step on what the last request kept, and reports what it reports |
//! | `set-kept` | gives a response that the last request kept to `response-outparam.set` |
//! | `calls` | reports how many requests this instance has had |
//! | `outbound=AUTHORITY` | sends a request there, and reports its status or error |
//! | `allocate=BYTES`, `sleep=MS`, `stdout=TEXT`, `stderr=TEXT`, `random=N`, `spin`, `trap`, `panic=TEXT` | as they say |
//! | `log` | prints the report to stderr |
//! | `report` | sends the report, a line for each call so far, `write: ok`, and finishes the response |
//!
//! Past the last step it returns, and drops what it has.

#[macro_use]
mod steps;

use std::cell::{Cell, RefCell};
use std::{hint, process};

use wasip2::clocks::monotonic_clock;
use wasip2::exports::http::incoming_handler::Guest;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    self, Fields, HeaderError, IncomingBody, IncomingRequest, OutgoingBody, OutgoingRequest, OutgoingResponse,
    ResponseOutparam, Scheme,
};
use wasip2::io::poll;
use wasip2::io::streams::{InputStream, OutputStream, StreamError};
use wasip2::random::random;

use steps::{number, outcome, pair, steps};

struct Component;

wasip2::http::proxy::export!(Component);

/// Nanoseconds without room after which a stream is full.
const FULL: u64 = 50_000_000;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static KEPT: RefCell<Option<Script>> = const { RefCell::new(None) };
}

impl Guest for Component {
    fn handle(request: IncomingRequest, outparam: ResponseOutparam) {
        CALLS.set(CALLS.get() + 1);
        let steps = steps(&request.path_with_query().unwrap_or_default());
        let mut script = Script::new(request, outparam);
        for (step, argument) in &steps {
            script.run(step, argument);
        }
        if script.keep {
            KEPT.set(Some(script));
        }
    }
}

/// All that a request has, in the order in which it has to be dropped: streams before bodies.
struct Script {
    input: Option<InputStream>,
    incoming: Option<IncomingBody>,
    request: Option<IncomingRequest>,
    output: Option<OutputStream>,
    body: Option<OutgoingBody>,
    fields: Option<Fields>,
    response: Option<OutgoingResponse>,
    outparam: Option<ResponseOutparam>,
    trailers: Option<Fields>,
    report: Vec<String>,
    keep: bool,
}

impl Script {
    fn new(request: IncomingRequest, outparam: ResponseOutparam) -> Self {
        Self {
            input: None,
            incoming: None,
            request: Some(request),
            output: None,
            body: None,
            fields: Some(Fields::new()),
            response: None,
            outparam: Some(outparam),
            trailers: None,
            report: Vec::new(),
            keep: false,
        }
    }

    fn run(&mut self, step: &str, argument: &str) {
        match step {
            "keep" => self.keep = true,
            "kept" => self.run_on_kept(argument),
            "calls" => self.say(step, CALLS.get()),
            "random" => self.say(step, random::get_random_bytes(number(argument)).len()),
            "allocate" => self.allocate(number(argument)),
            "sleep" => monotonic_clock::subscribe_duration(milliseconds(argument)).block(),
            "stdout" => println!("{argument}"),
            "stderr" => eprintln!("{argument}"),
            "log" => eprint!("{}", self.report_lines()),
            "spin" => loop {
                hint::spin_loop();
            },
            "trap" => process::abort(),
            "panic" => panic!("{argument}"),
            "outbound" => self.outbound(argument),
            "report" => {
                if self.outparam.is_some() {
                    self.set();
                }
                let report = self.report_lines();
                self.write(report.as_bytes()).expect("the report can be written");
                self.finish().expect("the response can be finished");
            }
            _ => self.run_on_request(step, argument),
        }
    }

    /// The steps of the request and its body.
    fn run_on_request(&mut self, step: &str, argument: &str) {
        match step {
            "ask" => self.ask(argument),
            "read" => {
                let mut length = 0;
                let end = loop {
                    match self.input().blocking_read(65_536) {
                        Ok(bytes) => length += bytes.len(),
                        Err(error) => break said(error),
                    }
                };
                self.say(step, format!("{length} and {end}"));
            }
            "read-one" => {
                let read = self.input().blocking_read(number(argument));
                self.say(step, read.map_or_else(said, |bytes| bytes.len().to_string()));
            }
            "read-now" => {
                let read = self.input().read(number(argument));
                self.say(step, read.map_or_else(said, |bytes| bytes.len().to_string()));
            }
            "echo" => {
                let end = loop {
                    match self.input().blocking_read(65_536).and_then(|bytes| self.write(&bytes)) {
                        Ok(()) => {}
                        Err(error) => break said(error),
                    }
                };
                self.say(step, end);
            }
            "splice" => {
                self.output();
                self.input();
                let (output, input) = (self.output.as_ref().expect("a stream"), self.input.as_ref().expect("a stream"));
                let end = loop {
                    match output.blocking_splice(input, 65_536) {
                        Ok(_) => {}
                        Err(error) => break said(error),
                    }
                };
                self.say(step, end);
            }
            "trailers" => {
                let trailers = self.request_trailers();
                let text = trailers.map_or_else(|| "none".to_owned(), |trailers| listed(&trailers));
                self.say(step, text);
            }
            "echo-trailers" => self.trailers = self.request_trailers(),
            "consume" => {
                let result = self.request.as_ref().expect("a request").consume();
                self.say(step, outcome(&result));
            }
            "drop-request" => {
                self.input = None;
                self.incoming = None;
                self.request = None;
            }
            "poll-body" => {
                let (body, timer) =
                    (self.input().subscribe(), monotonic_clock::subscribe_duration(milliseconds(argument)));
                let ready = poll::poll(&[&body, &timer]);
                let names: Vec<&str> = ready.into_iter().map(|index| ["body", "timer"][index as usize]).collect();
                self.say(step, names.join(" and "));
            }
            "ready-body" => {
                let ready = self.input().subscribe().ready();
                self.say(step, ready);
            }
            _ => self.run_on_response(step, argument),
        }
    }

    /// The steps of the response.
    fn run_on_response(&mut self, step: &str, argument: &str) {
        match step {
            "append" | "replace" | "delete" | "append-fields" | "append-bytes" => self.change_fields(step, argument),
            "status" => {
                let result = self.response().set_status_code(number(argument));
                self.say(step, outcome(&result));
            }
            "set" => self.set(),
            "set-kept" => {
                let kept = KEPT.with_borrow_mut(|kept| kept.as_mut().and_then(|kept| kept.response.take()));
                let outparam = self.outparam.take().expect("set is called once");
                ResponseOutparam::set(outparam, Ok(kept.expect("a request before this kept a response")));
            }
            "another" => {
                self.output = None;
                self.body = None;
                (self.fields, self.response) = (Some(Fields::new()), None);
            }
            "set-without-body" => {
                self.response();
                let response = self.response.take().expect("a response");
                ResponseOutparam::set(self.outparam.take().expect("set is called once"), Ok(response));
            }
            "set-error" => {
                let code = error_code!(types, argument);
                ResponseOutparam::set(self.outparam.take().expect("set is called once"), Err(code));
            }
            "write" => self.report_write(step, argument.as_bytes()),
            "write-bytes" => self.report_write(step, &vec![b'x'; number(argument)]),
            "write-zeroes" => {
                let result = self.output().blocking_write_zeroes_and_flush(number(argument));
                self.say(step, result.map_or_else(said, |()| "ok".to_owned()));
            }
            "pour" => {
                let result = self.pour(number(argument));
                self.say(step, result.map_or_else(said, |()| "ok".to_owned()));
            }
            "fill" => {
                let result = self.fill();
                self.say(step, result.map_or_else(said, |()| "ok".to_owned()));
            }
            "overrun" => {
                let room: u64 = self.output().check_write().expect("the stream is open");
                let bytes = vec![b'x'; usize::try_from(room).expect("a small number") + number::<usize>(argument)];
                let result = self.output().write(&bytes);
                self.say(step, result.map_or_else(said, |()| "ok".to_owned()));
            }
            "hoard" => {
                let hoard: Vec<_> = (0..number(argument)).map(|_| hoarded()).collect();
                self.say(step, hoard.iter().map(|(written, ..)| written).sum::<u64>());
            }
            "hoard-fields" => {
                let hoard: Vec<_> = (0..number(argument)).map_while(|_| with_large_fields()).collect();
                self.say(step, hoard.len());
            }
            "hoard-headers" => {
                let response = with_large_fields().expect("there is room for one");
                let hoard: Vec<_> = (0..number(argument)).map(|_| response.headers()).collect();
                self.say(step, hoard.len());
            }
            "check" => {
                let room = self.output().check_write();
                self.say(step, room.map_or_else(said, |room| room.to_string()));
            }
            "ready-room" => {
                let ready = self.output().subscribe().ready();
                self.say(step, ready);
            }
            "trailer" => {
                let (name, value) = pair(argument);
                let result = self.trailers.get_or_insert_with(Fields::new).append(name, value.as_bytes());
                self.say(step, outcome(&result));
            }
            "finish" => {
                let result = self.finish();
                self.say(step, outcome(&result));
            }
            "finish-with-stream" => {
                self.output();
                let result = OutgoingBody::finish(self.body.take().expect("a body"), None);
                self.say(step, outcome(&result));
            }
            "drop-body" => {
                self.body();
                self.output = None;
                self.body = None;
            }
            _ => panic!("no such step: {step}"),
        }
    }

    fn change_fields(&mut self, step: &str, argument: &str) {
        // Those of a response that is made already cannot be changed.
        let of_response = self.response.as_ref().map(OutgoingResponse::headers);
        let fields = of_response.as_ref().or(self.fields.as_ref()).expect("there are fields");
        let result = match step {
            "append" => fields.append(pair(argument).0, pair(argument).1.as_bytes()),
            "replace" => fields.set(pair(argument).0, &[pair(argument).1.as_bytes().to_vec()]),
            "delete" => fields.delete(argument),
            "append-fields" => (0..number(argument)).try_for_each(|_| fields.append("x-many", b"1")),
            _ => fields.append("x-large", &vec![b'x'; number(argument)]),
        };
        let said = outcome::<(), HeaderError>(&result);
        self.say(step, said);
    }

    fn response(&mut self) -> &OutgoingResponse {
        let fields = &mut self.fields;
        self.response.get_or_insert_with(|| OutgoingResponse::new(fields.take().expect("a response is made once")))
    }

    fn body(&mut self) -> &OutgoingBody {
        if self.body.is_none() {
            self.body = Some(self.response().body().expect("the body is taken once"));
        }
        self.body.as_ref().expect("a body")
    }

    fn output(&mut self) -> &OutputStream {
        if self.output.is_none() {
            self.output = Some(self.body().write().expect("the stream is taken once"));
        }
        self.output.as_ref().expect("a stream")
    }

    fn incoming(&mut self) -> &IncomingBody {
        let request = &self.request;
        self.incoming
            .get_or_insert_with(|| request.as_ref().expect("a request").consume().expect("the body is consumed once"))
    }

    fn input(&mut self) -> &InputStream {
        if self.input.is_none() {
            self.input = Some(self.incoming().stream().expect("the stream is taken once"));
        }
        self.input.as_ref().expect("a stream")
    }

    fn set(&mut self) {
        self.body();
        let response = self.response.take().expect("a response");
        ResponseOutparam::set(self.outparam.take().expect("set is called once"), Ok(response));
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        self.output().blocking_write_and_flush(bytes)
    }

    fn report_write(&mut self, step: &str, bytes: &[u8]) {
        let result = self.write(bytes);
        self.say(step, result.map_or_else(said, |()| "ok".to_owned()));
    }

    fn pour(&mut self, mut bytes: u64) -> Result<(), StreamError> {
        let output = self.output();
        while bytes > 0 {
            let room = output.check_write()?.min(bytes);
            if room == 0 {
                output.subscribe().block();
                continue;
            }
            output.write(&vec![b'x'; usize::try_from(room).expect("a small number")])?;
            bytes -= room;
        }
        output.blocking_flush()
    }

    fn fill(&mut self) -> Result<(), StreamError> {
        let output = self.output();
        loop {
            let room = output.check_write()?;
            if room > 0 {
                output.write(&vec![b'x'; usize::try_from(room).expect("a small number")])?;
                continue;
            }
            let (more, timer) = (output.subscribe(), monotonic_clock::subscribe_duration(FULL));
            if !poll::poll(&[&more, &timer]).contains(&0) {
                return Ok(());
            }
        }
    }

    fn finish(&mut self) -> Result<(), types::ErrorCode> {
        self.body();
        self.output = None;
        OutgoingBody::finish(self.body.take().expect("a body"), self.trailers.take())
    }

    fn request_trailers(&mut self) -> Option<Fields> {
        self.incoming();
        self.input = None;
        let future = IncomingBody::finish(self.incoming.take().expect("a body"));
        future.subscribe().block();
        let trailers = future.get().expect("they are ready").expect("they are taken once");
        trailers.unwrap_or_else(|error| {
            self.say("trailers", format!("{error:?}"));
            None
        })
    }

    /// Something of the request: `ask=path`, `ask=field:accept`, `ask=fields`.
    fn ask(&mut self, what: &str) {
        let request = self.request.as_ref().expect("a request");
        let answer = match what.split_once(':') {
            Some(("field", name)) => {
                let values = request.headers().get(name);
                Some(values.iter().map(|value| value.escape_ascii().to_string()).collect::<Vec<_>>().join(", "))
            }
            Some((other, _)) => panic!("no such thing to ask for: {other}"),
            None => match what {
                "method" => Some(format!("{:?}", request.method())),
                "path" => request.path_with_query(),
                "scheme" => request.scheme().map(|scheme| format!("{scheme:?}")),
                "authority" => request.authority(),
                "fields" => Some(listed(&request.headers())),
                other => panic!("no such thing to ask for: {other}"),
            },
        };
        self.say(what, answer.as_deref().unwrap_or("none"));
    }

    fn outbound(&mut self, authority: &str) {
        let request = OutgoingRequest::new(Fields::new());
        request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
        request.set_authority(Some(authority)).expect("an authority");
        let answer = outgoing_handler::handle(request, None).and_then(|future| {
            future.subscribe().block();
            future.get().expect("it is ready").expect("it is taken once")
        });
        self.say("outbound", answer.map_or_else(|error| format!("{error:?}"), |answer| answer.status().to_string()));
    }

    fn allocate(&mut self, bytes: usize) {
        let mut memory: Vec<u8> = Vec::new();
        let result = memory.try_reserve_exact(bytes);
        if result.is_ok() {
            memory.resize(bytes, 1);
            hint::black_box(&memory);
        }
        self.say("allocate", if result.is_ok() { "ok" } else { "refused" });
    }

    fn run_on_kept(&mut self, argument: &str) {
        let (step, argument) = argument.split_once(':').unwrap_or((argument, ""));
        let report = KEPT.with_borrow_mut(|kept| {
            let kept = kept.as_mut().expect("a request before this kept what it had");
            kept.report.clear();
            kept.run(step, argument);
            kept.report.clone()
        });
        self.report.extend(report.iter().map(|line| format!("kept {line}")));
    }

    fn say(&mut self, call: &str, what: impl std::fmt::Display) {
        self.report.push(format!("{call}: {what}"));
    }

    fn report_lines(&self) -> String {
        self.report.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// A response with large fields, if there is room for them.
fn with_large_fields() -> Option<OutgoingResponse> {
    let fields = Fields::new();
    fields.append("x-large", &[b'x'; 30_000]).ok()?;
    Some(OutgoingResponse::new(fields))
}

/// A response that is never set, with as much of a body as it takes, and how much that is. What has to be dropped first
/// comes first.
fn hoarded() -> (u64, OutputStream, OutgoingBody, OutgoingResponse) {
    let response = OutgoingResponse::new(Fields::new());
    let body = response.body().expect("a body");
    let output = body.write().expect("a stream");
    let room = output.check_write().expect("the stream is open");
    output.write(&vec![b'x'; usize::try_from(room).expect("a small number")]).expect("there is room");
    (room, output, body, response)
}

/// What a stream says: `closed`, or why the last operation failed.
fn said(error: StreamError) -> String {
    match error {
        StreamError::Closed => "closed".to_owned(),
        StreamError::LastOperationFailed(error) => match types::http_error_code(&error) {
            Some(code) => format!("{code:?}"),
            None => error.to_debug_string(),
        },
    }
}

fn listed(fields: &Fields) -> String {
    fields.entries().iter().map(|(name, value)| format!("{name}={};", value.escape_ascii())).collect()
}

fn milliseconds(argument: &str) -> u64 {
    number::<u64>(argument) * 1_000_000
}
