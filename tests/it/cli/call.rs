//! What `host call` prints of one request, whole: the response on stdout, the log and the cost on stderr.

use std::process::Command;

use artifacts::Guest;

use crate::support::{RoutesDir, compile_cache, guest, host, run, text};

fn call(guest: Guest, arguments: &[&str]) -> Command {
    let mut call = host(&["call", "--cache-dir"]);
    call.arg(compile_cache()).arg(guest.path()).args(arguments);
    call
}

/// Compares the response but for its date, and what is printed beside it but for figures. The cost is `COST`.
#[track_caller]
fn assert_called(command: &mut Command, response: &str, beside: &str, code: i32) {
    let output = run(command);
    let dated = |line: &str| if line.starts_with("Date: ") { "Date: <date>\r\n".to_owned() } else { line.to_owned() };
    let shown: String = text(&output.stdout).split_inclusive('\n').map(dated).collect();
    assert_eq!(shown, response, "{output:?}");
    assert_eq!(without_figures(text(&output.stderr)), beside.replace("COST", COST), "{output:?}");
    assert_eq!(output.status.code(), Some(code), "{output:?}");
}

const COST: &str = "\
instantiate  N us
run          N us
memory       N bytes
request      N bytes
response     N bytes";

/// Each number in the lines of the cost is `N`; the lines of the log stay.
fn without_figures(text: &str) -> String {
    let line = |line: &str| match line.split_once("  ") {
        Some((name @ ("instantiate" | "run" | "memory" | "request" | "response"), value)) => {
            let value = value.trim_start();
            let unit = value.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
            assert_ne!(value, unit, "a figure in {line:?}");
            format!("{name:11}  N{unit}\n")
        }
        Some(_) | None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

fn head(status: &str, fields: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nDate: <date>\r\n{fields}Content-Type: text/html; charset=utf-8\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
}

#[test]
fn a_handler_is_called_at_its_own_path() {
    let response = head("200 OK", "") + "HelloWorld!";
    assert_called(&mut call(guest::HELLO, &[]), &response, "COST\nconnection   the client did not keep it alive\n", 0);
}

#[test]
fn the_framing_is_shown_on_request() {
    let response = head("200 OK", "") + "5\r\nHello\r\n6\r\nWorld!\r\n0\r\n\r\n";
    assert_called(
        &mut call(guest::HELLO, &["--raw"]),
        &response,
        "COST\nconnection   the client did not keep it alive\n",
        0,
    );
}

#[test]
fn method_fields_and_body_reach_the_handler_and_its_lines_are_shown() {
    let target = "/script?ask=method&ask=field:x-one&report&stderr=never";
    let arguments = ["--path", target, "--method", "PUT", "--field", "X-One: 1", "--body", "Hello"];
    let response = head("200 OK", "") + "method: PUT\nfield:x-one: 1\n";
    assert_called(
        &mut call(guest::SCRIPT, &arguments),
        &response,
        "COST\nconnection   the client did not keep it alive\n",
        0,
    );
    let arguments = ["--path", "/script?read&stderr=one&stdout=two", "--body", "Hello"];
    let log = " INFO guest route=\"script\" request=1 stream=\"stderr\": one\n \
               INFO guest route=\"script\" request=1 stream=\"stdout\": two\n";
    let beside = format!("{log}COST\nconnection   the client did not keep it alive\n");
    assert_called(&mut call(guest::SCRIPT, &arguments), &(head("200 OK", "") + "Hello"), &beside, 0);
}

#[test]
fn a_body_comes_from_a_file_too() {
    let folder = RoutesDir::new().with_file("body", "from a file");
    let file = folder.path().join("body").display().to_string();
    let mut command = call(guest::SCRIPT, &["--path", "/script?read", "--body-file", &file]);
    let response = head("200 OK", "") + "from a file";
    assert_called(&mut command, &response, "COST\nconnection   the client did not keep it alive\n", 0);
}

#[test]
fn a_failure_shows_what_the_client_sees_and_what_the_log_says() {
    let mut command = call(guest::FAILS, &["--path", "/fails"]);
    let output = run(&mut command);
    assert!(text(&output.stdout).starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("handler fails failed: this handler always fails"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_panic_is_explained_and_frames_of_the_runtime_are_counted() {
    let output = run(&mut call(guest::PANICS, &["--path", "/panics"]));
    assert!(text(&output.stdout).ends_with("\r\n\r\nInternal Server Error\n"), "{output:?}");
    let said = text(&output.stderr);
    let lead = "handler panics failed: panic: this handler always panics\n  at tests/guests/examples/panics.rs:7:5\n";
    assert!(said.contains(lead), "{said}");
    assert!(said.contains(" frames of the runtime)\n") && !said.contains("panic_with_hook"), "{said}");
}

#[test]
fn a_truncated_response_fails_the_call() {
    let output = run(&mut call(guest::TRAP_AFTER_HEAD, &["--raw"]));
    assert!(text(&output.stdout).ends_with("\r\n\r\n4\r\none\n\r\n"), "no last chunk: {output:?}");
    assert!(text(&output.stderr).ends_with("connection   the response was truncated\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_handler_that_closes_sends_not_one_byte() {
    let mut command = call(guest::SCRIPT, &["--path", "/script?close"]);
    assert_called(&mut command, "", "COST\nconnection   the handler closed it\n", 0);
}

#[test]
fn a_parked_response_ends_the_call() {
    let output = run(&mut call(guest::SCRIPT, &["--path", "/script?write=Hello&manual"]));
    assert!(text(&output.stdout).ends_with("\r\n\r\nHello"), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("handler script has exited with the connection possibly left open"), "{said}");
    assert!(said.ends_with("connection   its response is parked\n"), "{said}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_no_handler_answers_costs_nothing() {
    let output = run(&mut call(guest::HELLO, &["--path", "/absent"]));
    assert!(text(&output.stdout).starts_with("HTTP/1.1 404 Not Found\r\n"), "{output:?}");
    assert!(text(&output.stderr).starts_with("handler      not called; the host answered\n"), "{output:?}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn memory_is_what_the_handler_has_at_its_most() {
    let most = |arguments: &[&str]| {
        let output = run(&mut call(guest::SCRIPT, arguments));
        let said = text(&output.stderr);
        let memory = said.lines().find_map(|line| line.strip_prefix("memory       ")?.strip_suffix(" bytes"));
        memory.and_then(|bytes| bytes.parse::<u64>().ok()).unwrap_or_else(|| panic!("no memory in {said}"))
    };
    let little = most(&["--path", "/script"]);
    let much = most(&["--path", "/script?allocate=10000000"]);
    assert!((10_000_000..=little + 10_000_000).contains(&much), "what was free already is used: {little}, {much}");
}

#[test]
fn a_call_that_cannot_be_made_says_why() {
    let routes = RoutesDir::new().with_bytes("bad.wasm", b"");
    let bad = routes.path().join("bad.wasm");
    let output = run(host(&["call", "--no-cache"]).arg(&bad));
    let expected = format!("error: {}: it is not WebAssembly: ", bad.display());
    assert!(text(&output.stderr).starts_with(&expected), "{output:?}");
    assert_eq!((text(&output.stdout), output.status.code()), ("", Some(1)));
    for (guest, arguments, error) in [
        (guest::PAGE, &[][..], "error: the route has no fixed path; set --path to match one of /page/{id}\n"),
        (guest::HELLO, &["--path", "/a\r\nb"], "error: `--path` contains a control character; remove it\n"),
        (
            guest::HELLO,
            &["--field", "name"],
            "error: invalid value 'name' for '--field <FIELD>': expected `Name: value`",
        ),
        (guest::HELLO, &["--body-file", "/absent/body"], "error: cannot read the body from /absent/body: "),
    ] {
        let output = run(&mut call(guest, arguments));
        assert!(text(&output.stderr).starts_with(error), "{error}: {output:?}");
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{error}");
    }
}

#[test]
fn middleware_is_no_handler_to_be_called() {
    let routes = RoutesDir::new().with_as("_layer.wasm", guest::LAYER);
    let file = routes.path().join("_layer.wasm");
    let output = run(host(&["call", "--cache-dir"]).arg(compile_cache()).arg(&file));
    let expected = format!("error: {} is middleware; call a handler, or serve one behind it\n", file.display());
    assert_eq!((text(&output.stdout), text(&output.stderr), output.status.code()), ("", &*expected, Some(2)));
}
