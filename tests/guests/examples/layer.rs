//! A middleware that does what the query says under its name, which is its option `name`: `?a=fail:why&a-response=trap`
//! for the one that is named `a`.
//!
//! On a request it adds its name to what is in the context under `trace`, and on a response to the field `x-trace`. Then:
//!
//! | for a request | does |
//! |---|---|
//! | `body:TEXT`, `close`, `manual` | returns that |
//! | `write:TEXT`, `end`, `close-now` | one call to the response, then `next` |
//! | `set:NAME=VALUE`, `status:N` | the same |
//! | `leave:BYTES` | leaves a note of that many bytes, and says in the field `x-left` what became of it |
//! | `seal:NAME=VALUE`, `vouch:NAME=VALUE` | sets a field, or a name of the context, and seals it; without `=VALUE` seals it |
//! | `read` | reads one piece of the body |
//!
//! | for a response | does |
//! |---|---|
//! | `set:NAME=VALUE`, `status:N`, `close-now` | one call to the response |
//! | `write:TEXT` | says in the field `x-wrote` what became of it |
//! | `sealed:NAME` | says in the field `x-sealed` what is sealed under a name of the context |
//! | `try-seal` | says in the field `x-tried` what becomes of sealing there |
//! | `see` | says in the field `x-seen` which status and fields there are |
//! | `length:N` | declares that length |
//!
//! and for both `trap`, `fail:REASON`, `spin`, `sleep` for an hour, and `print:TEXT`. What is none of these traps.

use std::time::Duration;
use std::{hint, process, thread};

use guest_sdk::{Error, Options, Outcome, Request, Response, Value, context, on_request, on_response};
use guests::said;

#[on_request]
fn request(request: Request, response: Response, options: Options) -> Result<Option<Outcome>, Error> {
    let name = name(options);
    let mut trace = context::get("trace").unwrap_or_default();
    trace.extend_from_slice(name.as_bytes());
    context::set("trace", trace)?;
    let Some(commands) = request.query_param(&name) else { return Ok(None) };
    let (command, argument) = split(&commands);
    match command {
        "body" => return Ok(Some(Outcome::Body(argument.as_bytes().to_vec()))),
        "close" => return Ok(Some(Outcome::Close)),
        "manual" => return Ok(Some(Outcome::Manual)),
        "end" => response.finish()?,
        "write" => drop(response.write(argument)?),
        "read" => drop(request.body().next_piece(1024)),
        "leave" => {
            let left = context::set("left", vec![0; number(argument)]);
            response.set_field("x-left", said(&left))?;
        }
        "seal" => {
            if let Some((name, value)) = argument.split_once('=') {
                response.set_field(name, value)?;
            }
            response.seal_field(argument.split('=').next().unwrap_or_default())?;
        }
        "vouch" => {
            if let Some((name, value)) = argument.split_once('=') {
                context::set(name, value)?;
            }
            context::seal(argument.split('=').next().unwrap_or_default())?;
        }
        _ => both(command, argument, response)?,
    }
    Ok(None)
}

#[on_response]
fn response(request: Request, response: Response, options: Options) -> Result<(), Error> {
    let name = name(options);
    let mut trace = response.field("x-trace").unwrap_or_default();
    trace.extend_from_slice(name.as_bytes());
    response.set_field("x-trace", trace)?;
    let Some(commands) = request.query_param(&format!("{name}-response")) else { return Ok(()) };
    let (command, argument) = split(&commands);
    match command {
        "write" => drop(response.set_field("x-wrote", said(&response.write(argument)))?),
        "length" => drop(response.set_field("content-length", argument)?),
        "sealed" => {
            let sealed = context::sealed(argument).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            response.set_field("x-sealed", sealed.as_deref().unwrap_or("nothing"))?;
        }
        "try-seal" => {
            let tried = [response.seal_field("x-a").map(drop), context::seal("a")];
            response.set_field("x-tried", tried.map(|tried| said(&tried)).join(" "))?;
        }
        "see" => {
            let lines = response.fields().into_iter();
            let lines: String = lines.map(|(name, value)| format!(" {name}={}", value.escape_ascii())).collect();
            response.set_field("x-seen", format!("{}{lines}", response.status()))?;
        }
        _ => both(command, argument, response)?,
    }
    Ok(())
}

fn both(command: &str, argument: &str, response: Response) -> Result<(), Error> {
    match command {
        "trap" => process::abort(),
        "fail" => response.fail(argument)?,
        "close-now" => response.close()?,
        "status" => drop(response.set_status(number(argument))?),
        "set" => {
            let (name, value) = argument.split_once('=').expect("a field is NAME=VALUE");
            response.set_field(name, value)?;
        }
        "sleep" => thread::sleep(Duration::from_secs(3600)),
        "print" => println!("{argument}"),
        "spin" => loop {
            hint::spin_loop();
        },
        _ => panic!("no such command: {command}"),
    }
    Ok(())
}

fn name(options: Options) -> String {
    match options.get("name") {
        Some(Value::Text(name)) => name,
        other => panic!("no name: {other:?}"),
    }
}

fn split(command: &str) -> (&str, &str) {
    command.split_once(':').unwrap_or((command, ""))
}

fn number<N: std::str::FromStr>(argument: &str) -> N {
    argument.parse().ok().expect("the argument is a number")
}
