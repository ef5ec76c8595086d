//! What `host check` prints, whole, and its exit code. Each single message is told by `routes::directory_contents` too.

use std::path::Path;

use crate::support::{RoutesDir, assemble, compile_cache, guest, host, plain, run, text};

/// The directory in an expected message.
const DIR: &str = "ROUTES";

/// Checks `place` in a directory, its root where that is empty, and compares what is printed.
#[track_caller]
fn assert_checked(routes: &RoutesDir, place: &str, arguments: &[&str], expected: &str, code: i32) {
    let root = routes.path().display().to_string();
    let path = if place.is_empty() { routes.path().to_owned() } else { routes.path().join(place) };
    let mut check = host(&["check", "--cache-dir"]);
    let output = run(check.arg(compile_cache()).arg(path).args(arguments));
    assert_eq!(text(&output.stdout).replace(&root, DIR), expected);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(code)));
}

#[test]
fn a_good_directory_or_file_has_no_diagnostics() {
    let routes = RoutesDir::new().with(guest::HELLO).with_as("users/[id].wasm", guest::TRAP);
    assert_checked(&routes, "", &[], "2 routes; 0 errors, 0 warnings\n", 0);
    assert_checked(&routes, "hello.wasm", &[], "1 route; 0 errors, 0 warnings\n", 0);
    assert_checked(&routes, "users/[id].wasm", &[], "1 route; 0 errors, 0 warnings\n", 0);
}

#[test]
fn components_of_wasi_http_03_can_be_switched_off() {
    let routes = RoutesDir::new().with_as("later.wasm", guest::WASIP3_HTTP_PROXY);
    assert_checked(&routes, "", &[], "1 route; 0 errors, 0 warnings\n", 0);
    assert_checked(&routes, "", &["--wasi-http-03", "on"], "1 route; 0 errors, 0 warnings\n", 0);
    let expected = "\
error: ROUTES/later.wasm: its handler `wasi:http/handler@0.3.2` is of wasi:http 0.3, which `--wasi-http-03 off` does not serve
  remedy: start the host with `--wasi-http-03 on`, or build it for `wasi:http` 0.2
0 routes; 1 error, 0 warnings
";
    assert_checked(&routes, "", &["--wasi-http-03", "off"], expected, 1);
}

#[test]
fn the_errors_of_all_files_are_reported_together() {
    let routes = RoutesDir::new()
        .with(guest::BAD_OPTION)
        .with_bytes("cut.wasm", b"\0asm")
        .with_bytes("module.wasm", &assemble("(module)"))
        .with(guest::HELLO)
        .with_as("sub/other.wasm", guest::HELLO)
        .with_file("sub/other.toml", "declare = 'any'")
        .with_file("orphan.toml", "")
        .with_bytes("text.wasm", b"Hello")
        .with_bytes("users/x[id].wasm", &plain());
    let expected = "\
error: ROUTES/bad_option.wasm: option `rate` is \"fast\"; expected a whole number, 0 or more; 0 is unlimited
  remedy: declare what is expected in its place, and build it again
error: ROUTES/cut.wasm: it cannot be compiled: failed to parse WebAssembly module: unexpected end-of-file (at offset 0x4)
  remedy: build or copy the file again: it is truncated, damaged, or newer than this host
error: ROUTES/module.wasm: it is a core WebAssembly module, not a component
  remedy: build it for the target `wasm32-wasip2`, or make a component of it with `wasm-tools component new`
warning: ROUTES/orphan.toml: there is no component of that name beside it
  remedy: put the component there, or rename this file after its component
error: ROUTES/sub/other.wasm: `GET /hello` is claimed by ROUTES/hello.wasm too
  remedy: give one of the two another path or other methods; neither is at `/hello` now
error: ROUTES/text.wasm: it is not WebAssembly: it does not begin with `\\0asm`
  remedy: give a component in its place; was the file copied or built completely?
error: ROUTES/users/x[id].wasm: the name has brackets in the middle
  remedy: let the brackets enclose the whole name, as in `[id].wasm`
0 routes; 6 errors, 1 warning
";
    assert_checked(&routes, "", &[], expected, 1);
}

