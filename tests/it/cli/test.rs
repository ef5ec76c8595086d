//! `host test` and `host call --record`: requests in files, and what is said where a response is another than expected.

use std::process::Output;

use crate::support::{RoutesDir, compile_cache, guest, host, run, text};

/// Runs `host test` on a routes directory.
fn test(routes: &RoutesDir, arguments: &[&str]) -> Output {
    run(host(&["test", "--cache-dir"]).arg(compile_cache()).arg(routes.path()).args(arguments))
}

/// What it has printed, without the path of the directory.
fn printed(output: &Output, routes: &RoutesDir) -> String {
    text(&output.stdout).replace(&format!("{}/", routes.path().display()), "")
}

fn routes(requests: &str) -> RoutesDir {
    RoutesDir::new().with(guest::SCRIPT).with_file("script.http", requests)
}

#[test]
fn requests_whose_expectations_hold_are_ok() {
    let routes = routes(
        "### Says hello\n# expect status 201\n# expect field content-type text/html; charset=utf-8\n\
         # expect field x-a\n# expect no field x-b\n# expect body Hello\n\
         GET /script?status=201&set=x-a:1&body=Hello\n\n\
         ### Echoes\n# expect body contains o w\nPOST http://it.example/script?read HTTP/1.1\nX-A: b\n\nHello world\n\n\
         ###\n# expect closed\nGET /script?close\n\n\
         ###\n# expect truncated\nGET /script?write=a&trap\n\n\
         ###\n# expect status 404\nGET /none\n###\nHEAD /script?body=a\n###\n# body \\x00\n# expect body 1\nPUT /script?count\n\
         ###\nGET /script?write=a&manual\n",
    );
    let output = test(
        &routes.with_file("sub/deep.http", "# expect body it.example\nGET http://it.example/script?body=it.example\n"),
        &[],
    );
    let routes_printed = text(&output.stdout);
    assert!(output.status.success(), "{output:?}");
    assert!(routes_printed.ends_with("9 requests; 9 ok, 0 failed\n"), "{routes_printed}");
    assert!(
        routes_printed.contains("script.http:7  GET /script?status=201&set=x-a:1&body=Hello  Says hello\n"),
        "{routes_printed}"
    );
}

#[test]
fn requests_in_the_directory_of_a_site_are_for_its_name_unless_they_say_another() {
    let routes = RoutesDir::new().with_as("@example.org/script.wasm", guest::SCRIPT).with_file(
        "@example.org/script.http",
        "# expect body a\nGET /script?body=a\n###\n# expect status 421\nGET http://a.test/script\n",
    );
    let output = test(&routes, &[]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn what_is_expected_and_what_came_are_told_with_file_and_line() {
    let routes = routes(
        "# expect status 200\n# expect body Hi\nGET /script?status=500&body=Hello\n###\nGET /none\n###\nGET /script?close\n\
         ###\nGET /script?write=a&trap\n###\nGET /script?body=a\n",
    );
    let output = test(&routes, &[]);
    let expected = "failed  script.http:3  GET /script?status=500&body=Hello\n  \
         line 1: expected status 200, got 500\n  line 2: expected the body `Hi`, got `Hello`\n\
         failed  script.http:5  GET /none\n  line 5: expected a status below 400, got 404\n\
         failed  script.http:7  GET /script?close\n  line 7: expected a status below 400, got a closed connection without a \
         response\n\
         failed  script.http:9  GET /script?write=a&trap\n  line 9: expected a complete response, got one that breaks off\n\
         ok      script.http:11  GET /script?body=a\n\
         5 requests; 1 ok, 4 failed\n";
    assert_eq!(printed(&output, &routes), expected);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("handler script "), "the log says why");
}

#[test]
fn middleware_and_options_hold() {
    let routes = RoutesDir::new().with_as("in/script.wasm", guest::SCRIPT).with_as("in/_middleware.wasm", guest::LAYER);
    let routes =
        routes.with_file("in/_middleware.toml", "name = 'a'").with_file("in/script.toml", "path = '/in'\nstatus = 202");
    let routes = routes.with_file(
        "in/script.http",
        "# expect status 202\n# expect field x-trace a\n# expect body b\nGET /in?body=b\n",
    );
    let output = test(&routes, &[]);
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn one_component_is_tested_with_the_file_beside_it_or_another() {
    let routes =
        routes("# expect body a\nGET /script?body=a\n").with_file("other.http", "GET /script?status=500&body=\n");
    let of = |arguments: &[&str]| {
        let component = routes.path().join("script.wasm");
        run(host(&["test", "--cache-dir"]).arg(compile_cache()).arg(component).args(arguments))
    };
    assert!(of(&[]).status.success());
    let other = routes.path().join("other.http").display().to_string();
    assert_eq!(of(&[&other]).status.code(), Some(1));
}

#[test]
fn what_cannot_be_tested_is_said_with_its_remedy() {
    let empty = RoutesDir::new().with(guest::SCRIPT);
    let output = test(&empty, &[]);
    let said = format!(
        "error: there is no .http file in {}; write one beside a handler, as `host call --record FILE` does\n",
        empty.path().display()
    );
    assert_eq!((text(&output.stderr), output.status.code()), (said.as_str(), Some(2)));
    let wrong = routes("GET /script\n###\n# expect nothing\nGET /\n");
    let output = test(&wrong, &[]);
    let said = text(&output.stderr);
    assert!(said.contains("script.http: line 3: `nothing` is no expectation; write `status CODE`, "), "{said}");
    let broken = routes("GET /script?body=a\n").with_bytes("broken.wasm", b"");
    let output = test(&broken, &[]);
    assert_eq!(output.status.code(), Some(1), "a component that cannot be loaded is a failure: {output:?}");
}

#[test]
fn what_a_call_records_is_a_test_that_holds() {
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let (component, file) = (routes.path().join("script.wasm"), routes.path().join("script.http"));
    let call = |arguments: &[&str]| {
        let mut call = host(&["call", "--cache-dir"]);
        call.arg(compile_cache()).arg(&component).arg("--record").arg(&file).args(arguments);
        run(&mut call);
    };
    call(&["--path", "/script?status=201&set=content-type:text/plain&body=Hello%0A", "--field", "X-A: b"]);
    call(&["--path", "/script?read", "--body", "to be echoed\n"]);
    call(&["--path", "/script?close"]);
    call(&["--path", "/script?write=a&trap"]);
    let recorded = std::fs::read_to_string(&file).expect("it was written");
    let first = "### GET /script?status=201&set=content-type:text/plain&body=Hello%0A\n# expect status 201\n\
         # expect field content-type text/plain\n# expect body Hello\\n\n\
         GET /script?status=201&set=content-type:text/plain&body=Hello%0A\nX-A: b\n\n";
    assert!(recorded.starts_with(first), "{recorded}");
    let output = test(&routes, &[]);
    assert!(text(&output.stdout).ends_with("4 requests; 4 ok, 0 failed\n"), "{output:?}\n{recorded}");
}
