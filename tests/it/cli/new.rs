//! `host new`: what it writes builds with one command, in a folder of its own, and answers.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use artifacts::WASIP3_WIT;

use crate::support::wire::get;
use crate::support::{Process, RoutesDir, TestServer, compile_cache, guest, host, run, skip, text};

/// Where projects in Rust are built; kept, so that dependencies are built once.
const BUILT: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/projects");
pub(super) const STYLES: [&str; 3] = ["yield", "write", "return"];

/// What is there when all tools for JavaScript are.
pub(super) const ESBUILD: &str = "node_modules/.bin/esbuild";

/// Makes a project, and its component with the one command that its README names.
fn build(folder: &RoutesDir, name: &str, arguments: &[&str], command: &mut Command, component: &Path) -> Vec<u8> {
    make(folder, name, arguments);
    built(folder, name, command, component)
}

/// Makes a project.
pub(super) fn make(folder: &RoutesDir, name: &str, arguments: &[&str]) {
    let made = run(host(&["new", name]).args(arguments).current_dir(folder.path()));
    assert!(made.status.success(), "{made:?}");
}

/// The component of a project.
pub(super) fn built(folder: &RoutesDir, name: &str, command: &mut Command, component: &Path) -> Vec<u8> {
    let output = run(command.current_dir(folder.path().join(name)));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("warning"), "{}", text(&output.stderr));
    fs::read(folder.path().join(name).join(component)).expect("the component is built")
}

/// What all projects do, in each style.
#[track_caller]
fn assert_good(routes: RoutesDir, name: &str, style: &str) {
    let checked = run(host(&["check", "--cache-dir"]).arg(compile_cache()).arg(routes.path()));
    // Of some languages every component imports files.
    assert!(text(&checked.stdout).ends_with("1 route; 0 errors, 0 warnings\n"), "{style}: {checked:?}");
    let server = TestServer::start(routes);
    let mut client = server.connect();
    let body = match style {
        "return" => "c\r\nHello, Ada!\n\r\n0\r\n\r\n",
        _ => "7\r\nHello, \r\n5\r\nAda!\n\r\n0\r\n\r\n",
    };
    client.send(get(&format!("/{name}/Ada")));
    let head = client.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{head}");
    client.expect(body);
    client.send(format!("HEAD /{name}/Ada HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"));
    let head = client.read_to_end();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{style}: {head}");
}

#[test]
fn each_style_in_rust_builds_is_good_and_answers() {
    let folder = RoutesDir::new();
    for style in STYLES {
        let name = format!("my-{style}_1");
        let component = component_of(&name);
        let bytes = build(&folder, &name, &["--style", style], &mut cargo(), &component);
        assert_good(RoutesDir::new().with_bytes("any.wasm", &bytes), &name, style);
    }
}

#[test]
fn the_test_of_each_style_in_rust_runs_without_a_host_and_one_that_fails_is_told() {
    let folder = RoutesDir::new();
    for style in STYLES {
        let name = format!("tested-{style}");
        make(&folder, &name, &["--style", style]);
        let project = folder.path().join(&name);
        let test = || {
            let mut cargo = cargo_with(&["test"]);
            run(cargo.current_dir(&project))
        };
        let output = test();
        assert!(output.status.success(), "{output:?}");
        assert!(text(&output.stdout).contains("test tests::it_greets_by_name ... ok\n"), "{output:?}");
        let source = fs::read_to_string(project.join("src/lib.rs")).expect("it is text");
        fs::write(project.join("src/lib.rs"), source.replace("\"Hello, Ada", "\"Good day, Ada"))
            .expect("it can be written");
        let output = test();
        assert!(!output.status.success(), "{output:?}");
        assert!(text(&output.stdout).contains("test tests::it_greets_by_name ... FAILED\n"), "{output:?}");
    }
}

