//! Removing the file of a middleware removes no guard: its routes stay behind it until the operator confirms the removal.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use tempfile::TempDir;

use crate::support::{Process, RoutesDir, TIMEOUT, TestServer, guest, log};

/// The middleware `layer` in a file. It adds its name to each response.
fn with_layer(routes: RoutesDir, place: &str, name: &str) -> RoutesDir {
    routes
        .with_as(&format!("{place}.wasm"), guest::LAYER)
        .with_file(&format!("{place}.toml"), &format!("name = '{name}'"))
}

/// A route with a path of its own, and with more lines in its file.
fn with_route(routes: RoutesDir, place: &str, path: &str, more: &str) -> RoutesDir {
    routes
        .with_as(&format!("{place}.wasm"), guest::TEXT)
        .with_file(&format!("{place}.toml"), &format!("path = '{path}'\n{more}"))
}

/// The names of the middleware that has seen a response. Empty if none has.
fn trace_of(answer: &str) -> Option<String> {
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    answer.split_once("x-trace: ")?.1.lines().next().map(str::to_owned)
}

fn trace(server: &TestServer, path: &str) -> Option<String> {
    trace_of(&server.get(path))
}

/// Sends requests until this middleware has seen the response at `path`.
#[track_caller]
fn wait_for_trace(server: &TestServer, path: &str, expected: Option<&str>) {
    let start = Instant::now();
    while trace(server, path).as_deref() != expected {
        assert!(start.elapsed() < TIMEOUT, "{path} is still seen by {:?}", trace(server, path));
    }
}

/// The full path of a server's file, as messages have it.
fn displayed_path(server: &TestServer, place: &str) -> String {
    server.routes().path().join(place).display().to_string()
}

/// Sends requests for `path` until `change` has returned. The middleware `name` has seen each response.
#[track_caller]
fn assert_always_behind(server: &TestServer, path: &str, name: &str, change: impl FnOnce()) {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let requests = scope.spawn(|| {
            let going = || !over.load(Ordering::Relaxed);
            std::iter::from_fn(|| going().then(|| server.get(path)))
                .find(|answer| trace_of(answer).as_deref() != Some(name))
        });
        change();
        over.store(true, Ordering::Relaxed);
        let without = requests.join().expect("every answer is whole");
        assert_eq!(without, None, "{path} was answered without {name}");
    });
    assert_eq!(trace(server, path).as_deref(), Some(name));
}

/// A server that watches its routes, with `/guarded` in the directory `in`, behind the middleware `a`.
fn guarded() -> TestServer {
    let routes = with_layer(with_route(RoutesDir::new(), "in/route", "/guarded", ""), "in/_middleware", "a");
    let server = TestServer::builder(routes).watched().start();
    assert_eq!(trace(&server, "/guarded").as_deref(), Some("a"));
    server
}

#[test]
fn a_guard_that_goes_missing_in_any_way_guards_on_and_is_reported() {
    type Way = (&'static str, fn(&RoutesDir), &'static str);
    let ways: [Way; 9] = [
        ("removed", |routes| routes.remove("in/_middleware.wasm"), "_middleware.wasm: this middleware is gone"),
        (
            "renamed",
            |routes| {
                let file = |name| routes.path().join("in").join(name);
                fs::rename(file("_middleware.wasm"), file("_guard.wasm")).expect("a file can be renamed");
            },
            "_middleware.wasm: this middleware is gone",
        ),
        ("emptied", |routes| routes.write("in/_middleware.wasm", b""), "_middleware.wasm: it is not WebAssembly"),
        ("broken", |routes| routes.replace("in/_middleware.wasm", b"Hello"), "_middleware.wasm: it is not WebAssembly"),
        (
            "a handler",
            |routes| routes.replace("in/_middleware.wasm", guest::TEXT.bytes()),
            "_middleware.wasm: it exports neither",
        ),
        (
            "options emptied",
            |routes| routes.write("in/_middleware.toml", b""),
            "as middleware it has lost its option `name`",
        ),
        (
            "options removed",
            |routes| routes.remove("in/_middleware.toml"),
            "as middleware it has lost its option `name`",
        ),
        (
            "one that sees only responses",
            |routes| routes.replace("in/_middleware.wasm", guest::ACCESS_HEADER.bytes()),
            "it has lost its export `on-request`",
        ),
        ("options broken", |routes| routes.write("in/_middleware.toml", b"name = "), "_middleware.toml: line 1"),
    ];
    for (way, change, told) in ways {
        let server = guarded();
        assert_always_behind(&server, "/guarded", "a", || {
            change(server.routes());
            log().wait_for(&["ERROR", &displayed_path(&server, "in/"), told]);
        });
        // A route that comes below it meanwhile is behind it too.
        server.routes().write("in/new.toml", "path = '/new'");
        server.routes().replace("in/new.wasm", guest::TEXT.bytes());
        server.wait_for("/new", "200");
        assert_eq!(trace(&server, "/new").as_deref(), Some("a"), "{way}");
    }
}

