use bytes::Bytes;

use super::{CloseFrame, ForbiddenCode, Message, ping};

/// The first bytes of a frame, and its length.
fn begins(frame: &Bytes, header: usize) -> (Vec<u8>, usize) {
    (frame[..header].to_vec(), frame.len())
}

// RFC 6455 section 5.2
#[test]
fn a_frame_encodes_its_type_and_its_length_in_the_fewest_bytes() {
    let frame = |length: usize| Message::Binary(vec![7; length].into()).into_frame();
    assert_eq!(begins(&frame(0), 2), (vec![0x82, 0], 2));
    assert_eq!(begins(&frame(125), 2), (vec![0x82, 125], 127));
    assert_eq!(begins(&frame(126), 4), (vec![0x82, 126, 0, 126], 130));
    assert_eq!(begins(&frame(65_535), 4), (vec![0x82, 126, 255, 255], 65_539));
    assert_eq!(begins(&frame(65_536), 10), (vec![0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0], 65_546));
    assert_eq!(Message::Text("é".into()).into_frame(), &[0x81, 2, 0xc3, 0xa9][..]);
    assert_eq!(ping(), &[0x89, 0][..]);
}

#[test]
fn a_chunk_is_a_text_if_it_is_utf8() {
    assert_eq!(Message::from_chunk(Bytes::from_static("é".as_bytes())), Message::Text("é".into()));
    let latin1 = Bytes::from_static(b"\xe9");
    assert_eq!(Message::from_chunk(latin1.clone()), Message::Binary(latin1));
}

// RFC 6455 section 7.4, and the IANA registry
#[test]
fn only_codes_that_may_be_sent_are_accepted() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999] {
        assert_eq!(CloseFrame::new(code, "").map(|close| close.code()), Ok(code));
    }
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        assert_eq!(CloseFrame::new(code, ""), Err(ForbiddenCode(code)));
    }
}

#[test]
fn a_long_reason_is_truncated_between_two_characters() {
    let reason = |text: &str| CloseFrame::new(1000, text).expect("a good code").reason().to_owned();
    assert_eq!(reason(&"a".repeat(123)), "a".repeat(123));
    assert_eq!(reason(&"a".repeat(124)), "a".repeat(123));
    assert_eq!(reason(&"é".repeat(62)), "é".repeat(61));
}
