//! Which files are the middleware of a route, and that none of them is ever left out.

use std::fs;

use crate::support::{RoutesDir, TestServer, compile_cache, guest, host, run, text};

/// The directory in an expected message.
const DIR: &str = "ROUTES";

const AGAINST: &str = "build it against the `wit/world.wit` of this host; in Rust, put `#[on_request]` or \
    `#[on_response]` of guest-sdk on a function; a handler's file has a name without `_`";

/// The middleware `layer` in a file, with a name of its own.
fn with_layer(routes: RoutesDir, place: &str, name: &str) -> RoutesDir {
    routes
        .with_as(&format!("{place}.wasm"), guest::LAYER)
        .with_file(&format!("{place}.toml"), &format!("name = '{name}'"))
}

/// The names of the middleware that has seen the response at `path`. Empty if none has.
#[track_caller]
fn trace(server: &TestServer, path: &str) -> Option<String> {
    let answer = server.get(path);
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let after = answer.split_once("x-trace: ")?.1;
    Some(after.lines().next().unwrap_or_default().to_owned())
}

/// What `host check` prints, and whether it succeeds.
#[track_caller]
fn assert_checked(routes: &RoutesDir, place: &str, expected: &str) {
    let root = routes.path().display().to_string();
    let path = if place.is_empty() { routes.path().to_owned() } else { routes.path().join(place) };
    let output = run(host(&["check", "--cache-dir"]).arg(compile_cache()).arg(path));
    assert_eq!(text(&output.stdout).replace(&root, DIR), expected.replace("AGAINST", AGAINST));
    assert_eq!(output.status.code(), Some(i32::from(!expected.contains("; 0 errors"))));
}

#[test]
fn a_directory_is_behind_the_middleware_in_it_and_above_and_no_other() {
    let routes = RoutesDir::new().with_as("plain.wasm", guest::TEXT).with_file("plain.toml", "path = '/plain'");
    let routes = with_layer(with_layer(routes, "_middleware", "a"), "in/_middleware", "b");
    let routes = with_layer(routes, "in/other/_middleware", "c");
    let server =
        TestServer::start(routes.with_as("in/plain.wasm", guest::TEXT).with_file("in/plain.toml", "path = '/in'"));
    assert_eq!(server.diagnostics(), []);
    assert_eq!([trace(&server, "/plain"), trace(&server, "/in")], [Some("a".to_owned()), Some("ba".to_owned())]);
}

#[test]
fn a_name_means_the_nearest_middleware_and_unnamed_middleware_is_not_loaded() {
    let routes = with_layer(with_layer(RoutesDir::new(), "_x", "a"), "in/_x", "b");
    let routes = routes.with_bytes("_draft.wasm", b"").with_bytes("in/_draft.wasm", b"");
    let named = |path: &str| format!("path = '{path}'\nmiddleware = ['x']");
    let routes = routes.with_as("one.wasm", guest::TEXT).with_file("one.toml", &named("/one"));
    let routes = routes.with_as("in/two.wasm", guest::TEXT).with_file("in/two.toml", &named("/two"));
    let server = TestServer::start(routes.with(guest::TEXT));
    assert_eq!(server.diagnostics(), []);
    let traces = ["/one", "/two", "/text"].map(|path| trace(&server, path));
    assert_eq!(traces, [Some("a".to_owned()), Some("b".to_owned()), None]);
    assert!(server.get("/_x").starts_with("HTTP/1.1 404 "), "it is no route");
}

#[test]
fn a_component_alone_is_served_without_middleware() {
    let routes = with_layer(RoutesDir::new().with(guest::TEXT), "_middleware", "a");
    let routes = routes.with_file("text.toml", "middleware = ['missing']");
    assert_checked(&routes, "text.wasm", "1 route; 0 errors, 0 warnings\n");
    assert_checked(&routes, "_middleware.wasm", "0 routes; 0 errors, 0 warnings\n");
}