#[test]
fn a_project_in_rust_builds_wherever_it_is_moved_to() {
    let (folder, elsewhere) = (RoutesDir::new(), RoutesDir::new());
    make(&folder, "my-moved_1", &[]);
    let names_a_path = |file: &str| {
        let text = fs::read_to_string(folder.path().join(file)).expect("it is text");
        text.contains("path = \"/") || text.contains(env!("CARGO_MANIFEST_DIR"))
    };
    for file in ["Cargo.toml", "vendor/guest-sdk/Cargo.toml", "vendor/guest-sdk/macros/Cargo.toml"] {
        assert!(!names_a_path(&format!("my-moved_1/{file}")), "{file}");
    }
    let moved = elsewhere.path().join("my-moved_1");
    fs::rename(folder.path().join("my-moved_1"), &moved).expect("a folder can be moved");
    let bytes = built(&elsewhere, "my-moved_1", &mut cargo(), &component_of("my-moved_1"));
    assert_good(RoutesDir::new().with_bytes("any.wasm", &bytes), "my-moved_1", "yield");
    make(&folder, "other", &["--sdk", concat!(env!("CARGO_MANIFEST_DIR"), "/../guest-sdk")]);
    assert!(names_a_path("other/Cargo.toml") && !folder.path().join("other/vendor").exists());
}

#[test]
fn the_guest_book_in_rust_builds_is_good_and_answers() {
    let folder = RoutesDir::new();
    let bytes = build(&folder, "visitors", &["--example", "guest-book"], &mut cargo(), &component_of("visitors"));
    assert_good_guest_book(&folder, &bytes);
}

/// What the guest book `visitors` does, with its file.
#[track_caller]
fn assert_good_guest_book(folder: &RoutesDir, bytes: &[u8]) {
    let state = RoutesDir::new();
    let grant = fs::read_to_string(folder.path().join("visitors/visitors.toml")).expect("it is text");
    let routes = RoutesDir::new().with_bytes("visitors.wasm", bytes).with_file("visitors.toml", &grant);
    let state_directory = state.path().display().to_string();
    let mut check = host(&["check", "--state", &state_directory, "--cache-dir"]);
    let checked = run(check.arg(compile_cache()).arg(routes.path()));
    assert!(text(&checked.stdout).ends_with("1 route; 0 errors, 0 warnings\n"), "{}", text(&checked.stdout));
    let server = Process::start(&routes, &["--state", &state_directory]);
    assert!(server.get("/visitors").contains("<h1>Guest book</h1>"));
}

#[test]
fn the_guest_book_in_c_builds_is_good_and_answers() {
    build_guest_book("c", "bin/python-zig");
}

#[test]
fn the_guest_book_in_go_builds_is_good_and_answers() {
    build_guest_book("go", "bin/go");
}

/// Builds a guest book with the tools of `make guests-LANG`.
#[track_caller]
fn build_guest_book(language: &str, tool: &str) {
    let Some(mut command) = with_tools(language, tool) else { return };
    let folder = RoutesDir::new();
    let arguments = ["--example", "guest-book", "--lang", language];
    let bytes = build(&folder, "visitors", &arguments, &mut command, Path::new("visitors.wasm"));
    assert_good_guest_book(&folder, &bytes);
}

/// Builds a project in Rust.
fn cargo() -> Command {
    cargo_with(&["build", "--release"])
}

/// Cargo as a person starts it, with these arguments.
fn cargo_with(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    // What the tests need was fetched for them already.
    cargo.args(arguments).env("CARGO_TARGET_DIR", BUILT).env("CARGO_NET_OFFLINE", "true");
    for set in ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(set);
    }
    cargo
}

/// Where [`cargo`] puts the component of a project.
fn component_of(name: &str) -> PathBuf {
    Path::new(BUILT).join("wasm32-wasip2/release").join(name.replace('-', "_")).with_extension("wasm")
}

#[test]
fn a_project_for_wasi_http_in_rust_builds_is_good_and_answers() {
    let (folder, name) = (RoutesDir::new(), "my-wasi_1");
    let bytes = build(&folder, name, &["--world", "wasi-http"], &mut cargo(), &component_of(name));
    assert_good_for_wasi_http(&folder, name, &bytes);
}

