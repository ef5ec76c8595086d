//! The cases of the Autobahn test suite that differ in their bytes: 1 framing, 2 pings, 3 reserved bits, 4 opcodes, 5
//! fragmentation, 6 UTF-8, 7 closing. (9 tests limits and speed, 10 one message in many writes.)

use super::{Answer, BINARY, CLOSE, End, Frame, LAST, LIMIT, PART, PING, PONG, TEXT, TEXT_PART, check, echo, sent};

const BINARY_PART: u8 = 0x02;

/// The code of a close frame for a protocol error.
const PROTOCOL: &[u8] = b"\x03\xea";
/// The code of a close frame for invalid UTF-8.
const INVALID: &[u8] = b"\x03\xef";

#[test]
fn messages_of_every_length_come_back_1() {
    for length in [0, 125, 126, 127, 128, LIMIT] {
        let text = "*".repeat(length);
        let bytes = vec![0xfe; length];
        check("1.1", &sent(&[(TEXT, text.as_bytes())]), &Answer::new(&[(TEXT, text.as_bytes())], End::Open));
        check("1.2", &sent(&[(BINARY, &bytes)]), &Answer::new(&[(BINARY, &bytes)], End::Open));
    }
}

#[test]
fn valid_frames_are_answered_2_5_6() {
    let most = [b'a'; 125];
    let cases: &[(&str, &[Frame], &[Frame])] = &[
        ("2.1", &[(PING, b"")], &[(PONG, b"")]),
        ("2.2", &[(PING, b"Hello")], &[(PONG, b"Hello")]),
        ("2.3", &[(PING, b"\x00\xff\xfe")], &[(PONG, b"\x00\xff\xfe")]),
        ("2.4", &[(PING, &most)], &[(PONG, &most)]),
        ("2.7", &[(PONG, b"")], &[]),
        ("2.8", &[(PONG, b"unasked")], &[]),
        ("2.9", &[(PONG, b"unasked"), (PING, b"a")], &[(PONG, b"a")]),
        ("2.10", &[(PING, b"0"), (PING, b"1"), (PING, b"2")], &[(PONG, b"0"), (PONG, b"1"), (PONG, b"2")]),
        ("5.3", &[(TEXT_PART, b"frag"), (LAST, b"ment")], &[(TEXT, b"fragment")]),
        ("5.3", &[(BINARY_PART, b"\xff"), (LAST, b"\xfe")], &[(BINARY, b"\xff\xfe")]),
        ("5.6", &[(TEXT_PART, b"a"), (PING, b"b"), (LAST, b"c")], &[(PONG, b"b"), (TEXT, b"ac")]),
        ("5.8", &[(TEXT_PART, b"a"), (PONG, b"b"), (LAST, b"c")], &[(TEXT, b"ac")]),
        (
            "5.19",
            &[(TEXT_PART, b"1"), (PING, b"p"), (PART, b"2"), (PING, b"q"), (LAST, b"3")],
            &[(PONG, b"p"), (PONG, b"q"), (TEXT, b"123")],
        ),
        ("6.1.1", &[(TEXT, b"")], &[(TEXT, b"")]),
        ("6.1.2", &[(TEXT_PART, b""), (PART, b""), (LAST, b"")], &[(TEXT, b"")]),
        ("6.1.3", &[(TEXT_PART, b""), (PART, b"middle"), (LAST, b"")], &[(TEXT, b"middle")]),
        ("7.1.1", &[(TEXT, b"Hello"), (PING, b"")], &[(TEXT, b"Hello"), (PONG, b"")]),
    ];
    for (case, client, server) in cases {
        check(case, &sent(client), &Answer::new(server, End::Open));
    }
}

/// Checks that the server answers `client` with the frames `first`, then a close frame with this code, and nothing
/// else.
#[track_caller]
fn check_refused(case: &str, client: &[Frame], first: &[Frame], code: &[u8]) {
    let answer = echo([&*sent(client)], LIMIT);
    let first = Answer::new(first, End::Closed).output;
    let close = answer.output.strip_prefix(&*first).unwrap_or_else(|| panic!("case {case}: {answer:?}"));
    assert!(close.first() == Some(&CLOSE) && close[2..].starts_with(code), "case {case}: {answer:?}");
    assert_eq!(close.len(), 2 + usize::from(close[1]), "case {case}: {answer:?}");
    assert!(answer.ended && !answer.open, "case {case}: {answer:?}");
    check(case, &sent(client), &answer);
}

