//! The example of a guest book, in each language that has it: a form, a cookie, a key-value store, and a webhook.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread;

use super::other_languages;
use crate::support::{Process, RoutesDir, TIMEOUT, guest};

/// A form that is sent.
fn post(cookie: &str, form: &str) -> String {
    format!(
        "POST /guest-book HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{cookie}Content-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
        form.len()
    )
}

/// A guest book with this component, and more grants.
fn routes(component: &[u8], grant: &str) -> RoutesDir {
    let route_file = format!("[grant]\nkv = {{ \"\" = \"guest-book\" }}\n{grant}");
    RoutesDir::new().with_bytes("guest-book.wasm", component).with_file("guest-book.toml", &route_file)
}

fn serve(routes: &RoutesDir, state: &RoutesDir) -> Process {
    Process::start(routes, &["--state", &state.path().display().to_string()])
}

#[test]
fn the_guest_book_in_rust_keeps_entries_knows_visitors_and_tells_its_webhook() {
    check(&guest::GUEST_BOOK.bytes(), &["name=", "other=Ada; name", "name=%ff"]);
}

#[test]
fn the_guest_book_in_c_does_what_that_in_rust_does() {
    other_languages::built("c", "guest-book").iter().for_each(|component| check(component, HEXADECIMAL));
}

#[test]
fn the_guest_book_in_go_does_what_that_in_rust_does() {
    other_languages::built("go", "guest-book").iter().for_each(|component| check(component, HEXADECIMAL));
}

/// Cookies that those in C and Go do not make: a name is in hexadecimal digits there.
const HEXADECIMAL: &[&str] = &["name=41zz", "name=4", "name=", "other=416461; name", "name=ff"];

/// What each does; `nameless` are cookies without a name that can be shown.
#[track_caller]
fn check(component: &[u8], nameless: &[&str]) {
    it_shows_who_has_signed_and_knows_a_visitor_again(component);
    it_refuses_what_is_not_a_form(component, nameless);
    it_shows_the_last_entries(component);
    it_tells_its_webhook_of_each_entry(component);
}

fn it_shows_who_has_signed_and_knows_a_visitor_again(component: &[u8]) {
    let (routes, state) = (routes(component, ""), RoutesDir::new());
    let server = serve(&routes, &state);
    let mut cookies = Vec::new();
    for (name, text) in [("Ada", "first"), ("%3CEve%3E", "second+%26+last")] {
        let signed = server.connect().exchange(post("", &format!("name={name}&text={text}")));
        assert!(
            signed.starts_with("HTTP/1.1 303 See Other\r\n") && signed.contains("\r\nlocation: /guest-book\r\n"),
            "{signed}"
        );
        let (_, cookie) = signed.split_once("\r\nset-cookie: ").expect("it sets a cookie");
        cookies.push(cookie.split(';').next().expect("it has a value").to_owned());
    }
    let page = server.get("/guest-book");
    assert!(page.contains("<p><b>&lt;Eve&gt;</b>: second &amp; last<p><b>Ada</b>: first\n"), "{page}");
    for (cookie, shown) in cookies.iter().zip(["Ada", "&lt;Eve&gt;"]) {
        let known = format!("GET /guest-book HTTP/1.1\r\nHost: it\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        let page = server.connect().exchange(known);
        assert!(page.contains(&format!("value=\"{shown}\"")), "{page}");
    }
    // What was signed outlives the host.
    server.signal("TERM");
    server.wait();
    let page = serve(&routes, &state).get("/guest-book");
    assert!(page.contains("<b>Ada</b>: first"), "{page}");
}

fn it_refuses_what_is_not_a_form(component: &[u8], nameless: &[&str]) {
    let (routes, state) = (routes(component, ""), RoutesDir::new());
    let server = serve(&routes, &state);
    for form in ["name=&text=x", "name=x", "", "&&=&", "name=+%20&text=x", "Name=x&text=y"] {
        let response = server.connect().exchange(post("", form));
        assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{form}: {response}");
    }
    let long = format!("name=x&text={}", "y".repeat(16 * 1024));
    let response = server.connect().exchange(post("", &long));
    assert!(response.starts_with("HTTP/1.1 413 Content Too Large\r\n"), "{response}");
    // What a client has made up is no name.
    for cookie in nameless {
        let page = server
            .connect()
            .exchange(format!("GET /guest-book HTTP/1.1\r\nHost: it\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n"));
        assert!(page.contains("value=\"\"") || page.contains("value=\"\u{fffd}\""), "{cookie}: {page}");
    }
}

fn it_shows_the_last_entries(component: &[u8]) {
    let (routes, state) = (routes(component, ""), RoutesDir::new());
    let server = serve(&routes, &state);
    let mut client = server.connect();
    for number in 0..52 {
        let form = format!("name=%C3%84%0D%0A{number}&text=a%2bb+c");
        client.send(post("", &form).replace("Connection: close\r\n", ""));
        client.read_until("0\r\n\r\n");
    }
    let page = server.get("/guest-book");
    assert_eq!(page.matches("<p><b>").count(), 50, "{page}");
    // The last one first. A line break in a name is none in an entry.
    assert!(page.contains(" 51</b>: a+b c<p>") && page.contains(" 2</b>: a+b c\n"), "{page}");
}

fn it_tells_its_webhook_of_each_entry(component: &[u8]) {
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
    let (routes, state) = (routes(component, &grant), RoutesDir::new());
    let server = serve(&routes, &state);
    assert!(server.connect().exchange(post("", "name=Ada&text=hello")).starts_with("HTTP/1.1 303"));
    let request = webhook.join().expect("the webhook was told");
    assert!(request.starts_with("POST /entries HTTP/1.1\r\n"), "{request}");
    assert!(server.get("/guest-book").contains("<h1>Visitors</h1>"));
}
