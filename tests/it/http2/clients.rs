//! HTTP/2 as common clients speak it.

use std::process::Command;

use crate::support::{TestServer, guest, skip, text};

/// What curl prints, and its exit code, which is 92 for a stream that was reset.
fn curl(server: &TestServer, arguments: &[&str], target: &str) -> (String, Option<i32>) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--max-time", "10", "--http2-prior-knowledge"]).args(arguments);
    let output = command.arg(format!("{}{target}", server.urls()[0])).output().expect("curl is installed");
    (text(&output.stdout).to_owned(), output.status.code())
}

#[test]
fn curl_gets_bodies_and_knows_which_are_truncated() {
    let server = TestServer::serving(guest::SCRIPT);
    for (target, body, code) in [
        ("/script?body=Hello", "Hello", 0),
        ("/script?write=Hello&end", "Hello", 0),
        ("/script?close", "", 92),
        ("/script?write=part&close", "part", 0),
        ("/script?write=part&trap", "part", 92),
        ("/script?set=content-length:9&write=part&end", "part", 92),
        ("/script?status=204", "", 0),
    ] {
        let (printed, ended) = curl(&server, &[], target);
        assert_eq!(ended, Some(code), "{target}");
        // Of a stream that is reset curl may drop what has come just before.
        assert!(printed == body || code != 0 && printed.is_empty(), "{target}: {printed}");
    }
}

#[test]
fn curl_sends_bodies() {
    let server = TestServer::serving(guest::SCRIPT);
    let body = "x".repeat(300_000);
    assert_eq!(curl(&server, &["--data", "some=body"], "/script?read"), ("some=body".to_owned(), Some(0)));
    let mut file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::io::Write::write_all(&mut file, body.as_bytes()).expect("it can be written");
    let path = file.path().to_str().expect("its name is text");
    assert_eq!(curl(&server, &["--upload-file", path], "/script?count"), ("300000".to_owned(), Some(0)));
}

#[test]
fn nghttp_multiplexes_its_requests() {
    let server = TestServer::serving(guest::SCRIPT);
    let url = format!("{}/script?body=Hello", server.urls()[0]);
    let Ok(output) = Command::new("nghttp").args(["-m", "3", &url]).output() else {
        return skip("nghttp is not installed: apt-get install nghttp2-client, as root, does it");
    };
    assert_eq!(text(&output.stdout), "HelloHelloHello");
}
