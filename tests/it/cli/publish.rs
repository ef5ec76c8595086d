//! `host publish`: what reaches the subscribers of a running host, and what is said where nothing does.

use std::io::Write as _;
use std::process::{Output, Stdio};

use crate::support::wire::get;
use crate::support::{Client, Process, RoutesDir, guest, host, run, text};

/// A host with the guest `script` in its routes directory, in a directory below, and in one with a named scope.
fn serve(state: &RoutesDir) -> Process {
    let routes = RoutesDir::new()
        .with(guest::SCRIPT)
        .with_as("inner/script.wasm", guest::SCRIPT)
        .with_file("inner/script.toml", "path = '/inner'")
        .with_as("named/script.wasm", guest::SCRIPT)
        .with_file("named/script.toml", "path = '/named'\ntopics = 'chat'")
        .with_as("@example.org/script.wasm", guest::SCRIPT)
        .with_file("@example.org/script.toml", "topics = 'chat'");
    Process::start(&routes, &["--state", &state.path().display().to_string()])
}

/// A client for which the handler at `path` has subscribed to `a`.
fn listen(process: &Process, path: &str) -> Client {
    let mut client = process.connect();
    client.send(get(&format!("{path}?subscribe=a&write=open&manual")));
    client.read_until("open\r\n");
    client
}

fn publish(state: &RoutesDir, arguments: &[&str]) -> Output {
    run(host(&["publish", "--state"]).arg(state.path()).args(arguments))
}

/// What is printed by a command that succeeds.
#[track_caller]
fn printed(output: &Output) -> &str {
    assert!(output.status.success(), "{output:?}");
    text(&output.stdout)
}

#[test]
fn a_chunk_reaches_the_subscribers_of_its_scope_and_nobody_else() {
    let state = RoutesDir::new();
    let process = serve(&state);
    let mut clients = ["/script", "/inner", "/named"].map(|path| listen(&process, path));
    assert_eq!(printed(&publish(&state, &["a", "one"])), "1 subscriber\n");
    assert_eq!(printed(&publish(&state, &["--directory", "inner", "a", "two"])), "1 subscriber\n");
    assert_eq!(printed(&publish(&state, &["--topics", "chat", "a", "four"])), "1 subscriber\n");
    assert_eq!(printed(&publish(&state, &["none", "five"])), "0 subscribers\n");
    assert_eq!(printed(&publish(&state, &["--directory", "nowhere", "a", "five"])), "0 subscribers\n");
    assert_eq!(printed(&publish(&state, &["--sse", "a", "x\ny"])), "1 subscriber\n");
    clients[0].expect("3\r\none\r\n11\r\ndata: x\ndata: y\n\n\r\n");
    clients[1].expect("3\r\ntwo\r\n");
    clients[2].expect("4\r\nfour\r\n");
}

#[test]
fn a_chunk_reaches_the_topics_of_a_name_in_its_site_alone() {
    let state = RoutesDir::new();
    let process = serve(&state);
    let mut outside = listen(&process, "/named");
    let mut inside = process.connect();
    inside.send("GET /script?subscribe=a&write=open&manual HTTP/1.1\r\nHost: example.org\r\n\r\n");
    inside.read_until("open\r\n");
    assert_eq!(printed(&publish(&state, &["--topics", "chat", "--site", "example.org", "a", "one"])), "1 subscriber\n");
    assert_eq!(printed(&publish(&state, &["--topics", "chat", "--site", "default", "a", "two"])), "1 subscriber\n");
    inside.expect("3\r\none\r\n");
    outside.expect("3\r\ntwo\r\n");
    let wrong = publish(&state, &["--topics", "chat", "--site", "Example.org", "a", "one"]);
    assert!(text(&wrong.stderr).contains("rename it in lower case"), "{wrong:?}");
}

