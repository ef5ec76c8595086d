//! The files of the routes directory. Each bad file is reported with its reason and its remedy, and the others are served. A
//! component without a declared path has the path of its file.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use host::options::Value;

use crate::support::{RoutesDir, TestServer, assemble, guest, plain, plain_importing};

/// The routes directory in an expected message.
const DIR: &str = "ROUTES";

/// What the server reports about its files, with [`DIR`] in place of the directory.
fn reports(server: &TestServer, directory: &str) -> Vec<String> {
    server.diagnostics().iter().map(|diagnostic| diagnostic.to_string().replace(directory, DIR)).collect()
}

/// Serves the directory with a good route, which must answer, and compares what is reported about the other files.
#[track_caller]
fn assert_reports(routes: RoutesDir, flags: &[(&str, Value)], expected: &[String]) -> TestServer {
    let routes = routes.with(guest::TEXT);
    let directory = routes.path().display().to_string();
    let builder = TestServer::builder(routes);
    let server = flags.iter().fold(builder, |b, (name, value)| b.option(name, value.clone())).start();
    assert_eq!(reports(&server, &directory), expected);
    assert!(server.get("/text").ends_with("\r\n\r\nd\r\nHello, World!\r\n0\r\n\r\n"));
    server
}

fn error(file: &str, reason: &str, remedy: &str) -> String {
    format!("error: {DIR}/{file}: {reason}\n  remedy: {remedy}")
}

const BUILD_AGAINST: &str = "build it against the `wit/world.wit` of this host, and use no interface beyond it and WASI 0.2's \
    cli, clocks, filesystem, http, io, random and sockets, wasi:config and wasi:keyvalue";
const PUT_HANDLER: &str =
    "build it against the `wit/world.wit` of this host; in Rust, put `#[handler]` of guest-sdk on a function";
const NO_HANDLE: &str =
    "it does not export the function `handle` of the world `vibrato:handler/handler@0.1.0`; it exports";
const ONLY_COMPONENTS: &str = "give a component in its place; was the file copied or built completely?";
const BUILD_AGAIN: &str = "build or copy the file again: it is truncated, damaged, or newer than this host";

#[test]
fn a_file_that_is_no_component_is_reported() {
    let plain = plain();
    let routes = RoutesDir::new()
        .with_bytes("cut.wasm", &plain[..plain.len() - 1])
        .with_bytes("empty.wasm", b"")
        .with_bytes("head.wasm", &plain[..8])
        .with_bytes("module.wasm", &assemble("(module (func (export \"handle\")))"))
        .with_bytes("text.txt.wasm", b"Hello, World!");
    symlink("nowhere", routes.path().join("gone.wasm")).expect("a link can be made");
    let expected = [
        error(
            "cut.wasm",
            "it cannot be compiled: failed to parse WebAssembly module: unexpected end-of-file (at offset 0x10c)",
            BUILD_AGAIN,
        ),
        error("empty.wasm", "it is not WebAssembly: it does not begin with `\\0asm`", ONLY_COMPONENTS),
        error(
            "gone.wasm",
            "it cannot be read: No such file or directory (os error 2)",
            "make it a readable file of a component",
        ),
        error("head.wasm", &format!("{NO_HANDLE} nothing"), PUT_HANDLER),
        error(
            "module.wasm",
            "it is a core WebAssembly module, not a component",
            "build it for the target `wasm32-wasip2`, or make a component of it with `wasm-tools component new`",
        ),
        error("text.txt.wasm", "it is not WebAssembly: it does not begin with `\\0asm`", ONLY_COMPONENTS),
    ];
    assert_reports(routes, &[], &expected);
}

fn link(target: &str, at: &Path) {
    symlink(target, at).expect("a link can be made");
}