#[test]
fn a_project_for_wasi_http_in_python_builds_is_good_and_answers() {
    build_for_wasi_http("python", "python", COMPONENTIZE_PY);
}

#[test]
fn a_project_for_wasi_http_in_javascript_builds_is_good_and_answers_also_with_hono() {
    build_for_wasi_http("js", STARLINGMONKEY, "node_modules/.bin/componentize-js");
    // After that one: both would install into one folder.
    answer_with_hono();
}

/// The tool of Python that `make guests-python` installs.
const COMPONENTIZE_PY: &str = "bin/componentize-py";

/// The folder of the tools for JavaScript in wasi:http.
const STARLINGMONKEY: &str = "starlingmonkey";

/// A framework that knows nothing of this host, as its manual shows it.
const HONO: &str = "
import { Hono } from 'hono';

const app = new Hono();
app.get('/own/:name', (context) => context.text(`Hello, ${context.req.param('name')}!`));
app.post('/own/:name', async (context) => context.json({ got: await context.req.json() }, 201));
app.notFound((context) => context.text('nothing there', 404));
addEventListener('fetch', (event) => event.respondWith(app.fetch(event.request)));
";

fn answer_with_hono() {
    let tools = tools().join(STARLINGMONKEY);
    // Apart from the tools, whose packages npm would move.
    let hono = tools.join("hono");
    if !hono.join("node_modules/.bin/rolldown").is_file() {
        if !all_languages() {
            return skip(&format!("hono, for it is not in {}", hono.display()));
        }
        fs::create_dir_all(&hono).expect("a folder can be made");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-package-lock", "--no-audit", "--no-fund", "hono@4.13.19", "rolldown@1.3.3"]);
        let installed = run(npm.arg("--prefix").arg(&hono));
        assert!(installed.status.success(), "{installed:?}");
    }
    let folder = RoutesDir::new();
    make(&folder, "own", &["--lang", "js", "--world", "wasi-http"]);
    let project = folder.path().join("own");
    std::os::unix::fs::symlink(hono.join("node_modules"), project.join("node_modules")).expect("a link can be made");
    folder.write("own/bundled.js", HONO);
    let mut bundler = Command::new(hono.join("node_modules/.bin/rolldown"));
    bundler.args(["bundled.js", "--format", "esm", "--file", "app.js"]).current_dir(&project);
    let bundled = run(&mut bundler);
    assert!(bundled.status.success(), "{bundled:?}");
    let mut command = Command::new("./build");
    let bytes = built(&folder, "own", command.env("TOOLS", &tools), Path::new("own.wasm"));
    let routes = RoutesDir::new().with_bytes("own.wasm", &bytes).with_file("own.toml", "path = '/own/{*rest}'");
    let server = TestServer::start(routes);
    assert_eq!(server.diagnostics(), []);
    let ends = |request: &str, status: &str, end: &str| {
        let answer = server.exchange(request);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(end), "{request}: {answer}");
    };
    ends("GET /own/Ada HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n", "200", "Hello, Ada!");
    ends("GET /own/a/b HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n", "404", "nothing there");
    ends(
        "POST /own/Ada HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Length: 7\r\n\r\n[1,{}] ",
        "201",
        "{\"got\":[1,{}]}",
    );
}

/// A component of wasi:http 0.3 that calls servers at the same time, streams what it learns, and echoes bodies.
const CONCURRENT: &str = r#"
import asyncio
import componentize_py_async_support
import wit_world
from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports import client
from wit_world.imports.wasi_http_types import Fields, Method_Post, Request, Response, Scheme_Http


class Handler(exports.Handler):
    async def handle(self, request):
        _, _, query = request.get_path_with_query().partition("?")
        if isinstance(request.get_method(), Method_Post):
            body, trailers = Request.consume_body(request, done())
            return Response.new(Fields.from_list([("x-echo", b"yes")]), body, trailers)[0]
        writer, reader = wit_world.byte_stream()
        componentize_py_async_support.spawn(count_all(query.split(","), writer))
        return Response.new(Fields(), reader, no_trailers())[0]


