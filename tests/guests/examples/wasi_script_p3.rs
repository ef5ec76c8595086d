//! Runs the steps of its query in order, as `wasi_script` does, but is a component of wasi:http 0.3.
//!
//! The steps have the same names as far as there is the same here, but these. `write`, `write-bytes` and `finish` come
//! after `set`: the response is returned there, and a task of its own runs the steps that follow.
//!
//! | step | does |
//! |---|---|
//! | `drop-body` | drops the stream, and the trailers resolve to an error |
//! | `sent` | waits for the result of the response's transmission, and reports it |
//! | `poll-body=MS` | reads with a time-out: cancels the read that was not first |
//! | `ready-body`, `ready-room` | reads what is there, or writes one byte, and cancels that if it has to wait |
//!
//! Past the last step all that is left is dropped, and trailers that were not given are an error.

#[macro_use]
mod steps;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::{hint, mem, process};

use wasip3::clocks::monotonic_clock;
use wasip3::exports::http::handler::Guest;
use wasip3::http::client;
use wasip3::http::types::{self, ErrorCode, Fields, HeaderError, Request, Response, Scheme, Trailers};
use wasip3::random::random;
use wasip3::wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamResult, StreamWriter};
use wasip3::{spawn_local, wit_future, wit_stream};

use steps::{number, outcome, pair, steps};

/// What the future of trailers resolves to.
type TrailersResult = Result<Option<Trailers>, ErrorCode>;

struct Component;

wasip3::http::service::export!(Component);

/// Nanoseconds without room after which a stream is full.
const FULL: u64 = 50_000_000;

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    static KEPT: RefCell<Option<Script>> = const { RefCell::new(None) };
}

impl Guest for Component {
    async fn handle(request: Request) -> Result<Response, ErrorCode> {
        CALLS.set(CALLS.get() + 1);
        let mut steps = steps(&request.get_path_with_query().unwrap_or_default()).into_iter();
        let mut script = Script::new(request);
        while let Some((step, argument)) = steps.next() {
            let response = match step.as_str() {
                "set" | "report" => Ok(script.take_response(true)),
                "set-without-body" => Ok(script.take_response(false)),
                "set-error" => Err(error_code!(types, argument.as_str())),
                _ => {
                    script.run(&step, &argument).await;
                    continue;
                }
            };
            spawn_local(async move {
                if step == "report" {
                    script.run(&step, &argument).await;
                }
                for (step, argument) in steps {
                    script.run(&step, &argument).await;
                }
                if script.keep {
                    KEPT.set(Some(script));
                }
            });
            return response;
        }
        Err(ErrorCode::InternalError(Some("no step made a response".to_owned())))
    }
}

/// All that a request has.
struct Script {
    request: Option<Request>,
    input: Option<StreamReader<u8>>,
    request_trailers: Option<FutureReader<TrailersResult>>,
    fields: Option<Fields>,
    response: Option<Response>,
    output: Option<StreamWriter<u8>>,
    end: Option<FutureWriter<TrailersResult>>,
    sent: Option<FutureReader<Result<(), ErrorCode>>>,
    trailers: Option<Fields>,
    report: Vec<String>,
    keep: bool,
}

impl Script {
    fn new(request: Request) -> Self {
        Self {
            request: Some(request),
            input: None,
            request_trailers: None,
            fields: Some(Fields::new()),
            response: None,
            output: None,
            end: None,
            sent: None,
            trailers: None,
            report: Vec::new(),
            keep: false,
        }
    }

    async fn run(&mut self, step: &str, argument: &str) {
        match step {
            "keep" => self.keep = true,
            "kept" => self.run_on_kept(argument).await,
            "calls" => self.say(step, CALLS.get()),
            "random" => self.say(step, random::get_random_bytes(number(argument)).len()),
            "allocate" => self.allocate(number(argument)),
            "sleep" => monotonic_clock::wait_for(milliseconds(argument)).await,
            "stdout" => println!("{argument}"),
            "stderr" => eprintln!("{argument}"),
            "log" => eprint!("{}", self.report_lines()),
            "spin" => loop {
                hint::spin_loop();
            },
            "hoard" => loop {
                mem::forget(wit_stream::new::<u8>());
            },
            "trap" => process::abort(),
            "panic" => panic!("{argument}"),
            "outbound" => self.outbound(argument).await,
            "report" => {
                let report = self.report_lines();
                self.write(report.into_bytes()).await;
                self.finish().await;
            }
            _ => self.run_on_request(step, argument).await,
        }
    }

