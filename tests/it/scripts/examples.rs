//! The example scripts do what their comments say.

use crate::support::script::{can_run, interpreters};
use crate::support::wire::{HELLO_RESPONSE, get};
use crate::support::{Process, RoutesDir, compile_cache, host, run, text};

/// The example scripts, as they are.
fn examples() -> RoutesDir {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/scripts");
    ["python", "javascript"].iter().fold(RoutesDir::new(), |routes, language| {
        let files = std::fs::read_dir(format!("{root}/{language}")).expect("there are examples");
        files.fold(routes, |routes, file| {
            let file = file.expect("it can be listed").path();
            let name = file.file_name().expect("it has a name").to_string_lossy().into_owned();
            routes.with_bytes(&format!("{language}/{name}"), &std::fs::read(file).expect("it can be read"))
        })
    })
}

#[test]
fn a_guest_book_is_a_script_too() {
    if !can_run() {
        return;
    }
    let (routes, state) = (examples(), RoutesDir::new());
    let interpreters = interpreters().display().to_string();
    let state = state.path().display().to_string();
    // The interpreters may have to be compiled, which takes longer than a server is waited for.
    let mut check = host(&["check", "--state", &state, "--interpreters", &interpreters, "--cache-dir"]);
    let checked = run(check.arg(compile_cache()).arg(routes.path()));
    assert_eq!(text(&checked.stdout), "4 routes; 0 errors, 0 warnings\n");
    let server = Process::start(&routes, &["--state", &state, "--interpreters", &interpreters]);
    for language in ["python", "javascript"] {
        let path = format!("/{language}/guest-book");
        let post = |form: &str| {
            let length = form.len();
            server.connect().exchange(format!(
                "POST {path} HTTP/1.1\r\nHost: it\r\nConnection: close\r\nContent-Type: \
                 application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
            ))
        };
        for (name, text) in [("Ada", "first"), ("%3CEve%3E", "second+%26+last")] {
            let signed = post(&format!("name={name}&text={text}"));
            assert!(signed.starts_with("HTTP/1.1 303 See Other\r\n"), "{signed}");
            assert!(
                signed.contains(&format!("\r\nlocation: {path}\r\n")) && signed.contains("\r\nset-cookie: name="),
                "{signed}"
            );
        }
        assert!(post("name=&text=x").starts_with("HTTP/1.1 400 Bad Request\r\n"));
        let known = format!("GET {path} HTTP/1.1\r\nHost: it\r\nCookie: name=%3CEve%3E\r\nConnection: close\r\n\r\n");
        let page = server.connect().exchange(known);
        assert!(page.contains("value=\"&lt;Eve&gt;\""), "{page}");
        let entries: String = page.lines().filter(|line| line.starts_with("<p>")).collect();
        assert_eq!(entries, "<p><b>&lt;Eve&gt;</b>: second &amp; last<p><b>Ada</b>: first", "{page}");
    }
    let mut client = server.connect();
    for language in ["python", "javascript"] {
        client.send(get(&format!("/{language}/hello")));
        client.expect(HELLO_RESPONSE);
    }
}
