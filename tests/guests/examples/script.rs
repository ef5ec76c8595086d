//! Runs the commands of its query in order, so that a test says in one line what a handler does:
//! `/script?status=201&write=Hello&end`.
//!
//! | command | does |
//! |---|---|
//! | `status=N`, `set=NAME:VALUE`, `append=NAME:VALUE`, `remove=NAME` | the head |
//! | `leave=NAME:VALUE`, `seal=NAME` | sets a name of the context; seals the field and the name |
//! | `write=TEXT`, `write-bytes=N` | one write, of a text or of N times `x` |
//! | `end` | the empty write |
//! | `read` | reads the whole body, then writes it back in one write |
//! | `count` | reads the whole body, then writes its length |
//! | `read-one=MAX` | reads one piece of the body, and reports its length or `end` |
//! | `ask=method`, `ask=field:NAME`, ... | asks the request or the options, and reports the answer: see `ask` |
//! | `field-of=N` | asks for the request's field whose name is N times `x` |
//! | `subscribe=TOPIC`, `publish=TOPIC:TEXT`, `publish-bytes=TOPIC:N`, `finish=TOPIC` | `push`; the report has how many were reached |
//! | `after=TOPIC`, `after=TOPIC:ID` | `push.subscribe-after`; the report says whether nothing is missing |
//! | `resume=TOPIC` | `sse::resume`, with the field `last-event-id` |
//! | `event=TOPIC:TEXT`, `events=TOPIC:N` | `push.append` of an event with this data, or of N with their numbers; `raw-event=TOPIC:TEXT` of the text as it is |
//! | `close-now`, `fail=REASON` | `response.close()`, `response.fail(REASON)` |
//! | `allocate=BYTES` | reserves and touches memory, and reports `ok` or `refused` |
//! | `sleep=MS`, `stdout=TEXT`, `stderr=TEXT` | sleeps, prints a line |
//! | `log` | prints the report so far to stderr |
//! | `spin`, `trap`, `panic=TEXT` | never come back |
//! | `body=TEXT`, `body-bytes=N`, `close`, `manual` | return that |
//! | `a=…`, `a-response=…`, and `b`, `c` | nothing: these are for the guest `layer` |
//! | `report` | returns the report, a line for each call so far: `write: closed` |
//!
//! Past the last command it returns an empty body. A command that is none of these traps.

use std::time::Duration;
use std::{hint, process, thread};

use guest_sdk::sse::{self, Event};
use guest_sdk::{BodyError, Error, Options, Outcome, Request, Response, context, handler, push};
use guests::{named, said};

#[handler(path = ["/script", "/script/{*rest}"])]
fn script(request: Request, response: Response, options: Options) -> Outcome {
    let mut script = Script { request, response, options, report: Vec::new() };
    for (command, argument) in request.query_params() {
        if let Some(outcome) = script.run(&command, &argument) {
            return outcome;
        }
    }
    Outcome::Body(Vec::new())
}

struct Script {
    request: Request,
    response: Response,
    options: Options,
    report: Vec<String>,
}

impl Script {
    fn run(&mut self, command: &str, argument: &str) -> Option<Outcome> {
        match command {
            "body" => return Some(Outcome::Body(argument.as_bytes().to_vec())),
            "body-bytes" => return Some(Outcome::Body(vec![b'x'; number(argument)])),
            "close" => return Some(Outcome::Close),
            "manual" => return Some(Outcome::Manual),
            "report" => return Some(Outcome::Body(self.report_lines().into_bytes())),
            "spin" => loop {
                hint::spin_loop();
            },
            "field-of" => drop(self.request.field(&"x".repeat(number(argument)))),
            "trap" => process::abort(),
            "panic" => panic!("{argument}"),
            "sleep" => thread::sleep(Duration::from_millis(number(argument))),
            "stdout" => println!("{argument}"),
            "stderr" => eprintln!("{argument}"),
            "a" | "b" | "c" | "a-response" | "b-response" | "c-response" => {}
            "log" => eprint!("{}", self.report_lines()),
            "allocate" => self.allocate(number(argument)),
            "ask" => self.ask(argument),
            "read-one" => self.read_one(number(argument)),
            "read" => self.read_all(|body| body),
            "subscribe" => self.record(command, &push::subscribe(argument)),
            "publish" => self.record_reached(command, push::publish(field(argument).0, field(argument).1)),
            "publish-bytes" => {
                let (topic, bytes) = field(argument);
                self.record_reached(command, push::publish(topic, vec![b'x'; number(bytes)]));
            }
            "after" => self.subscribe_after(argument),
            "resume" => self.resume(argument),
            "event" => self.append(command, field(argument).0, Event::new().data(field(argument).1)),
            "events" => {
                let (topic, count) = field(argument);
                (1..=number::<u32>(count))
                    .for_each(|number| self.append(command, topic, Event::new().data(&number.to_string())));
            }
            "raw-event" => self.append(command, field(argument).0, field(argument).1),
            "finish" => self.record_reached(command, push::finish(argument)),
            "count" => self.read_all(|body| body.len().to_string().into_bytes()),
            _ => self.call(command, argument),
        }
        None
    }