    /// The steps of the request and its body.
    async fn run_on_request(&mut self, step: &str, argument: &str) {
        match step {
            "ask" => self.ask(argument),
            "read" => {
                let mut length = 0;
                while let (StreamResult::Complete(read), _) = self.input().read(Vec::with_capacity(65_536)).await {
                    length += read;
                }
                self.say(step, format!("{length} and closed"));
            }
            "read-one" => {
                let (result, _) = self.input().read(Vec::with_capacity(number(argument))).await;
                self.say(step, said(result));
            }
            "echo" => {
                while let (StreamResult::Complete(_), bytes) = self.input().read(Vec::with_capacity(65_536)).await {
                    self.write(bytes).await;
                }
                self.say(step, "closed");
            }
            "trailers" => {
                let trailers = self.request_trailers().await;
                let text = trailers.map_or_else(|| "none".to_owned(), |trailers| listed(&trailers));
                self.say(step, text);
            }
            "echo-trailers" => self.trailers = self.request_trailers().await,
            "drop-request" => {
                self.input = None;
                self.request_trailers = None;
                self.request = None;
            }
            "poll-body" => {
                let read = self.input().read(Vec::with_capacity(65_536));
                let is_ready = is_ready_within(milliseconds(argument), read).await;
                self.say(step, if is_ready { "body" } else { "timer" });
            }
            "ready-body" => {
                let ready = {
                    let mut read = pin!(self.input().read(Vec::with_capacity(65_536)));
                    poll_fn(|context| Poll::Ready(read.as_mut().poll(context).is_ready())).await
                };
                self.say(step, ready);
            }
            _ => self.run_on_response(step, argument).await,
        }
    }

    /// The steps of the response.
    async fn run_on_response(&mut self, step: &str, argument: &str) {
        match step {
            "append" | "replace" | "delete" | "append-fields" | "append-bytes" => self.change_fields(step, argument),
            "status" => {
                let result = self.response().set_status_code(number(argument));
                self.say(step, outcome(&result));
            }
            "write" => self.report_write(step, argument.as_bytes().to_vec()).await,
            "write-bytes" | "pour" => self.report_write(step, vec![b'x'; number(argument)]).await,
            "fill" => {
                let output = self.output.as_mut().expect("a response was given");
                while is_ready_within(FULL, output.write(vec![b'x'; 65_536])).await {}
            }
            "ready-room" => {
                let output = self.output.as_mut().expect("a response was given");
                let ready = {
                    let mut write = pin!(output.write(vec![b'x']));
                    poll_fn(|context| Poll::Ready(write.as_mut().poll(context).is_ready())).await
                };
                self.say(step, ready);
            }
            "trailer" => {
                let (name, value) = pair(argument);
                let result = self.trailers.get_or_insert_with(Fields::new).append(name, value.as_bytes());
                self.say(step, outcome(&result));
            }
            "finish" => {
                let taken = self.finish().await;
                self.say(step, if taken { "ok" } else { "closed" });
            }
            "drop-body" => {
                self.output = None;
                self.end = None;
            }
            "sent" => {
                let result = self.sent.take().expect("a response was given").await;
                self.say(step, outcome(&result));
            }
            _ => panic!("no such step: {step}"),
        }
    }