#[test]
fn a_file_that_never_ends_is_reported_and_not_read() {
    let routes = RoutesDir::new().with_as("piped.wasm", guest::HELLO).with_as("nowhere.wasm", guest::HELLO);
    for pipe in ["pipe.wasm", "piped.toml"] {
        let made = Command::new("mkfifo").arg(routes.path().join(pipe)).status();
        assert!(made.expect("there is a mkfifo command").success());
    }
    link("/dev/zero", &routes.path().join("zero.wasm"));
    link("nothing", &routes.path().join("nowhere.toml"));
    let toml = "make it a readable text file of TOML";
    let component = "make it a readable file of a component";
    let expected = [
        error("nowhere.toml", "it cannot be read: No such file or directory (os error 2)", toml),
        error("pipe.wasm", "it is not a regular file", component),
        error("piped.toml", "it is not a regular file", toml),
        error("zero.wasm", "it is not a regular file", component),
    ];
    assert_reports(routes, &[], &expected);
}

#[test]
fn directory_cycles_and_too_deep_directories_are_reported_and_the_others_served() {
    let deep: String = (2..=16).map(|depth| format!("{depth}/")).collect();
    let routes = RoutesDir::new()
        .with_as("sub/hello.wasm", guest::HELLO)
        .with_file("sub/hello.toml", "path = '/sub/hello'")
        .with_as(&format!("{deep}plain.wasm"), guest::TEXT)
        .with_file(&format!("{deep}plain.toml"), "path = '/deep'")
        .with_bytes(&format!("{deep}17/plain.wasm"), &plain());
    for (target, at) in [(".", "one"), (".", "two"), ("..", "sub/three"), ("self", "self")] {
        link(target, &routes.path().join(at));
    }
    let back = |at: &str| error(at, &format!("it leads back to {DIR}, which it is in"), "remove the link");
    let expected = [
        error(
            &format!("{deep}17"),
            "it is deeper than 16 directories, and not looked into",
            "move it up, or declare longer paths",
        ),
        back("one"),
        error(
            "self",
            "it cannot be read: Too many levels of symbolic links (os error 40)",
            "make it readable, or begin its name with `_`",
        ),
        back("sub/three"),
        back("two"),
    ];
    let server = assert_reports(routes, &[], &expected);
    for path in ["/sub/hello", "/deep"] {
        assert!(server.get(path).starts_with("HTTP/1.1 200 OK\r\n"), "{path}");
    }
}

