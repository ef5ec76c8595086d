//! A component cannot take the path of another by declaring it: not at a start, not while the other is missing, and not outside
//! its directory.

use std::fs;

use tempfile::TempDir;

use crate::support::{Process, RoutesDir, TestServer, compile_cache, guest, host, log, plain, run, text};

/// Adds a component that declares `/text`. Its responses have this status.
fn declaring(routes: RoutesDir, place: &str, status: u16) -> RoutesDir {
    routes
        .with_as(&format!("{place}.wasm"), guest::TEXT)
        .with_file(&format!("{place}.toml"), &format!("status = {status}"))
}

/// `host run` with its own cache, after all routes are loaded.
fn process(routes: &RoutesDir, arguments: &[&str]) -> Process {
    let mut command = host(&["run", "--listen", "127.0.0.1:0", "--routes"]);
    command.arg(routes.path()).args(arguments);
    let process = Process::spawn(command, 1);
    process.stderr().wait_for(&["routes loaded"]);
    process
}

#[track_caller]
fn expect(process: &Process, path: &str, status: &str) {
    let answer = process.get(path);
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
}

fn stop(process: Process) {
    process.signal("TERM");
    assert!(process.wait().0.success());
}

#[test]
fn a_path_in_a_route_file_beats_one_that_is_declared() {
    for operators in ["aaa", "zzz"] {
        let routes = declaring(RoutesDir::new(), "mmm", 201).with(guest::HELLO);
        let routes = routes.with_as(&format!("{operators}.wasm"), guest::TEXT);
        let routes = routes.with_file(&format!("{operators}.toml"), "paths = ['/text', '/hello']\nstatus = 202");
        let server = TestServer::start(routes);
        for path in ["/text", "/hello"] {
            assert!(server.get(path).starts_with("HTTP/1.1 202 "), "{path}");
        }
        let told = server.diagnostics().iter().filter(|it| it.reason.contains("whose route file sets it"));
        assert_eq!(told.count(), 2, "{:?}", server.diagnostics());
    }
}

#[test]
fn a_path_in_the_route_file_of_a_broken_component_is_not_given_to_another() {
    let routes = declaring(RoutesDir::new(), "mmm", 201).with_bytes("broken.wasm", b"Hello");
    let server = TestServer::builder(routes.with_file("broken.toml", "path = '/text'")).watched().start();
    server.wait_for("/text", "404");
    server.routes().remove("broken.wasm");
    server.routes().remove("broken.toml");
    server.wait_for("/text", "201");
}

#[test]
fn the_path_of_a_file_beats_one_that_is_declared() {
    let routes = declaring(RoutesDir::new(), "mmm", 201);
    let server = TestServer::start(routes.with_bytes("text.wasm", &plain()));
    assert!(server.get("/text").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_file_that_is_missing_for_a_moment_keeps_its_declared_paths() {
    let server = TestServer::builder(declaring(RoutesDir::new(), "mmm", 201)).watched().start();
    server.wait_for("/text", "201");
    server.routes().write("aaa.toml", "status = 202");
    server.routes().replace("aaa.wasm", guest::TEXT.bytes());
    let stranger = server.routes().path().join("aaa.wasm").display().to_string();
    log().wait_for(&["ERROR", &stranger, "which answers there already"]);
    server.routes().remove("mmm.wasm");
    log().wait_for(&["ERROR", &stranger, "which answered there and is gone", "wait 30 s for it to come back"]);
    server.wait_for("/text", "404");
    server.routes().replace("mmm.wasm", guest::TEXT.bytes());
    server.wait_for("/text", "201");
    // That it is meant to go the operator may say.
    server.routes().remove("mmm.wasm");
    server.reload();
    server.wait_for("/text", "202");
}

#[test]
fn the_holder_of_a_path_keeps_it_after_a_restart() {
    let (routes, cache) = (declaring(RoutesDir::new(), "mmm", 201), TempDir::new().expect("a directory can be made"));
    let cache = cache.path().display().to_string();
    let kept = ["--cache-dir", cache.as_str()];
    let first = process(&routes, &kept);
    expect(&first, "/text", "201");
    stop(first);
    routes.write("aaa.toml", "status = 202");
    routes.replace("aaa.wasm", guest::TEXT.bytes());
    let second = process(&routes, &kept);
    expect(&second, "/text", "201");
    second.stderr().wait_for(&["ERROR", "aaa.wasm", "which answers there already"]);
    stop(second);
    // Who only looks is told the same, and changes nothing.
    let checked = run(host(&["check", "--cache-dir", &cache]).arg(routes.path()));
    assert!(text(&checked.stdout).contains("which answers there already"), "{checked:?}");
    // It went while nobody looked, and may come back.
    let aside = routes.path().join("_aside");
    fs::rename(routes.path().join("mmm.wasm"), &aside).expect("a file can be renamed");
    let third = process(&routes, &kept);
    expect(&third, "/text", "404");
    fs::rename(&aside, routes.path().join("mmm.wasm")).expect("a file can be renamed");
    third.stderr().wait_for(&["+ /text  mmm.wasm"]);
    expect(&third, "/text", "201");
    stop(third);
    // Nothing is remembered without a cache, nor what is damaged.
    let forgetful = process(&routes, &["--no-cache"]);
    expect(&forgetful, "/text", "404");
    stop(forgetful);
    for file in fs::read_dir(format!("{cache}/holders")).expect("it is there") {
        fs::write(file.expect("it can be read").path(), "{").expect("a file can be written");
    }
    let damaged = process(&routes, &kept);
    damaged.stderr().wait_for(&["WARN", "who held which path is not remembered: ", "it is damaged"]);
    expect(&damaged, "/text", "404");
}

#[test]
fn a_component_declares_only_what_lies_below_its_directory_unless_the_operator_allows_more() {
    let routes = |file: &str| {
        let routes = RoutesDir::new().with_as("shop/text.wasm", guest::TEXT).with_as("hello/it.wasm", guest::HELLO);
        routes.with_file("shop/text.toml", file)
    };
    let cache = compile_cache().display().to_string();
    for (arguments, file, found, lost) in [
        (&[][..], "", &["/shop/text", "/hello"][..], &["/text"][..]),
        (&["--declare", "any"], "", &["/text", "/hello"], &["/shop/text"]),
        (&["--declare", "nothing"], "", &["/shop/text", "/hello/it"], &["/text", "/hello"]),
        (&[], "declare = 'any'", &["/text"], &["/shop/text"]),
        (&["--declare", "any"], "declare = 'nothing'", &["/shop/text"], &["/text"]),
        (&[], "path = '/set'", &["/set"], &["/text", "/shop/text"]),
    ] {
        let routes = routes(file);
        let process = process(&routes, &[&["--cache-dir", cache.as_str()], arguments].concat());
        found.iter().for_each(|path| expect(&process, path, "200"));
        lost.iter().for_each(|path| expect(&process, path, "404"));
    }
    let output = run(host(&["check", "--cache-dir", &cache]).arg(routes("").path()));
    let told = "shop/text.wasm: it declares the path `/text`, and a component declares paths of its directory and below; \
                it answers at its place\n  remedy: to allow it, write its path or `declare = \"any\"` into ";
    assert!(text(&output.stdout).contains(told), "{output:?}");
    assert!(output.status.success());
    let refused = run(host(&["check", "--declare", "all"]).arg(routes("").path()));
    assert!(text(&refused.stderr).contains("expected `nothing`, `below` or `any`"), "{refused:?}");
}