#[test]
fn a_missing_guard_is_reported_with_its_paths_and_goes_with_a_reload() {
    let server = guarded();
    server.routes().remove("in/_middleware.wasm");
    let affected = format!("it still guards /guarded of {}", displayed_path(&server, "in/route.wasm"));
    log().wait_for(&[
        "ERROR",
        &displayed_path(&server, "in/_middleware.wasm"),
        &affected,
        "if it is meant to go, reload",
    ]);
    server.reload();
    wait_for_trace(&server, "/guarded", None);
}

#[test]
fn options_that_are_removed_from_a_guard_go_with_a_reload() {
    let server = guarded();
    server.routes().write("in/_middleware.toml", "named = 'b'");
    log().wait_for(&["ERROR", &displayed_path(&server, "in/_middleware.wasm"), "it has lost its option `name`"]);
    server.routes().write("in/_middleware.toml", "name = 'b'");
    wait_for_trace(&server, "/guarded", Some("b"));
    server.routes().remove("in/_middleware.toml");
    server.reload();
    // It cannot do without, and would not be reached if the version before it served.
    server.wait_for("/guarded", "500");
}

#[test]
fn a_guard_that_comes_back_serves_in_its_new_version() {
    let server = guarded();
    server.routes().remove("in/_middleware.wasm");
    log().wait_for(&["ERROR", &displayed_path(&server, "in/_middleware.wasm"), "is gone"]);
    server.routes().write("in/_middleware.toml", "name = 'b'");
    server.routes().replace("in/_middleware.wasm", guest::LAYER.bytes());
    wait_for_trace(&server, "/guarded", Some("b"));
}

#[test]
fn a_guard_that_never_loaded_keeps_its_routes_closed_when_it_is_removed() {
    let routes = with_route(RoutesDir::new(), "in/route", "/guarded", "").with_bytes("in/_middleware.wasm", b"Hello");
    let server = TestServer::builder(routes).watched().start();
    server.wait_for("/guarded", "404");
    server.routes().remove("in/_middleware.wasm");
    log().wait_for(&[
        "ERROR",
        &displayed_path(&server, "in/_middleware.wasm"),
        "what is to be behind it is not served",
    ]);
    server.wait_for("/guarded", "404");
    server.reload();
    server.wait_for("/guarded", "200");
}

