//! A client decodes exactly the bytes that were accepted, in any order of calls.

use bytes::BytesMut;
use proptest::prelude::*;

use super::{DATE, End, Http10, Http11, Response, ResponseError, TestOptions, end, response};
use crate::http1::decode::{BodyDecoder, Decoded};
use crate::http1::encoder::ChunkedCoding;
use crate::http1::framing::BodyFraming;

/// The largest head of these tests. It also covers the framing of one chunk and the last chunk.
const HEAD_BYTES: usize = 256;
const CHUNK_BYTES: usize = 20;

#[derive(Debug, Clone, Copy)]
enum Step {
    /// Writes this many bytes, but at most one piece, if there is room.
    Write(usize),
    /// Writes this many bytes directly, if the output is empty, to a client that takes at most the second number of
    /// bytes at once.
    Direct(usize, usize),
    /// The client takes this many bytes of the output.
    Take(usize),
    Flush,
    Finish,
    Truncate,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        12 => (1..80_usize).prop_map(Step::Write),
        6 => (0..300_usize).prop_map(Step::Take),
        4 => (1..400_usize, 0..700_usize).prop_map(|(bytes, taken)| Step::Direct(bytes, taken)),
        1 => Just(Step::Flush),
        1 => Just(Step::Finish),
        1 => Just(Step::Truncate),
    ];
    prop::collection::vec(step, 0..60)
}

fn options() -> impl Strategy<Value = TestOptions> {
    let switches = any::<[bool; 3]>();
    let chunked = prop::sample::select(&[ChunkedCoding::Never, ChunkedCoding::IfNeeded, ChunkedCoding::Preferred]);
    (switches, chunked, 1..64_usize, 0..40_usize).prop_map(
        |([http11, head_only, keep_alive], chunked, buffer_size, coalesce)| TestOptions {
            version: if http11 { Http11 } else { Http10 },
            head_only,
            keep_alive,
            awaits_continue: false,
            chunked,
            status: 200,
            coalesce: coalesce.min(buffer_size),
            buffer_size,
        },
    )
}

/// One response, and what its client has received.
struct Run {
    response: Response,
    accepted: Vec<u8>,
    received: Vec<u8>,
}

impl Run {
    fn take(&mut self, bytes: usize) {
        let taken = bytes.min(self.response.output().len());
        self.received.extend_from_slice(&self.response.output()[..taken]);
        self.response.advance(taken);
    }

    /// The next bytes of a body whose bytes depend on their position.
    fn next(&self, bytes: usize) -> Vec<u8> {
        let from = self.accepted.len();
        (from..from + bytes).map(|at| (at % 251) as u8).collect()
    }

    fn write(&mut self, bytes: usize) -> Result<(), ResponseError> {
        let piece = self.next(bytes.min(self.response.max_piece()));
        self.response.write(&piece, DATE)?;
        if !self.response.is_over() {
            self.accepted.extend_from_slice(&piece);
        }
        Ok(())
    }

    /// Writes directly, to a client that takes `taken` bytes and then no more.
    fn write_direct(&mut self, bytes: usize, taken: usize) -> Result<(), ResponseError> {
        let (chunk, received) = (self.next(bytes), &mut self.received);
        let pieces = self.response.direct_pieces(&chunk, DATE)?;
        let all: Vec<u8> = pieces.slices(self.response.output()).iter().flat_map(|slice| slice.to_vec()).collect();
        let taken = taken.min(all.len());
        received.extend_from_slice(&all[..taken]);
        let accepted = self.response.sent_direct(&pieces, taken);
        self.accepted.extend_from_slice(&chunk[..accepted]);
        Ok(())
    }

    fn step(&mut self, step: Step) {
        let over = self.response.is_over();
        match step {
            Step::Write(bytes) if self.response.has_room() => match self.write(bytes) {
                Ok(()) => assert!(!over),
                Err(ResponseError::Closed) => assert!(over),
                Err(error) => assert_eq!(error, ResponseError::Invalid),
            },
            Step::Direct(bytes, taken) if self.response.output().is_empty() && self.response.coalesced.is_empty() => {
                match self.write_direct(bytes, taken) {
                    Ok(()) => assert!(!over),
                    Err(ResponseError::Closed) => assert!(over),
                    Err(error) => assert_eq!(error, ResponseError::Invalid),
                }
            }
            Step::Write(_) | Step::Direct(..) => {}
            Step::Take(bytes) => self.take(bytes),
            Step::Flush => self.response.flush_coalesced(),
            Step::Finish => assert_eq!(self.response.finish(DATE).is_err(), over),
            Step::Truncate => self.response.truncate(),
        }
    }
}

