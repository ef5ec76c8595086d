//! A client of HTTP/2 that sends raw frames, and reads frames as lines of text.
//!
//! `HEADERS 1 :status=200 content-length=5`, `DATA 1 Hello END`, `RST_STREAM 3 CANCEL`, `GOAWAY 5 NO_ERROR`; the end of the
//! connection is `closed` or `reset`. `END` is the flag END_STREAM. Fields are in the order in which they came, without `date`.

use std::io::ErrorKind;
use std::time::Duration;

use loona_hpack::Decoder;

use super::{Client, tls};

/// What a client sends first.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames.
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PUSH_PROMISE: u8 = 5;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

/// Flags of frames.
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
pub const PADDED: u8 = 8;
pub const PRIORITIZED: u8 = 0x20;

/// The most bytes of a payload, unless the server allows more.
const MAX_PAYLOAD: usize = 16_384;

/// The names of error codes, by their numbers.
const ERRORS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// One connection.
pub struct Http2Client {
    client: Client,
    decoder: Decoder<'static>,
    /// The WINDOW_UPDATE frames that have come: the stream and the increment.
    pub window_updates: Vec<(u32, u32)>,
    /// The payload of the last PING that has come.
    pub last_ping: Vec<u8>,
}

/// A frame as it was received.
struct ReceivedFrame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

/// A frame as bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).expect("a payload has few bytes").to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// A block of fields, each as a literal that is not indexed.
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            push_length(text.len(), &mut block);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

/// A length in 7 bits and as many bytes as it needs (RFC 7541 section 5.1).
fn push_length(length: usize, block: &mut Vec<u8>) {
    if length < 127 {
        return block.push(u8::try_from(length).expect("it is below 127"));
    }
    block.push(127);
    let mut rest = length - 127;
    while rest >= 128 {
        block.push(u8::try_from(rest % 128 + 128).expect("it is below 256"));
        rest /= 128;
    }
    block.push(u8::try_from(rest).expect("it is below 128"));
}

/// The fields of a request of this method for a target.
pub fn request<'r>(method: &'r str, target: &'r str) -> Vec<(&'r str, &'r str)> {
    let scheme = if tls::is_default() { "https" } else { "http" };
    vec![(":method", method), (":scheme", scheme), (":authority", "it"), (":path", target)]
}

/// The payload of SETTINGS.
pub fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    values.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect()
}

impl Http2Client {
    /// Opens a connection: the preface, and settings without a value.
    #[track_caller]
    pub fn open(client: Client) -> Self {
        Self::open_with(client, &[])
    }

    /// Opens a connection with these settings.
    #[track_caller]
    pub fn open_with(client: Client, values: &[(u16, u32)]) -> Self {
        let mut opened = Self::unopened(client);
        opened.send([PREFACE, &frame(SETTINGS, 0, 0, settings(values))].concat());
        opened
    }

    /// A connection on which nothing was sent.
    pub fn unopened(client: Client) -> Self {
        Self { client, decoder: Decoder::new(), window_updates: Vec::new(), last_ping: Vec::new() }
    }

