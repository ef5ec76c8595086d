//! Calls other servers, as the steps of its query say. It answers with a line for each step that reports something.
//!
//! | step | does |
//! |---|---|
//! | `get=URL` | sends a `GET` request, reads its response, and reports `200 body` or the error |
//! | `METHOD=URL` | makes a request, in upper case, for the steps that follow |
//! | `field=NAME:VALUE`, `connect=MS`, `first-byte=MS`, `between-bytes=MS` | change it |
//! | `write=TEXT`, `write-bytes=N` | write some of its body, and report an error |
//! | `send` | sends it, and reports the status or the error |
//! | `head=NAME` | reports a field of the response |
//! | `some=MAX`, `rest`, `trailers` | reports a piece of the body, the length of the rest of it, or the trailers |
//! | `keep` | leaves the response for the next request of a reused instance |
//! | `times=N:URL` | sends N requests one after the other, reads their responses, and reports the last result |
//! | `held=N:URL` | sends N requests one after the other, keeps their responses, and reports the last result |

use std::sync::Mutex;
use std::time::Duration;

use guest_sdk::http::{self, Error, Request as Call, Response as Answer};
use guest_sdk::{Request, handler};

/// What is left for the next request.
static KEPT: Mutex<Option<Answer>> = Mutex::new(None);

#[derive(Default)]
struct Script {
    call: Option<Call>,
    answer: Option<Answer>,
    report: String,
}

#[handler(path = "/calls", content_type = "text/plain; charset=utf-8")]
fn calls(request: Request) -> String {
    let mut script = Script { answer: KEPT.lock().ok().and_then(|mut kept| kept.take()), ..Script::default() };
    for (step, argument) in request.query_params() {
        if let Some(line) = script.run(&step, &argument) {
            script.report += &format!("{step}: {line}\n");
        }
    }
    script.report
}

impl Script {
    fn run(&mut self, step: &str, argument: &str) -> Option<String> {
        match step {
            "get" => Some(get(argument).unwrap_or_else(|error| error_name(&error))),
            "field" => {
                let (name, value) = argument.split_once(':')?;
                self.change(|call| call.field(name, value))
            }
            "connect" => self.change(|call| Ok(call.connect_timeout(milliseconds(argument)))),
            "first-byte" => self.change(|call| Ok(call.first_byte_timeout(milliseconds(argument)))),
            "between-bytes" => self.change(|call| Ok(call.between_bytes_timeout(milliseconds(argument)))),
            "write" => self.call.as_mut()?.write(argument).err().map(|error| error_name(&error)),
            "write-bytes" => {
                let body = vec![b'x'; argument.parse().ok()?];
                self.call.as_mut()?.write(body).err().map(|error| error_name(&error))
            }
            "send" => Some(match self.call.take()?.send() {
                Ok(answer) => {
                    let status = answer.status().to_string();
                    self.answer = Some(answer);
                    status
                }
                Err(error) => error_name(&error),
            }),
            "head" => Some(text(self.answer.as_ref()?.field(argument).unwrap_or_default())),
            "some" => Some(match self.answer.as_mut()?.read_piece(argument.parse().ok()?) {
                Ok(piece) => piece.map_or_else(|| "end".to_owned(), text),
                Err(error) => error_name(&error),
            }),
            "rest" => Some(match self.answer.as_mut()?.bytes() {
                Ok(bytes) => bytes.len().to_string(),
                Err(error) => error_name(&error),
            }),
            "trailers" => Some(format!("{:?}", self.answer.as_ref()?.trailers())),
            "keep" => {
                *KEPT.lock().ok()? = self.answer.take();
                None
            }
            "times" => {
                let (number, url) = argument.split_once(':')?;
                let mut last = String::new();
                for _ in 0..number.parse::<usize>().ok()? {
                    match get(url) {
                        Ok(answer) => last = answer,
                        Err(error) => return Some(error_name(&error)),
                    }
                }
                Some(last)
            }
            "held" => {
                let (number, url) = argument.split_once(':')?;
                let answers: Result<Vec<Answer>, Error> =
                    (0..number.parse::<usize>().ok()?).map(|_| http::get(url)).collect();
                Some(answers.map_or_else(|error| error_name(&error), |answers| answers.len().to_string()))
            }
            method => {
                self.call = Some(Call::new(method, argument));
                None
            }
        }
    }

    fn change(&mut self, change: impl FnOnce(Call) -> Result<Call, Error>) -> Option<String> {
        match change(self.call.take()?) {
            Ok(call) => {
                self.call = Some(call);
                None
            }
            Err(error) => Some(error_name(&error)),
        }
    }
}

fn get(url: &str) -> Result<String, Error> {
    let mut answer = http::get(url)?;
    Ok(format!("{} {}", answer.status(), answer.text()?))
}

/// The name of an error, without its reason.
fn error_name(error: &Error) -> String {
    let name = match error {
        Error::Denied => "denied",
        Error::AddressProhibited => "address-prohibited",
        Error::Dns(_) => "dns",
        Error::Refused => "refused",
        Error::Tls(_) => "tls",
        Error::Timeout => "timeout",
        Error::TooLarge => "too-large",
        Error::Protocol(_) => "protocol",
        Error::Invalid(_) => "invalid",
        Error::Closed => "closed",
        Error::Other(_) => "other",
    };
    name.to_owned()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8_lossy(&bytes).into_owned()
}

fn milliseconds(text: &str) -> Duration {
    Duration::from_millis(text.parse().unwrap_or_default())
}