#[test]
fn a_route_whose_middleware_is_broken_or_missing_is_not_served() {
    let routes = RoutesDir::new()
        .with(guest::TEXT)
        .with_file("text.toml", "middleware = ['missing']")
        .with_as("broken/text.wasm", guest::TEXT)
        .with_file("broken/text.toml", "path = '/broken'")
        .with_bytes("broken/_middleware.wasm", b"Hello");
    let expected = "\
error: ROUTES/broken/_middleware.wasm: it is not WebAssembly: it does not begin with `\\0asm`
  remedy: give a component in its place; was the file copied or built completely?
error: ROUTES/broken/text.wasm: its middleware ROUTES/broken/_middleware.wasm cannot be loaded; the route is not \
served without it
  remedy: mend that file, or remove it if the route is to be served without
error: ROUTES/text.wasm: its middleware `missing` is not there: there is no `_missing.wasm` in its directory or above; \
the route is not served without it
  remedy: put it there, or take its name out of the route's file
0 routes; 3 errors, 0 warnings
";
    assert_checked(&routes, "", expected);
    let server = TestServer::start(routes);
    for path in ["/text", "/broken"] {
        assert!(server.get(path).starts_with("HTTP/1.1 404 "), "{path}");
    }
}

#[test]
fn a_file_whose_name_begins_with_an_underscore_is_middleware() {
    let below = || RoutesDir::new().with(guest::TEXT);
    let directory = below();
    fs::create_dir(directory.path().join("_middleware.wasm")).expect("a directory can be made");
    let link = below();
    std::os::unix::fs::symlink("nowhere", link.path().join("_middleware.wasm")).expect("a link can be made");
    let handler = below().with_as("_middleware.wasm", guest::HELLO);
    let options = below().with_as("_middleware.wasm", guest::LAYER).with_file("_middleware.toml", "name = ");
    for routes in [directory, link, handler, options] {
        let server = TestServer::start(routes);
        assert!(server.get("/text").starts_with("HTTP/1.1 404 "), "{:?}", server.diagnostics());
    }
}

