//! What is kept of the trailers, for whoever reads the body.

use super::*;
use crate::http::fields::{MAX_FIELDS, MAX_NAME_BYTES};
use crate::http::trailers::is_allowed_in_trailers;

type Lines = Vec<(String, Vec<u8>)>;

/// Decodes `input` as it comes in pieces that end at `cuts`: whether the body is whole, and its trailers.
fn decode(input: &[u8], cuts: &[usize]) -> (Result<bool, DecodeError>, Option<Lines>) {
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked, u64::MAX);
    let (mut buffer, mut came) = (BytesMut::new(), 0);
    for cut in cuts.iter().copied().chain([input.len()]) {
        buffer.extend_from_slice(&input[came..cut]);
        came = cut;
        loop {
            assert!(decoder.take_trailers().is_none(), "they are given out before the end of the body");
            match decoder.decode(&mut buffer, usize::MAX) {
                Ok(Decoded::Piece(_)) => {}
                Ok(Decoded::NeedMore) => break,
                Ok(Decoded::End) => {
                    let trailers = decoder.take_trailers();
                    assert!(decoder.take_trailers().is_none(), "they are given out twice");
                    let lines = trailers.map(|trailers| {
                        trailers.all().map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
                    });
                    return (Ok(true), lines);
                }
                Err(error) => {
                    assert!(decoder.trailers.is_none(), "a malformed body holds memory for its trailers");
                    assert!(decoder.take_trailers().is_none());
                    return (Err(error), None);
                }
            }
        }
    }
    (Ok(false), None)
}

/// The trailers of a whole body that ends in `lines`.
fn trailers(lines: &str) -> Option<Lines> {
    let (whole, trailers) = decode(format!("1\r\na\r\n0\r\n{lines}\r\n").as_bytes(), &[]);
    assert_eq!(whole, Ok(true), "{lines:?}");
    trailers
}

fn line(name: &str, value: &str) -> (String, Vec<u8>) {
    (name.to_owned(), value.as_bytes().to_vec())
}

// RFC 9112 section 7.1.2
#[test]
fn trailers_are_kept_in_order_without_the_white_space_around_their_values() {
    assert_eq!(
        trailers("A: b\r\nc:\td \t e \r\nA:\r\n"),
        Some(vec![line("A", "b"), line("c", "d \t e"), line("A", "")])
    );
}

// RFC 9110 section 6.5.1
#[test]
fn what_is_no_trailer_is_dropped_and_the_rest_is_kept() {
    let lines = "Content-Length: 5\r\na: b\r\nTransfer-Encoding: chunked\r\nHOST: c\r\nDate: d\r\nContent-Type: e\r\n\
        Content-Type: f\r\nIf-Match: g\r\nh: i\r\nCookie: j\r\n";
    assert_eq!(trailers(lines), Some(vec![line("a", "b"), line("h", "i")]));
}

#[test]
fn a_body_without_trailers_to_keep_takes_no_memory_for_them() {
    assert_eq!(trailers(""), None);
    assert_eq!(trailers("Host: a\r\nTE: trailers\r\n"), None);
}

#[test]
fn what_would_be_kept_past_a_bound_makes_the_body_malformed() {
    let too_large = (Err(DecodeError::Malformed(Malformation::TrailersTooLarge)), None);
    let ended = |lines: String| decode(format!("0\r\n{lines}\r\n").as_bytes(), &[]);
    let count = |trailers: &str| self::trailers(trailers).map(|lines| lines.len());

    assert_eq!(count(&"a:b\r\n".repeat(MAX_FIELDS)), Some(MAX_FIELDS));
    assert_eq!(count(&("te:b\r\n".repeat(MAX_FIELDS) + &"a:b\r\n".repeat(MAX_FIELDS))), Some(MAX_FIELDS));
    assert_eq!(ended("a:b\r\n".repeat(MAX_FIELDS + 1)), too_large);

    assert_eq!(count(&format!("{}:b\r\n", "a".repeat(MAX_NAME_BYTES))), Some(1));
    assert_eq!(ended(format!("{}:b\r\n", "a".repeat(MAX_NAME_BYTES + 1))), too_large);

    // As many bytes as there may be, the empty line among them, in as many lines as there may be.
    let sized = |bytes: usize| format!("a:{}\r\n", "b".repeat(bytes - 4));
    let each = MAX_TRAILERS / MAX_FIELDS;
    let all = |last: usize| sized(each).repeat(MAX_FIELDS - 1) + &sized(last);
    assert_eq!(count(&all(each - 2)), Some(MAX_FIELDS));
    assert_eq!(ended(all(each - 1)), too_large);
}

/// Lines that are like trailers, of which most are well-formed.
fn trailer_like() -> impl Strategy<Value = Vec<u8>> {
    let name = prop::sample::select(vec!["a", "B", "te", "Host", "x-y", "content-length", "", "a b"]);
    let value = prop_oneof![
        8 => "[ -~\t]{0,6}".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    let line = (name, value).prop_map(|(name, value)| [name.as_bytes(), b":", &value, b"\r\n"].concat());
    let weighted = prop_oneof![1 => Just(b"\r\n".to_vec()), 9 => line];
    prop::collection::vec(weighted, 0..8).prop_map(|lines| [b"1\r\na\r\n0\r\n", &lines.concat()[..], b"\r\n"].concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_split_gives_the_same_trailers(
        input in trailer_like(),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let whole = decode(&input, &[]);
        prop_assert_eq!(decode(&input, &places(&cuts, input.len())), whole.clone());
        if let Some(lines) = whole.1 {
            prop_assert!(lines.iter().all(|(name, _)| is_allowed_in_trailers(name)));
        }
    }

    #[test]
    fn trailers_are_what_was_sent(
        sent in prop::collection::vec(("x[!-9A-Za-z]{0,6}", "([!-~]([ -~\t]{0,6}[!-~])?)?"), 0..8),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
    ) {
        let sent: Vec<_> = sent.into_iter().map(|(name, value)| (name.replace(['"', '(', ')', ',', '/'], "."), value)).collect();
        let lines: String = sent.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let input = format!("0\r\n{lines}\r\n");
        let lines: Lines = sent.iter().map(|(name, value)| line(name, value)).collect();
        let (whole, trailers) = decode(input.as_bytes(), &places(&cuts, input.len()));
        prop_assert_eq!((whole, trailers.unwrap_or_default()), (Ok(true), lines));
    }
}