async def count_all(authorities, writer):
    with writer:
        for result in asyncio.as_completed(map(counted, authorities)):
            await writer.write_all((await result).encode())


async def counted(authority):
    request = Request.new(Fields(), None, no_trailers(), None)[0]
    request.set_scheme(Scheme_Http())
    request.set_authority(authority)
    response = await client.send(request)
    status, size = response.get_status_code(), 0
    body = Response.consume_body(response, done())[0]
    with body:
        while not body.writer_dropped:
            size += len(await body.read(16 * 1024))
    return f"{status} {size}\n"


def no_trailers():
    return wit_world.result_option_wasi_http_types_fields_wasi_http_types_error_code_future(lambda: Ok(None))[1]


def done():
    return wit_world.result_unit_wasi_http_types_error_code_future(lambda: Ok(None))[1]
"#;

#[test]
fn a_component_of_wasi_http_0_3_in_python_calls_servers_at_once_and_echoes() {
    let Some(_) = with_tools("python", COMPONENTIZE_PY) else { return };
    let folder = RoutesDir::new().with_file("app.py", CONCURRENT);
    let mut componentize = Command::new(tools().join("python").join(COMPONENTIZE_PY));
    componentize.args(["--wit-path", WASIP3_WIT, "--world", "wasi:http/service@0.3.2"]);
    componentize.args(["componentize", "app", "--output", "app.wasm"]).current_dir(folder.path());
    let built = run(&mut componentize);
    assert!(built.status.success(), "{built:?}");
    let component = fs::read(folder.path().join("app.wasm")).expect("it was built");
    // It calls another route of a server like this one.
    let upstream = TestServer::start(RoutesDir::new().with(guest::HELLO));
    let authority = upstream.address();
    let file = format!("path = '/app'\n[grant]\nhttp = ['http://{authority}']\n");
    let server = TestServer::start(RoutesDir::new().with_bytes("app.wasm", &component).with_file("app.toml", &file));
    assert_eq!(server.diagnostics(), []);
    for _ in 0..2 {
        let answer = server.get(&format!("/app?{authority},{authority}"));
        // There is no route at `/`.
        assert_eq!(answer.matches("404 ").count(), 2, "{answer}");
        let body = "x".repeat(100_000);
        let answer = server.exchange(format!(
            "POST /app HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nx-echo: yes\r\n"), "{answer}");
        assert_eq!(answer.matches('x').count() - "x-echo".matches('x').count(), body.len(), "all of it comes back");
    }
}

/// As [`build_with_tools`], for the world that has one style. What `make guests-LANG` does not install is kept beside it.
fn build_for_wasi_http(language: &str, tools_folder: &str, tool: &str) {
    let Some(mut command) = with_tools_in(tools_folder, language, tool) else { return };
    let (folder, name) = (RoutesDir::new(), "my-wasi_1");
    let component = Path::new(name).with_extension("wasm");
    let bytes = build(&folder, name, &["--lang", language, "--world", "wasi-http"], &mut command, &component);
    assert_good_for_wasi_http(&folder, name, &bytes);
}