#[test]
fn invalid_frames_are_refused_2_3_4_5() {
    let most = [b'a'; 126];
    let text: Frame = (TEXT, b"a");
    let cases: &[(&str, &[Frame], &[Frame])] = &[
        ("2.5", &[(PING, &most)], &[]),
        ("3.1", &[(TEXT | 0x10, b"a")], &[]),
        ("3.2", &[text, (TEXT | 0x20, b"a"), (PING, b"")], &[text]),
        ("3.3", &[text, (TEXT | 0x30, b"a")], &[text]),
        ("3.4", &[text, (TEXT | 0x40, b"a")], &[text]),
        ("3.5", &[(BINARY | 0x50, b"a")], &[]),
        ("3.6", &[(PING | 0x60, b"a")], &[]),
        ("3.7", &[(CLOSE | 0x70, b"")], &[]),
        ("4.1.1", &[(0x83, b"")], &[]),
        ("4.1.2", &[(0x84, b"a")], &[]),
        ("4.1.3", &[text, (0x85, b""), (PING, b"")], &[text]),
        ("4.1.4", &[text, (0x86, b"a"), (PING, b"")], &[text]),
        ("4.1.5", &[text, (0x87, b"a")], &[text]),
        ("4.2.1", &[(0x8b, b"")], &[]),
        ("4.2.2", &[(0x8c, b"a")], &[]),
        ("4.2.3", &[text, (0x8d, b"")], &[text]),
        ("4.2.4", &[text, (0x8e, b"a")], &[text]),
        ("4.2.5", &[text, (0x8f, b"a")], &[text]),
        ("5.1", &[(0x09, b"a"), (LAST, b"b")], &[]),
        ("5.2", &[(0x0a, b"a"), (LAST, b"b")], &[]),
        ("5.9", &[(LAST, b"a"), text], &[]),
        ("5.11", &[(LAST, b""), text], &[]),
        ("5.12", &[(PART, b"a"), text], &[]),
        ("5.15", &[(TEXT_PART, b"a"), (LAST, b"b"), (PART, b"c"), text], &[(TEXT, b"ab")]),
        ("5.18", &[(TEXT_PART, b"a"), (TEXT, b"b")], &[]),
        ("5.20", &[(TEXT_PART, b"a"), (BINARY, b"b")], &[]),
    ];
    for (case, client, first) in cases {
        check_refused(case, client, first, PROTOCOL);
    }
}

#[test]
fn text_is_utf8_at_every_split_6() {
    // 6.2, 6.5 to 6.11, 6.22, 6.23: characters of each length, the ends of the ranges, non-characters.
    let good = [
        "Hello-µ@ßöäüàá-UTF-8!!",
        "κόσμε",
        "\u{80}\u{7ff}",
        "\u{800}\u{d7ff}\u{e000}\u{ffff}",
        "\u{10000}\u{10ffff}",
        "\u{fffe}\u{1fffe}",
        "\u{fffd}",
        "\0",
    ];
    for text in good.map(str::as_bytes) {
        for at in 0..=text.len() {
            let parts: &[Frame] = &[(TEXT_PART, &text[..at]), (PING, b""), (LAST, &text[at..])];
            check("6.2", &sent(parts), &Answer::new(&[(PONG, b""), (TEXT, text)], End::Open));
        }
    }
    // 6.3, 6.12 to 6.21: missing start byte, truncated and overlong forms, surrogates, beyond U+10FFFF.
    let bad: [&[u8]; 13] = [
        b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited",
        b"\x80",
        b"\xc0",
        b"\xe2\x82",
        b"\xf0\x9f\x98",
        b"\xff",
        b"\xc0\xaf",
        b"\xe0\x80\xaf",
        b"\xf0\x80\x80\xaf",
        b"\xed\xa0\x80",
        b"\xed\xbf\xbf",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
    ];
    for text in bad {
        for at in 0..=text.len() {
            check_refused("6.3", &[(TEXT_PART, &text[..at]), (LAST, &text[at..]), (TEXT, b"a")], &[], INVALID);
        }
    }
    // 6.4: refused as soon as a fragment cannot become valid text.
    check_refused("6.4.1", &[(TEXT_PART, "κόσμε".as_bytes()), (PART, b"\xf4\x90\x80\x80")], &[], INVALID);
    check_refused("6.4.2", &[(TEXT_PART, b"\xf4"), (PART, b"\x90")], &[], INVALID);
}

#[test]
fn a_close_frame_is_answered_with_the_same_code_7() {
    let most = [&b"\x03\xe8"[..], &[b'*'; 123]].concat();
    let codes =
        [1000_u16, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map(u16::to_be_bytes);
    let bodies = [&b""[..], b"\x03\xe8Hello", &most].into_iter().chain(codes.iter().map(|code| &code[..]));
    for body in bodies {
        let closed = Answer::new(&[(CLOSE, body)], End::Closed);
        check("7.3, 7.7", &sent(&[(CLOSE, body)]), &closed);
        // Frames after the close frame are ignored.
        check("7.1", &sent(&[(CLOSE, body), (CLOSE, body), (TEXT, b"late"), (PING, b"")]), &closed);
        check("7.1.4", &sent(&[(TEXT_PART, b"a"), (CLOSE, body), (LAST, b"b")]), &closed);
    }
}

#[test]
fn an_invalid_close_frame_is_refused_7() {
    check_refused("7.3.2", &[(CLOSE, b"a")], &[], PROTOCOL);
    check_refused("7.3.6", &[(CLOSE, &[b'a'; 126])], &[], PROTOCOL);
    check_refused("7.5.1", &[(CLOSE, b"\x03\xe8\xce\xba\xed\xa0\x80")], &[], INVALID);
    for code in [0_u16, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65535] {
        check_refused("7.9, 7.13", &[(CLOSE, &code.to_be_bytes())], &[], PROTOCOL);
    }
}
