//! What handlers say with the packages that come with `host new`: one source in each language, and the same answers of all.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::new::{built, make, with_tools};
use crate::support::script::{can_run, serve};
use crate::support::{RoutesDir, TestServer, guest, log, run, text};

const PYTHON: &str = include_str!("packages/handler.py");
const GO: &str = include_str!("packages/handler.go");
const JAVASCRIPT: &str = include_str!("packages/handler.js");

/// What the handler in Go does not declare itself.
const DECLARED: &str = "path = '/own/{what}'\ngreeting = 'Hi'\nnumbers = [1, 2]\n";

/// The tool of a language that is there when all of them are.
const ESBUILD: &str = "node_modules/.bin/esbuild";

/// The folder of a project, and a server of what is built of it with another source.
fn project(language: &str, tool: &str, files: &[(&str, &str)]) -> Option<(RoutesDir, Command, TestServer)> {
    let mut command = with_tools(language, tool)?;
    let folder = RoutesDir::new();
    make(&folder, "own", &["--lang", language]);
    for (place, source) in files {
        folder.write(&format!("own/{place}"), source);
    }
    let bytes = built(&folder, "own", &mut command, Path::new("own.wasm"));
    let routes = RoutesDir::new().with_bytes("own.wasm", &bytes);
    // Components in Go declare nothing.
    let routes = if language == "go" { routes.with_file("own.toml", DECLARED) } else { routes };
    let server = TestServer::start(routes);
    assert_eq!(server.diagnostics(), []);
    Some((folder, command, server))
}

fn get(target: &str, fields: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: it\r\n{fields}Connection: close\r\n\r\n")
}

fn post(target: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {target} HTTP/1.1\r\nHost: it\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=\"-x\"";

/// A part of a form with this boundary, from its delimiter on.
fn part(disposition: &str, more: &str, content: &str) -> String {
    format!("---x\r\nContent-Disposition: form-data; {disposition}\r\n{more}\r\n{content}\r\n")
}

/// The body of an answer, out of its chunks.
fn body(answer: &str) -> String {
    let (head, mut rest) = answer.split_once("\r\n\r\n").expect("it has a head");
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return rest.to_owned();
    }
    let mut whole = String::new();
    while let Some((length, after)) = rest.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).expect("a length");
        if length == 0 {
            break;
        }
        whole += &after[..length];
        rest = &after[length + "\r\n".len()..];
    }
    whole
}

/// JSON without spaces, which languages set in different places.
fn compact(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => value.to_string(),
        Err(_) => text.to_owned(),
    }
}