#[test]
fn all_missing_exports_and_unknown_imports_are_reported_together() {
    let stranger = "(component
      (import \"vibrato:handler/request@9.0.0\" (instance))
      (import \"vibrato:handler/elsewhere@0.1.0\" (instance (export \"f\" (func))))
      (import \"wasi:blobstore/container@0.2.0-draft\" (instance (export \"f\" (func))))
      (import \"wasi:cli/stdout@0.3.0\" (instance (export \"f\" (func))))
      (instance $none)
      (export \"describe\" (instance $none)))";
    let routes = RoutesDir::new()
        .with_bytes("stranger.wasm", &assemble(stranger))
        .with_file("stranger.toml", "path = 'here'\nmethod = 'get'\nrate = 1");
    let expected = "\
error: ROUTES/stranger.toml: line 1: a path pattern does not start with `/`
  remedy: start it with `/`, as in `/hello`
error: ROUTES/stranger.toml: line 2: method `get` is in the wrong case; expected `GET`
  remedy: write what is expected in its place
error: ROUTES/stranger.wasm: it does not export the function `handle` of the world `vibrato:handler/handler@0.1.0`; \
it exports `describe`
  remedy: build it against the `wit/world.wit` of this host; in Rust, put `#[handler]` of guest-sdk on a function
error: ROUTES/stranger.wasm: its export `describe` is not the function of the world \
`vibrato:handler/handler-described@0.1.0`: it is not a function
  remedy: build it against the `wit/world.wit` of this host; in Rust, put `#[handler]` of guest-sdk on a function
error: ROUTES/stranger.wasm: it imports `vibrato:handler/request@9.0.0`, which this host does not provide: it has \
version 0.1.0 of that interface
  remedy: AGAINST
error: ROUTES/stranger.wasm: it imports `vibrato:handler/elsewhere@0.1.0`, which this host does not provide: \
`vibrato:handler@0.1.0` has types, request, response, options, config, http-client, key-value, push, context, seal, messages, script
  remedy: AGAINST
error: ROUTES/stranger.wasm: it imports `wasi:blobstore/container@0.2.0-draft`, which this host does not provide
  remedy: AGAINST
error: ROUTES/stranger.wasm: it imports `wasi:cli/stdout@0.3.0`, which this host does not provide: it has version 0.2 \
of `wasi:cli`
  remedy: AGAINST
0 routes; 8 errors, 0 warnings
";
    let against = "build it against the `wit/world.wit` of this host, and use no interface beyond it and WASI 0.2's cli, \
                   clocks, filesystem, http, io, random and sockets, wasi:config and wasi:keyvalue";
    let expected = expected.replace("AGAINST", against);
    assert_checked(&routes, "stranger.wasm", &[], &expected, 1);
    assert_checked(&routes, "", &[], &expected, 1);
}

#[test]
fn a_limit_that_a_component_would_raise_is_a_warning() {
    let routes = RoutesDir::new().with(guest::DOWNLOAD);
    let expected = "\
warning: ROUTES/download.wasm: option `rate` is 2097152 in the component and is held to the operator's 10
  remedy: to allow it, set it in ROUTES/download.toml
1 route; 0 errors, 1 warning
";
    assert_checked(&routes, "download.wasm", &["--rate", "10"], expected, 0);
}

#[test]
fn a_typing_error_in_a_key_is_a_warning_with_what_was_meant() {
    let file = "pth = '/a'\ntimout = 5\nRate = 10\ngreeting = 'Hi'\n";
    let routes = RoutesDir::new().with(guest::HELLO).with_file("hello.toml", file);
    let expected = "\
warning: ROUTES/hello.toml: line 3: option `Rate` is the handler's own; the host's is `rate`
  remedy: write `rate` if that is meant, or give the handler's option another name
warning: ROUTES/hello.toml: line 1: option `pth` is the handler's own; the host's is `path`
  remedy: write `path` if that is meant, or give the handler's option another name
warning: ROUTES/hello.toml: line 2: option `timout` is the handler's own; the host's is `timeout`
  remedy: write `timeout` if that is meant, or give the handler's option another name
1 route; 0 errors, 3 warnings
";
    assert_checked(&routes, "", &[], expected, 0);
    let output = run(host(&["check", "--timout", "5"]).arg(routes.path()));
    assert!(text(&output.stderr).contains("a similar argument exists: '--timeout'"), "{output:?}");
}

#[test]
fn files_that_nothing_serves_are_warnings() {
    let routes = RoutesDir::new()
        .with(guest::HELLO)
        .with_as("UPPER.WASM", guest::HELLO)
        .with_file("site/index.html", "")
        .with_file("app.rs", "")
        .with_file("_notes.txt", "")
        .with_file(".hidden", "");
    let expected = "\
warning: ROUTES/UPPER.WASM: nothing reads it: extensions are in lower case, and this is `.WASM`
  remedy: rename it to end in `.wasm`
warning: ROUTES/app.rs: nothing serves it: it is a source and no component
  remedy: build a component of it, as in a project of `host new NAME --lang rust`
warning: ROUTES/site/index.html: nothing serves it: it is no component
  remedy: let a handler send it, or move it elsewhere; names that begin with `_` or `.` are left out
1 route; 0 errors, 3 warnings
";
    assert_checked(&routes, "", &[], expected, 0);
}

#[test]
fn imports_that_find_nothing_are_noted() {
    let routes = RoutesDir::new().with(guest::ENV);
    let note = |what: &str| {
        format!(
            "note: ROUTES/env.wasm: it imports {what} without a grant, and finds none; its language may do that by itself\n\
             1 route; 0 errors, 0 warnings\n"
        )
    };
    assert_checked(&routes, "", &[], &note("files, environment variables, sockets"), 0);
    let routes = routes.with_file("env.toml", "[grant]\nenv = { A = 'a' }");
    assert_checked(&routes, "", &[], &note("files, sockets"), 0);
}

#[test]
fn a_file_is_checked_without_its_neighbours() {
    let routes = RoutesDir::new().with(guest::HELLO).with_as("other.wasm", guest::HELLO).with_bytes("bad.wasm", b"");
    assert_checked(&routes, "hello.wasm", &[], "1 route; 0 errors, 0 warnings\n", 0);
}

#[test]
fn a_missing_file_cannot_be_checked() {
    let missing = RoutesDir::new().path().join("missing");
    let output = run(host(&["check", "--no-cache"]).arg(&missing));
    let expected = format!("error: cannot read the routes in {}: ", missing.display());
    assert!(text(&output.stderr).starts_with(&expected), "{output:?}");
    assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)));
    assert!(!Path::new(&missing).exists());
}

#[test]
fn javascript_that_drew_random_numbers_at_build_time_is_a_warning() {
    // A custom section: what it is named, and what stands for the runtime and the source that it keeps.
    let section = |names: &str| [&[0, 1 + names.len() as u8, 0][..], names.as_bytes()].concat();
    let made = |names: &str| [plain(), section(names)].concat();
    let routes = RoutesDir::new()
        .with_bytes("frozen.wasm", &made("componentize_qjs_runtime.wasm Math.random()"))
        .with_bytes("mended.wasm", &made("componentize_qjs_runtime.wasm Math.random() wasi:random/random@0.2.12"))
        .with_bytes("none.wasm", &made("componentize_qjs_runtime.wasm"))
        .with_bytes("other.wasm", &made("Math.random()"));
    let expected = "\
warning: ROUTES/frozen.wasm: its JavaScript calls `Math.random`, which returns the same numbers in every instance: QuickJS \
has drawn them when it was built
  remedy: build it as `host new --lang js` does, with `random.js`, which takes them from the host
4 routes; 0 errors, 1 warning
";
    assert_checked(&routes, "", &[], expected, 0);
}
