//! The example of a chat over server-sent events: who hears what, and who may not speak.

use crate::support::{Client, RoutesDir, TestServer, guest};

const HEAD: &str = "HTTP/1.1 200 OK\r\nDate: <date>\r\ncontent-type: text/event-stream\r\ncache-control: no-store\r\nx-accel-buffering: no\r\n\
    Transfer-Encoding: chunked\r\n";
const SAID: &str = "HTTP/1.1 204 No Content\r\nDate: <date>\r\nConnection: close\r\n\r\n";

/// A chunk as it is framed.
fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

/// A connection that listens in a room.
#[track_caller]
fn listen(server: &TestServer, room: &str) -> Client {
    let mut client = server.connect();
    client.send(format!("GET /chat/{room} HTTP/1.1\r\nHost: chat.example\r\n\r\n"));
    client.expect(&format!("{HEAD}\r\n{}", chunk(":\n\n")));
    client
}

/// What a client is answered that says `text`.
#[track_caller]
fn say(server: &TestServer, target: &str, fields: &str, text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    let fields = format!("Host: chat.example\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n", text.len());
    let mut client = server.connect();
    client.send(format!("POST /chat/{target} HTTP/1.1\r\n{fields}"));
    client.exchange(text)
}

#[test]
fn a_message_reaches_everybody_in_its_room_and_nobody_else() {
    let server = TestServer::serving(guest::CHAT);
    let mut in_the_kitchen = [listen(&server, "kitchen"), listen(&server, "kitchen")];
    let mut in_the_garden = listen(&server, "garden");
    assert_eq!(say(&server, "kitchen?name=Ada", "", "Tea?\nOr coffee?"), SAID);
    assert_eq!(say(&server, "garden?name=Eve", "", "Birds"), SAID);
    for client in &mut in_the_kitchen {
        client.expect(&chunk("data: Ada\ndata: Tea?\ndata: Or coffee?\n\n"));
    }
    in_the_garden.expect(&chunk("data: Eve\ndata: Birds\n\n"));
    assert_eq!(say(&server, "cellar", "", "Is nobody here?"), SAID);
}

#[test]
fn a_message_cannot_forge_an_event() {
    let server = TestServer::serving(guest::CHAT);
    let mut client = listen(&server, "kitchen");
    assert_eq!(say(&server, "kitchen?name=Eve", "", "a\r\rdata: Ada\nid: 7\r\n\r\n"), SAID);
    client.expect(&chunk("data: Eve\ndata: a\ndata: \ndata: data: Ada\ndata: id: 7\ndata: \ndata: \n\n"));
}

#[test]
fn an_invalid_message_is_refused_and_reaches_nobody() {
    let server = TestServer::serving(guest::CHAT);
    let mut client = listen(&server, "kitchen");
    let long = "a".repeat(124);
    let cases: &[(&str, &str, &[u8], &str)] = &[
        ("kitchen?name=a%0Ab", "", b"a", "400"),
        (&format!("kitchen?name={long}"), "", b"a", "400"),
        (&long, "", b"a", "400"),
        ("kitchen%0A", "", b"a", "400"),
        ("kitchen", "", b"\xff", "400"),
        ("kitchen", "", &[b'a'; 4_097], "413"),
        ("kitchen", "Origin: https://other.example\r\n", b"a", "403"),
        ("kitchen", "Origin: null\r\n", b"a", "403"),
        ("kitchen", "Origin: https://chat.example\r\n", b"heard", "204"),
    ];
    for (target, fields, text, status) in cases {
        let answer = say(&server, target, fields, text);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{target} {fields:?}: {answer}");
    }
    client.expect(&chunk("data: \ndata: heard\n\n"));
    assert!(server.get(&format!("/chat/{long}")).starts_with("HTTP/1.1 400 "));
}

#[test]
fn a_response_to_head_is_over_with_the_head() {
    let server = TestServer::serving(guest::CHAT);
    let response = server.exchange("HEAD /chat/kitchen HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
    assert_eq!(response, format!("{HEAD}Connection: close\r\n\r\n"));
    assert_eq!(server.parked(), 0);
}

#[test]
fn the_page_is_served_beside_the_rooms() {
    let server = TestServer::start(RoutesDir::new().with(guest::CHAT).with(guest::CHAT_PAGE));
    assert_eq!(server.diagnostics(), []);
    let page = server.get("/chat?room=kitchen");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("new EventSource("), "{page}");
    assert!(
        server
            .exchange("HEAD /chat/kitchen HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")
            .starts_with("HTTP/1.1 200 OK\r\n")
    );
    assert_eq!(server.parked(), 0);
}
