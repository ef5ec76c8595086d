//! The example of a guest book: a form, a cookie, a key-value store, and a webhook.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use crate::support::{Process, RoutesDir, TIMEOUT, guest};

/// A form that is sent.
fn post(cookie: &str, form: &str) -> String {
    format!(
        "POST /guest-book HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{cookie}Content-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

fn routes(grant: &str) -> RoutesDir {
    let route_file = format!("[grant]\nkv = {{ \"\" = \"guest-book\" }}\n{grant}");
    RoutesDir::new().with_as("guest-book.wasm", guest::GUEST_BOOK).with_file("guest-book.toml", &route_file)
}

fn serve(routes: &RoutesDir, state: &RoutesDir) -> Process {
    Process::start(routes, &["--state", &state.path().display().to_string()])
}

#[test]
fn a_guest_book_shows_who_has_signed_it_and_knows_a_visitor_again() {
    let (routes, state) = (routes(""), RoutesDir::new());
    let server = serve(&routes, &state);
    for (name, text) in [("Ada", "first"), ("%3CEve%3E", "second+%26+last")] {
        let signed = server.connect().exchange(post("", &format!("name={name}&text={text}")));
        assert!(
            signed.starts_with("HTTP/1.1 303 See Other\r\n") && signed.contains("\r\nlocation: /guest-book\r\n"),
            "{signed}"
        );
        assert!(signed.contains("\r\nset-cookie: name="), "{signed}");
    }
    let page = server.get("/guest-book");
    assert!(page.contains("<p><b>&lt;Eve&gt;</b>: second &amp; last<p><b>Ada</b>: first\n"), "{page}");
    let known = "GET /guest-book HTTP/1.1\r\nHost: it\r\nCookie: name=416461\r\nConnection: close\r\n\r\n";
    let page = server.connect().exchange(known);
    assert!(page.contains("value=\"Ada\""), "{page}");
    assert!(server.connect().exchange(post("", "name=&text=x")).starts_with("HTTP/1.1 400 Bad Request\r\n"));
    // What was signed outlives the host.
    server.signal("TERM");
    server.wait();
    let page = serve(&routes, &state).get("/guest-book");
    assert!(page.contains("<b>Ada</b>: first"), "{page}");
}

#[test]
fn a_guest_book_tells_its_webhook_of_each_entry() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    let webhook = thread::spawn(move || {
        let (mut socket, _) = listener.accept().expect("somebody connects");
        socket.set_read_timeout(Some(TIMEOUT)).expect("a time-out can be set");
        let mut request = Vec::new();
        while !request.ends_with(b"Ada: hello\n") {
            let mut bytes = [0; 1024];
            let length = socket.read(&mut bytes).expect("the request comes");
            assert_ne!(length, 0, "{}", String::from_utf8_lossy(&request));
            request.extend_from_slice(&bytes[..length]);
        }
        socket.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").expect("it can be answered");
        String::from_utf8(request).expect("it is text")
    });
    let grant = format!(
        "http = [\"http://{address}\"]\nconfig = {{ webhook = \"http://{address}/entries\", title = \"Visitors\" }}\n"
    );
    let (routes, state) = (routes(&grant), RoutesDir::new());
    let server = serve(&routes, &state);
    assert!(server.connect().exchange(post("", "name=Ada&text=hello")).starts_with("HTTP/1.1 303"));
    let request = webhook.join().expect("the webhook was told");
    assert!(request.starts_with("POST /entries HTTP/1.1\r\n"), "{request}");
    assert!(server.get("/guest-book").contains("<h1>Visitors</h1>"));
}