#[test]
fn all_errors_of_middleware_are_reported_together() {
    let routes = RoutesDir::new()
        .with_as("_middleware.wasm", guest::HELLO)
        .with_file("_middleware.toml", "rate = 1\nmemory = 1\nown = 1")
        .with_as("in/_middleware.wasm", guest::LAYER)
        .with_file("in/_middleware.toml", "path = '/x'\nmiddleware = ['y']")
        .with_as("layer.wasm", guest::LAYER)
        .with(guest::TEXT)
        .with_file("text.toml", "middleware = ['_ok', 'a/b', 'x', 'x']")
        .with_as("word.wasm", guest::TEXT)
        .with_file("word.toml", "path = '/word'\nmiddleware = 'auth'");
    let expected = "\
error: ROUTES/_middleware.toml: line 1: option `rate` is a route's; expected one of a middleware: `memory`, `timeout`, \
or one of its own
  remedy: write what is expected in its place
error: ROUTES/_middleware.wasm: it exports neither the function `on-request` nor `on-response` of the world \
`vibrato:handler/middleware@0.1.0`; it exports `describe`, `handle`
  remedy: AGAINST
error: ROUTES/in/_middleware.toml: line 2: a middleware has no `middleware`
  remedy: remove it: a middleware is for the routes below its directory, for its `paths`, and for those that name it
error: ROUTES/layer.wasm: it does not export the function `handle` of the world `vibrato:handler/handler@0.1.0`; it \
exports `on-request`, `on-response`: a middleware, whose file's name begins with `_`
  remedy: build it against the `wit/world.wit` of this host; in Rust, put `#[handler]` of guest-sdk on a function
error: ROUTES/text.toml: line 1: `middleware` names `a/b`; expected names of letters, digits, `_` and `-`, each once \
and 16 at most, as in [\"auth\"] for `_auth.wasm`
  remedy: write what is expected in its place
error: ROUTES/word.toml: line 2: `middleware` is something else; expected a list of names, as in [\"auth\"]
  remedy: write what is expected in its place
0 routes; 6 errors, 0 warnings
";
    assert_checked(&routes, "", expected);
}

#[test]
fn routes_prints_the_chain() {
    let routes = with_layer(with_layer(RoutesDir::new(), "_middleware", "a"), "_x", "b");
    let routes = routes.with(guest::TEXT).with_file("text.toml", "middleware = ['x']");
    let mut routes_of = host(&["routes", "--cache-dir"]);
    let output = run(routes_of.arg(compile_cache()).arg("--routes").arg(routes.path()));
    assert!(text(&output.stdout).contains("\n           behind _middleware, _x\n"), "{output:?}");
    let mut routes_of = host(&["routes", "--json", "--cache-dir"]);
    let output = run(routes_of.arg(compile_cache()).arg("--routes").arg(routes.path()));
    let table: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let file = |name: &str| routes.path().join(name).display().to_string();
    assert_eq!(table["routes"][0]["middleware"], serde_json::json!([file("_middleware.wasm"), file("_x.wasm")]));
}

/// Sends requests until this middleware has seen the response at `path`.
#[track_caller]
fn wait_for_trace(server: &TestServer, path: &str, expected: Option<&str>) {
    let start = std::time::Instant::now();
    while trace(server, path).as_deref() != expected {
        assert!(start.elapsed() < crate::support::TIMEOUT, "{path} is still seen by {:?}", trace(server, path));
    }
}

#[test]
fn a_change_of_middleware_takes_effect_for_all_its_routes() {
    let routes = RoutesDir::new()
        .with(guest::TEXT)
        .with_as("in/other.wasm", guest::TEXT)
        .with_file("in/other.toml", "path = '/other'");
    let server = TestServer::builder(routes).watched().start();
    assert_eq!(trace(&server, "/text"), None);
    server.routes().write("_middleware.toml", "name = 'a'");
    server.routes().replace("_middleware.wasm", guest::LAYER.bytes());
    wait_for_trace(&server, "/other", Some("a"));
    assert_eq!(trace(&server, "/text").as_deref(), Some("a"), "all of them at once");
    server.routes().write("_middleware.toml", "name = 'b'");
    wait_for_trace(&server, "/text", Some("b"));
    assert_eq!(trace(&server, "/other").as_deref(), Some("b"), "all of them at once");
    server.routes().remove("_middleware.wasm");
    server.reload();
    wait_for_trace(&server, "/text", None);
}

#[test]
fn a_change_that_breaks_middleware_leaves_its_routes_behind_the_version_before() {
    let routes = with_layer(RoutesDir::new().with(guest::TEXT), "_middleware", "a");
    let server = TestServer::builder(routes).watched().start();
    server.routes().replace("_middleware.wasm", b"Hello");
    let file = server.routes().path().join("_middleware.wasm").display().to_string();
    crate::support::log().wait_for(&["ERROR", &file, "not WebAssembly", "the version before it still serves"]);
    assert_eq!(trace(&server, "/text").as_deref(), Some("a"));
    // A route that comes meanwhile is behind it too.
    server.routes().write("new.toml", "path = '/new'");
    server.routes().replace("new.wasm", guest::TEXT.bytes());
    server.wait_for("/new", "200");
    assert_eq!(trace(&server, "/new").as_deref(), Some("a"));
}

#[test]
fn a_route_is_served_as_before_until_the_middleware_that_it_names_is_there() {
    let server = TestServer::builder(RoutesDir::new().with(guest::TEXT)).watched().start();
    server.routes().write("text.toml", "middleware = ['late']\nstatus = 201");
    let file = server.routes().path().join("text.wasm").display().to_string();
    crate::support::log().wait_for(&["ERROR", &file, "`late` is not there", "the version before it still serves"]);
    assert_eq!(trace(&server, "/text"), None);
    server.routes().write("_late.toml", "name = 'a'");
    server.routes().replace("_late.wasm", guest::LAYER.bytes());
    server.wait_for("/text", "201");
    assert!(server.get("/text").contains("x-trace: a\r\n"));
}
