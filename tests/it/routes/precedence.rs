//! Which of several routes answers a request, by the rules of the book, for paths of files and for patterns.

use crate::support::{RoutesDir, TestServer, plain};

/// A component for each path of a route file. The status of a response tells which component has answered.
fn served(routes: &[(&str, &str)]) -> TestServer {
    let routes = routes.iter().fold(RoutesDir::new(), |directory, (place, file)| {
        directory.with_bytes(&format!("{place}.wasm"), &plain()).with_file(&format!("{place}.toml"), file)
    });
    let server = TestServer::start(routes);
    assert_eq!(server.diagnostics(), []);
    server
}

#[track_caller]
fn expect(server: &TestServer, method: &str, path: &str, status: &str) {
    let answer = server.exchange(format!("{method} {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"));
    assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
}

#[test]
fn a_segment_goes_before_the_rest_from_files_and_from_patterns() {
    let files = [
        ("[id]", "status = 201"),
        ("[...rest]", "status = 202"),
        ("[user]/posts", "status = 203"),
        ("hello", "status = 207"),
        ("files/[...rest]", "status = 208"),
    ];
    let patterns = [
        ("a", "path = '/{id}'\nstatus = 201"),
        ("b", "path = '/{*all}'\nstatus = 202"),
        ("c", "path = '/{user}/posts'\nstatus = 203"),
        ("d", "path = '/hello'\nstatus = 207"),
        ("e", "path = '/files/{*rest}'\nstatus = 208"),
    ];
    for server in [served(&files), served(&patterns)] {
        for (path, status) in [
            ("/hello", "207"),
            ("/other", "201"),
            ("/ada/posts", "203"),
            ("/ada/pages", "202"),
            ("/ada/posts/1", "202"),
            ("/files/posts", "208"),
            ("/files/a/b", "208"),
            ("/files", "201"),
            ("/", "404"),
        ] {
            expect(&server, "GET", path, status);
        }
    }
}

#[test]
fn routes_that_differ_in_methods_alone_are_both_there() {
    let routes = [
        ("read", "path = '/users/{id}'\nmethod = 'GET'\nstatus = 201"),
        ("write", "path = '/users/{name}'\nmethods = ['POST', 'PUT']\nstatus = 202"),
        ("rest", "path = '/{*rest}'\nstatus = 203"),
    ];
    let server = served(&routes);
    for (method, path, status) in [
        ("GET", "/users/7", "201"),
        ("HEAD", "/users/7", "201"),
        ("POST", "/users/7", "202"),
        ("DELETE", "/users/7", "405"),
        ("DELETE", "/users", "203"),
    ] {
        expect(&server, method, path, status);
    }
}

#[test]
fn a_slash_at_the_end_makes_another_path() {
    let server = served(&[
        ("stamp", "status = 201"),
        ("docs/index", "paths = ['/docs', '/docs/']\nstatus = 202"),
        ("[id]/page", "status = 203"),
        ("files/[...rest]", "status = 207"),
    ]);
    for (path, status) in [
        ("/stamp", "201"),
        ("/stamp/", "404"),
        ("/stamp//", "404"),
        ("/docs", "202"),
        ("/docs/", "202"),
        ("/7/page", "203"),
        ("/7/page/", "404"),
        ("/files/a/", "207"),
        ("/files/", "404"),
    ] {
        expect(&server, "GET", path, status);
    }
}
