//! Middleware guards paths, whichever file has the route.

use crate::support::{RoutesDir, TestServer, compile_cache, guest, host, log, run, text};

/// The middleware `layer` in a file. It adds its name to each response.
fn with_layer(routes: RoutesDir, place: &str, name: &str, more: &str) -> RoutesDir {
    let file = format!("name = '{name}'\n{more}");
    routes.with_as(&format!("{place}.wasm"), guest::LAYER).with_file(&format!("{place}.toml"), &file)
}

fn with_route(routes: RoutesDir, place: &str, file: &str) -> RoutesDir {
    routes.with_as(&format!("{place}.wasm"), guest::TEXT).with_file(&format!("{place}.toml"), file)
}

/// The names of the middleware that has seen the response at each path. Empty if none has.
#[track_caller]
fn expect(server: &TestServer, expected: &[(&str, Option<&str>)]) {
    for (path, by) in expected {
        let answer = server.get(path);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
        let trace = answer.split_once("x-trace: ").and_then(|(_, after)| after.lines().next());
        assert_eq!(trace, *by, "{path}");
    }
}

#[test]
fn the_middleware_of_a_directory_guards_what_others_answer_below_its_path() {
    let routes = with_layer(RoutesDir::new(), "account/_middleware", "a", "");
    let routes = with_route(routes, "account/index", "path = '/account'");
    let routes = with_route(routes, "stranger", "paths = ['/account/', '/account/x', '/accounts', '/']");
    let routes = with_route(routes, "[...rest]", "path = '/{*rest}'");
    let server = TestServer::start(with_route(routes, "account/out", "path = '/out'"));
    assert_eq!(server.diagnostics(), []);
    let guarded = ["/account", "/account/", "/account/x", "/account/y", "/account/y/z/", "/%61ccount/y", "/out"];
    expect(&server, &guarded.map(|path| (path, Some("a"))));
    expect(&server, &["/", "/accounts", "/other/account/x", "/account%2Fx"].map(|path| (path, None)));
}