/// What is the same in each language.
#[track_caller]
fn assert_helpers(server: &TestServer) {
    let is = |request: &[u8], status: &str, expected: &str| {
        let answer = server.exchange(request);
        let shown = String::from_utf8_lossy(&request[..request.len().min(300)]);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{shown}\n{answer}");
        assert_eq!(compact(&body(&answer)), compact(expected), "{shown}\n{answer}");
        answer
    };
    let of = |target: &str, fields: &str, status: &str, expected: &str| {
        is(get(&format!("/own/{target}"), fields).as_bytes(), status, expected)
    };
    of("query?y=1&x=a+b%26&x=%C3%BC&x", "", "200", "a b&|\u{fc}|");
    let cookies = of("cookies", "Cookie: a=1; b=\"2\"; a=3\r\n", "200", "1 2");
    assert!(cookies.contains("\r\nset-cookie: seen=a%20b; Path=/; HttpOnly; SameSite=Lax\r\n"), "{cookies}");
    of("prefers", "Accept: text/*;q=0.5, application/json\r\n", "200", "application/json");
    of("prefers", "Accept: */*\r\n", "200", "text/html");
    of("prefers", "Accept: text/html;q=0, image/png\r\n", "200", "neither");
    let redirect = of("redirect", "", "303", "");
    assert!(redirect.contains("\r\nlocation: /elsewhere\r\n"), "{redirect}");
    let made = of("status", "", "201", "{\"made\":true}");
    assert!(
        made.contains("\r\nx-a: 1\r\nx-a: 2\r\n") && made.contains("\r\ncontent-type: application/json\r\n"),
        "{made}"
    );
    of("object", "", "200", "{\"a\":[1,null],\"b\":\"\u{fc}\"}");
    of("bytes", "", "200", "hi");
    let chunks = server.exchange(get("/own/chunks", ""));
    assert!(chunks.ends_with("\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"), "{chunks}");
    assert_eq!(server.exchange(get("/own/close", "")), "");
    of("option", "", "200", "Hi 1,2 none");
    let bad = of("bad", "", "404", "no <such> thing\n");
    assert!(bad.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{bad}");
    assert!(server.exchange(get("/own/denied", "")).starts_with("HTTP/1.1 500 "));

    let send = |what: &str, content_type: &str, body: &[u8], status: &str, expected: &str| {
        is(&post(&format!("/own/{what}"), content_type, body), status, expected)
    };
    send("form", FORM, b"a=x+y%21&b=1&b=2", "200", "[[\"a\",\"x y!\"],[\"b\",\"1\"],[\"b\",\"2\"]]");
    send("json", "application/json", b"{\"a\": [7]}", "200", "{\"a\":[7]}");
    send("length", "a/b", &vec![b'x'; 300_000], "200", "300000");
    send("text", "text/plain", "\u{fc}".as_bytes(), "200", "\u{fc}");
    send("text", "text/plain; charset=\"ISO-8859-1\"", b"\xfc", "200", "\u{fc}");
    send("text", "text/plain;charset=windows-1252", b"\x80", "200", "\u{20ac}");
    for (what, content_type, wrong, status) in [
        ("form", "text/plain", &b"a=1"[..], "415"),
        ("json", "application/json", b"{", "400"),
        ("json", "application/json", &[b'['; 100_000], "400"),
        ("json", "application/json", &[b' '; 1_048_577], "413"),
        ("text", "text/plain", b"\xfc", "400"),
        ("text", "text/plain; charset=klingon", b"a", "415"),
    ] {
        let answer = server.exchange(post(&format!("/own/{what}"), content_type, wrong));
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}, {content_type}: {answer}");
        assert!(answer.contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{answer}");
    }
    assert_multipart(server);
}

/// What is the same of multipart forms.
#[track_caller]
fn assert_multipart(server: &TestServer) {
    let send = |what: &str, body: &str| server.exchange(post(&format!("/own/{what}"), MULTIPART, body.as_bytes()));
    let file = part("name=\"f\"; filename=\"../x.txt\"", "Content-Type: text/css\r\n", "1\r\n-\r\n---\r\n---y");
    let form = format!("ignored\r\n{}{file}---x--\r\nignored", part("name=\"a\"", "", ""));
    let answer = send("parts", &form);
    let parts = r#"[["a",null,"text/plain",""],["f","../x.txt","text/css","1\r\n-\r\n---\r\n---y"]]"#;
    assert_eq!(compact(&body(&answer)), parts, "{answer}");
    let texts = format!("{}{file}{}---x--", part("name=a", "", "1"), part("name=\"b c\"", "", "2"));
    assert_eq!(compact(&body(&send("form", &texts))), r#"[["a","1"],["b c","2"]]"#);
    // White space that a relay has added, and a form without parts.
    let padded = texts.replace("---x\r\n", "---x \t\r\n");
    assert_eq!(compact(&body(&send("form", &padded))), r#"[["a","1"],["b c","2"]]"#);
    assert_eq!(compact(&body(&send("form", "---x--"))), "[]");
    let large = part("name=\"l\"", "", &"l".repeat(3_000_000));
    assert_eq!(compact(&body(&send("first", &format!("{large}---x--")))), "l true");
    for (what, wrong, status) in [
        ("parts", String::new(), "400"),
        ("parts", "no boundary".to_owned(), "400"),
        ("parts", "---x".to_owned(), "400"),
        ("parts", "---x\r\n".to_owned(), "400"),
        ("parts", "---x\r\n\r\n".to_owned(), "400"),
        ("parts", part("name=a", "", "1"), "400"),
        ("parts", format!("{}---x--", part("filename=a", "", "1")), "400"),
        ("parts", format!("---x\r\nX: {}\r\n\r\n---x--", "y".repeat(20_000)), "413"),
        ("parts", format!("{}---x--", part("name=a", "", "1").repeat(1001)), "413"),
        ("parts", format!("{large}---x--"), "413"),
        ("small", format!("{}---x--", part("name=a", "", "longer than ten")), "413"),
        ("small", format!("{}---x--", part("name=a", "", "1").repeat(4)), "413"),
    ] {
        let answer = send(what, &wrong);
        let shown: String = wrong.chars().take(200).collect();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{what}: {shown:?}: {answer}");
    }
    for content_type in ["multipart/form-data", "multipart/mixed; boundary=x", FORM] {
        let answer = server.exchange(post("/own/parts", content_type, b"--x--"));
        assert!(answer.starts_with("HTTP/1.1 415 "), "{content_type}: {answer}");
    }
}

#[test]
fn a_component_in_rust_uses_each_helper() {
    let server = TestServer::serving(guest::HELPERS);
    assert_helpers(&server);
}

#[test]
fn a_script_in_python_uses_each_helper() {
    if can_run() {
        assert_helpers(&serve(&[("own.py", PYTHON)]));
    }
}

#[test]
fn a_component_in_python_uses_each_helper_and_its_errors_name_file_and_line() {
    let Some((.., server)) = project("python", "bin/componentize-py", &[("app.py", PYTHON)]) else { return };
    assert_helpers(&server);
    assert!(server.get("/own/fails").starts_with("HTTP/1.1 500 "));
    let line = 1 + PYTHON.lines().position(|line| line.contains("inner().missing")).expect("it is there");
    log().wait_for(&["handler own failed: AttributeError: ", &format!("app.py:{line}")]);
}

/// A test that uses all that a test can say of a request, and see of a response.
const PYTHON_MOCKS: &str = include_str!("packages/test_mocks.py");

#[test]
fn a_unit_test_in_python_has_what_the_host_offers_and_one_that_fails_is_told() {
    let Some(mut command) = with_tools("python", "bin/componentize-py") else { return };
    let folder = RoutesDir::new();
    make(&folder, "own", &["--lang", "python"]);
    folder.write("own/handler.py", PYTHON);
    folder.write("own/test_mocks.py", PYTHON_MOCKS);
    let mut test = || run(command.arg("test").current_dir(folder.path().join("own")));
    let output = test();
    let cases = 1 + PYTHON_MOCKS.matches("    def test_").count();
    assert!(output.status.success() && text(&output.stderr).contains(&format!("Ran {cases} tests in ")), "{output:?}");
    folder.write("own/app.py", "from vibrato import handler\n\n\n@handler\ndef greet():\n    return missing\n");
    let output = test();
    assert!(!output.status.success() && text(&output.stderr).contains("FAILED (failures=1)"), "{output:?}");
    assert!(text(&output.stderr).contains("name 'missing' is not defined"), "{output:?}");
}

#[test]
fn mypy_is_content_with_projects_scripts_and_the_package() {
    let Some(command) = with_tools("python", "bin/mypy") else { return };
    let tools = command.get_envs().find(|(name, _)| *name == "TOOLS").and_then(|(_, value)| value);
    let Some(tools) = tools else { return };
    let folder = RoutesDir::new();
    let check = |project: &str, arguments: &[&str]| {
        let mut mypy = Command::new(Path::new(tools).join("bin/mypy"));
        run(mypy.args(arguments).current_dir(folder.path().join(project)))
    };
    for style in super::new::STYLES {
        make(&folder, style, &["--lang", "python", "--style", style]);
        let output = check(style, &["."]);
        assert!(output.status.success(), "{style}: {}", text(&output.stdout));
    }
    folder.write("yield/handler.py", PYTHON);
    folder.write("yield/test_mocks.py", PYTHON_MOCKS);
    let output = check("yield", &["app.py", "handler.py", "test_mocks.py"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
    // The package itself.
    let listed = fs::read_dir(folder.path().join("yield/vibrato")).expect("it is there");
    let names = listed.map(|entry| entry.expect("it can be listed").file_name().to_string_lossy().into_owned());
    let sources = names.filter(|name| name.ends_with(".py")).map(|name| format!("vibrato/{name}"));
    let sources: Vec<String> = sources.chain(["vibrato/testing/__init__.py".to_owned()]).collect();
    let output = check("yield", &sources.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(output.status.success(), "{}", text(&output.stdout));
    // The example scripts have no annotations.
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/scripts/python");
    for name in ["hello", "guest-book"] {
        let script = fs::read_to_string(format!("{scripts}/{name}.py")).expect("it is there");
        folder.write(&format!("yield/{name}.py"), script);
    }
    let loose = ["--allow-untyped-defs", "--allow-untyped-calls", "--check-untyped-defs", "hello.py", "guest-book.py"];
    let output = check("yield", &loose);
    assert!(output.status.success(), "{}", text(&output.stdout));
    // A mistake is found.
    let wrong = "from vibrato import Request, handler, kv\n\n\n@handler(rate=object())\ndef wrong(request: Request) -> str:\n    \
                 return request.body()\n\n\nlength = len(kv.get(\"x\"))\nnothing = Request().nothing\n";
    folder.write("yield/wrong.py", wrong);
    let output = check("yield", &["wrong.py"]);
    for line in ["wrong.py:4:", "wrong.py:6:", "wrong.py:9:", "wrong.py:10:"] {
        assert!(text(&output.stdout).contains(line), "{line} {}", text(&output.stdout));
    }
}

#[test]
fn a_component_in_go_uses_each_helper_and_its_errors_name_file_and_line() {
    let Some((.., server)) = project("go", "bin/go", &[("app.go", GO)]) else { return };
    assert_helpers(&server);
    assert!(server.get("/own/fails").starts_with("HTTP/1.1 500 "));
    log().wait_for(&["stream=\"stderr\"", "panic: assignment to entry in nil map"]);
    let line = 1 + GO.lines().position(|line| line.contains("missing[\"a\"] = ")).expect("it is there");
    log().wait_for(&["stream=\"stderr\"", &format!("app.go:{line}")]);
}

/// A test that uses all that a test can say of a request, and see of a response.
const GO_MOCKS: &str = include_str!("packages/mocks_test.go");

#[test]
fn a_unit_test_in_go_has_what_the_host_offers_and_one_that_fails_is_told() {
    let Some(mut command) = with_tools("go", "bin/go") else { return };
    let folder = RoutesDir::new();
    make(&folder, "own", &["--lang", "go"]);
    let mut test = || run(command.arg("test").current_dir(folder.path().join("own")));
    let output = test();
    assert!(output.status.success() && text(&output.stdout).contains("ok  \tapp"), "{output:?}");
    folder.write("own/app.go", GO);
    folder.write("own/mocks_test.go", GO_MOCKS);
    let output = test();
    let told = text(&output.stdout);
    assert!(!output.status.success() && told.contains("--- FAIL: TestItGreetsByName"), "{output:?}");
    assert_eq!(told.matches("--- FAIL").count(), 1, "{told}");
}

#[test]
fn a_script_in_javascript_uses_each_helper() {
    if can_run() {
        assert_helpers(&serve(&[("own.js", JAVASCRIPT)]));
    }
}

#[test]
fn a_component_in_javascript_uses_each_helper_and_its_errors_name_file_and_line() {
    let Some((.., server)) = project("js", ESBUILD, &[("app.js", JAVASCRIPT)]) else { return };
    assert_helpers(&server);
    assert!(server.get("/own/fails").starts_with("HTTP/1.1 500 "));
    let line = 1 + JAVASCRIPT.lines().position(|line| line.contains(".missing;")).expect("it is there");
    log().wait_for(&["handler own failed: TypeError: ", &format!("(app.js:{line})")]);
    log().wait_for(&["stream=\"stderr\"", &format!("at inner (app.js:{line}:")]);
}

#[test]
fn the_tests_of_a_project_in_javascript_run_without_a_host_and_one_that_fails_is_told() {
    for (language, file, source) in [
        ("js", "app.js", "export default ({ params }) => `Hello, ${params.name}!\\n`;"),
        (
            "ts",
            "app.ts",
            "import { type Request, kv } from 'vibrato';\nexport default (request: Request) => kv.get('x')!.missing;",
        ),
    ] {
        let Some(mut command) = with_tools(language, ESBUILD) else { return };
        let folder = RoutesDir::new();
        make(&folder, "own", &["--lang", language]);
        let mut test = || run(command.arg("test").current_dir(folder.path().join("own")));
        let output = test();
        assert!(output.status.success(), "{output:?}");
        assert!(text(&output.stdout).contains("it greets by name"), "{output:?}");
        folder.write(&format!("own/{file}"), source.replace("Hello", "Good day"));
        let output = test();
        assert!(!output.status.success(), "{output:?}");
        assert!(text(&output.stdout).contains("AssertionError"), "{output:?}");
    }
}

/// A test that uses all that a test can say of a request, and see of a response.
const MOCKS: &str = include_str!("packages/mocks.test.js");

#[test]
fn a_unit_test_in_javascript_has_what_the_host_offers() {
    let Some(mut command) = with_tools("js", ESBUILD) else { return };
    let folder = RoutesDir::new();
    make(&folder, "own", &["--lang", "js"]);
    folder.write("own/handler.js", JAVASCRIPT);
    folder.write("own/mocks.test.js", MOCKS);
    let output = run(command.arg("test").current_dir(folder.path().join("own")));
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let cases = MOCKS.matches("\ntest(").count();
    assert!(text(&output.stdout).contains(&format!("# pass {}\n", cases + 1)), "{}", text(&output.stdout));
}

#[test]
fn typescript_is_content_with_projects_scripts_and_tests() {
    let Some(command) = with_tools("js", "node_modules/.bin/tsc") else { return };
    let tools = command.get_envs().find(|(name, _)| *name == "TOOLS").and_then(|(_, value)| value);
    let Some(tools) = tools else { return };
    let check = |folder: &Path, arguments: &[&str]| {
        let mut tsc = Command::new(Path::new(tools).join("node_modules/.bin/tsc"));
        run(tsc.args(["--project", "."]).args(arguments).current_dir(folder))
    };
    let folder = RoutesDir::new();
    for language in ["js", "ts"] {
        for style in super::new::STYLES {
            let name = format!("{language}-{style}");
            make(&folder, &name, &["--lang", language, "--style", style]);
            let project = folder.path().join(&name);
            std::os::unix::fs::symlink(tools, project.join(".tools")).expect("a link can be made");
            let output = check(&project, &[]);
            assert!(output.status.success(), "{name}: {}", text(&output.stdout));
        }
    }
    // The example scripts, which have no annotations, and a mistake, which is found.
    let scripts = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/scripts/javascript");
    for name in ["hello", "guest-book"] {
        let script = fs::read_to_string(format!("{scripts}/{name}.js")).expect("it is there");
        folder.write(&format!("js-yield/{name}.js"), script);
    }
    folder.write("js-yield/handler.js", JAVASCRIPT);
    folder.write("js-yield/mocks.test.js", MOCKS);
    let output = check(&folder.path().join("js-yield"), &["--noImplicitAny", "false"]);
    assert!(output.status.success(), "{}", text(&output.stdout));
    let wrong = "import { request, kv } from 'vibrato';\nexport const a = request.body().length + request.nothing;\n\
                 export const b = kv.get('x').length;\nexport default (): Promise<string> => 1;\n";
    folder.write("ts-yield/wrong.ts", wrong);
    let output = check(&folder.path().join("ts-yield"), &[]);
    for line in ["wrong.ts(2,", "wrong.ts(3,", "wrong.ts(4,"] {
        assert!(text(&output.stdout).contains(line), "{}", text(&output.stdout));
    }
}