/// What all projects for wasi:http do, with their file.
#[track_caller]
fn assert_good_for_wasi_http(folder: &RoutesDir, name: &str, bytes: &[u8]) {
    let file = fs::read_to_string(folder.path().join(name).join(format!("{name}.toml"))).expect("it has one");
    let routes = RoutesDir::new().with_bytes("any.wasm", bytes).with_file("any.toml", &file);
    let over = |command: &[&str]| run(host(command).arg("--cache-dir").arg(compile_cache()));
    let place = routes.path().to_str().expect("it is UTF-8");
    // The engine of JavaScript imports the client of wasi:http, used or not: that is a note.
    let checked = over(&["check", place]);
    assert!(text(&checked.stdout).ends_with("1 route; 0 errors, 0 warnings\n"), "{}", text(&checked.stdout));
    let table = over(&["routes", "--routes", place]);
    assert!(text(&table.stdout).contains("/any.wasm\n           world wasi:http@0.2\n"), "{table:?}");
    let table = over(&["routes", "--json", "--routes", place]);
    let table: serde_json::Value = serde_json::from_slice(&table.stdout).expect("it prints JSON");
    assert_eq!(table["routes"][0]["world"], "wasi:http@0.2");
    let server = TestServer::start(routes);
    for _ in 0..2 {
        let answer = server.get(&format!("/{name}/Ada"));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.to_ascii_lowercase().contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{answer}");
        assert!(answer.contains("\r\n\r\n") && answer.contains("Hello, Ada!\n"), "{answer}");
    }
    let mut client = server.connect();
    client.send(format!("HEAD /{name}/Ada HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"));
    let head = client.read_to_end();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn each_style_in_python_builds_is_good_and_answers() {
    build_with_tools("python", COMPONENTIZE_PY);
}

#[test]
fn each_style_in_javascript_builds_is_good_and_answers() {
    build_with_tools("js", ESBUILD);
}

#[test]
fn each_style_in_typescript_builds_is_good_and_answers() {
    build_with_tools("ts", ESBUILD);
}

#[test]
fn each_style_in_c_builds_is_good_and_answers() {
    build_with_tools("c", "bin/python-zig");
}

#[test]
fn each_style_in_go_builds_is_good_and_answers() {
    build_with_tools("go", "bin/go");
}

/// What comes of two requests to the handler `source`, in place of the template's: each in an instance of its own.
fn answers_of(language: &str, tool: &str, place: &str, source: &str) -> Option<[String; 2]> {
    let mut command = with_tools(language, tool)?;
    let folder = RoutesDir::new();
    make(&folder, "own", &["--lang", language]);
    folder.write(&format!("own/{place}"), source);
    let bytes = built(&folder, "own", &mut command, Path::new("own.wasm"));
    let server = TestServer::start(RoutesDir::new().with_bytes("own.wasm", &bytes));
    assert_eq!(server.diagnostics(), []);
    Some([server.get("/own"), server.get("/own")].map(|answer| answer.split("\r\n\r\n").skip(1).collect()))
}

#[test]
fn random_numbers_in_javascript_are_not_those_of_another_request() {
    const SOURCE: &str = "
        const texts = [() => Math.random(), () => crypto.randomUUID(), () => crypto.getRandomValues(new Uint32Array(2))];
        export function handle() {
          return texts.map((text) => `${text()}`).join(' ');
        }
        // What a library does when it is read must not spoil what comes later.
        export const early = Math.random();";
    let Some([one, other]) = answers_of("js", ESBUILD, "app.js", SOURCE) else { return };
    assert!(one.contains('-') && one.split(' ').count() == 3, "{one:?}");
    assert!(one.split(' ').zip(other.split(' ')).all(|(one, other)| one != other), "{one:?} and {other:?}");
}

#[test]
fn what_python_imports_where_it_is_used_is_there() {
    const SOURCE: &str = "
import base64, datetime, email.message, random, secrets, uuid
from vibrato import handler

@handler('/own')
def own():
    late = [
        datetime.datetime.strptime('2026-01-02', '%Y-%m-%d').year,
        'b\u{fc}cher.example'.encode('idna'), '\u{20ac}'.encode('cp1252'), b'a'.hex(), base64.a85encode(b'a'),
        '\u{6f22}'.encode('shift_jis'), '\u{fc}'.encode('punycode'), own_late(),
    ]
    print(repr(late))
    mail = email.message.EmailMessage()
    mail.set_content('caf\u{e9}')
    drawn = [random.random(), secrets.token_hex(8), uuid.uuid4()]
    return '|'.join(map(str, [*drawn, late, len(mail.as_bytes()) > 0]))

def own_late():
    import textwrap
    return textwrap.shorten('a b', 10)
";
    let Some([one, other]) = answers_of("python", COMPONENTIZE_PY, "app.py", SOURCE) else { return };
    let late = "[2026, b'xn--bcher-kva.example', b'\\x80', '61', b'@/', b'\\x8a\\xbf', b'tda', 'a b']|True";
    assert!(one.contains(late) && other.contains(late), "{one:?}");
    assert!(one.split('|').zip(other.split('|')).take(3).all(|(one, other)| one != other), "{one:?} and {other:?}");
}

/// Where `VIBRATO_LANGUAGES` is `all`, the project installs its tools; else those of `make guests-LANG` build it, in the
/// first style alone.
fn build_with_tools(language: &str, tool: &str) {
    let folder = RoutesDir::new();
    for style in &STYLES[..if all_languages() { STYLES.len() } else { 1 }] {
        let name = format!("my-{style}_1");
        let Some(mut command) = with_tools(language, tool) else { return };
        let component = Path::new(&name).with_extension("wasm");
        let bytes = build(&folder, &name, &["--lang", language, "--style", style], &mut command, &component);
        let file = fs::read_to_string(folder.path().join(&name).join(format!("{name}.toml"))).expect("it has one");
        let routes = RoutesDir::new().with_bytes("any.wasm", &bytes).with_file("any.toml", &file);
        assert_good(routes, &name, style);
    }
}

/// The command that builds a project, with the tools of `make guests-LANG`, or none where it would have to install them.
pub(super) fn with_tools(language: &str, tool: &str) -> Option<Command> {
    with_tools_in(if matches!(language, "js" | "ts") { "javascript" } else { language }, language, tool)
}

fn with_tools_in(folder: &str, language: &str, tool: &str) -> Option<Command> {
    let tools = tools().join(folder);
    let mut command = Command::new("./build");
    // No make target installs these: the project itself does, once.
    if tools.join(tool).is_file() || (folder == STARLINGMONKEY && all_languages()) {
        command.env("TOOLS", &tools);
    } else if !all_languages() {
        skip(&format!("`host new --lang {language}`, for there is no {}", tools.join(tool).display()));
        return None;
    }
    Some(command)
}

/// Whether a test fails where a language's tools are not there.
pub(super) fn all_languages() -> bool {
    env::var_os("VIBRATO_LANGUAGES").is_some_and(|wanted| wanted == "all")
}

/// Where the Makefile installs what builds handlers in other languages.
fn tools() -> PathBuf {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let caches = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
    caches.unwrap_or_default().join("vibrato-languages")
}

#[test]
fn a_project_names_its_files_and_what_to_do_next() {
    let folder = RoutesDir::new();
    let made = run(host(&["new", "my-route"]).current_dir(folder.path()));
    let expected = "\
my-route/ is ready. To build it, with `rustup target add wasm32-wasip2` once before:

  cd my-route
  cargo build --release
  host call target/wasm32-wasip2/release/my_route.wasm --path /my-route/Ada

my-route/README.md says how to serve it.
";
    assert_eq!((text(&made.stdout), text(&made.stderr)), (expected, ""));
    let made = run(host(&["new", "my-page", "--lang", "python"]).current_dir(folder.path()));
    let expected = "\
my-page/ is ready. To build it, with Python 3.10 or newer and its venv:

  cd my-page
  ./build
  host call my-page.wasm --path /my-page/Ada

my-page/README.md says how to serve it.
";
    assert_eq!((text(&made.stdout), text(&made.stderr)), (expected, ""));
    for language in ["c", "go"] {
        let made = run(host(&["new", &format!("my-{language}"), "--lang", language]).current_dir(folder.path()));
        assert!(text(&made.stdout).contains("with Python 3.10 or newer, its venv, and Rust:\n"), "{made:?}");
        assert!(made.stderr.is_empty(), "{made:?}");
    }
    let made = run(host(&["new", "my-proxy", "--world", "wasi-http"]).current_dir(folder.path()));
    let expected = "\
my-proxy/ is ready. To build it, with `rustup target add wasm32-wasip2` once before:

  cd my-proxy
  cargo build --release && cp target/wasm32-wasip2/release/my_proxy.wasm my-proxy.wasm
  host call my-proxy.wasm --path /my-proxy/Ada

my-proxy/README.md says how to serve it.
";
    assert_eq!((text(&made.stdout), text(&made.stderr)), (expected, ""));
    for language in ["python", "js"] {
        make(&folder, &format!("proxy-{language}"), &["--world", "wasi-http", "--lang", language]);
    }
    for (project, files) in [
        (
            "my-proxy",
            &["Cargo.toml", ".cargo/config.toml", ".gitignore", "README.md", "my-proxy.toml", "src/lib.rs"][..],
        ),
        ("proxy-python", &["app.py", "build", "proxy-python.toml", ".gitignore", "README.md", "wit/world.wit"]),
        ("proxy-js", &["app.js", "build", "proxy-js.toml", "README.md", "wit/world.wit", "wit/deps/http.wit"]),
        ("my-route", &["Cargo.toml", ".cargo/config.toml", ".gitignore", "README.md", "src/lib.rs"]),
        ("my-page", &["app.py", "build", "my-page.toml", ".gitignore", "README.md", "wit/world.wit"]),
        ("my-c", &["app.c", "build", "my-c.toml", ".gitignore", "README.md", "wit/world.wit"]),
        ("my-go", &["app.go", "build", "my-go.toml", ".gitignore", "README.md", "go.mod", "go.work"]),
    ] {
        for file in files {
            let text = fs::read_to_string(folder.path().join(project).join(file)).expect("the file is written");
            let left = ["NAME", "FILE", "SDK", "SOURCE", "BINDINGS", "VERSION"].map(|word| text.contains(word));
            assert_eq!(left, [false; 6], "{file}: {text}");
        }
    }
}

#[test]
fn a_project_that_cannot_be_made_is_an_error_and_writes_nothing() {
    let folder = RoutesDir::new().with_file("there/kept", "");
    for (arguments, error) in [
        (&["there"][..], "error: cannot make the folder `there`; choose another name, or another place to run this in"),
        (&["std"], "error: invalid value 'std' for '<NAME>': that name is taken; choose another"),
        (
            &["Über"],
            "error: invalid value 'Über' for '<NAME>': expected a lower-case letter, then such letters, digits",
        ),
        (&["../up"], "error: invalid value '../up' for '<NAME>': expected a lower-case letter, then such letters"),
        (
            &["a", "--lang", "cobol"],
            "error: invalid value 'cobol' for '--lang <LANG>'\n  [possible values: rust, python, js, ts, c, go]",
        ),
        (&["a", "--style", "sing"], "error: invalid value 'sing' for '--style <STYLE>'\n  [possible values: yield, "),
        (
            &["a", "--world", "moon"],
            "error: invalid value 'moon' for '--world <WORLD>'\n  [possible values: vibrato, wasi-http]",
        ),
        (
            &["a", "--world", "wasi-http", "--lang", "c"],
            "error: there is no project for wasi:http in this language; choose --lang rust, python or js, or --world v",
        ),
        (
            &["a", "--world", "wasi-http", "--lang", "go"],
            "error: there is no project for wasi:http in this language; choose --lang rust, python or js, or --world v",
        ),
        (
            &["a", "--world", "wasi-http", "--style", "yield"],
            "error: `--style` is not for wasi:http, whose projects have one style; leave it out, or choose --world vibra",
        ),
        (&["wstd", "--world", "wasi-http"], "error: invalid value 'wstd' for '<NAME>': that name is taken"),
        (&["a", "--sdk", "nowhere"], "error: there is no guest-sdk in nowhere; name the folder `guest-sdk` of "),
        (&["a", "--lang", "typescript"], "error: invalid value 'typescript' for '--lang <LANG>': choose `--lang ts`\n"),
        (&["a", "--lang", "JavaScript"], "error: invalid value 'javascript' for '--lang <LANG>': choose `--lang js`\n"),
        (&["a", "--lang", "cobol"], "error: invalid value 'cobol' for '--lang <LANG>'\n  [possible values: rust, "),
    ] {
        let output = run(host(&["new"]).args(arguments).current_dir(folder.path()));
        assert!(text(&output.stderr).starts_with(error), "{error}: {output:?}");
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{error}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("it is there").filter_map(Result::ok).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