    fn change_fields(&mut self, step: &str, argument: &str) {
        // Those of a response that is made already cannot be changed.
        let of_response = self.response.as_ref().map(Response::get_headers);
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

    /// The response, with a body that this can write.
    fn response(&mut self) -> &Response {
        if self.response.is_none() {
            self.make_response(true);
        }
        self.response.as_ref().expect("a response")
    }

    fn make_response(&mut self, with_body: bool) {
        let fields = self.fields.take().expect("a response is made once");
        let (output, contents) = wit_stream::new();
        let (end, trailers) = wit_future::new(|| Err(ErrorCode::InternalError(Some("unfinished".to_owned()))));
        let (response, sent) = Response::new(fields, with_body.then_some(contents), trailers);
        (self.output, self.end) = (Some(output), Some(end));
        (self.response, self.sent) = (Some(response), Some(sent));
    }

    fn take_response(&mut self, with_body: bool) -> Response {
        if self.response.is_none() {
            self.make_response(with_body);
        }
        if !with_body {
            let end = self.end.take().expect("a response without a body has trailers too");
            spawn_local(end.write(Ok(None)));
        }
        self.response.take().expect("a response")
    }

    fn input(&mut self) -> &mut StreamReader<u8> {
        if self.input.is_none() {
            let (handled, result) = wit_future::new(|| Ok(()));
            let request = self.request.take().expect("the body is consumed once");
            let (input, trailers) = Request::consume_body(request, result);
            drop(handled);
            (self.input, self.request_trailers) = (Some(input), Some(trailers));
        }
        self.input.as_mut().expect("a stream")
    }

    /// Whether all of it was taken.
    async fn write(&mut self, bytes: Vec<u8>) -> bool {
        self.output.as_mut().expect("a response was given").write_all(bytes).await.is_empty()
    }

    async fn report_write(&mut self, step: &str, bytes: Vec<u8>) {
        let taken = self.write(bytes).await;
        self.say(step, if taken { "ok" } else { "closed" });
    }

    /// Whether the trailers, or that there are none, were taken.
    async fn finish(&mut self) -> bool {
        self.output = None;
        let end = self.end.take().expect("a response is finished once");
        end.write(Ok(self.trailers.take())).await.is_ok()
    }

    async fn request_trailers(&mut self) -> Option<Fields> {
        self.input();
        self.input = None;
        let trailers = self.request_trailers.take().expect("they are taken once").await;
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
                let values = request.get_headers().get(name);
                Some(values.iter().map(|value| value.escape_ascii().to_string()).collect::<Vec<_>>().join(", "))
            }
            Some((other, _)) => panic!("no such thing to ask for: {other}"),
            None => match what {
                "method" => Some(format!("{:?}", request.get_method())),
                "path" => request.get_path_with_query(),
                "scheme" => request.get_scheme().map(|scheme| format!("{scheme:?}")),
                "authority" => request.get_authority(),
                "fields" => Some(listed(&request.get_headers())),
                other => panic!("no such thing to ask for: {other}"),
            },
        };
        self.say(what, answer.as_deref().unwrap_or("none"));
    }

    async fn outbound(&mut self, authority: &str) {
        let (end, trailers) = wit_future::new(|| Ok(None));
        let (request, _sent) = Request::new(Fields::new(), None, trailers, None);
        drop(end);
        request.set_scheme(Some(&Scheme::Http)).expect("a scheme");
        request.set_authority(Some(authority)).expect("an authority");
        request.set_path_with_query(Some("/")).expect("a path");
        let answer = client::send(request).await;
        let said = answer.map_or_else(|error| format!("{error:?}"), |answer| answer.get_status_code().to_string());
        self.say("outbound", said);
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

    async fn run_on_kept(&mut self, argument: &str) {
        let (step, argument) = argument.split_once(':').unwrap_or((argument, ""));
        let mut kept = KEPT.take().expect("a request before this kept what it had");
        kept.report.clear();
        Box::pin(kept.run(step, argument)).await;
        self.report.extend(kept.report.iter().map(|line| format!("kept {line}")));
        KEPT.set(Some(kept));
    }

    fn say(&mut self, call: &str, what: impl std::fmt::Display) {
        self.report.push(format!("{call}: {what}"));
    }

    fn report_lines(&self) -> String {
        self.report.iter().map(|line| format!("{line}\n")).collect()
    }
}

/// Waits for a future for so many nanoseconds, and then drops it.
async fn is_ready_within(time: u64, future: impl Future) -> bool {
    let mut future = pin!(future);
    let mut timer = pin!(monotonic_clock::wait_for(time));
    poll_fn(|context| {
        if future.as_mut().poll(context).is_ready() {
            return Poll::Ready(true);
        }
        timer.as_mut().poll(context).map(|()| false)
    })
    .await
}

/// What a read says: how many bytes it has, or `closed`.
fn said(result: StreamResult) -> String {
    match result {
        StreamResult::Complete(length) => length.to_string(),
        StreamResult::Dropped => "closed".to_owned(),
        StreamResult::Cancelled => "cancelled".to_owned(),
    }
}

fn listed(fields: &Fields) -> String {
    fields.copy_all().iter().map(|(name, value)| format!("{name}={};", value.escape_ascii())).collect()
}

fn milliseconds(argument: &str) -> u64 {
    number::<u64>(argument) * 1_000_000
}
