//! What an echo server answers to a client, numbered as in the Autobahn test suite.

use bytes::BytesMut;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{Protocol, WebSocketEvent};

mod autobahn;

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;
/// The first frame of a fragmented message.
const TEXT_PART: u8 = 0x01;
/// A continuation frame that is not the last.
const PART: u8 = 0x00;
/// The last continuation frame.
const LAST: u8 = 0x80;

const LIMIT: usize = 1000;

/// A frame: its first byte and its payload.
type Frame<'f> = (u8, &'f [u8]);

/// Encodes a frame as a client does: masked, with the shortest form of the length.
fn masked((first, bytes): Frame) -> Vec<u8> {
    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = encoded((first, bytes));
    frame[1] |= 0x80;
    let at = frame.len() - bytes.len();
    for (byte, mask) in frame[at..].iter_mut().zip(MASK.iter().cycle()) {
        *byte ^= mask;
    }
    frame.splice(at..at, MASK);
    frame
}

/// Encodes a frame as a server does.
fn encoded((first, bytes): Frame) -> Vec<u8> {
    let mut frame = vec![first];
    match u16::try_from(bytes.len()) {
        Ok(short @ ..126) => frame.push(short as u8),
        Ok(length) => frame.extend([&[126][..], &length.to_be_bytes()].concat()),
        Err(_) => frame.extend([&[127][..], &(bytes.len() as u64).to_be_bytes()].concat()),
    }
    frame.extend_from_slice(bytes);
    frame
}

fn sent(frames: &[Frame]) -> Vec<u8> {
    frames.iter().copied().flat_map(masked).collect()
}

/// What an echo server answers to bytes that arrive in pieces, and whether more may follow.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    output: Vec<u8>,
    open: bool,
    ended: bool,
}

impl Answer {
    fn new(frames: &[Frame], end: End) -> Self {
        let output = frames.iter().copied().flat_map(encoded).collect();
        Self { output, open: end == End::Open, ended: end == End::Closed }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Closed,
}

fn echo<'b>(pieces: impl IntoIterator<Item = &'b [u8]>, limit: usize) -> Answer {
    let mut protocol = Protocol::new(limit);
    let (mut input, mut output, mut ended) = (BytesMut::new(), Vec::new(), false);
    for piece in pieces {
        input.extend_from_slice(piece);
        while let Some(event) = protocol.read(&mut input, &mut output) {
            match event {
                WebSocketEvent::Message(message) => output.extend_from_slice(&message.into_frame()),
                WebSocketEvent::Alive => {}
                WebSocketEvent::Closed | WebSocketEvent::Violated(_) => ended = true,
            }
        }
    }
    Answer { output, open: protocol.is_open(), ended }
}

/// Checks the answer to `bytes`, in one piece and byte by byte.
#[track_caller]
fn check(case: &str, bytes: &[u8], expected: &Answer) {
    assert_eq!(&echo([bytes], LIMIT), expected, "case {case}");
    assert_eq!(&echo(bytes.chunks(1), LIMIT), expected, "case {case}, byte by byte");
}

#[test]
fn no_state_is_kept_between_two_messages() {
    let mut protocol = Protocol::new(LIMIT);
    let mut output = Vec::new();
    for frames in [&[(BINARY, &[1; 900][..])][..], &[(TEXT_PART, b"a"), (PING, b"b"), (LAST, b"c")], &[(PONG, b"")]] {
        let mut input = BytesMut::from(&*sent(frames));
        while protocol.read(&mut input, &mut output).is_some() {}
        assert!(protocol.context.is_none() && input.is_empty());
    }
}

#[test]
fn a_message_larger_than_the_limit_is_refused_by_its_header() {
    let too_large = [(CLOSE, &b"\x03\xf1a message has more than 1000 bytes"[..])];
    let too_large = Answer::new(&too_large, End::Closed);
    check("alone", &sent(&[(BINARY, &[0; LIMIT + 1])])[..8], &too_large);
    check("of any size", &[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4], &too_large);
    check("together", &sent(&[(TEXT_PART, &[b'a'; LIMIT]), (LAST, b"a")]), &too_large);
    let whole = [b'a'; LIMIT];
    check("the limit", &sent(&[(TEXT, &whole)]), &Answer::new(&[(TEXT, &whole)], End::Open));
}

#[test]
fn a_control_frame_is_not_held_to_the_limit_of_a_message() {
    let answer = Answer::new(&[(PONG, &[b'a'; 125])], End::Open);
    assert_eq!(echo([&*sent(&[(PING, &[b'a'; 125])])], 1), answer);
}

// RFC 6455 section 5.1
#[test]
fn a_frame_without_a_mask_is_refused_by_its_header() {
    let refused = [(CLOSE, &b"\x03\xeaReceived an unmasked frame from client"[..])];
    check("unmasked", &[0x82, 126, 1, 0], &Answer::new(&refused, End::Closed));
}

#[test]
fn after_its_own_close_frame_the_server_waits_for_the_clients() {
    let mut protocol = Protocol::new(LIMIT);
    let mut output = Vec::new();
    protocol.close(None, &mut output);
    protocol.close(None, &mut output);
    assert_eq!((output.split_off(0), protocol.is_open()), (vec![CLOSE, 0], false));
    // Messages that arrive after the close frame are ignored, and a ping gets no pong.
    let mut input = BytesMut::from(&*sent(&[(TEXT, b"late"), (PING, b""), (CLOSE, b"\x03\xe8")]));
    assert_eq!(protocol.read(&mut input, &mut output), Some(WebSocketEvent::Alive));
    assert_eq!(protocol.read(&mut input, &mut output), Some(WebSocketEvent::Alive));
    assert_eq!(protocol.read(&mut input, &mut output), Some(WebSocketEvent::Closed));
    assert_eq!((protocol.read(&mut input, &mut output), output), (None, Vec::new()));
}

/// Any frame, most of them valid.
fn any_frame() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let first = prop_oneof![
        4 => proptest::sample::select(vec![TEXT, BINARY, TEXT_PART, PART, LAST, PING, PONG]),
        1 => any::<u8>(),
    ];
    (first, prop_oneof![3 => proptest::collection::vec(b'a'..=b'z', 0..200), 1 => any::<Vec<u8>>()])
}

proptest! {
    #[test]
    fn any_split_of_any_frames_gives_the_same_answer(
        frames in proptest::collection::vec(any_frame(), 0..8),
        cuts in proptest::collection::vec(any::<Index>(), 0..6),
    ) {
        let bytes: Vec<u8> = frames.iter().flat_map(|(first, held)| masked((*first, held))).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|ends| &bytes[ends[0]..ends[1]]);
        prop_assert_eq!(echo(pieces, LIMIT), echo([&*bytes], LIMIT));
    }

    #[test]
    fn no_bytes_panic_it(bytes: Vec<u8>) {
        echo([&*bytes], LIMIT);
    }
}