/// The framing of the body by its head. It is `None` if the body ends with the connection.
fn told(head: &str) -> Option<BodyFraming> {
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    match (head.contains("\r\nTransfer-Encoding: chunked\r\n"), length) {
        (true, None) => Some(BodyFraming::Chunked),
        (false, Some(length)) => Some(BodyFraming::Length(length.parse().expect("a number"))),
        (false, None) => None,
        (true, Some(_)) => panic!("two lengths: {head}"),
    }
}

/// The body that a client decodes from `input`, and whether the client takes it for complete.
fn decode(framing: Option<BodyFraming>, input: &[u8]) -> (Vec<u8>, bool) {
    let Some(framing) = framing else { return (input.to_vec(), true) };
    let (mut decoder, mut input) = (BodyDecoder::new(framing, u64::MAX), BytesMut::from(input));
    let mut body = Vec::new();
    loop {
        match decoder.decode(&mut input, usize::MAX).expect("a well-formed body") {
            Decoded::Piece(piece) => body.extend_from_slice(&piece),
            Decoded::NeedMore => return (body, false),
            Decoded::End => {
                assert_eq!(input, b""[..]);
                return (body, true);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2048) })]

    #[test]
    fn a_client_decodes_what_was_accepted_and_knows_what_was_truncated(
        options in options(),
        declared in prop::option::weighted(0.3, 0..200_u64),
        steps in steps(),
    ) {
        let mut run = Run { response: response(&options), accepted: Vec::new(), received: Vec::new() };
        if let Some(declared) = declared {
            let fields = run.response.fields_mut().expect("nothing is sent");
            fields.set("content-length", declared.to_string().as_bytes()).expect("a length");
        }
        // The output is below its bound before a write. Then it may gain the collected writes, one piece, and the last
        // chunk.
        let piece = options.buffer_size;
        let bound = (4 * piece).min(64 * 1024).max(piece) + HEAD_BYTES + 2 * (piece + CHUNK_BYTES) + 5;
        for step in &steps {
            run.step(*step);
            prop_assert!(run.response.output().len() <= bound);
        }
        let began = !run.response.is_building();
        if !run.response.is_over() {
            prop_assert_eq!(run.response.finish(DATE), Ok(()));
        }
        run.take(usize::MAX);
        prop_assert_eq!(run.response.body_bytes(), run.accepted.len() as u64);

        let text = run.received.windows(4).position(|end| end == b"\r\n\r\n");
        let Some(head_end) = text else {
            // Truncated before anything was written.
            prop_assert_eq!(&run.received[..], b"");
            prop_assert_eq!((began, end(&run.response)), (true, End::Truncated));
            return Ok(());
        };
        let (head, body) = run.received.split_at(head_end + 4);
        let head = str::from_utf8(head).expect("a head of ASCII");
        let framing = told(head);
        let end = end(&run.response);
        if options.head_only {
            prop_assert_eq!(body, b"");
            prop_assert_eq!(end == End::Close, !options.keep_alive && end != End::Truncated);
            return Ok(());
        }
        let (decoded, whole) = decode(framing, body);
        match end {
            End::KeepAlive | End::Close => prop_assert!(whole && decoded == run.accepted),
            End::Truncated => prop_assert!(run.accepted.starts_with(&decoded) && (!whole || framing == declared.map(BodyFraming::Length))),
            End::Reset => prop_assert!(run.accepted.starts_with(&decoded) && framing.is_none()),
            End::Open => prop_assert!(false, "it was finished"),
        }
        prop_assert_eq!(end == End::KeepAlive, !head.contains("Connection: close") && whole && !run.response.is_truncated());
        prop_assert!(options.version == Http11 || framing != Some(BodyFraming::Chunked));
    }
}
