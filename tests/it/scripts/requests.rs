//! What a script is told of its request, its options and its route.

use crate::support::script::{can_run, serve};
use crate::support::{RoutesDir, TestServer};

/// What a request to `/q` is answered, by a script in each language.
#[track_caller]
fn ask(python: &str, javascript: &str, request: &str, body: &str) {
    let python = format!(
        "from vibrato import *\n\n@handler('/q/{{*rest}}', '/q')\ndef q(request, response):\n    return {python}\n"
    );
    let javascript = format!(
        "export const route = {{ path: ['/q', '/q/{{*rest}}'] }};\nexport default (request, response) => {javascript};\n"
    );
    for (place, text) in [("q.py", python), ("q.js", javascript)] {
        let answer = serve(&[(place, &text)]).exchange(request);
        assert!(answer.ends_with(&format!("\r\n{body}\r\n0\r\n\r\n")) || answer.ends_with(body), "{text}\n{answer}");
    }
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: it\r\n{fields}Connection: close\r\n\r\n")
}

fn post(content_type: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /q HTTP/1.1\r\nHost: it\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
}

#[test]
fn a_script_reads_the_parts_of_its_request() {
    if !can_run() {
        return;
    }
    ask("request.method", "request.method", &get("/q", ""), "GET");
    ask("request.target", "request.target", &get("/q/a%20b?x=1", ""), "/q/a%20b?x=1");
    ask("request.path", "request.path", &get("/q/a%20b?x=1", ""), "/q/a%20b");
    ask("request.params['rest']", "request.params.rest", &get("/q/a%20b", ""), "a b");
    ask("request.query['x']", "request.query.get('x')", &get("/q?y=2&x=a+b%26", ""), "a b&");
    ask(
        "'-'.join(request.query.get_all('x'))",
        "request.query.getAll('x').join('-')",
        &get("/q?x=1&y=2&x=3", ""),
        "1-3",
    );
    ask("request.field('X-Y')", "request.field('X-Y')", &get("/q", "x-y: \u{fc}\r\n"), "\u{fc}");
    ask("str(request.field('x'))", "String(request.field('x') ?? 'None')", &get("/q", ""), "None");
    ask("request.cookies['b']", "request.cookies.b", &get("/q", "Cookie: a=1; b=%c3%bc\r\n"), "\u{fc}");
    ask("request.version + request.peer", "request.version + request.peer", &get("/q", ""), "1.1127.0.0.1");
    ask(
        "request.prefers('text/html', 'application/json')",
        "request.prefers('text/html', 'application/json')",
        &get("/q", "Accept: text/*;q=0.5, application/json\r\n"),
        "application/json",
    );
    ask(
        "str(request.prefers('text/html'))",
        "String(request.prefers('text/html') ?? 'None')",
        &get("/q", "Accept: image/png\r\n"),
        "None",
    );
}

