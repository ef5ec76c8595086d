//! `host new`: what it writes builds with one command, in a folder of its own, and answers.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{RoutesDir, TestServer, compile_cache, host, run, text};

/// The projects' own target directory, kept so that their dependencies are built once.
fn built() -> &'static Path {
    Path::new(concat!(env!("CARGO_TARGET_TMPDIR"), "/projects"))
}

/// Makes a project, and its component with the one command that its README names.
fn build(folder: &RoutesDir, name: &str, style: &str) -> Vec<u8> {
    let made = run(host(&["new", name, "--style", style]).current_dir(folder.path()));
    assert!(made.status.success(), "{made:?}");
    // What the tests need was fetched for them already.
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release"]).current_dir(folder.path().join(name)).env("CARGO_TARGET_DIR", built());
    cargo.env("CARGO_NET_OFFLINE", "true");
    for set in ["CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER", "RUSTFLAGS", "CARGO_BUILD_TARGET"] {
        cargo.env_remove(set);
    }
    let output = run(&mut cargo);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("warning"), "{}", text(&output.stderr));
    let file = built().join("wasm32-wasip2/release").join(name.replace('-', "_")).with_extension("wasm");
    fs::read(file).expect("the component is built")
}

#[test]
fn each_style_builds_is_good_and_answers() {
    let folder = RoutesDir::new();
    for (style, name, body) in [
        ("yield", "my-yield", "7\r\nHello, \r\n5\r\nAda!\n\r\n0\r\n\r\n"),
        ("write", "my_write", "7\r\nHello, \r\n5\r\nAda!\n\r\n0\r\n\r\n"),
        ("return", "my-return2", "c\r\nHello, Ada!\n\r\n0\r\n\r\n"),
    ] {
        let component = build(&folder, name, style);
        let routes = RoutesDir::new().with_bytes("any.wasm", &component);
        let checked = run(host(&["check", "--cache-dir"]).arg(compile_cache()).arg(routes.path()));
        assert_eq!(text(&checked.stdout), "1 route; 0 errors, 0 warnings\n", "{style}");
        let server = TestServer::start(routes);
        let response = server.get(&format!("/{name}/Ada"));
        assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with(body), "{style}: {response}");
        assert!(response.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"), "{style}: {response}");
        let head = server.exchange(format!("HEAD /{name}/Ada HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n"));
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n") && head.ends_with("\r\n\r\n"), "{style}: {head}");
    }
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
    let project = folder.path().join("my-route");
    for file in ["Cargo.toml", ".cargo/config.toml", ".gitignore", "README.md", "src/lib.rs"] {
        let text = fs::read_to_string(project.join(file)).expect("the file is written");
        assert!(!text.contains("NAME") && !text.contains("SDK") && !text.contains("FILE"), "{file}: {text}");
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
        (&["a", "--lang", "cobol"], "error: invalid value 'cobol' for '--lang <LANG>'\n  [possible values: rust]"),
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
