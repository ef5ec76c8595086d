//! The answers of the host's own: text for programs, a page for people.

use crate::support::wire::INTERNAL_SERVER_ERROR;
use crate::support::{RoutesDir, TestServer, guest};

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

fn request(method: &str, target: &str, accept: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nHost: it\r\nAccept: {accept}\r\nConnection: close\r\n\r\n")
}

#[test]
fn a_client_that_prefers_html_gets_a_page_and_all_others_text() {
    let server = TestServer::serving(guest::SCRIPT);
    let page = server.exchange(request("GET", "/a'b&c", BROWSER));
    let (head, body) = page.split_once("\r\n\r\n").expect("it has a body");
    let expected = format!(
        "HTTP/1.1 404 Not Found\r\nDate: <date>\r\nContent-Type: text/html; charset=utf-8\r\nVary: Accept\r\n\
         Content-Length: {}\r\nConnection: close",
        body.len()
    );
    assert_eq!(head, expected);
    assert!(body.starts_with("<!DOCTYPE html><html "), "{body}");
    assert!(body.contains("<p>There is nothing at this address. "), "{body}");
    assert!(body.contains("<p>there is no route at /a'b&amp;c.</p>"), "{body}");
    assert!(!body.contains("<script") && !body.contains("http://") && !body.contains("https://"), "{body}");
    let of_head = server.exchange(request("HEAD", "/a'b&c", BROWSER));
    assert_eq!(of_head, expected + "\r\n\r\n");
    for accept in ["*/*", "text/plain", "application/json", "text/html;q=0", "text/html;q=2"] {
        let text = "HTTP/1.1 404 Not Found\r\nDate: <date>\r\nContent-Type: text/plain; charset=utf-8\r\nVary: Accept\r\n\
                    Content-Length: 28\r\nConnection: close\r\n\r\nthere is no route at /a'b&c\n";
        assert_eq!(server.exchange(request("GET", "/a'b&c", accept)), text, "{accept}");
    }
}

#[test]
fn a_page_of_a_failure_says_which_request_it_was_and_not_why() {
    let server = TestServer::serving(guest::SCRIPT);
    let page = server.exchange(request("GET", "/script?fail=secret", BROWSER));
    assert!(page.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{page}");
    assert!(!page.contains("\r\nVary: "), "no cache keeps it: {page}");
    assert!(page.contains("<p>Something went wrong on this side; it is nothing that you did. "), "{page}");
    assert!(page.contains("<small>Request 1</small>"), "{page}");
    assert!(!page.contains("secret"), "{page}");
    let mut client = server.connect();
    client.send(get!("/script?fail=secret"));
    client.expect(INTERNAL_SERVER_ERROR);
}

#[test]
fn a_method_that_is_not_allowed_is_explained_in_either_form() {
    let server = TestServer::start(RoutesDir::new().with(guest::SCRIPT).with_file("script.toml", "methods = ['PUT']"));
    for (accept, told) in
        [(BROWSER, "<p>GET is not allowed for /script (allowed: "), ("*/*", "\r\n\r\nGET is not allowed for /script")]
    {
        let answer = server.exchange(request("GET", "/script", accept));
        assert!(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"), "{answer}");
        assert!(answer.contains("\r\nVary: Accept\r\n") && answer.contains(told), "{answer}");
    }
}

#[test]
fn a_request_that_cannot_be_trusted_is_answered_in_text_whatever_it_accepts() {
    let server = TestServer::serving(guest::SCRIPT);
    let request = format!("GET / HTTP/1.1\r\nHost: it\r\nAccept: {BROWSER}\r\nContent-Length: x\r\n\r\n");
    let answer = server.exchange(request);
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    assert!(answer.contains("\r\nContent-Type: text/plain; charset=utf-8\r\n"), "{answer}");
}