#[test]
fn a_named_guard_stays_when_the_route_no_longer_names_it() {
    type Way = (&'static str, fn(&TestServer));
    let ways: [Way; 5] = [
        ("emptied", |server| server.routes().write("text.toml", b"")),
        ("without the line", |server| server.routes().write("text.toml", "status = 200")),
        ("removed", |server| server.routes().remove("text.toml")),
        ("without the guard", |server| server.routes().remove("_x.wasm")),
        ("replaced, its file first", |server| {
            server.routes().remove("text.wasm");
            server.routes().remove("text.toml");
            server.wait_for("/text", "404");
            server.routes().replace("text.wasm", guest::TEXT.bytes());
            server.wait_for("/text", "200");
        }),
    ];
    for (way, change) in ways {
        let routes =
            with_layer(RoutesDir::new(), "_x", "a").with(guest::TEXT).with_file("text.toml", "middleware = ['x']");
        let server = TestServer::builder(routes).watched().start();
        assert_eq!(trace(&server, "/text").as_deref(), Some("a"));
        change(&server);
        log().wait_for(&["ERROR", &server.routes().path().display().to_string(), "/_x.wasm"]);
        server.wait_for("/text", "200");
        assert_eq!(trace(&server, "/text").as_deref(), Some("a"), "{way}");
        server.reload();
        match way {
            "without the guard" => server.wait_for("/text", "200"),
            _ => wait_for_trace(&server, "/text", None),
        }
    }
}

#[test]
fn a_directory_that_is_moved_with_its_guard_is_always_behind_it_once() {
    let server = guarded();
    let root = server.routes().path();
    assert_always_behind(&server, "/guarded", "a", || {
        fs::rename(root.join("in"), root.join("moved-with-guard")).expect("a directory can be renamed");
        log().wait_for(&["+ /guarded  moved-with-guard/route.wasm"]);
    });
}

#[test]
fn a_route_that_takes_the_place_of_a_guarded_one_is_behind_the_guard() {
    let server = guarded();
    server.routes().write("out.toml", "path = '/guarded'");
    server.routes().replace("out.wasm", guest::TEXT.bytes());
    log().wait_for(&["ERROR", &displayed_path(&server, "out.wasm"), "`GET /guarded` is claimed by"]);
    assert_always_behind(&server, "/guarded", "a", || {
        fs::remove_dir_all(server.routes().path().join("in")).expect("a directory can be removed");
        log().wait_for(&["ERROR", &displayed_path(&server, "out.wasm"), "it is still behind", "in/_middleware.wasm"]);
    });
    server.reload();
    wait_for_trace(&server, "/guarded", None);
}

#[test]
fn a_link_that_leads_to_a_directory_without_the_guard_opens_nothing() {
    let releases = TempDir::new().expect("a directory can be made");
    let release = |name: &str, guard: bool| {
        let release = releases.path().join(name);
        fs::create_dir(&release).expect("a directory can be made");
        fs::write(release.join("route.wasm"), guest::TEXT.bytes()).expect("a file can be written");
        fs::write(release.join("route.toml"), "path = '/guarded'").expect("a file can be written");
        if guard {
            fs::write(release.join("_middleware.wasm"), guest::LAYER.bytes()).expect("a file can be written");
            fs::write(release.join("_middleware.toml"), "name = 'a'").expect("a file can be written");
        }
        release
    };
    let routes = RoutesDir::new();
    let link = routes.path().join("in");
    symlink(release("first", true), &link).expect("a link can be made");
    let server = TestServer::builder(routes).watched().start();
    let next = releases.path().join("link");
    symlink(release("second", false), &next).expect("a link can be made");
    assert_always_behind(&server, "/guarded", "a", || {
        fs::rename(&next, &link).expect("a link can be replaced");
        log().wait_for(&[
            "ERROR",
            &displayed_path(&server, "in/_middleware.wasm"),
            "is gone; it still guards /guarded",
        ]);
    });
}

#[test]
fn without_watching_a_guard_is_removed_by_the_next_hangup() {
    let routes = with_layer(with_route(RoutesDir::new(), "route", "/guarded", ""), "_middleware", "a");
    let process = Process::start(&routes, &["--no-watch"]);
    let get = || process.get("/guarded");
    assert_eq!(trace_of(&get()).as_deref(), Some("a"));
    routes.replace("_middleware.wasm", b"Hello");
    process.signal("HUP");
    process.stderr().wait_for(&["ERROR", "_middleware.wasm", "the version before it still serves"]);
    assert_eq!(trace_of(&get()).as_deref(), Some("a"), "what is broken is not meant");
    routes.remove("_middleware.wasm");
    assert_eq!(trace_of(&get()).as_deref(), Some("a"), "nobody has said so");
    process.signal("HUP");
    let start = Instant::now();
    while trace_of(&get()).is_some() {
        assert!(start.elapsed() < TIMEOUT, "it is still guarded");
    }
}
