//! What a script returns, and what its client gets.

use crate::support::script::{can_run, serve};
use crate::support::websocket::{BINARY, TEXT};
use crate::support::wire::{HELLO_RESPONSE, get};
use crate::support::{End, log};

/// A module in both languages with a handler at `/r`, whose body is given.
fn both(python: &str, javascript: &str) -> [(&'static str, String); 2] {
    let python = python.replace('\n', "\n    ");
    [
        ("r.py", format!("from vibrato import *\n\n@handler\ndef r(request, response):\n    {python}\n")),
        (
            "r.js",
            format!("import * as v from 'vibrato';\nexport default function r(request, response) {{ {javascript} }}\n"),
        ),
    ]
}

/// A handler whose chunks are given.
fn chunks(python: &str, javascript: &str) -> [(&'static str, String); 2] {
    let [python, (place, javascript)] = both(python, javascript);
    [python, (place, javascript.replace("function r", "function* r"))]
}

#[test]
fn what_a_script_returns_is_the_response() {
    if !can_run() {
        return;
    }
    let chunked = |body: &str| format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let cases = [
        (both("return 'Grüße'", "return 'Grüße'"), "200 OK", "", chunked("Grüße")),
        (both("return b'\\x00a'", "return new Uint8Array([0, 97])"), "200 OK", "", chunked("\0a")),
        (both("return ''", "return ''"), "200 OK", "", "0\r\n\r\n".to_owned()),
        (
            chunks("yield 'a'\nyield b'b'", "yield 'a'; yield new Uint8Array([98])"),
            "200 OK",
            "",
            "1\r\na\r\n1\r\nb\r\n0\r\n\r\n".to_owned(),
        ),
        (
            chunks("yield 'a'\nyield ''\nyield 'b'", "yield 'a'; yield ''; yield 'b'"),
            "200 OK",
            "",
            "1\r\na\r\n1\r\nb\r\n0\r\n\r\n".to_owned(),
        ),
        (chunks("if False: yield ''", "if (false) yield ''"), "200 OK", "", "0\r\n\r\n".to_owned()),
        (both("return {'a': [1, None]}", "return { a: [1, null] }"), "200 OK", "application/json", String::new()),
        (both("return ['ü']", "return ['ü']"), "200 OK", "application/json", String::new()),
        (both("return 'gone', 404", "return v.reply('gone', { status: 404 })"), "404 Not Found", "", chunked("gone")),
        (
            both(
                "return 'x', 201, {'content-type': 'a/b'}",
                "return v.reply('x', { status: 201, fields: { 'content-type': 'a/b' } })",
            ),
            "201 Created",
            "a/b",
            chunked("x"),
        ),
        (both("return redirect('/x')", "return v.redirect('/x')"), "303 See Other", "", "0\r\n\r\n".to_owned()),
        (
            both("response.write('a')\nreturn 'b'", "response.write('a'); return 'b'"),
            "200 OK",
            "",
            "1\r\na\r\n1\r\nb\r\n0\r\n\r\n".to_owned(),
        ),
    ];
    for (scripts, status, content_type, body) in cases {
        for (place, text) in scripts {
            let server = serve(&[(place, &text)]);
            let response = server.get("/r");
            assert!(response.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{text}\n{response}");
            assert!(
                content_type.is_empty() || response.contains(&format!(": {content_type}\r\n")),
                "{text}\n{response}"
            );
            assert!(response.ends_with(&body), "{text}\n{response}");
        }
    }
}

#[test]
fn a_script_that_returns_nothing_closes_the_connection_without_a_byte() {
    if !can_run() {
        return;
    }
    for (place, text) in both("return None", "return undefined").into_iter().chain(both("pass", "")) {
        let server = serve(&[(place, &text)]);
        let mut client = server.connect();
        client.send(get("/r"));
        assert_eq!(client.read_until_end(), (String::new(), End::Closed), "{text}");
    }
}

#[test]
fn a_script_that_returns_true_leaves_the_response_open() {
    if !can_run() {
        return;
    }
    for (place, text) in both(
        "push.subscribe('t')\nresponse.write('a')\nreturn True",
        "v.push.subscribe('t'); response.write('a'); return true",
    ) {
        let publish = "from vibrato import *\n@handler\ndef p(): return str(push.publish('t', 'b') + push.finish('t'))";
        let server = serve(&[(place, &text), ("p.py", publish)]);
        let mut client = server.connect();
        client.send(get("/r"));
        client.read_until("1\r\na\r\n");
        log().wait_for(&["handler r has exited with the connection possibly left open"]);
        assert!(server.get("/p").ends_with("1\r\n2\r\n0\r\n\r\n"));
        client.expect("1\r\nb\r\n0\r\n\r\n");
    }
}

#[test]
fn what_is_no_result_is_a_500_that_says_what_a_handler_returns() {
    if !can_run() {
        return;
    }
    for (scripts, reason) in [
        (
            both("return 7", "return 7"),
            ["a handler returned int 7: it returns", "a handler returned number 7: it returns"],
        ),
        (both("return False", "return false"), ["a handler returned bool False", "a handler returned boolean false"]),
        (
            both("async def f(): pass\nreturn f", "return (async () => 'x')()"),
            ["a handler returned function", "a handler is no async function"],
        ),
        (chunks("yield 7", "yield 7"), ["a handler yielded int 7", "a handler yielded number 7"]),
    ] {
        for ((place, text), reason) in scripts.into_iter().zip(reason) {
            let server = serve(&[(place, &text)]);
            assert!(server.get("/r").starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{text}");
            log().wait_for(&["handler r failed: TypeError: ", reason]);
        }
    }
}

#[test]
fn a_handler_of_tremolo_runs_as_it_is_but_for_its_first_lines() {
    if !can_run() {
        return;
    }
    let server = serve(&[
        (
            "yields.py",
            "from vibrato import handler\n\n@handler('/yields', a=1)\nasync def hello_world(**server):\n    yield b'Hello'\n    \
             yield b'World!'\n",
        ),
        (
            "writes.py",
            "from vibrato import handler\n\n@handler('/writes')\nasync def hello_world(request, response):\n    \
             await response.write(b'Hello')\n    await response.write(b'World!')\n    await response.write(b'')\n    \
             response.close()\n",
        ),
        (
            "whole.py",
            "from vibrato import handler\n\n@handler\nasync def whole(**server):\n    return b'Hello, World!'\n",
        ),
    ]);
    let mut client = server.connect();
    for path in ["/yields", "/writes", "/yields"] {
        client.send(get(path));
        client.expect(HELLO_RESPONSE);
    }
    assert!(server.get("/whole").ends_with("d\r\nHello, World!\r\n0\r\n\r\n"));
}

#[test]
fn each_request_has_a_sandbox_of_its_own_unless_the_route_says_reuse() {
    if !can_run() {
        return;
    }
    let python =
        "from vibrato import handler\nseen = []\n@handler\ndef n():\n    seen.append(1)\n    return str(len(seen))\n";
    let javascript = "let seen = 0;\nexport default () => String((seen += 1));\n";
    for (place, text) in [("n.py", python), ("n.js", javascript)] {
        let server = serve(&[(place, text)]);
        assert!((0..3).all(|_| server.get("/n").ends_with("1\r\n1\r\n0\r\n\r\n")), "{place}");
        let server = serve(&[(place, text), ("n.toml", "reuse = 10")]);
        let counted: Vec<bool> =
            (1..4).map(|n| server.get("/n").ends_with(&format!("1\r\n{n}\r\n0\r\n\r\n"))).collect();
        assert_eq!(counted, [true; 3], "{place}");
    }
}

#[test]
fn two_requests_draw_different_random_numbers() {
    if !can_run() {
        return;
    }
    let python = "from vibrato import handler\nimport random, secrets, uuid\n@handler\ndef n(): return [random.random(), \
                  secrets.token_hex(), str(uuid.uuid4())]\n";
    let javascript = "export default () => [Math.random(), crypto.randomUUID()];\n";
    for (place, text) in [("n.py", python), ("n.js", javascript)] {
        let server = serve(&[(place, text)]);
        let bodies: Vec<String> =
            (0..2).map(|_| server.get("/n").split_once('[').expect("it is a list").1.to_owned()).collect();
        for (one, other) in bodies[0].split(',').zip(bodies[1].split(',')) {
            assert_ne!(one, other, "{place}");
        }
    }
}

#[test]
fn a_script_answers_messages_of_a_websocket() {
    if !can_run() {
        return;
    }
    let python = "from vibrato import *\n\n@handler(websocket=True)\ndef open(): return True\n\ndef on_message(message):\n    \
                  return {'n': 1} if message == 'json' else Close if message == 'close' else message\n";
    let javascript = "import { Close } from 'vibrato';\nexport const route = { websocket: true };\nexport const handle = () => \
                      true;\nexport function onMessage(message) {\n  return message === 'json' ? { n: 1 } : message === \
                      'close' ? Close : message;\n}\n";
    for (place, text, json) in [("w.py", python, "{\"n\": 1}"), ("w.js", javascript, "{\"n\":1}")] {
        let server = serve(&[(place, text)]);
        let mut client = server.connect();
        client.open_websocket("/w");
        client.expect_answer("hello", "hello");
        client.expect_answer("json", json);
        client.send_frame(BINARY, b"\xff");
        client.expect_frame(BINARY, b"\xff");
        client.send_frame(TEXT, "close");
        assert_eq!(client.read_frame().0, crate::support::websocket::CLOSE, "{place}");
    }
}
