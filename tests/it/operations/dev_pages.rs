//! The pages of `--dev`: the one at `/`, those that reload themselves, and those of routes that do not serve yet.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use host::config::ErrorDetail;

use crate::support::{RoutesDir, TestServer, guest, plain};

fn dev(routes: RoutesDir) -> TestServer {
    TestServer::builder(routes).error_detail(ErrorDetail::Development).watched().start()
}

/// What a browser gets.
fn page(server: &TestServer, target: &str) -> String {
    server.exchange(format!("GET {target} HTTP/1.1\r\nHost: it\r\nAccept: text/html\r\nConnection: close\r\n\r\n"))
}

/// What the script of a page says that it has seen.
#[track_caller]
fn seen(page: &str) -> &str {
    page.split("data-seen=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .unwrap_or_else(|| panic!("no script: {page}"))
}

#[test]
fn the_page_at_the_root_shows_routes_to_try_and_the_last_requests_and_failure() {
    let routes = RoutesDir::new().with(guest::SCRIPT).with(guest::TRAP).with_bytes("users/[id].wasm", &plain());
    let routes =
        routes.with_bytes("put.wasm", &plain()).with_file("put.toml", "method = 'PUT'").with_bytes("bad.wasm", b"x");
    let server = dev(routes);
    let first = page(&server, "/");
    assert!(first.starts_with("HTTP/1.1 200 OK\r\n") && first.contains("<p>There were none yet.</p>"), "{first}");
    server.get("/script?body=a&x=1");
    server.get("/trap");
    server.get("/absent");
    let shown = page(&server, "/");
    for part in [
        "\r\nContent-Type: text/html; charset=utf-8\r\n",
        "\r\nCache-Control: no-store\r\n",
        "\r\nContent-Security-Policy: default-src 'none'; script-src 'self';",
        "<a href=\"/script\">/script</a></td><td>any</td><td>script.wasm</td>",
        "<td>/users/{id}</td><td>any</td><td>users/[id].wasm</td>",
        "<td>/put</td><td>PUT</td><td>put.wasm</td>",
        "<td>GET /script?body=a&amp;x=1</td><td>200</td>",
        "<td>GET /absent</td><td>404</td>",
        "<h2>The last failure</h2><p>Of trap, in request ",
        "<pre>handler trap wasm trap: ",
        "bad.wasm: it is not WebAssembly",
        "<script src=\"/__dev/reload.js\" data-watch=\"overview\" data-seen=\"",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!shown.contains("<td>GET /</td>"), "the page does not show itself: {shown}");
    let text = server.get("/");
    assert!(text.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"), "{text}");
    for part in ["\n  PUT /put (put.wasm)\n", "\n  GET /absent 404 ", "\nThe last failure, in request "] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_names_and_requests_hold_is_text_on_the_page() {
    let routes = RoutesDir::new()
        .with(guest::SCRIPT)
        .with_bytes("<b onclick=x>\u{202e}.wasm", &plain())
        .with_bytes("'\"&\\.wasm", &plain())
        .with_bytes("<img src=x>.wasm", b"x");
    let server = dev(routes);
    server.get("/script?fail=%3Cscript%3Ealert(2)%3C/script%3E");
    server.get("/'&lt;x");
    let shown = page(&server, "/");
    assert_eq!(shown.matches("<script").count(), 1, "only its own: {shown}");
    assert!(!shown.contains("<img") && !shown.contains("<b ") && !shown.contains('\u{202e}'), "{shown}");
    assert!(shown.contains("href=\"/'%22&amp;%5C\""), "{shown}");
    assert!(shown.contains("&lt;script&gt;alert(2)"), "{shown}");
}

#[test]
fn a_path_that_looks_like_another_host_is_no_link() {
    let routes = RoutesDir::new().with_as("x.wasm", guest::HELLO).with_file("x.toml", "path = '//evil.example/x'");
    let shown = page(&dev(routes), "/");
    assert!(!shown.contains("href=\"//"), "{shown}");
}

#[test]
fn a_route_at_the_root_answers_in_place_of_the_page() {
    let server = dev(RoutesDir::new().with_bytes("index.wasm", &plain()));
    assert!(page(&server, "/").ends_with("\r\n\r\n5\r\nplain\r\n0\r\n\r\n"), "{}", page(&server, "/"));
    // Another method than the page has is refused as before.
    let server = dev(RoutesDir::new());
    let answer = server.exchange("POST / HTTP/1.1\r\nHost: it\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    let answer = server.exchange("HEAD / HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n\r\n"), "{answer}");
}

#[test]
fn without_dev_there_is_no_page_and_no_path_is_reserved() {
    let server = TestServer::start(
        RoutesDir::new()
            .with_as("__dev/reload.js.wasm", guest::HELLO)
            .with_file("__dev/reload.js.toml", "path = '/__dev/reload.js'"),
    );
    assert!(server.get("/").starts_with("HTTP/1.1 404 "));
    assert!(server.get("/__dev/changes").starts_with("HTTP/1.1 404 "));
}

#[test]
fn the_script_and_the_changes_are_served_to_pages_of_this_host_alone() {
    let server = dev(RoutesDir::new());
    let script = server.get("/__dev/reload.js");
    assert!(script.contains("\r\nContent-Type: text/javascript; charset=utf-8\r\n"), "{script}");
    assert!(script.contains("location.reload()"), "{script}");
    let changes = server.get("/__dev/changes?watch=page&seen=another.0.0.0");
    assert!(
        changes.contains("\r\nContent-Type: application/json\r\n") && changes.contains("\"reload\":true"),
        "{changes}"
    );
    assert!(!changes.to_ascii_lowercase().contains("access-control"), "{changes}");
    assert!(server.get("/__dev/other").starts_with("HTTP/1.1 404 "));
    let post = "POST /__dev/changes HTTP/1.1\r\nHost: it\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab";
    let refused = server.exchange(post);
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("\r\nAllow: GET, HEAD\r\n"), "{refused}");
    let foreign = "GET /__dev/changes?foreign HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n";
    assert!(server.exchange(foreign).starts_with("HTTP/1.1 421 "));
    // None of these is a request that the page at the root shows.
    let shown = page(&server, "/");
    assert!(
        !shown.contains("<td>GET /__dev/reload.js") && !shown.contains("<td>GET /__dev/changes?watch=page"),
        "{shown}"
    );
}

#[test]
fn a_page_learns_that_a_route_was_added_and_that_it_was_asked() {
    let server = dev(RoutesDir::new());
    let missing = page(&server, "/text");
    assert!(missing.starts_with("HTTP/1.1 404 "), "{missing}");
    let mut waiting = server.connect();
    waiting.send(format!(
        "GET /__dev/changes?watch=page&seen={} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n",
        seen(&missing)
    ));
    server.routes().write("text.wasm", guest::TEXT.bytes());
    let told = waiting.read_to_end();
    assert!(told.contains("\"reload\":true"), "{told}");
    server.wait_for("/text", "200");
    let shown = page(&server, "/");
    let mut waiting = server.connect();
    let seen = seen(&shown);
    waiting.send(format!(
        "GET /__dev/changes?watch=overview&seen={seen} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"
    ));
    server.get("/text");
    assert!(waiting.read_to_end().contains("\"reload\":true"));
}

#[test]
fn what_answers_a_request_that_changes_something_is_not_asked_for_again() {
    let server = dev(RoutesDir::new());
    let post = "POST /x HTTP/1.1\r\nHost: it\r\nAccept: text/html\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let answer = server.exchange(post);
    assert!(answer.contains("<h1>404 Not Found</h1>") && !answer.contains("<script"), "{answer}");
}

#[test]
fn pages_of_handlers_are_as_their_handlers_have_made_them() {
    let server = dev(RoutesDir::new().with(guest::SCRIPT));
    assert!(!page(&server, "/script?body=a").contains("__dev"));
}

/// A server on which nothing that is added is ever compiled.
fn never_compiling(detail: ErrorDetail) -> (TestServer, tempfile::TempDir) {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let program = directory.path().join("program");
    fs::write(&program, "#!/bin/sh\nexec sleep 1000\n").expect("a file can be written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o700)).expect("its mode can be set");
    let builder = TestServer::builder(RoutesDir::new()).compiling(|it| it.program = Some(program)).error_detail(detail);
    (builder.watched().start(), directory)
}

#[test]
fn a_route_that_is_compiled_for_the_first_time_is_unavailable_and_not_missing() {
    for detail in [ErrorDetail::Public, ErrorDetail::Development] {
        let (server, _directory) = never_compiling(detail);
        server.routes().write("slow.wasm", plain());
        server.routes().write("other.wasm", plain());
        server.routes().write("other.toml", "path = '/elsewhere/{id}'");
        server.wait_for("/slow", "503");
        server.wait_for("/elsewhere/7", "503");
        let answer = server.get("/slow");
        assert!(answer.contains("\r\nRetry-After: 1\r\n"), "{answer}");
        assert!(answer.contains("\r\n\r\nthe route is still being compiled\n"), "{answer}");
        let shows_files = detail == ErrorDetail::Development;
        assert_eq!(answer.contains("slow.wasm"), shows_files, "{answer}");
        // A server that has an answer does not withhold it.
        assert!(server.get("/absent").starts_with("HTTP/1.1 404 "));
        assert!(server.get("/other").starts_with("HTTP/1.1 404 "));
        assert_eq!(page(&server, "/slow").contains("<script src=\"/__dev/reload.js\""), shows_files);
        server.routes().remove("slow.wasm");
        server.wait_for("/slow", "404");
    }
}

#[test]
fn a_route_that_could_not_be_loaded_says_why_to_those_who_develop_alone() {
    let routes = || RoutesDir::new().with_bytes("bad.wasm", b"no component");
    let answer = dev(routes()).get("/bad");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(
        answer.contains("\r\n\r\nthe route could not be loaded\n\nerror: ") && answer.contains("bad.wasm: "),
        "{answer}"
    );
    let answer = TestServer::start(routes()).get("/bad");
    assert!(answer.starts_with("HTTP/1.1 404 ") && !answer.contains("bad.wasm"), "{answer}");
}