#[test]
fn a_middleware_guards_the_paths_of_its_file_and_once() {
    let routes = with_layer(RoutesDir::new(), "_auth", "a", "paths = ['/account/{*rest}', '/{user}/settings']");
    let routes = with_layer(routes, "_middleware", "b", "");
    let routes = with_route(routes, "named", "path = '/account/named'\nmiddleware = ['auth']");
    let routes = with_route(routes, "both", "paths = ['/both', '/account/both']");
    let routes = with_route(routes, "in/deep/[...rest]", "path = '/{*rest}'");
    let server = TestServer::start(routes);
    assert_eq!(server.diagnostics(), []);
    expect(
        &server,
        &["/account/named", "/account/both", "/account/x", "/account", "/ada/settings"].map(|path| (path, Some("ab"))),
    );
    expect(&server, &["/both", "/ada", "/ada/settings/x"].map(|path| (path, Some("b"))));
    // The chain of the first route at a path sees the host's own answers too.
    let refused = server.exchange("BREW /account/x HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    assert!(refused.starts_with("HTTP/1.1 501 "), "{refused}");
    let output = run(host(&["routes", "--cache-dir"]).arg(compile_cache()).arg("--routes").arg(server.routes().path()));
    let printed = text(&output.stdout);
    assert!(printed.contains("behind _middleware, _auth at some of them\n"), "{printed}");
    assert!(printed.contains("behind _middleware, _auth\n"), "{printed}");
}

#[test]
fn a_guarded_path_is_not_served_while_its_guard_cannot_be_loaded() {
    let routes =
        RoutesDir::new().with_bytes("_auth.wasm", b"Hello").with_file("_auth.toml", "path = '/account/{*rest}'");
    let routes = with_route(routes, "in", "path = '/account/x'");
    let routes = with_route(routes, "out", "path = '/out'");
    let server = TestServer::start(with_route(routes, "rest", "path = '/{*rest}'"));
    for path in ["/account/x", "/account/y"] {
        assert!(server.get(path).starts_with("HTTP/1.1 404 "), "{path}");
    }
    expect(&server, &[("/out", None)]);
    let told = server.diagnostics().iter().filter(|it| it.reason.contains("_auth.wasm cannot be loaded"));
    assert_eq!(told.count(), 2, "{:?}", server.diagnostics());
}

#[test]
fn a_path_guard_that_is_removed_or_loses_a_path_still_guards_it() {
    type Way = (&'static str, fn(&RoutesDir));
    let ways: [Way; 3] = [
        ("this middleware is gone; it still guards", |routes| routes.remove("_auth.wasm")),
        ("as middleware it has lost its path `/account/{*rest}`", |routes| routes.write("_auth.toml", "name = 'a'")),
        ("as middleware it has lost its option `name`", |routes| routes.remove("_auth.toml")),
    ];
    for (told, change) in ways {
        let routes = with_layer(RoutesDir::new(), "_auth", "a", "paths = ['/account/{*rest}']");
        let server = TestServer::builder(with_route(routes, "in", "path = '/account/x'")).watched().start();
        expect(&server, &[("/account/x", Some("a"))]);
        change(server.routes());
        log().wait_for(&["ERROR", &server.routes().path().join("_auth.wasm").display().to_string(), told]);
        expect(&server, &[("/account/x", Some("a"))]);
    }
}

#[test]
fn a_middleware_that_is_added_guards_its_path_at_once() {
    let routes = with_layer(RoutesDir::new(), "_auth", "a", "");
    let server = TestServer::builder(with_route(routes, "in", "path = '/account/x'\nstatus = 200")).watched().start();
    expect(&server, &[("/account/x", None)]);
    server.routes().write("_auth.toml", "name = 'a'\npath = '/account/x'\nstatus = 1");
    let file = server.routes().path().join("_auth.toml").display().to_string();
    log().wait_for(&["ERROR", &file, "line 3: option `status` is a route's"]);
    expect(&server, &[("/account/x", None)]);
    server.routes().write("_auth.toml", "name = 'a'\npath = '/account/x'");
    let start = std::time::Instant::now();
    while !server.get("/account/x").contains("x-trace: a") {
        assert!(start.elapsed() < crate::support::TIMEOUT, "it is not guarded");
    }
}

#[test]
fn a_path_guard_that_is_moved_guards_on_and_runs_once() {
    let routes = with_layer(RoutesDir::new(), "_auth", "a", "paths = ['/account/{*rest}']");
    let server = TestServer::builder(with_route(routes, "in", "path = '/account/x'")).watched().start();
    let place = |name: &str| server.routes().path().join(name);
    std::fs::create_dir(place("guards")).expect("a directory can be made");
    for file in ["_auth.toml", "_auth.wasm"] {
        std::fs::rename(place(file), place("guards").join(file)).expect("a file can be renamed");
    }
    // What comes with the change is served once it is.
    server.routes().write("also.toml", "path = '/account/also'");
    server.routes().write("also.wasm", std::fs::read(place("in.wasm")).expect("it is there"));
    server.wait_for("/account/also", "200");
    expect(&server, &[("/account/x", Some("a")), ("/account/also", Some("a"))]);
}

#[test]
fn a_guard_that_never_loaded_keeps_its_paths_closed_when_it_breaks_or_is_removed() {
    type Way = fn(&RoutesDir);
    let ways: [Way; 3] = [
        |routes| routes.write("_auth.toml", ""),
        |routes| routes.remove("_auth.toml"),
        |routes| routes.remove("_auth.wasm"),
    ];
    for change in ways {
        let routes = RoutesDir::new().with_bytes("_auth.wasm", b"Hello").with_file("_auth.toml", "path = '/account/x'");
        let server = TestServer::builder(with_route(routes, "in", "path = '/account/x'")).watched().start();
        server.wait_for("/account/x", "404");
        change(server.routes());
        server.routes().write("also.toml", "path = '/also'");
        server.routes().write("also.wasm", std::fs::read(server.routes().path().join("in.wasm")).expect("it is there"));
        server.wait_for("/also", "200");
        server.wait_for("/account/x", "404");
        server.reload();
        server.wait_for("/account/x", "200");
    }
}

#[test]
fn a_middleware_that_cannot_be_read_is_reported_though_no_route_names_it() {
    let routes = with_layer(RoutesDir::new(), "_auth", "a", "paths = '/account/x'");
    let server = TestServer::start(with_route(routes, "in", "path = '/account/x'"));
    let told: Vec<String> = server.diagnostics().iter().map(|it| it.reason.clone()).collect();
    assert_eq!(
        told,
        [
            "line 2: `paths` is something else; expected a list of texts that is not empty, as in [\"/hello\", \"/page/{id}\"]"
        ]
    );
}