#[test]
fn a_component_without_the_export_is_reported_with_its_exports() {
    let no_function = "(component (instance $handler) (export \"handle\" (instance $handler)))";
    let other_type = "(component (core module $code (func (export \"handle\") (result i32) (i32.const 1)))
        (core instance $instance (instantiate $code))
        (func (export \"handle\") (result u32) (canon lift (core func $instance \"handle\"))))";
    let routes = RoutesDir::new()
        .with_bytes("empty.wasm", &assemble("(component)"))
        .with_bytes("no-function.wasm", &assemble(no_function))
        .with_bytes("other-type.wasm", &assemble(other_type))
        .with_bytes("stranger.wasm", &assemble(guest::STRANGER_WAT));
    let differs = "its export `handle` is not the function of the world `vibrato:handler/handler@0.1.0`:";
    let expected = [
        error("empty.wasm", &format!("{NO_HANDLE} nothing"), PUT_HANDLER),
        error("no-function.wasm", &format!("{differs} it is not a function"), PUT_HANDLER),
        error("other-type.wasm", &format!("{differs} expected `variant` found `u32`"), PUT_HANDLER),
        error("stranger.wasm", &format!("{NO_HANDLE} `run`"), PUT_HANDLER),
        error(
            "stranger.wasm",
            "it imports `vibrato:handler/request@9.0.0`, which this host does not provide: it has version 0.1.0 of \
             that interface",
            BUILD_AGAINST,
        ),
    ];
    assert_reports(routes, &[], &expected);
}

#[test]
fn a_component_that_is_no_handler_of_one_released_world_is_reported() {
    let exporting = |names: &[&str]| {
        let exports: Vec<String> = names.iter().map(|name| format!("(export \"{name}\" (instance $empty))")).collect();
        assemble(&format!("(component (instance $empty) {})", exports.join(" ")))
    };
    let both = format!(
        "(component (import \"run\" (func $run)) (instance $empty) {} (export \"handle\" (func $run)))",
        "(export \"wasi:http/incoming-handler@0.2.0\" (instance $empty))"
    );
    let package = "(component (type (component (type (component))
        (export \"acme:store/store@1.0.0\" (component (type 0))))) (export \"store\" (type 0)))";
    let routes = RoutesDir::new()
        .with_bytes("both.wasm", &assemble(&both))
        .with_bytes("candidate.wasm", &exporting(&["wasi:http/incoming-handler@0.2.0-rc-2023-11-10"]))
        .with_bytes("command.wasm", &exporting(&["wasi:cli/run@0.2.0"]))
        .with_bytes("later.wasm", &exporting(&["wasi:http/incoming-handler@1.0.0"]))
        .with_bytes("no-function.wasm", &exporting(&["wasi:http/incoming-handler@0.2.0"]))
        .with_bytes("package.wasm", &assemble(package))
        .with_bytes("two.wasm", &exporting(&["wasi:http/incoming-handler@0.2.0", "wasi:http/handler@0.3.1"]))
        .with_bytes("young.wasm", &exporting(&["wasi:http/handler@0.3.0-rc-2026-03-15"]));
    let one_world = "build it for one world: `vibrato:handler` or `wasi:http`";
    let newer = "build it again with a newer toolchain, against `wasi:http/incoming-handler@0.2.0`, \
                 `wasi:http/handler@0.3.0` or a later patch of them";
    let expected = [
        error(
            "both.wasm",
            "it exports handlers of several worlds: `wasi:http/incoming-handler@0.2.0` and `handle`",
            one_world,
        ),
        error(
            "candidate.wasm",
            "its handler `wasi:http/incoming-handler@0.2.0-rc-2023-11-10` is of a release candidate of wasi:http, which \
             differs from every release",
            newer,
        ),
        error(
            "command.wasm",
            "it is a command, which runs once and ends: it exports `wasi:cli/run@0.2.0` and no handler",
            "build it as a handler: export `handle` of `wit/world.wit`, or a handler of `wasi:http`; in Rust as a \
             library of the crate type `cdylib`, not as a program",
        ),
        error(
            "later.wasm",
            "its handler `wasi:http/incoming-handler@1.0.0` is of a version of wasi:http that this host does not serve: it \
             has 0.2 and 0.3",
            newer,
        ),
        error(
            "no-function.wasm",
            "its export `wasi:http/incoming-handler@0.2.0` has no function `handle`",
            "build it for the world `wasi:http/proxy@0.2` or `wasi:http/service@0.3`, whose handler has the function \
             `handle`",
        ),
        error(
            "package.wasm",
            "it is a package of WIT: it has types and no code",
            "put components into the routes directory, and WIT beside the source",
        ),
        error(
            "two.wasm",
            "it exports handlers of several worlds: `wasi:http/incoming-handler@0.2.0` and `wasi:http/handler@0.3.1`",
            one_world,
        ),
        error(
            "young.wasm",
            "its handler `wasi:http/handler@0.3.0-rc-2026-03-15` is of a release candidate of wasi:http, which differs \
             from every release",
            newer,
        ),
    ];
    assert_reports(routes, &[], &expected);
}

#[test]
fn an_unknown_import_is_reported_with_what_there_is() {
    let function = "(instance (export \"f\" (func)))";
    let other_type = "(instance (export \"method\" (func (result u32))))";
    let method = "(instance (export \"method\" (func (result string))))";
    let routes = RoutesDir::new()
        .with_bytes("interface.wasm", &plain_importing("vibrato:handler/elsewhere@0.1.0", function))
        .with_bytes("package.wasm", &plain_importing("acme:store/get@1.0.0", function))
        .with_bytes("type.wasm", &plain_importing("vibrato:handler/request@0.1.0", other_type))
        .with_bytes("version.wasm", &plain_importing("vibrato:handler/request@9.0.0", method))
        .with_bytes("wasi.wasm", &plain_importing("wasi:cli/stdout@0.3.0", function));
    let expected = [
        error(
            "interface.wasm",
            "it imports `vibrato:handler/elsewhere@0.1.0`, which this host does not provide: `vibrato:handler@0.1.0` has \
             types, request, response, options, config, http-client, key-value, push, context, seal, messages, script",
            BUILD_AGAINST,
        ),
        error("package.wasm", "it imports `acme:store/get@1.0.0`, which this host does not provide", BUILD_AGAINST),
        error(
            "type.wasm",
            "its imports do not match the world `vibrato:handler/handler@0.1.0`: component imports instance \
            `vibrato:handler/request@0.1.0`, but a matching implementation was not found in the linker: instance export \
            `method` has the wrong type: type mismatch with results: expected `string` found `u32`",
            BUILD_AGAINST,
        ),
        error(
            "version.wasm",
            "it imports `vibrato:handler/request@9.0.0`, which this host does not provide: it has version 0.1.0 of \
             that interface",
            BUILD_AGAINST,
        ),
        error(
            "wasi.wasm",
            "it imports `wasi:cli/stdout@0.3.0`, which this host does not provide: it has version 0.2 of `wasi:cli`",
            BUILD_AGAINST,
        ),
    ];
    assert_reports(routes, &[], &expected);
}

#[test]
fn a_component_that_cannot_describe_itself_is_reported() {
    let routes = RoutesDir::new().with(guest::BAD_OPTION).with(guest::DESCRIBE_SPINS).with(guest::DESCRIBE_TRAPS);
    let remedy = "`describe` must return at once and need nothing of a request";
    let expected = [
        error(
            "bad_option.wasm",
            "option `rate` is \"fast\"; expected a whole number, 0 or more; 0 is unlimited",
            "declare what is expected in its place, and build it again",
        ),
        error("describe_spins.wasm", "its `describe` failed: it took longer than 200ms", remedy),
        error(
            "describe_traps.wasm",
            "its `describe` failed: wasm trap: wasm `unreachable` instruction executed",
            remedy,
        ),
    ];
    assert_reports(routes, &[("timeout", Value::Float(0.2))], &expected);
}

#[test]
fn two_routes_at_one_path_are_both_reported_and_neither_answers() {
    let routes = RoutesDir::new()
        .with(guest::HELLO)
        .with_as("sub/other.wasm", guest::HELLO)
        .with_file("sub/other.toml", "declare = 'any'")
        .with_as("users/[id].wasm", guest::NOTHING)
        .with_file("users/[id].toml", "path = '/users/{id}'")
        .with_as("users/[name].wasm", guest::NOTHING)
        .with_file("users/[name].toml", "path = '/users/{name}'");
    let expected = [
        error(
            "sub/other.wasm",
            "`GET /hello` is claimed by ROUTES/hello.wasm too",
            "give one of the two another path or other methods; neither is at `/hello` now",
        ),
        error(
            "users/[name].wasm",
            "`GET /users/{name}` is claimed by ROUTES/users/[id].wasm too",
            "give one of the two another path or other methods; neither is at `/users/{name}` now",
        ),
    ];
    let server = assert_reports(routes, &[], &expected);
    for path in ["/hello", "/users/7"] {
        assert!(server.get(path).starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}");
    }
}

#[test]
fn all_mistakes_of_a_route_file_are_reported() {
    let files = [
        ("both.toml", "path = '/a'\npaths = ['/b']"),
        ("kind.toml", "\nrate = 'fast'\nchunked = 1\nrate_scope = 'route'\ntimeout = 0"),
        ("list.toml", "mine = [1, 'a']\nyours = { a = 1 }"),
        ("method.toml", "method = 'GET IT'"),
        ("path.toml", "path = 'hello'"),
        ("range.toml", "buffer_size = 0\nstatus = 100"),
        ("syntax.toml", "rate = 5\nburst 5"),
    ];
    let routes = files.iter().fold(RoutesDir::new(), |routes, (file, text)| {
        routes.with_as(&file.replace(".toml", ".wasm"), guest::HELLO).with_file(file, text)
    });
    let routes = routes
        .with_as("bytes.wasm", guest::HELLO)
        .with_bytes("bytes.toml", b"\xff")
        .with_file("orphan.toml", "rate = 5");
    let accepted = "expected true or false, a number, text, or a list of one of these";
    let write = "write what is expected in its place";
    let expected = [
        error("both.toml", "line 2: both `path` and `paths` are there; expected one of them", "keep one of them"),
        error("bytes.toml", "it is not UTF-8", "make it a readable text file of TOML"),
        error("kind.toml", "line 3: option `chunked` is 1; expected true, false or \"auto\"", write),
        error(
            "kind.toml",
            "line 2: option `rate` is \"fast\"; expected a whole number, 0 or more; 0 is unlimited",
            write,
        ),
        error("kind.toml", "line 4: option `rate_scope` is \"route\"; expected \"client\" or \"connection\"", write),
        error(
            "kind.toml",
            "line 5: option `timeout` is 0; expected a number of seconds above 0 and up to 86400",
            write,
        ),
        error("list.toml", &format!("line 1: option `mine` is a list of several kinds; {accepted}"), write),
        error("list.toml", &format!("line 2: option `yours` is a table; {accepted}"), write),
        error("method.toml", "line 1: a method is not a token of 1 to 32 bytes; expected one like `GET`", write),
        format!(
            "warning: {DIR}/orphan.toml: there is no component of that name beside it\n  \
             remedy: put the component there, or rename this file after its component"
        ),
        error("path.toml", "line 1: a path pattern does not start with `/`", "start it with `/`, as in `/hello`"),
        error("range.toml", "line 1: option `buffer_size` is 0; expected a whole number from 1 to 1048576", write),
        error("range.toml", "line 2: option `status` is 100; expected a whole number from 200 to 599", write),
        error(
            "syntax.toml",
            "line 2: key with no value, expected `=`",
            "write it as TOML: `name = value` on a line, text in quotes",
        ),
    ];
    assert_reports(routes, &[], &expected);
}

#[test]
fn a_component_without_paths_answers_at_the_path_of_its_file() {
    let plain = plain();
    // The status says which of them answers.
    let places = [
        ("plain", 201, "/plain"),
        ("index", 202, "/"),
        ("users/index", 203, "/users"),
        ("users/[id]", 206, "/users/7"),
        ("users/me", 207, "/users/me"),
        ("files/[...rest]", 208, "/files/a/b/c"),
        ("Täst 1", 226, "/T%C3%A4st%201"),
    ];
    let routes = places.iter().fold(RoutesDir::new(), |routes, (place, status, _)| {
        let routes = routes.with_bytes(&format!("{place}.wasm"), &plain);
        routes.with_file(&format!("{place}.toml"), &format!("status = {status}\nchunked = false"))
    });
    let routes = routes
        .with_bytes(".hidden.wasm", &plain)
        .with_bytes("_draft.wasm", &plain)
        .with_bytes("_drafts/new.wasm", &plain)
        .with_bytes("x[id].wasm", &plain)
        .with_file("_readme.txt", "not a route");
    let expected = [error(
        "x[id].wasm",
        "the name has brackets in the middle",
        "let the brackets enclose the whole name, as in `[id].wasm`",
    )];
    let server = assert_reports(routes, &[], &expected);
    for (place, status, path) in places {
        let response = server.get(path);
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{place} at {path}: {response}");
        assert!(response.ends_with("\r\n\r\nplain"), "{place} at {path}: {response}");
    }
    for path in ["/index", "/.hidden", "/_draft", "/_drafts/new", "/x7", "/files", "/users/7/8"] {
        assert!(server.get(path).starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}");
    }
}