#[test]
fn without_a_text_stdin_is_published() {
    let state = RoutesDir::new();
    let process = serve(&state);
    let mut client = listen(&process, "/script");
    let publish = |chunk: &[u8]| {
        let mut command = host(&["publish", "--state"]);
        command.arg(state.path()).arg("a").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it can be started");
        // It may have refused before it has read all.
        let _ = child.stdin.take().expect("stdin is a pipe").write_all(chunk);
        child.wait_with_output().expect("it ends")
    };
    assert_eq!(printed(&publish(b"from stdin\n")), "1 subscriber\n");
    client.expect("b\r\nfrom stdin\n\r\n");
    let most = vec![b'x'; 64 * 1024];
    assert_eq!(printed(&publish(&most)), "1 subscriber\n");
    let refused = publish(&[&most[..], b"x"].concat());
    assert_eq!(text(&refused.stderr), "error: a chunk has at most 65536 bytes; publish several\n");
    assert_eq!((refused.status.code(), text(&refused.stdout)), (Some(2), ""));
    let nothing = publish(b"");
    assert_eq!(text(&nothing.stderr), "error: there is nothing to publish; give it as an argument or on stdin\n");
}

#[test]
fn what_cannot_be_published_is_said_with_its_remedy() {
    let state = RoutesDir::new();
    let output = publish(&state, &["a", "b"]);
    let said = text(&output.stderr);
    assert!(said.starts_with("error: no host runs with this state directory: nobody listens on "), "{said}");
    assert!(said.ends_with(&format!("start one with `host run --state {}`\n", state.path().display())), "{said}");
    assert_eq!(output.status.code(), Some(2));
    let output = publish(&state, &["a\nb", "c"]);
    assert_eq!(text(&output.stderr), "error: `a\\nb` is not a topic; write 1 to 128 bytes of text\n");
    let output = publish(&state, &["--directory", "../x", "a", "c"]);
    let said = "error: ../x is not below the routes directory; write it relative to that, as in `chat`\n";
    assert_eq!(text(&output.stderr), said);
}

#[test]
fn a_host_that_was_killed_is_followed_by_another_on_its_socket() {
    let state = RoutesDir::new();
    drop(serve(&state));
    let output = publish(&state, &["a", "b"]);
    assert!(text(&output.stderr).contains("start one with `host run --state "), "{output:?}");
    let process = serve(&state);
    assert_eq!(printed(&publish(&state, &["a", "b"])), "0 subscribers\n");
    process.signal("TERM");
    process.wait();
    assert!(!state.path().join("control.sock").exists(), "a host that ends removes its socket");
}

#[test]
fn a_connection_that_asks_for_something_else_gets_an_error_and_the_host_goes_on() {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    let state = RoutesDir::new();
    let process = serve(&state);
    let ask = |bytes: &[u8]| {
        let mut socket = UnixStream::connect(state.path().join("control.sock")).expect("the host listens");
        socket.set_read_timeout(Some(crate::support::TIMEOUT)).expect("a time-out can be set");
        let _ = socket.write_all(bytes);
        let _ = socket.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = socket.read_to_string(&mut answer);
        answer
    };
    let malformed = "{\"error\":\"the request is malformed; use the `host` that runs\"}\n";
    for bytes in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\n", b"{\"publish\":{}}\n", &[b'x'; 100_000]] {
        let answer = ask(bytes);
        // What was not read may cost it its answer.
        assert!(answer == malformed || bytes.len() > 32 * 1024 && answer.is_empty(), "{answer}");
    }
    let large = b"{\"publish\":{\"directory\":\"\",\"topic\":\"a\",\"bytes\":9999999999}}\n";
    assert_eq!(ask(large), "{\"error\":\"a chunk of more than 65536 bytes\"}\n");
    assert_eq!(ask(b"{\"publish\":{\"directory\":\"\",\"topic\":\"a\",\"bytes\":9}}\nshort"), "");
    assert_eq!(printed(&publish(&state, &["a", "b"])), "0 subscribers\n");
    assert!(process.get("/script?body=Hello").contains("Hello"));
}
