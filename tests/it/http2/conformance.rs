//! The cases of h2spec 2.6 (<https://github.com/summerwind/h2spec>) by its numbers, as frames of our own. It follows RFC 7540;
//! where RFC 9113 differs, the case says so.
//!
//! A case of several requests sends them on streams 1, 3, and so on. A stream error leaves the connection alive, and a
//! connection error ends it with a GOAWAY. RFC 9113 section 5.4 allows the second in place of the first; the table has what
//! the host does.

use crate::support::http2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PADDED, PING, PREFACE, PRIORITIZED, PRIORITY,
    PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE, block, frame, request, settings,
};
use crate::support::{Http2Client, RoutesDir, TestServer, guest};

/// What has to happen then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// This stream gets a whole response, and the connection lives.
    Answers(u32),
    /// The connection lives, and answers a PING.
    Lives,
    /// This stream is reset with this code, and the connection lives.
    Resets(u32, &'static str),
    /// The connection ends with a GOAWAY of this code.
    Ends(&'static str),
    /// The connection ends with a GOAWAY of PROTOCOL_ERROR. The RFC names this code, or asks for no more than to reset the
    /// stream with it. h2 tells all of them apart in its log alone.
    EndsMore(&'static str),
    /// The connection ends.
    Closes,
}

use Then::{Answers, Closes, Ends, EndsMore, Lives, Resets};

type Case = (&'static str, &'static str, fn(&mut Http2Client), Then);

/// The path that is asked for.
const PATH: &str = "/script?count";

fn fields() -> Vec<(&'static str, &'static str)> {
    request("GET", PATH)
}

fn posted() -> Vec<(&'static str, &'static str)> {
    request("POST", PATH)
}

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    [fields(), more.to_vec()].concat()
}

fn without(name: &str) -> Vec<(&'static str, &'static str)> {
    fields().into_iter().filter(|(other, _)| *other != name).collect()
}

/// Opens a connection, and gets a response on stream 1 whose end was seen.
fn answered(client: &mut Http2Client) {
    client.head(1, &fields(), true);
    assert!(client.until_end_of(1).last().is_some_and(|line| line.ends_with(" END")));
}

/// A block of fields, and more bytes behind it.
fn block_and(more: &[u8]) -> Vec<u8> {
    [block(&fields()), more.to_vec()].concat()
}

/// Sends a whole request whose block of fields ends with these bytes.
fn get_with(client: &mut Http2Client, more: &[u8]) {
    client.frame(HEADERS, END_HEADERS | END_STREAM, 1, block_and(more));
}

const GENERIC: &[Case] = &[
    ("generic/1/1", "client connection preface", |client| client.head(1, &fields(), true), Answers(1)),
    (
        "generic/2/1",
        "PRIORITY on an idle stream",
        |client| {
            client.frame(PRIORITY, 0, 1, [0, 0, 0, 0, 255]);
            client.head(1, &fields(), true);
        },
        Answers(1),
    ),
    (
        "generic/2/2",
        "WINDOW_UPDATE on a half-closed (remote) stream",
        |client| {
            client.head(1, &fields(), true);
            client.open_window(1, 1);
        },
        Answers(1),
    ),
    (
        "generic/2/3",
        "PRIORITY on a half-closed (remote) stream",
        |client| {
            client.head(1, &fields(), true);
            client.frame(PRIORITY, 0, 1, [0, 0, 0, 0, 255]);
        },
        Answers(1),
    ),
    (
        "generic/2/4",
        "RST_STREAM on a half-closed (remote) stream",
        |client| {
            client.head(1, &fields(), true);
            client.reset_stream(1, 8);
            client.head(3, &fields(), true);
        },
        Answers(3),
    ),
    (
        "generic/2/5",
        "PRIORITY on a closed stream",
        |client| {
            answered(client);
            client.frame(PRIORITY, 0, 1, [0, 0, 0, 0, 255]);
        },
        Lives,
    ),
    (
        "generic/3.1/1",
        "a DATA frame",
        |client| {
            client.head(1, &posted(), false);
            client.data(1, "test", true);
        },
        Answers(1),
    ),
    (
        "generic/3.1/2",
        "several DATA frames",
        |client| {
            client.head(1, &posted(), false);
            client.data(1, "test", false);
            client.data(1, "test", true);
        },
        Answers(1),
    ),
    (
        "generic/3.1/3",
        "a DATA frame with padding",
        |client| {
            client.head(1, &posted(), false);
            client.frame(DATA, END_STREAM | PADDED, 1, [&[6][..], b"test", &[0; 6]].concat());
        },
        Answers(1),
    ),
    ("generic/3.2/1", "a HEADERS frame", |client| client.head(1, &fields(), true), Answers(1)),
    (
        "generic/3.2/2",
        "a HEADERS frame with padding",
        |client| {
            let padded = [&[8][..], &block(&fields()), &[0; 8]].concat();
            client.frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, padded);
        },
        Answers(1),
    ),
    (
        "generic/3.2/3",
        "a HEADERS frame with priority",
        |client| {
            let prioritized = [&[0, 0, 0, 0, 255][..], &block(&fields())].concat();
            client.frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 1, prioritized);
        },
        Answers(1),
    ),
    (
        "generic/3.3/1",
        "PRIORITY with priority 1",
        |client| {
            client.frame(PRIORITY, 0, 1, [0, 0, 0, 0, 0]);
            client.head(1, &fields(), true);
        },
        Answers(1),
    ),
    (
        "generic/3.3/2",
        "PRIORITY with priority 256",
        |client| {
            client.frame(PRIORITY, 0, 1, [0, 0, 0, 0, 255]);
            client.head(1, &fields(), true);
        },
        Answers(1),
    ),
    (
        "generic/3.3/3",
        "PRIORITY with stream dependency",
        |client| {
            client.frame(PRIORITY, 0, 3, [0, 0, 0, 1, 255]);
            client.head(1, &fields(), true);
        },
        Answers(1),
    ),
    (
        "generic/3.3/4",
        "PRIORITY with exclusive",
        |client| {
            client.frame(PRIORITY, 0, 3, [0x80, 0, 0, 1, 255]);
            client.head(1, &fields(), true);
        },
        Answers(1),
    ),
    (
        "generic/3.3/5",
        "PRIORITY for an idle stream, then HEADERS for a lower one",
        |client| {
            client.frame(PRIORITY, 0, 3, [0, 0, 0, 0, 255]);
            client.head(1, &fields(), true);
        },
        Answers(1),
    ),
    (
        "generic/3.4/1",
        "RST_STREAM",
        |client| {
            client.head(1, &posted(), false);
            client.reset_stream(1, 8);
        },
        Lives,
    ),
    ("generic/3.5/1", "SETTINGS", |client| client.frame(SETTINGS, 0, 0, settings(&[(3, 100)])), Lives),
    ("generic/3.7/1", "PING", |_| {}, Lives),
    // A server answers what was begun before.
    (
        "generic/3.8/1",
        "GOAWAY",
        |client| {
            client.head(1, &fields(), true);
            client.frame(GOAWAY, 0, 0, [0; 8]);
        },
        Answers(1),
    ),
    ("generic/3.9/1", "WINDOW_UPDATE of the connection", |client| client.open_window(0, 1), Lives),
    (
        "generic/3.9/2",
        "WINDOW_UPDATE of a stream",
        |client| {
            client.head(1, &posted(), false);
            client.open_window(1, 1);
            client.data(1, "", true);
        },
        Answers(1),
    ),
    (
        "generic/3.10/1",
        "a CONTINUATION frame",
        |client| {
            let block = block(&fields());
            client.frame(HEADERS, END_STREAM, 1, &block[..9]);
            client.frame(CONTINUATION, END_HEADERS, 1, &block[9..]);
        },
        Answers(1),
    ),
    (
        "generic/3.10/2",
        "several CONTINUATION frames",
        |client| {
            let block = block(&fields());
            client.frame(HEADERS, END_STREAM, 1, &block[..9]);
            client.frame(CONTINUATION, 0, 1, &block[9..20]);
            client.frame(CONTINUATION, END_HEADERS, 1, &block[20..]);
        },
        Answers(1),
    ),
    ("generic/4/1", "a GET", |client| client.head(1, &fields(), true), Answers(1)),
    ("generic/4/2", "a HEAD", |client| client.head(1, &request("HEAD", PATH), true), Answers(1)),
    (
        "generic/4/3",
        "a POST",
        |client| {
            client.head(1, &posted(), false);
            client.data(1, "test", true);
        },
        Answers(1),
    ),
    (
        "generic/4/4",
        "a POST with trailers",
        |client| {
            client.head(1, &[posted(), vec![("trailer", "x-test")]].concat(), false);
            client.data(1, "test", false);
            client.head(1, &[("x-test", "ok")], true);
        },
        Answers(1),
    ),
    ("generic/5/1", "an indexed field", |client| get_with(client, &[0x90]), Answers(1)),
    ("generic/5/2", "incremental indexing, indexed name", |client| get_with(client, b"\x7a\x01x"), Answers(1)),
    (
        "generic/5/3",
        "incremental indexing, indexed name, Huffman",
        |client| get_with(client, b"\x7a\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"),
        Answers(1),
    ),
    ("generic/5/4", "incremental indexing, new name", |client| get_with(client, b"\x40\x01x\x01y"), Answers(1)),
    (
        "generic/5/5",
        "incremental indexing, new name, Huffman",
        |client| get_with(client, b"\x40\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf"),
        Answers(1),
    ),
    ("generic/5/6", "without indexing, indexed name", |client| get_with(client, b"\x0f\x2b\x01x"), Answers(1)),
    (
        "generic/5/7",
        "without indexing, indexed name, Huffman",
        |client| get_with(client, b"\x0f\x2b\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"),
        Answers(1),
    ),
    ("generic/5/8", "without indexing, new name", |client| get_with(client, b"\x00\x01x\x01y"), Answers(1)),
    (
        "generic/5/9",
        "without indexing, new name, Huffman",
        |client| get_with(client, b"\x00\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf"),
        Answers(1),
    ),
    ("generic/5/10", "never indexed, indexed name", |client| get_with(client, b"\x1f\x2b\x01x"), Answers(1)),
    (
        "generic/5/11",
        "never indexed, indexed name, Huffman",
        |client| get_with(client, b"\x1f\x2b\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff"),
        Answers(1),
    ),
    ("generic/5/12", "never indexed, new name", |client| get_with(client, b"\x10\x01x\x01y"), Answers(1)),
    (
        "generic/5/13",
        "never indexed, new name, Huffman",
        |client| get_with(client, b"\x10\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf"),
        Answers(1),
    ),
    (
        "generic/5/14",
        "a dynamic table size update",
        |client| {
            let updated = [b"\x3f\xe1\x1f".to_vec(), block(&fields())].concat();
            client.frame(HEADERS, END_HEADERS | END_STREAM, 1, updated);
        },
        Answers(1),
    ),
    (
        "generic/5/15",
        "several dynamic table size updates",
        |client| {
            let updated = [b"\x20\x3f\xe1\x1f".to_vec(), block(&fields())].concat();
            client.frame(HEADERS, END_HEADERS | END_STREAM, 1, updated);
        },
        Answers(1),
    ),
];

