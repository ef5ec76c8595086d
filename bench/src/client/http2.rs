//! A client of HTTP/2 that knows as much of it as the rows need: many requests without a body on one connection.

use std::io::{self, BufReader, Read, Write};

use super::not_ok;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame before its payload.
const HEADER_BYTES: usize = 9;
/// The largest payload that a server sends unasked.
const MAX_PAYLOAD: usize = 16_384;
/// What a server may send before the client reads, of each stream and of all: as much as HTTP/2 can say.
const WINDOW: u32 = 0x7fff_ffff;
const INITIAL_WINDOW: u32 = 65_535;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
/// The setting of each stream's window.
const INITIAL_WINDOW_SIZE: u16 = 4;
/// `:status: 200` and `:method: GET` in HPACK's static table.
const STATUS_200: u8 = 0x88;
const METHOD_GET: u8 = 0x82;
/// A field that is not indexed, with a name of the static table: `:path`, `:scheme`, `:authority`.
const PATH: u8 = 0x04;
const SCHEME: u8 = 0x06;
const AUTHORITY: u8 = 0x01;

/// What ends the wait for responses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Each response has ended.
    Ended,
    /// Each response has a first piece of its body.
    Begun,
}

/// A connection that has sent its preface.
pub struct Http2Connection<S> {
    socket: BufReader<S>,
    scheme: &'static str,
    next_stream: u32,
    payload: Vec<u8>,
}

impl<S: Read + Write> Http2Connection<S> {
    /// Opens a connection over a socket to a server that takes requests of this scheme.
    pub fn open(mut socket: S, scheme: &'static str) -> io::Result<Self> {
        let setting = [&INITIAL_WINDOW_SIZE.to_be_bytes()[..], &WINDOW.to_be_bytes()].concat();
        let more = (WINDOW - INITIAL_WINDOW).to_be_bytes();
        socket.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &setting), &frame(WINDOW_UPDATE, 0, 0, &more)].concat())?;
        Ok(Self { socket: BufReader::new(socket), scheme, next_stream: 1, payload: Vec::new() })
    }

    /// Sends as many requests at once, each on a stream of its own, and waits for all of them.
    pub fn ask(&mut self, target: &str, requests: u32, until: Until) -> io::Result<()> {
        let mut block = vec![METHOD_GET];
        for (name, value) in [(SCHEME, self.scheme), (AUTHORITY, "localhost"), (PATH, target)] {
            // A length below 127 is one byte.
            let length = u8::try_from(value.len()).ok().filter(|length| *length < 127).ok_or_else(not_ok)?;
            block.extend([name, length]);
            block.extend_from_slice(value.as_bytes());
        }
        let mut heads = Vec::new();
        for _ in 0..requests {
            heads.extend(frame(HEADERS, END_HEADERS | END_STREAM, self.next_stream, &block));
            self.next_stream += 2;
        }
        self.socket.get_mut().write_all(&heads)?;
        self.socket.get_mut().flush()?;
        let mut waiting = requests;
        while waiting > 0 {
            let (kind, flags) = self.receive()?;
            match kind {
                HEADERS if self.payload.first() != Some(&STATUS_200) => return Err(not_ok()),
                RST_STREAM | GOAWAY => return Err(io::Error::other("the server has ended a stream")),
                SETTINGS if flags & ACK == 0 => self.socket.get_mut().write_all(&frame(SETTINGS, ACK, 0, &[]))?,
                DATA if until == Until::Begun && !self.payload.is_empty() => waiting -= 1,
                DATA | HEADERS if until == Until::Ended && flags & END_STREAM != 0 => waiting -= 1,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads a frame, whose payload is then in `self`. Returns its type and its flags.
    fn receive(&mut self) -> io::Result<(u8, u8)> {
        let mut header = [0; HEADER_BYTES];
        self.socket.read_exact(&mut header)?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]) as usize;
        if length > MAX_PAYLOAD {
            return Err(io::Error::other("the server sends a frame that is too large"));
        }
        self.payload.resize(length, 0);
        self.socket.read_exact(&mut self.payload)?;
        Ok((header[3], header[4]))
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let header = [length[1], length[2], length[3], kind, flags];
    [&header[..], &stream.to_be_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A socket that reads these bytes and takes what is written.
    struct Canned(io::Cursor<Vec<u8>>, Vec<u8>);

    impl Read for Canned {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Write for Canned {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1.write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn asks(frames: &[Vec<u8>], requests: u32, until: Until) -> bool {
        let socket = Canned(io::Cursor::new(frames.concat()), Vec::new());
        let mut connection = Http2Connection::open(socket, "http").expect("it takes what is written");
        connection.ask("/hello", requests, until).is_ok()
    }

    #[test]
    fn a_response_is_whole_with_its_end() {
        let head = |stream| frame(HEADERS, END_HEADERS, stream, &[STATUS_200]);
        let data = |stream, flags| frame(DATA, flags, stream, b"HelloWorld!");
        let settings = frame(SETTINGS, 0, 0, &[]);
        assert!(asks(&[settings, head(1), head(3), data(3, END_STREAM), data(1, END_STREAM)], 2, Until::Ended));
        assert!(!asks(&[head(1), data(1, 0)], 1, Until::Ended));
        assert!(asks(&[head(1), data(1, 0)], 1, Until::Begun));
        assert!(!asks(&[head(1)], 1, Until::Begun));
    }

    #[test]
    fn a_response_of_another_status_and_a_reset_are_errors() {
        assert!(!asks(&[frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x8d])], 1, Until::Ended));
        assert!(!asks(&[frame(RST_STREAM, 0, 1, &[0; 4])], 1, Until::Ended));
    }
}
