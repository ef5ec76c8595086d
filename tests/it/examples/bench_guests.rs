//! The guests that only the bench and the Autobahn test suite ask: that they do what is measured.

use std::time::{Duration, SystemTime};

use crate::support::websocket::{BINARY, TEXT};
use crate::support::{TestServer, guest};

#[test]
fn ws_echo_sends_every_message_back_as_it_came() {
    let server = TestServer::serving(guest::WS_ECHO);
    let mut client = server.connect();
    client.open_websocket("/ws-echo");
    for (first, message) in [(TEXT, &b"Hello"[..]), (TEXT, b""), (BINARY, b"\0\xff"), (BINARY, &[7; 60_000])] {
        client.send_frame(first, message);
        client.expect_frame(first, message);
    }
}

#[test]
fn stamps_writes_chunks_of_64_bytes_that_begin_with_the_time() {
    let server = TestServer::serving(guest::STAMPS);
    let mut client = server.connect();
    client.send(get!("/stamps?milliseconds=20"));
    let head = client.read_until("\r\n\r\n");
    assert!(head.contains("\r\nContent-Type: application/octet-stream\r\n"), "{head}");
    let mut stamps = 0;
    loop {
        let size = client.read_until("\r\n");
        let bytes = usize::from_str_radix(size.trim_end(), 16).expect("a chunk has a size");
        let chunk = client.read_exactly(bytes + 2);
        if bytes == 0 {
            break;
        }
        // Chunks that come close together may be sent as one.
        for stamped in chunk[..bytes].chunks(64) {
            assert_eq!(stamped.len(), 64);
            let (nanoseconds, _) = stamped.split_first_chunk().expect("a time has 8 bytes");
            let written = SystemTime::UNIX_EPOCH + Duration::from_nanos(u64::from_le_bytes(*nanoseconds));
            let age = SystemTime::now().duration_since(written).unwrap_or_else(|error| error.duration());
            assert!(age < Duration::from_secs(3600), "{written:?}");
            stamps += 1;
        }
    }
    assert_ne!(stamps, 0);
}