const FRAMES: &[Case] = &[
    ("http2/3.5/1", "the preface", |_| {}, Lives),
    ("http2/4.1/1", "a frame of an unknown type", |client| client.frame(22, 0, 0, [0; 8]), Lives),
    (
        "http2/4.1/2",
        "a frame with an undefined flag",
        |client| {
            client.frame(PING, 0x16, 0, b"flagged.");
            client.expect(&["PING ACK flagged."]);
        },
        Lives,
    ),
    (
        "http2/4.1/3",
        "a frame with the reserved bit",
        |client| {
            client.frame(PING, 0, 0x8000_0000, b"reserved");
            client.expect(&["PING ACK reserved"]);
        },
        Lives,
    ),
    (
        "http2/4.2/1",
        "a DATA frame of 2^14 bytes",
        |client| {
            client.head(1, &posted(), false);
            client.data(1, vec![b'x'; 16_384], true);
        },
        Answers(1),
    ),
    (
        "http2/4.2/2",
        "a DATA frame above SETTINGS_MAX_FRAME_SIZE",
        |client| {
            client.head(1, &posted(), false);
            client.data(1, vec![b'x'; 16_385], true);
        },
        Ends("FRAME_SIZE_ERROR"),
    ),
    (
        "http2/4.2/3",
        "a HEADERS frame above SETTINGS_MAX_FRAME_SIZE",
        |client| client.frame(HEADERS, END_HEADERS | END_STREAM, 1, vec![0x82; 16_385]),
        Ends("FRAME_SIZE_ERROR"),
    ),
    (
        "http2/4.3/1",
        "an invalid block of fields",
        |client| client.frame(HEADERS, END_HEADERS | END_STREAM, 1, [0x40, 1, b'x', 5, b'y']),
        EndsMore("COMPRESSION_ERROR"),
    ),
    (
        "http2/4.3/2",
        "PRIORITY in the middle of a block of fields",
        |client| {
            client.frame(HEADERS, END_STREAM, 1, block(&fields()));
            client.frame(PRIORITY, 0, 1, [0, 0, 0, 0, 255]);
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/4.3/3",
        "HEADERS of another stream in the middle of a block of fields",
        |client| {
            client.frame(HEADERS, END_STREAM, 1, block(&fields()));
            client.head(3, &fields(), true);
        },
        Ends("PROTOCOL_ERROR"),
    ),
];

const STREAMS: &[Case] = &[
    ("http2/5.1/1", "idle: DATA", |client| client.data(1, "test", true), Ends("PROTOCOL_ERROR")),
    ("http2/5.1/2", "idle: RST_STREAM", |client| client.reset_stream(1, 8), Ends("PROTOCOL_ERROR")),
    ("http2/5.1/3", "idle: WINDOW_UPDATE", |client| client.open_window(1, 100), Ends("PROTOCOL_ERROR")),
    (
        "http2/5.1/4",
        "idle: CONTINUATION",
        |client| client.frame(CONTINUATION, END_HEADERS, 1, block(&fields())),
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/5.1/5",
        "half closed (remote): DATA",
        |client| {
            client.head(1, &request("GET", "/script?sleep=100"), true);
            client.data(1, "test", true);
        },
        EndsMore("STREAM_CLOSED"),
    ),
    (
        "http2/5.1/6",
        "half closed (remote): HEADERS",
        |client| {
            client.head(1, &request("GET", "/script?sleep=100"), true);
            client.head(1, &fields(), true);
        },
        EndsMore("STREAM_CLOSED"),
    ),
    (
        "http2/5.1/7",
        "half closed (remote): CONTINUATION",
        |client| {
            client.head(1, &fields(), true);
            client.frame(CONTINUATION, END_HEADERS, 1, block(&fields()));
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/5.1/8",
        "closed by RST_STREAM: DATA",
        |client| {
            client.head(1, &posted(), false);
            client.reset_stream(1, 8);
            client.data(1, "test", true);
        },
        Resets(1, "STREAM_CLOSED"),
    ),
    (
        "http2/5.1/9",
        "closed by RST_STREAM: HEADERS",
        |client| {
            client.head(1, &posted(), false);
            client.reset_stream(1, 8);
            client.head(1, &fields(), true);
        },
        EndsMore("STREAM_CLOSED"),
    ),
    (
        "http2/5.1/10",
        "closed by RST_STREAM: CONTINUATION",
        |client| {
            client.head(1, &posted(), false);
            client.reset_stream(1, 8);
            client.frame(CONTINUATION, END_HEADERS, 1, block(&fields()));
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/5.1/11",
        "closed: DATA",
        |client| {
            answered(client);
            client.data(1, "test", true);
        },
        Resets(1, "STREAM_CLOSED"),
    ),
    (
        "http2/5.1/12",
        "closed: HEADERS",
        |client| {
            answered(client);
            client.head(1, &fields(), true);
        },
        EndsMore("STREAM_CLOSED"),
    ),
    (
        "http2/5.1/13",
        "closed: CONTINUATION",
        |client| {
            answered(client);
            client.frame(CONTINUATION, END_HEADERS, 1, block(&fields()));
        },
        Ends("PROTOCOL_ERROR"),
    ),
    ("http2/5.1.1/1", "an even stream", |client| client.head(2, &fields(), true), Ends("PROTOCOL_ERROR")),
    (
        "http2/5.1.1/2",
        "a stream below an earlier one",
        |client| {
            client.head(5, &fields(), true);
            client.until_end_of(5);
            client.head(3, &fields(), true);
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/5.1.2/1",
        "more streams than SETTINGS_MAX_CONCURRENT_STREAMS",
        |client| (0..129).for_each(|number| client.head(2 * number + 1, &posted(), false)),
        Resets(257, "REFUSED_STREAM"),
    ),
    // RFC 9113 has deprecated priorities: section 5.3.2 says to ignore them. h2 still refuses this one.
    (
        "http2/5.3.1/1",
        "HEADERS that depend on their own stream",
        |client| {
            let prioritized = [&[0, 0, 0, 1, 255][..], &block(&fields())].concat();
            client.frame(HEADERS, END_HEADERS | END_STREAM | PRIORITIZED, 1, prioritized);
        },
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/5.3.1/2",
        "PRIORITY that depends on its own stream",
        |client| {
            client.frame(PRIORITY, 0, 1, [0, 0, 0, 1, 255]);
            client.head(1, &fields(), true);
        },
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/5.4.1/1",
        "an invalid PING closes the connection",
        |client| client.frame(PING, 0, 0, [0; 6]),
        EndsMore("FRAME_SIZE_ERROR"),
    ),
    (
        "http2/5.4.1/2",
        "an invalid PING gets a GOAWAY",
        |client| client.frame(PING, 0, 0, [0; 6]),
        EndsMore("FRAME_SIZE_ERROR"),
    ),
    ("http2/5.5/1", "an unknown extension frame", |client| client.frame(0x16, 0, 0, [0; 8]), Lives),
    (
        "http2/5.5/2",
        "an unknown extension frame in the middle of a block of fields",
        |client| {
            client.frame(HEADERS, END_STREAM, 1, block(&fields()));
            client.frame(0x16, 0, 1, [0; 8]);
        },
        Ends("PROTOCOL_ERROR"),
    ),
];

const DEFINITIONS: &[Case] = &[
    ("http2/6.1/1", "DATA on stream 0", |client| client.data(0, "test", true), Ends("PROTOCOL_ERROR")),
    (
        "http2/6.1/2",
        "DATA on a stream that is not open",
        |client| {
            client.head(1, &request("GET", "/script?sleep=100"), true);
            client.data(1, "test", true);
        },
        EndsMore("STREAM_CLOSED"),
    ),
    (
        "http2/6.1/3",
        "DATA with an invalid pad length",
        |client| {
            client.head(1, &posted(), false);
            client.frame(DATA, END_STREAM | PADDED, 1, [5, b't', b'e', b's', b't']);
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.2/1",
        "HEADERS without END_HEADERS, and PRIORITY",
        |client| {
            client.frame(HEADERS, 0, 1, block(&fields()));
            client.frame(PRIORITY, 0, 1, [0, 0, 0, 0, 255]);
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.2/2",
        "HEADERS of another stream within HEADERS",
        |client| {
            client.frame(HEADERS, 0, 1, block(&fields()));
            client.head(3, &fields(), true);
        },
        Ends("PROTOCOL_ERROR"),
    ),
    ("http2/6.2/3", "HEADERS on stream 0", |client| client.head(0, &fields(), true), Ends("PROTOCOL_ERROR")),
    (
        "http2/6.2/4",
        "HEADERS with an invalid pad length",
        |client| {
            let block = block(&fields());
            let padded = [&[u8::try_from(block.len() + 1).expect("it is short")][..], &block].concat();
            client.frame(HEADERS, END_HEADERS | END_STREAM | PADDED, 1, padded);
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.3/1",
        "PRIORITY on stream 0",
        |client| client.frame(PRIORITY, 0, 0, [0, 0, 0, 0, 255]),
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.3/2",
        "PRIORITY of another length than 5",
        |client| {
            client.head(1, &posted(), false);
            client.frame(PRIORITY, 0, 1, [0, 0, 0, 1]);
        },
        EndsMore("FRAME_SIZE_ERROR"),
    ),
    ("http2/6.4/1", "RST_STREAM on stream 0", |client| client.reset_stream(0, 8), Ends("PROTOCOL_ERROR")),
    ("http2/6.4/2", "RST_STREAM on an idle stream", |client| client.reset_stream(1, 8), Ends("PROTOCOL_ERROR")),
    (
        "http2/6.4/3",
        "RST_STREAM of another length than 4",
        |client| {
            client.head(1, &posted(), false);
            client.frame(RST_STREAM, 0, 1, [0, 0, 0]);
        },
        EndsMore("FRAME_SIZE_ERROR"),
    ),
    (
        "http2/6.5/1",
        "an acknowledgement of SETTINGS with a payload",
        |client| client.frame(SETTINGS, ACK, 0, settings(&[(1, 4096)])),
        EndsMore("FRAME_SIZE_ERROR"),
    ),
    (
        "http2/6.5/2",
        "SETTINGS on a stream",
        |client| client.frame(SETTINGS, 0, 1, settings(&[(3, 100)])),
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.5/3",
        "SETTINGS of a length that is no multiple of 6",
        |client| client.frame(SETTINGS, 0, 0, [0, 3, 0]),
        EndsMore("FRAME_SIZE_ERROR"),
    ),
    (
        "http2/6.5.2/1",
        "ENABLE_PUSH of another value than 0 or 1",
        |client| client.frame(SETTINGS, 0, 0, settings(&[(2, 2)])),
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.5.2/2",
        "INITIAL_WINDOW_SIZE above the maximum",
        |client| client.frame(SETTINGS, 0, 0, settings(&[(4, 0x8000_0000)])),
        EndsMore("FLOW_CONTROL_ERROR"),
    ),
    (
        "http2/6.5.2/3",
        "MAX_FRAME_SIZE below the initial value",
        |client| client.frame(SETTINGS, 0, 0, settings(&[(5, 16_383)])),
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.5.2/4",
        "MAX_FRAME_SIZE above the maximum",
        |client| client.frame(SETTINGS, 0, 0, settings(&[(5, 0x0100_0000)])),
        Ends("PROTOCOL_ERROR"),
    ),
    ("http2/6.5.2/5", "an unknown setting", |client| client.frame(SETTINGS, 0, 0, settings(&[(255, 1)])), Lives),
    (
        "http2/6.5.3/1",
        "several values of INITIAL_WINDOW_SIZE: the last counts",
        |client| {
            client.frame(SETTINGS, 0, 0, settings(&[(4, 100), (4, 1)]));
            client.head(1, &request("GET", "/script?body=abc"), true);
            assert!(client.next().starts_with("HEADERS 1 "));
            assert_eq!(client.next(), "DATA 1 a");
        },
        Lives,
    ),
    ("http2/6.5.3/2", "SETTINGS are acknowledged", |client| client.frame(SETTINGS, 0, 0, b""), Lives),
    ("http2/6.7/1", "PING is answered", |_| {}, Lives),
    (
        "http2/6.7/2",
        "an acknowledgement of PING is not answered",
        |client| client.frame(PING, ACK, 0, b"unasked!"),
        Lives,
    ),
    ("http2/6.7/3", "PING on a stream", |client| client.frame(PING, 0, 1, [0; 8]), Ends("PROTOCOL_ERROR")),
    (
        "http2/6.7/4",
        "PING of another length than 8",
        |client| client.frame(PING, 0, 0, [0; 6]),
        EndsMore("FRAME_SIZE_ERROR"),
    ),
    ("http2/6.8/1", "GOAWAY on a stream", |client| client.frame(GOAWAY, 0, 1, [0; 8]), Ends("PROTOCOL_ERROR")),
    ("http2/6.9/1", "an increment of 0", |client| client.open_window(0, 0), Ends("PROTOCOL_ERROR")),
    // A stream error by the RFC, which may be treated as a connection error.
    (
        "http2/6.9/2",
        "an increment of 0 on a stream",
        |client| {
            client.head(1, &posted(), false);
            client.open_window(1, 0);
        },
        EndsMore("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.9/3",
        "WINDOW_UPDATE of another length than 4",
        |client| client.frame(WINDOW_UPDATE, 0, 0, [0, 0, 1]),
        EndsMore("FRAME_SIZE_ERROR"),
    ),
    (
        "http2/6.9.1/1",
        "an initial window of 1 byte",
        |client| {
            client.frame(SETTINGS, 0, 0, settings(&[(4, 1)]));
            client.head(1, &request("GET", "/script?body=abc"), true);
            assert!(client.next().starts_with("HEADERS 1 "));
            assert_eq!(client.next(), "DATA 1 a");
        },
        Lives,
    ),
    (
        "http2/6.9.1/2",
        "a window of the connection above 2^31-1",
        |client| (0..2).for_each(|_| client.open_window(0, 0x7fff_ffff)),
        Ends("FLOW_CONTROL_ERROR"),
    ),
    (
        "http2/6.9.1/3",
        "a window of a stream above 2^31-1",
        |client| {
            client.head(1, &posted(), false);
            (0..2).for_each(|_| client.open_window(1, 0x7fff_ffff));
        },
        Resets(1, "FLOW_CONTROL_ERROR"),
    ),
    (
        "http2/6.9.2/1",
        "INITIAL_WINDOW_SIZE changes after HEADERS",
        |client| {
            client.frame(SETTINGS, 0, 0, settings(&[(4, 0)]));
            client.head(1, &request("GET", "/script?body=abc"), true);
            assert!(client.next().starts_with("HEADERS 1 "));
            client.frame(SETTINGS, 0, 0, settings(&[(4, 1)]));
            assert_eq!(client.next(), "DATA 1 a");
        },
        Lives,
    ),
    (
        "http2/6.9.2/2",
        "a window that becomes negative",
        |client| {
            client.frame(SETTINGS, 0, 0, settings(&[(4, 3)]));
            client.head(1, &request("GET", "/script?body=abcdefg"), true);
            assert!(client.next().starts_with("HEADERS 1 "));
            assert_eq!(client.next(), "DATA 1 abc");
            client.frame(SETTINGS, 0, 0, settings(&[(4, 2)]));
            client.open_window(1, 2);
            assert_eq!(client.next(), "DATA 1 d");
        },
        Lives,
    ),
    (
        "http2/6.9.2/3",
        "INITIAL_WINDOW_SIZE above the maximum window",
        |client| client.frame(SETTINGS, 0, 0, settings(&[(4, 0x8000_0000)])),
        EndsMore("FLOW_CONTROL_ERROR"),
    ),
    (
        "http2/6.10/1",
        "several CONTINUATION frames",
        |client| {
            let block = block(&fields());
            client.frame(HEADERS, END_STREAM, 1, &block[..9]);
            client.frame(CONTINUATION, 0, 1, &block[9..20]);
            client.frame(CONTINUATION, END_HEADERS, 1, &block[20..]);
        },
        Answers(1),
    ),
    (
        "http2/6.10/2",
        "CONTINUATION followed by another frame",
        |client| {
            client.frame(HEADERS, END_STREAM, 1, block(&fields()));
            client.frame(CONTINUATION, 0, 1, block(&[("x", "y")]));
            client.data(1, "test", true);
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.10/3",
        "CONTINUATION on stream 0",
        |client| {
            client.frame(HEADERS, END_STREAM, 1, block(&fields()));
            client.frame(CONTINUATION, END_HEADERS, 0, block(&[("x", "y")]));
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.10/4",
        "CONTINUATION after HEADERS with END_HEADERS",
        |client| {
            client.head(1, &posted(), false);
            client.frame(CONTINUATION, END_HEADERS, 1, block(&[("x", "y")]));
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.10/5",
        "CONTINUATION after CONTINUATION with END_HEADERS",
        |client| {
            client.frame(HEADERS, 0, 1, block(&posted()));
            client.frame(CONTINUATION, END_HEADERS, 1, block(&[("x", "y")]));
            client.frame(CONTINUATION, END_HEADERS, 1, block(&[("x", "y")]));
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/6.10/6",
        "CONTINUATION after DATA",
        |client| {
            client.head(1, &posted(), false);
            client.data(1, "test", true);
            client.frame(CONTINUATION, END_HEADERS, 1, block(&[("x", "y")]));
        },
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/7/1",
        "GOAWAY with an unknown code",
        |client| {
            client.head(1, &fields(), true);
            client.frame(GOAWAY, 0, 0, [0, 0, 0, 0, 0, 0, 0, 0xff]);
        },
        Answers(1),
    ),
    (
        "http2/7/2",
        "RST_STREAM with an unknown code",
        |client| {
            client.head(1, &posted(), false);
            client.reset_stream(1, 0xff);
        },
        Lives,
    ),
];

const MESSAGES: &[Case] = &[
    (
        "http2/8.1/1",
        "a second HEADERS frame without END_STREAM",
        |client| {
            client.head(1, &posted(), false);
            client.head(1, &[("x-test", "ok")], false);
        },
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/8.1.2/1",
        "a name in upper case",
        |client| client.head(1, &with(&[("X-TEST", "ok")]), true),
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/8.1.2.1/1",
        "an unknown pseudo-header field",
        |client| client.head(1, &with(&[(":test", "ok")]), true),
        Ends("PROTOCOL_ERROR"),
    ),
    (
        "http2/8.1.2.1/2",
        "a pseudo-header field of responses",
        |client| client.head(1, &with(&[(":status", "200")]), true),
        Resets(1, "PROTOCOL_ERROR"),
    ),
    // The RFC calls the request malformed. h2 drops the field, which no handler can see then.
    (
        "http2/8.1.2.1/3",
        "a pseudo-header field in trailers",
        |client| {
            client.head(1, &posted(), false);
            client.data(1, "test", false);
            client.head(1, &[(":method", "200")], true);
        },
        Answers(1),
    ),
    (
        "http2/8.1.2.1/4",
        "a pseudo-header field after a field",
        |client| {
            let (method, others) = (without(":path"), [("x-test", "ok"), (":path", PATH)]);
            client.head(1, &[method, others.to_vec()].concat(), true);
        },
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/8.1.2.2/1",
        "a field of the connection",
        |client| client.head(1, &with(&[("connection", "keep-alive")]), true),
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/8.1.2.2/2",
        "TE with another value than trailers",
        |client| client.head(1, &with(&[("te", "trailers, deflate")]), true),
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/8.1.2.3/1",
        "an empty :path",
        |client| client.head(1, &[without(":path"), vec![(":path", "")]].concat(), true),
        Resets(1, "PROTOCOL_ERROR"),
    ),
    ("http2/8.1.2.3/2", "no :method", |client| client.head(1, &without(":method"), true), Resets(1, "PROTOCOL_ERROR")),
    ("http2/8.1.2.3/3", "no :scheme", |client| client.head(1, &without(":scheme"), true), Resets(1, "PROTOCOL_ERROR")),
    ("http2/8.1.2.3/4", "no :path", |client| client.head(1, &without(":path"), true), Resets(1, "PROTOCOL_ERROR")),
    (
        "http2/8.1.2.3/5",
        "two of :method",
        |client| client.head(1, &with(&[(":method", "POST")]), true),
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/8.1.2.3/6",
        "two of :scheme",
        |client| client.head(1, &with(&[(":scheme", "http")]), true),
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/8.1.2.3/7",
        "two of :path",
        |client| client.head(1, &with(&[(":path", "/")]), true),
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/8.1.2.6/1",
        "a content-length that is not that of the DATA frame",
        |client| {
            client.head(1, &[posted(), vec![("content-length", "1")]].concat(), false);
            client.data(1, "test", true);
        },
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/8.1.2.6/2",
        "a content-length that is not that of the DATA frames",
        |client| {
            client.head(1, &[posted(), vec![("content-length", "1")]].concat(), false);
            client.data(1, "test", false);
            client.data(1, "test", true);
        },
        Resets(1, "PROTOCOL_ERROR"),
    ),
    (
        "http2/8.2/1",
        "PUSH_PROMISE of a client",
        |client| client.frame(PUSH_PROMISE, END_HEADERS, 1, [&[0, 0, 0, 3][..], &block(&fields())].concat()),
        Ends("PROTOCOL_ERROR"),
    ),
];

const HPACK: &[Case] = &[
    ("hpack/2.3.3/1", "an index that is not in use", |client| get_with(client, &[0xc6]), EndsMore("COMPRESSION_ERROR")),
    (
        "hpack/2.3.3/2",
        "a name of an index that is not in use",
        |client| get_with(client, b"\x7f\x07\x01x"),
        EndsMore("COMPRESSION_ERROR"),
    ),
    (
        "hpack/4.2/1",
        "a dynamic table size update at the end of a block",
        |client| get_with(client, &[0x20]),
        EndsMore("COMPRESSION_ERROR"),
    ),
    (
        "hpack/5.2/1",
        "Huffman padding longer than 7 bits",
        |client| get_with(client, b"\x00\x01x\x82\x1f\xff"),
        EndsMore("COMPRESSION_ERROR"),
    ),
    (
        "hpack/5.2/2",
        "Huffman padding of zeros",
        |client| get_with(client, b"\x00\x01x\x81\x18"),
        EndsMore("COMPRESSION_ERROR"),
    ),
    (
        "hpack/5.2/3",
        "the symbol EOS in Huffman coding",
        |client| get_with(client, b"\x00\x01x\x84\xff\xff\xff\xff"),
        EndsMore("COMPRESSION_ERROR"),
    ),
    ("hpack/6.1/1", "the index 0", |client| get_with(client, &[0x80]), EndsMore("COMPRESSION_ERROR")),
    (
        "hpack/6.3/1",
        "a dynamic table size update above SETTINGS_HEADER_TABLE_SIZE",
        |client| {
            let updated = [b"\x3f\xe2\x1f".to_vec(), block(&fields())].concat();
            client.frame(HEADERS, END_HEADERS | END_STREAM, 1, updated);
        },
        EndsMore("COMPRESSION_ERROR"),
    ),
];

/// What has happened on a connection.
fn observed(client: &mut Http2Client, then: Then) -> Then {
    let lines = match then {
        Answers(stream) | Resets(stream, _) => client.until_end_of(stream),
        Lives => vec![],
        Ends(_) | EndsMore(_) | Closes => client.rest(),
    };
    let last = lines.last().map_or("", String::as_str);
    let code = |line: &str| {
        [
            "PROTOCOL_ERROR",
            "FRAME_SIZE_ERROR",
            "FLOW_CONTROL_ERROR",
            "STREAM_CLOSED",
            "COMPRESSION_ERROR",
            "REFUSED_STREAM",
            "NO_ERROR",
            "INTERNAL_ERROR",
            "CANCEL",
            "ENHANCE_YOUR_CALM",
        ]
        .into_iter()
        .find(|code| line.ends_with(code))
        .unwrap_or("?")
    };
    if let Some(goaway) = lines.iter().find(|line| line.starts_with("GOAWAY ")) {
        // The connection has to be closed, too.
        let ends = last == "closed" || last == "reset" || client.rest().last().is_some();
        return match (code(goaway), then) {
            ("PROTOCOL_ERROR", EndsMore(code)) if ends => EndsMore(code),
            (code, _) if ends => Ends(code),
            _ => Lives,
        };
    }
    match then {
        Answers(stream) | Resets(stream, _) if last.starts_with("RST_STREAM") => {
            client.expect_answer_to_ping();
            Resets(stream, code(last))
        }
        Answers(stream) | Resets(stream, _) if last.ends_with(" END") => Answers(stream),
        Lives => {
            client.expect_answer_to_ping();
            Lives
        }
        Answers(_) | Resets(..) | Ends(_) | EndsMore(_) | Closes => Closes,
    }
}

#[track_caller]
fn hold(cases: &[Case]) {
    let server = TestServer::start(RoutesDir::new().with(guest::SCRIPT));
    let mut wrong = Vec::new();
    for (number, what, send, then) in cases {
        let mut client = Http2Client::open(server.connect());
        send(&mut client);
        let observed = observed(&mut client, *then);
        if observed != *then {
            wrong.push(format!("{number} ({what}): {observed:?} in place of {then:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn generic_cases() {
    hold(GENERIC);
}

#[test]
fn cases_of_frames() {
    hold(FRAMES);
}

#[test]
fn cases_of_streams() {
    hold(STREAMS);
}

#[test]
fn cases_of_frame_definitions() {
    hold(DEFINITIONS);
}

#[test]
fn cases_of_messages() {
    hold(MESSAGES);
}

#[test]
fn cases_of_header_compression() {
    hold(HPACK);
}

#[test]
fn an_invalid_preface_closes_the_connection() {
    // http2/3.5/2
    let server = TestServer::serving(guest::SCRIPT);
    let mut client = Http2Client::unopened(server.connect());
    client.send([&PREFACE[..16], b"\r\nXX\r\n\r\n", &frame(SETTINGS, 0, 0, b"")].concat());
    assert!(matches!(&client.rest().last().expect("it ends")[..], "closed" | "reset"));
}

#[test]
fn the_table_has_every_case_once() {
    let numbers = [GENERIC, FRAMES, STREAMS, DEFINITIONS, MESSAGES, HPACK].concat();
    let mut numbers: Vec<_> = numbers.iter().map(|(number, ..)| *number).collect();
    numbers.push("http2/3.5/2");
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 147);
}