    fn subscribe_after(&mut self, argument: &str) {
        let (topic, id) = argument.split_once(':').map_or((argument, None), |(topic, id)| (topic, Some(id)));
        let result = push::subscribe_after(topic, id).map(|is_whole| is_whole.to_string());
        self.report_text("after", result);
    }

    fn resume(&mut self, topic: &str) {
        let result = sse::resume(&self.request, &self.response, topic).map(|is_whole| is_whole.to_string());
        self.report_text("resume", result);
    }

    fn append(&mut self, command: &str, topic: &str, event: impl AsRef<[u8]>) {
        self.report_text(command, push::append(topic, event));
    }

    fn report_text(&mut self, call: &str, result: Result<String, Error>) {
        let text = result.unwrap_or_else(|error| said::<()>(&Err(error)).to_owned());
        self.report.push(format!("{call}: {text}"));
    }

    /// A call to the response, and what became of it.
    fn call(&mut self, command: &str, argument: &str) {
        let response = self.response;
        let result = match command {
            "status" => response.set_status(number(argument)).map(drop),
            "set" => response.set_field(field(argument).0, field(argument).1).map(drop),
            "append" => response.append_field(field(argument).0, field(argument).1).map(drop),
            "remove" => response.remove_field(argument).map(drop),
            "leave" => context::set(field(argument).0, field(argument).1),
            "seal" => response.seal_field(argument).map(drop).and(context::seal(argument)),
            "write" => response.write(argument).map(drop),
            "write-bytes" => response.write(vec![b'x'; number(argument)]).map(drop),
            "end" => response.finish(),
            "close-now" => response.close(),
            "fail" => response.fail(argument),
            _ => panic!("no such command: {command}"),
        };
        self.record(command, &result);
    }

    fn read_all(&mut self, answer: fn(Vec<u8>) -> Vec<u8>) {
        match self.request.body().read_all(usize::MAX) {
            Ok(body) => {
                let result = self.response.write(answer(body)).map(drop);
                self.record("read", &result);
            }
            Err(error) => self.record_body_error("read", error),
        }
    }

    fn read_one(&mut self, max: u32) {
        match self.request.body().next_piece(max) {
            Ok(Some(piece)) => self.report.push(format!("read-one: {}", piece.len())),
            Ok(None) => self.report.push("read-one: end".to_owned()),
            Err(error) => self.record_body_error("read-one", error),
        }
    }

    /// Something of the request, or an option by its name: `ask=path`, `ask=field:host`, `ask=option:rate`.
    fn ask(&mut self, what: &str) {
        let request = self.request;
        let answer = match what.split_once(':') {
            Some(("field", name)) => request.field(name).map(|value| value.escape_ascii().to_string()),
            Some(("param", name)) => request.param(name),
            Some(("context", name)) => context::get(name).map(|value| value.escape_ascii().to_string()),
            Some(("option", name)) => self.options.get(name).map(|value| value.to_string()),
            Some((other, _)) => panic!("no such thing to ask for: {other}"),
            None => match what {
                "method" => Some(request.method()),
                "target" => Some(request.target()),
                "path" => Some(request.path()),
                "query" => request.query(),
                "version" => Some(format!("{:?}", request.version())),
                "protocol" => Some(request.protocol()),
                "scheme" => Some(request.scheme()),
                "peer" => Some(request.peer()),
                "params" => Some(format!("{:?}", request.params())),
                "fields" => Some(self.fields()),
                other => panic!("no such thing to ask for: {other}"),
            },
        };
        self.report.push(format!("{what}: {}", answer.as_deref().unwrap_or("none")));
    }

    fn fields(&self) -> String {
        let lines = self.request.fields().into_iter();
        lines.map(|(name, value)| format!("{name}={};", value.escape_ascii())).collect()
    }

    fn allocate(&mut self, bytes: usize) {
        let mut memory: Vec<u8> = Vec::new();
        let result = memory.try_reserve_exact(bytes);
        if result.is_ok() {
            memory.resize(bytes, 1);
            hint::black_box(&memory);
        }
        self.report.push(format!("allocate: {}", if result.is_ok() { "ok" } else { "refused" }));
    }

    fn record(&mut self, call: &str, result: &Result<(), Error>) {
        self.report.push(format!("{call}: {}", said(result)));
    }

    fn record_reached(&mut self, call: &str, result: Result<u32, Error>) {
        let reached = result.map_or_else(|error| said::<u32>(&Err(error)).to_owned(), |reached| reached.to_string());
        self.report.push(format!("{call}: {reached}"));
    }

    fn record_body_error(&mut self, call: &str, error: BodyError) {
        self.report.push(format!("{call}: {}", named(error)));
    }

    fn report_lines(&self) -> String {
        self.report.iter().map(|line| format!("{line}\n")).collect()
    }
}

fn field(argument: &str) -> (&str, &str) {
    argument.split_once(':').expect("a field is NAME:VALUE")
}

fn number<N: std::str::FromStr>(argument: &str) -> N {
    argument.parse().ok().expect("the argument is a number")
}
