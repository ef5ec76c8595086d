//! The cases of the Autobahn test suite over sockets: the table of the unit tests, with a server in place of the protocol alone.

use std::io::ErrorKind;
use std::sync::LazyLock;

use crate::support::websocket::{BINARY, CLOSE, LAST_PART as LAST, PING, PONG, TEXT, TEXT_PART, masked};
use crate::support::{Client, RoutesDir, TestServer, guest};

#[path = "../../../host/src/websocket/protocol/tests/autobahn.rs"]
mod cases;

/// A continuation frame that is not the last.
const PART: u8 = 0x00;

const LIMIT: usize = 1000;

/// What the client asks behind its frames, to know that all of the answer has come.
const ASKED: &[u8] = b"is that all?";

/// A frame: its first byte and its payload.
type Frame<'f> = (u8, &'f [u8]);

static SERVER: LazyLock<TestServer> = LazyLock::new(|| {
    let limit = format!("max_message = {LIMIT}");
    TestServer::start(RoutesDir::new().with(guest::WS_ECHO).with_file("ws_echo.toml", &limit))
});

/// What the server answers, and whether more may follow.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    output: Vec<u8>,
    open: bool,
    ended: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Closed,
}

impl Answer {
    fn new(frames: &[Frame], end: End) -> Self {
        let output = frames.iter().flat_map(|(first, bytes)| encoded(*first, bytes)).collect();
        Self { output, open: end == End::Open, ended: end == End::Closed }
    }
}

/// A frame as a server sends it.
fn encoded(first: u8, bytes: &[u8]) -> Vec<u8> {
    let length = match u16::try_from(bytes.len()).expect("the tests have short messages") {
        short @ ..126 => vec![short as u8],
        length => [&[126][..], &length.to_be_bytes()].concat(),
    };
    [&[first][..], &length, bytes].concat()
}

fn sent(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|(first, bytes)| masked(*first, bytes)).collect()
}

/// The next frame as bytes. None at the end of the connection.
fn receive(client: &mut Client) -> Option<Vec<u8>> {
    let mut read = |length: usize| match client.try_read_exactly(length) {
        Ok(bytes) => Some(bytes),
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => None,
        Err(error) => panic!("{error}"),
    };
    let mut frame = read(2)?;
    let mut length = usize::from(frame[1]);
    if length == 126 {
        let more = read(2)?;
        length = usize::from(u16::from_be_bytes([more[0], more[1]]));
        frame.extend(more);
    }
    frame.extend(read(length)?);
    Some(frame)
}

/// A connection, and what has come of the answer.
struct Exchange {
    client: Client,
    output: Vec<u8>,
    /// Whether a close frame or the end has come.
    is_over: bool,
}

impl Exchange {
    /// Reads until a frame has come that `is_last` of its first byte, or the end.
    fn read_until(&mut self, is_last: impl Fn(u8) -> bool) {
        while !self.is_over {
            let Some(frame) = receive(&mut self.client) else {
                self.is_over = true;
                return;
            };
            self.is_over = frame[0] == CLOSE;
            self.output.extend_from_slice(&frame);
            if is_last(frame[0]) {
                return;
            }
        }
    }
}

/// The length of the first frame of a client.
fn frame_len(bytes: &[u8]) -> usize {
    match bytes[1] & 0x7f {
        126 => 8 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]])),
        127 => panic!("the tests have short messages"),
        length => 6 + usize::from(length),
    }
}

/// What the server answers to the frames of a client, each of which is sent in as many pieces. The answer to a message and to a PING
/// is awaited before the next is sent: the server reads on while a handler runs, so their order would be any.
fn exchange(mut bytes: &[u8], pieces: usize) -> Answer {
    let mut exchange = Exchange { client: SERVER.connect(), output: Vec::new(), is_over: false };
    exchange.client.open_websocket("/ws-echo");
    while !bytes.is_empty() {
        let (frame, rest) = bytes.split_at(frame_len(bytes));
        bytes = rest;
        for piece in frame.chunks(frame.len().div_ceil(pieces)) {
            // The server may have closed it, after what came before.
            let _ = exchange.client.try_send(piece);
        }
        let (is_whole, opcode) = (frame[0] & 0x80 != 0, frame[0] & 0x0f);
        match opcode {
            0..=2 if is_whole => exchange.read_until(|first| matches!(first, TEXT | BINARY)),
            9 => exchange.read_until(|first| first == PONG),
            _ => {}
        }
    }
    let asked = encoded(PONG, ASKED);
    if !exchange.is_over {
        let _ = exchange.client.try_send(masked(PING, ASKED));
        exchange.read_until(|first| first == PONG);
        if exchange.output.ends_with(&asked) {
            exchange.output.truncate(exchange.output.len() - asked.len());
            return Answer { output: exchange.output, open: true, ended: false };
        }
    }
    while let Some(frame) = receive(&mut exchange.client) {
        exchange.output.extend(frame);
    }
    Answer { output: exchange.output, open: false, ended: true }
}

/// What the server answers to all of the pieces.
fn echo<'b>(pieces: impl IntoIterator<Item = &'b [u8]>, limit: usize) -> Answer {
    assert_eq!(limit, LIMIT, "the server has one limit");
    exchange(&pieces.into_iter().collect::<Vec<_>>().concat(), 1)
}

/// Checks the answer to `bytes`, each frame in one piece and in two.
#[track_caller]
fn check(case: &str, bytes: &[u8], expected: &Answer) {
    for pieces in [1, 2] {
        assert_eq!(&exchange(bytes, pieces), expected, "case {case}, in {pieces} pieces");
    }
}