#[test]
fn a_script_reads_bodies_and_says_what_is_wrong_with_them() {
    if !can_run() {
        return;
    }
    const FORM: &str = "application/x-www-form-urlencoded";
    ask("request.body()", "request.body()", &post("a/b", "\0body"), "\0body");
    ask("request.text()", "request.text()", &post("text/plain; charset=utf-8", "\u{fc}"), "\u{fc}");
    ask("str(request.json()['a'])", "String(request.json().a)", &post("application/json", "{\"a\": 7}"), "7");
    ask("request.form()['a']", "request.form().get('a')", &post(FORM, "b=1&a=x+y%21"), "x y!");
    ask("b''.join(request.stream())", "request.body()", &post("a/b", "pieces"), "pieces");
    for (python, javascript, request, status) in [
        ("request.json()", "request.json()", post("application/json", "{"), "400 Bad Request"),
        ("request.json()", "request.json()", post("application/json", &"[".repeat(100_000)), "400 Bad Request"),
        ("request.form()", "request.form()", post("text/<b>", "a=1"), "415 Unsupported Media Type"),
        ("request.body(3)", "request.body(3)", post("a/b", "four"), "413 Content Too Large"),
    ] {
        let (python, javascript) = (
            format!("from vibrato import *\n@handler\ndef q(request):\n    return {python}\n"),
            format!("export default (request) => {javascript};\n"),
        );
        for (place, text) in [("q.py", python), ("q.js", javascript)] {
            let answer = serve(&[(place, &text)]).exchange(&request);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{text}\n{answer}");
            assert!(answer.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{answer}");
        }
    }
}

#[test]
fn a_script_in_python_reads_a_multipart_form_part_by_part() {
    if !can_run() {
        return;
    }
    let script = "from vibrato import *\n@handler\ndef q(request):\n    return [[part.name, part.filename, part.content_type, \
                  part.body().decode()] for part in request.parts()]\n";
    let server = serve(&[("q.py", script)]);
    let ask = |body: &str| server.exchange(post("multipart/form-data; boundary=\"-x\"", body));
    let parts = "ignored\r\n---x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n-\r\n---\r\n---x\r\nContent-Disposition: \
                 form-data; name=\"f\"; filename=\"../x.txt\"\r\nContent-Type: text/css\r\n\r\n\r\n---x--\r\nignored";
    let answer = ask(parts);
    let expected = r#"[["a", null, "text/plain", "1\r\n-\r\n---"], ["f", "../x.txt", "text/css", ""]]"#;
    assert!(answer.contains(expected), "{answer}");
    for malformed in
        ["", "---x", "---x\r\n\r\n", "---x\r\nContent-Disposition: form-data\r\n\r\n1\r\n---x--", "no boundary"]
    {
        let answer = ask(malformed);
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{malformed:?}: {answer}");
    }
    let answer = ask(&format!("---x\r\nX: {}\r\n\r\n---x--", "y".repeat(20_000)));
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
}

#[test]
fn a_script_declares_its_route_and_the_file_beside_it_decides() {
    if !can_run() {
        return;
    }
    let python = "from vibrato import handler\n@handler('/a', '/b', method=['PUT', 'GET'], status=203, mine=[1, 2])\ndef d(options, \
                  a=1, *, b='x'):\n    return f\"{options['mine']} {a} {b} {options.get('status')}\"\n";
    let javascript = "import { options } from 'vibrato';\nexport const route = { path: ['/a', '/b'], method: ['PUT', 'GET'], \
                      status: 203, mine: [1, 2], a: 1, b: 'x' };\nexport default () => `[${options.get('mine').join(', ')}] \
                      ${options.get('a')} ${options.get('b')} ${options.get('status')}`;\n";
    for (place, text) in [("d.py", python), ("d.js", javascript)] {
        let server = serve(&[(place, text)]);
        for path in ["/a", "/b"] {
            let answer = server.get(path);
            assert!(answer.starts_with("HTTP/1.1 203 ") && answer.contains("[1, 2] 1 x 203"), "{answer}");
        }
        let refused = server.exchange("POST /a HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
        assert!(
            refused.starts_with("HTTP/1.1 405 ") && refused.contains("\r\nAllow: GET, HEAD, PUT, OPTIONS\r\n"),
            "{refused}"
        );
        let server = serve(&[(place, text), ("d.toml", "path = '/c'\na = 5\nstatus = 201\nmine = [3]\n")]);
        let answer = server.get("/c");
        assert!(answer.starts_with("HTTP/1.1 201 ") && answer.contains("[3] 5 x 201"), "{answer}");
        assert!(server.get("/a").starts_with("HTTP/1.1 404 "));
    }
}

#[test]
fn a_script_is_middleware_when_its_name_begins_with_an_underscore() {
    if !can_run() {
        return;
    }
    let python = "from vibrato import *\n\ndef on_request(request, response):\n    if request.field('authorization') != 'Basic x':\n        \
                  return 'who are you?', 401, {'www-authenticate': 'Basic'}\n    context.set('user', 'Ada')\n\ndef \
                  on_response(response):\n    response.set_field('x-seen', str(response.status))\n";
    let javascript = "import { context, reply } from 'vibrato';\n\nexport function onRequest(request) {\n  if \
                      (request.field('authorization') !== 'Basic x') {\n    return reply('who are you?', { status: 401, fields: { \
                      'www-authenticate': 'Basic' } });\n  }\n  context.set('user', 'Ada');\n}\n\nexport function \
                      onResponse(request, response) {\n  response.setField('x-seen', String(response.status));\n}\n";
    let handler = "from vibrato import *\n@handler\ndef h(): return context.get('user')\n";
    for (place, text) in
        [("_middleware.py", python), ("_middleware.js", javascript), ("_auth.py", python), ("_auth.js", javascript)]
    {
        let names = if place.contains("auth") { "middleware = ['auth']" } else { "" };
        let server = serve(&[(place, text), ("in/h.py", handler), ("in/h.toml", names)]);
        let refused = server.get("/in/h");
        assert!(refused.starts_with("HTTP/1.1 401 ") && refused.contains("\r\nx-seen: 401\r\n"), "{place}: {refused}");
        let answer = server.exchange(get("/in/h", "Authorization: Basic x\r\n"));
        assert!(
            answer.contains("\r\nx-seen: 200\r\n") && answer.ends_with("3\r\nAda\r\n0\r\n\r\n"),
            "{place}: {answer}"
        );
    }
}

#[test]
fn a_script_is_bound_by_the_limits_of_its_route() {
    if !can_run() {
        return;
    }
    let python = "from vibrato import handler\n@handler\ndef l(request):\n    if request.query_string == 'time':\n        while True: \
                  pass\n    return 'x' * 10 ** 9\n";
    let javascript = "export default (request) => {\n  if (request.queryString === 'time') for (;;);\n  return new Uint8Array(10 ** \
                      9);\n};\n";
    for (place, text) in [("l.py", python), ("l.js", javascript)] {
        let server = serve(&[(place, text), ("l.toml", "timeout = 1")]);
        assert!(server.get("/l?time").starts_with("HTTP/1.1 504 "), "{place}");
        assert!(server.get("/l?memory").starts_with("HTTP/1.1 500 "), "{place}");
    }
}

#[test]
fn a_cookie_that_a_script_sets_is_safe_unless_it_says_otherwise() {
    if !can_run() {
        return;
    }
    let python = "from vibrato import handler\n@handler\ndef c(response):\n    response.set_cookie('a', 'x; y', max_age=60)\n    \
                  response.set_cookie('b', '1', secure=True, http_only=False, same_site='None', path='/c', domain='example.org')\n    \
                  return ''\n";
    let javascript = "export default (request, response) => {\n  response.setCookie('a', 'x; y', { maxAge: 60 });\n  \
                      response.setCookie('b', '1', { secure: true, httpOnly: false, sameSite: 'None', path: '/c', domain: \
                      'example.org' });\n  return '';\n};\n";
    for (place, text) in [("c.py", python), ("c.js", javascript)] {
        let answer = serve(&[(place, text)]).get("/c");
        let lines = "set-cookie: a=x%3B%20y; Path=/; Max-Age=60; HttpOnly; SameSite=Lax\r\nset-cookie: b=1; Path=/c; \
                     Domain=example.org; Secure; SameSite=None\r\n";
        assert!(answer.contains(lines), "{answer}");
    }
    for (place, text) in [
        ("c.py", "from vibrato import handler\n@handler\ndef c(response): response.set_cookie('a b', '1')\n"),
        ("c.js", "export default (request, response) => response.setCookie('a b', '1');\n"),
    ] {
        assert!(serve(&[(place, text)]).get("/c").starts_with("HTTP/1.1 500 "), "{place}");
    }
}

#[test]
fn a_script_of_typescript_is_served_without_its_types() {
    if !can_run() {
        return;
    }
    let script = "import type { Request } from 'vibrato';\n\ninterface Greeting { text: string }\n\nexport default function \
                  hello(request: Request): string {\n  const greeting: Greeting = { text: 'Hello' };\n  return greeting.text as \
                  string;\n}\n";
    let server = TestServer::start(RoutesDir::new().with_file("t.ts", script));
    assert_eq!(server.diagnostics(), []);
    assert!(server.get("/t").ends_with("5\r\nHello\r\n0\r\n\r\n"));
}