    /// Sends bytes.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.send(bytes);
    }

    /// Sends bytes to a server that may have closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.client.try_send(bytes).is_ok()
    }

    /// Sends a frame.
    #[track_caller]
    pub fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) {
        self.send(frame(kind, flags, stream, payload));
    }

    /// Sends the head of a request.
    #[track_caller]
    pub fn head(&mut self, stream: u32, fields: &[(&str, &str)], ends: bool) {
        let block = block(fields);
        let mut parts = block.chunks(MAX_PAYLOAD).peekable();
        let (mut kind, mut flags) = (HEADERS, if ends { END_STREAM } else { 0 });
        while let Some(part) = parts.next() {
            let last = if parts.peek().is_none() { END_HEADERS } else { 0 };
            self.frame(kind, flags | last, stream, part);
            (kind, flags) = (CONTINUATION, 0);
        }
    }

    /// Sends a GET.
    #[track_caller]
    pub fn get(&mut self, stream: u32, target: &str) {
        self.head(stream, &request("GET", target), true);
    }

    /// Sends the head of a POST, whose body follows.
    #[track_caller]
    pub fn post(&mut self, stream: u32, target: &str) {
        self.head(stream, &request("POST", target), false);
    }

    /// Sends a part of a body.
    #[track_caller]
    pub fn data(&mut self, stream: u32, body: impl AsRef<[u8]>, ends: bool) {
        self.frame(DATA, if ends { END_STREAM } else { 0 }, stream, body);
    }

    /// Resets a stream.
    #[track_caller]
    pub fn reset_stream(&mut self, stream: u32, code: u32) {
        self.frame(RST_STREAM, 0, stream, code.to_be_bytes());
    }

    /// Lets the server send more on a stream, or on the connection, which is stream 0.
    #[track_caller]
    pub fn open_window(&mut self, stream: u32, increment: u32) {
        self.frame(WINDOW_UPDATE, 0, stream, increment.to_be_bytes());
    }

    /// Ends the connection at once.
    pub fn reset(self) {
        self.client.reset();
    }

    /// Sends the end of the connection.
    pub fn half_close(&mut self) {
        self.client.half_close();
    }

    /// The next frame as a line. SETTINGS and WINDOW_UPDATE frames are passed over, and settings are acknowledged.
    #[track_caller]
    pub fn next(&mut self) -> String {
        loop {
            let received = match self.receive() {
                Ok(received) => received,
                Err(end) => return end.to_owned(),
            };
            if let Some(line) = self.describe(&received) {
                return line;
            }
        }
    }

    /// Waits until the server lets the client send more. Nothing else comes before that.
    #[track_caller]
    pub fn wait_for_window(&mut self) {
        let updates = self.window_updates.len();
        while self.window_updates.len() == updates {
            let received = self.receive().unwrap_or_else(|end| panic!("{end}, and no window is opened"));
            let line = self.describe(&received);
            assert_eq!(line, None, "no window is opened");
        }
    }

    /// Reads the lines that are expected, and no others between them.
    #[track_caller]
    pub fn expect(&mut self, expected: &[&str]) {
        let lines: Vec<String> = expected.iter().map(|_| self.next()).collect();
        assert_eq!(lines, expected);
    }

    /// All lines until the end of the connection, which is the last.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            lines.push(self.next());
            if lines.last().is_some_and(|line| matches!(&line[..], "closed" | "reset")) {
                return lines;
            }
        }
    }

    /// The lines about a stream until its end, which is the last. Lines about others are dropped.
    #[track_caller]
    pub fn until_end_of(&mut self, stream: u32) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let line = self.next();
            let is_over = matches!(&line[..], "closed" | "reset") || line.starts_with("GOAWAY");
            let mut words = line.split(' ');
            let kind = words.next().map(str::to_owned);
            let is_of_stream = words.next() == Some(&stream.to_string());
            let ends = is_of_stream && (kind.as_deref() == Some("RST_STREAM") || line.ends_with(" END"));
            if is_of_stream || is_over {
                lines.push(line);
            }
            if ends || is_over {
                return lines;
            }
        }
    }

    /// The payload of DATA on a stream until its end.
    #[track_caller]
    pub fn body_of(&mut self, stream: u32) -> String {
        let start = format!("DATA {stream} ");
        let lines = self.until_end_of(stream);
        let data = lines.iter().filter_map(|line| line.strip_prefix(&start));
        data.map(|data| data.strip_suffix("END").map_or(data, str::trim_end)).collect()
    }

    /// Sees that the connection still answers: by a PING, before whose answer nothing comes.
    #[track_caller]
    pub fn expect_answer_to_ping(&mut self) {
        self.frame(PING, 0, 0, b"isalive?");
        self.expect(&["PING ACK isalive?"]);
    }

    /// Sees that for as long no frame comes.
    #[track_caller]
    pub fn expect_silence(&mut self, duration: Duration) {
        self.client.expect_silence(duration);
    }

    fn receive(&mut self) -> Result<ReceivedFrame, &'static str> {
        let header = self.read(9)?;
        let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        let stream = u32::from_be_bytes([header[5], header[6], header[7], header[8]]);
        let payload = self.read(length)?;
        Ok(ReceivedFrame { kind: header[3], flags: header[4], stream, payload })
    }

    fn read(&mut self, length: usize) -> Result<Vec<u8>, &'static str> {
        self.client.try_read_exactly(length).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => "closed",
            ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => "reset",
            _ => panic!("{error} while a frame is awaited"),
        })
    }

    fn describe(&mut self, received: &ReceivedFrame) -> Option<String> {
        let ReceivedFrame { kind, flags, stream, payload } = received;
        let end = if flags & END_STREAM != 0 { " END" } else { "" };
        let number = |at: usize| u32::from_be_bytes(payload[at..at + 4].try_into().expect("a number has four bytes"));
        Some(match *kind {
            DATA => format!("DATA {stream} {}{end}", String::from_utf8_lossy(payload)),
            HEADERS => {
                assert_eq!(flags & END_HEADERS, END_HEADERS, "the server's heads fit into one frame");
                let fields = self.decoder.decode(payload).expect("the server encodes fields well");
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                let fields = fields.iter().map(|(name, value)| format!(" {}={}", text(name), text(value)));
                let told: String = fields.filter(|field| !field.starts_with(" date=")).collect();
                format!("HEADERS {stream}{told}{end}")
            }
            RST_STREAM => format!("RST_STREAM {stream} {}", error_name(number(0))),
            SETTINGS => {
                if flags & ACK == 0 {
                    // The server may have closed already.
                    self.try_send(frame(SETTINGS, ACK, 0, b""));
                }
                return None;
            }
            PING if flags & ACK != 0 => format!("PING ACK {}", String::from_utf8_lossy(payload)),
            PING => {
                self.last_ping.clone_from(payload);
                "PING".to_owned()
            }
            GOAWAY => format!("GOAWAY {} {}", number(0), error_name(number(4))),
            WINDOW_UPDATE => {
                self.window_updates.push((*stream, number(0)));
                return None;
            }
            other => format!("frame of type {other} on {stream}"),
        })
    }
}

fn error_name(code: u32) -> &'static str {
    usize::try_from(code).ok().and_then(|code| ERRORS.get(code)).copied().unwrap_or("an unknown code")
}
