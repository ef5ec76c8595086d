//! `host new`: what it writes builds with one command, in a folder of its own, and answers.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{RoutesDir, TestServer, compile_cache, host, run, skip, text};

const STYLES: [&str; 3] = ["yield", "write", "return"];

/// Makes a project, and its component with the one command that its README names.
fn build(folder: &RoutesDir, name: &str, arguments: &[&str], command: &mut Command, component: &Path) -> Vec<u8> {
    let made = run(host(&["new", name]).args(arguments).current_dir(folder.path()));
    assert!(made.status.success(), "{made:?}");
    let output = run(command.current_dir(folder.path().join(name)));
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("warning"), "{}", text(&output.stderr));
    fs::read(folder.path().join(name).join(component)).expect("the component is built")
}

/// What all projects do, in each style.
#[track_caller]
fn assert_good(routes: RoutesDir, name: &str, style: &str) {
    let checked = run(host(&["check", "--cache-dir"]).arg(compile_cache()).arg(routes.path()));
    assert_eq!(text(&checked.stdout), "1 route; 0 errors, 0 warnings\n", "{style}");
    let server = TestServer::start(routes);
    let mut client = server.connect();
    let body = match style {
        "return" => "c\r\nHello, Ada!\n\r\n0\r\n\r\n",
        _ => "7\r\nHello, \r\n5\r\nAda!\n\r\n0\r\n\r\n",
    };
    client.send(format!("GET /{name}/Ada HTTP/1.1\r\nHost: test\r\n\r\n"));
    let head = client.read_until("\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.to_ascii_lowercase().contains("\r\ncontent-type: text/plain; charset=utf-8\r\n"), "{head}");
    client.expect(body);
    client.send(format!("HEAD /{name}/Ada HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"));
    let head = client.read_to_end();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{style}: {head}");
}

#[test]
fn each_style_in_rust_builds_is_good_and_answers() {
    let folder = RoutesDir::new();
    // Kept, so that dependencies are built once.
    let built = Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/projects"));
    for style in STYLES {
        let name = format!("my-{style}_1");
        let mut cargo = Command::new(env!("CARGO"));
        // What the tests need was fetched for them already.
        cargo.args(["build", "--release"]).env("CARGO_TARGET_DIR", built).env("CARGO_NET_OFFLINE", "true");
        for set in ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
            cargo.env_remove(set);
        }
        let component = built.join("wasm32-wasip2/release").join(name.replace('-', "_")).with_extension("wasm");
        let bytes = build(&folder, &name, &["--style", style], &mut cargo, &component);
        assert_good(RoutesDir::new().with_bytes("any.wasm", &bytes), &name, style);
    }
}

#[test]
fn each_style_in_python_builds_is_good_and_answers() {
    build_with_tools("python", "bin/componentize-py");
}

#[test]
fn each_style_in_javascript_builds_is_good_and_answers() {
    build_with_tools("js", "node_modules/.bin/componentize-qjs");
}

#[test]
fn each_style_in_c_builds_is_good_and_answers() {
    build_with_tools("c", "bin/python-zig");
}

#[test]
fn each_style_in_go_builds_is_good_and_answers() {
    build_with_tools("go", "bin/go");
}

/// Where `VIBRATO_LANGUAGES` is `all`, the project installs its tools; else those of `make guests-LANG` build it, in the
/// first style alone.
fn build_with_tools(language: &str, tool: &str) {
    let all = env::var_os("VIBRATO_LANGUAGES").is_some_and(|wanted| wanted == "all");
    let tools = tools().join(if language == "js" { "javascript" } else { language });
    if !all && !tools.join(tool).is_file() {
        return skip(&format!("`host new --lang {language}`, for there is no {}", tools.join(tool).display()));
    }
    let folder = RoutesDir::new();
    for style in &STYLES[..if all { STYLES.len() } else { 1 }] {
        let name = format!("my-{style}_1");
        let mut command = Command::new("./build");
        if tools.join(tool).is_file() {
            command.env("TOOLS", &tools);
        }
        let component = Path::new(&name).with_extension("wasm");
        let bytes = build(&folder, &name, &["--lang", language, "--style", style], &mut command, &component);
        let file = fs::read_to_string(folder.path().join(&name).join(format!("{name}.toml"))).expect("it has one");
        let routes = RoutesDir::new().with_bytes("any.wasm", &bytes).with_file("any.toml", &file);
        assert_good(routes, &name, style);
    }
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
    for (project, files) in [
        ("my-route", &["Cargo.toml", ".cargo/config.toml", ".gitignore", "README.md", "src/lib.rs"][..]),
        ("my-page", &["app.py", "build", "my-page.toml", ".gitignore", "README.md", "wit/world.wit"]),
        ("my-c", &["app.c", "build", "my-c.toml", ".gitignore", "README.md", "wit/world.wit"]),
        ("my-go", &["app.go", "build", "my-go.toml", ".gitignore", "README.md", "go.mod", "go.work"]),
    ] {
        for file in files {
            let text = fs::read_to_string(folder.path().join(project).join(file)).expect("the file is written");
            let left = ["NAME", "FILE", "SDK", "SOURCE", "BINDINGS"].map(|word| text.contains(word));
            assert_eq!(left, [false; 5], "{file}: {text}");
        }
    }
}

#[test]
fn what_cannot_be_made_is_told_and_nothing_is_written() {
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
            "error: invalid value 'cobol' for '--lang <LANG>'\n  [possible values: rust, python, js, c, go]",
        ),
        (&["a", "--style", "sing"], "error: invalid value 'sing' for '--style <STYLE>'\n  [possible values: yield, "),
        (&["a", "--sdk", "nowhere"], "error: there is no guest-sdk in nowhere; name the folder `guest-sdk` of "),
    ] {
        let output = run(host(&["new"]).args(arguments).current_dir(folder.path()));
        assert!(text(&output.stderr).starts_with(error), "{error}: {output:?}");
        assert_eq!((text(&output.stdout), output.status.code()), ("", Some(2)), "{error}");
    }
    let left: Vec<_> = fs::read_dir(folder.path()).expect("it is there").filter_map(Result::ok).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}
