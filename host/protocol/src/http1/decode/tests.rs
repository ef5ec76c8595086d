use bytes::BytesMut;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{BodyDecoder, DecodeError, Decoded, MAX_EXTENSIONS, MAX_LINE, MAX_TRAILERS, Malformation, check_begun};
use crate::http1::framing::BodyFraming;
use crate::http1::line::tests::places;

mod trailers;

/// The result of decoding: the body and the rest of the input, or the part of the body before the input ended or an
/// error.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Whole(Vec<u8>, Vec<u8>),
    Incomplete(Vec<u8>),
    Failed(Vec<u8>, DecodeError),
}

/// Decodes `input` when it arrives in pieces that end at `cuts`.
fn decode_in_pieces(mut decoder: BodyDecoder, input: &[u8], cuts: &[usize], max: usize) -> Outcome {
    let mut buffer = BytesMut::new();
    let mut body = Vec::new();
    let mut came = 0;
    for cut in cuts.iter().copied().chain([input.len()]) {
        buffer.extend_from_slice(&input[came..cut]);
        came = cut;
        loop {
            match decoder.decode(&mut buffer, max) {
                Ok(Decoded::Piece(piece)) => {
                    assert!((1..=max).contains(&piece.len()));
                    body.extend_from_slice(&piece);
                }
                Ok(Decoded::NeedMore) => {
                    assert!(!decoder.is_done());
                    assert!(buffer.len() < MAX_LINE);
                    break;
                }
                Ok(Decoded::End) => {
                    assert!(decoder.is_done());
                    assert_eq!(decoder.remaining(), 0);
                    return Outcome::Whole(body, [&buffer, &input[came..]].concat());
                }
                Err(error) => {
                    assert_eq!(decoder.failure(), Some(error));
                    assert_eq!(decoder.decode(&mut buffer, max), Err(error));
                    return Outcome::Failed(body, error);
                }
            }
        }
    }
    Outcome::Incomplete(body)
}

fn chunked(input: &[u8]) -> Outcome {
    decode_in_pieces(BodyDecoder::new(BodyFraming::Chunked, u64::MAX), input, &[], usize::MAX)
}

fn malformed(body: &[u8], malformation: Malformation) -> Outcome {
    Outcome::Failed(body.to_vec(), DecodeError::Malformed(malformation))
}

// RFC 9112 section 6.2
#[test]
fn a_body_of_known_length_ends_there() {
    let decode =
        |length, input| decode_in_pieces(BodyDecoder::new(BodyFraming::Length(length), 100), input, &[], usize::MAX);
    assert_eq!(decode(3, b"abcGET"), Outcome::Whole(b"abc".into(), b"GET".into()));
    assert_eq!(decode(3, b"ab"), Outcome::Incomplete(b"ab".into()));
    assert_eq!(decode(0, b"ab"), Outcome::Whole(b"".into(), b"ab".into()));
    let none = BodyDecoder::new(BodyFraming::None, 0);
    assert!(none.is_done());
    assert_eq!(decode_in_pieces(none, b"ab", &[], 1), Outcome::Whole(b"".into(), b"ab".into()));
}

#[test]
fn pieces_are_no_longer_than_asked_for() {
    for (framing, input) in [(BodyFraming::Length(5), "abcde"), (BodyFraming::Chunked, "5\r\nabcde\r\n0\r\n\r\n")] {
        let mut decoder = BodyDecoder::new(framing, 5);
        let mut buffer = BytesMut::from(input);
        let mut next = |max| decoder.decode(&mut buffer, max);
        assert_eq!(next(2), Ok(Decoded::Piece("ab".into())));
        // A max of 0 counts as 1.
        assert_eq!(next(0), Ok(Decoded::Piece("c".into())));
        assert_eq!(next(usize::MAX), Ok(Decoded::Piece("de".into())));
        assert_eq!(next(2), Ok(Decoded::End));
        assert_eq!(next(2), Ok(Decoded::End));
    }
}

#[test]
fn what_remains_is_known_of_lengths_and_chunks() {
    let mut buffer = BytesMut::from("a\r\nbc");
    let mut decoder = BodyDecoder::new(BodyFraming::Chunked, 10);
    assert_eq!(decoder.remaining(), 0);
    assert_eq!(decoder.decode(&mut buffer, 10), Ok(Decoded::Piece("bc".into())));
    assert_eq!(decoder.remaining(), 8);
    assert_eq!(BodyDecoder::new(BodyFraming::Length(7), 10).remaining(), 7);
}

// RFC 9112 section 7.1
#[test]
fn chunks_make_a_body() {
    let table: &[(&[u8], &[u8], &[u8])] = &[
        (b"0\r\n\r\n", b"", b""),
        (b"3\r\nabc\r\n0\r\n\r\n", b"abc", b""),
        (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde", b""),
        (b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b""),
        (b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789", b""),
        (b"0000000000000003\r\nabc\r\n0000\r\n\r\n", b"abc", b""),
        (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n", b""),
        (b"1\r\na\r\n0\r\n\r\nGET /", b"a", b"GET /"),
        // section 7.1.1
        (b"1;a\r\nb\r\n0;c\r\n\r\n", b"b", b""),
        (b"1 ; a = b ;c=\"d;\\\"\\\\ \"\t;\te\r\nb\r\n0\r\n\r\n", b"b", b""),
        (b"1;a=\"\"\r\nb\r\n0\r\n\r\n", b"b", b""),
        (b"1;a=\"\xe9\"\r\nb\r\n0\r\n\r\n", b"b", b""),
        // section 7.1.2
        (b"0\r\nA: b\r\nContent-Length: 5\r\n\r\nGET", b"", b"GET"),
        (b"0\r\nA:\r\n\r\n", b"", b""),
    ];
    for (input, body, rest) in table {
        assert_eq!(
            chunked(input),
            Outcome::Whole(body.to_vec(), rest.to_vec()),
            "{:?}",
            input.escape_ascii().to_string()
        );
    }
}

#[test]
fn a_body_without_its_last_chunk_is_incomplete() {
    let whole = b"3\r\nabc\r\n0\r\nA: b\r\n\r\n";
    for end in 0..whole.len() {
        let body = &b"abc"[..end.saturating_sub(3).min(3)];
        assert_eq!(chunked(&whole[..end]), Outcome::Incomplete(body.to_vec()), "{end} bytes");
    }
}

#[test]
fn malformed_chunks_are_refused() {
    use Malformation::*;
    let table: &[(&[u8], &[u8], Malformation)] = &[
        // RFC 9112 section 7.1
        (b"\r\n", b"", ChunkSize),
        (b"g\r\n", b"", ChunkSize),
        (b"-1\r\n", b"", ChunkSize),
        (b"+1\r\n", b"", ChunkSize),
        (b" 1\r\na\r\n", b"", ChunkSize),
        (b"\t1\r\na\r\n", b"", ChunkSize),
        (b";a\r\n", b"", ChunkSize),
        (b"00000000000000001\r\na\r\n", b"", ChunkSize),
        (b"10000000000000000\r\na\r\n", b"", ChunkSize),
        (b"0x1\r\na\r\n", b"", ChunkExtension),
        (b"1_0\r\n", b"", ChunkExtension),
        (b"1.0\r\n", b"", ChunkExtension),
        (b"1,1\r\n", b"", ChunkExtension),
        (b"1 1\r\n", b"", ChunkExtension),
        (b"1\r\r\na\r\n", b"", ChunkExtension),
        (b"1\rX\na\r\n", b"", BareLf),
        (b"1\na\r\n", b"", BareLf),
        (b"1\r\nabc\r\n", b"a", ChunkEnd),
        (b"1\r\na\n0\r\n\r\n", b"a", ChunkEnd),
        (b"1\r\na\r0\r\n\r\n", b"a", ChunkEnd),
        (b"1\r\na0\r\n\r\n", b"a", ChunkEnd),
        (b"1\r\na\r\n\r\n", b"a", ChunkSize),
        // section 7.1.1
        (b"1 \r\na\r\n", b"", ChunkExtension),
        (b"1;\r\na\r\n", b"", ChunkExtension),
        (b"1;;a\r\na\r\n", b"", ChunkExtension),
        (b"1;=a\r\na\r\n", b"", ChunkExtension),
        (b"1;a=\r\na\r\n", b"", ChunkExtension),
        (b"1;a \r\na\r\n", b"", ChunkExtension),
        (b"1;a b\r\na\r\n", b"", ChunkExtension),
        (b"1;a=b c\r\na\r\n", b"", ChunkExtension),
        (b"1;a=\"b\r\na\r\n", b"", ChunkExtension),
        (b"1;a=\"b\"c\r\na\r\n", b"", ChunkExtension),
        (b"1;a=\"b\\\r\na\r\n", b"", ChunkExtension),
        (b"1;a\rb\r\na\r\n", b"", ChunkExtension),
        (b"1;a\0\r\na\r\n", b"", ChunkExtension),
        (b"1;\xe9\r\na\r\n", b"", ChunkExtension),
        (b"1;a\nb\r\na\r\n", b"", BareLf),
        // section 7.1.2, and section 5 for what a field line is
        (b"0\r\na\r\n\r\n", b"", Trailer),
        (b"0\r\na :b\r\n\r\n", b"", Trailer),
        (b"0\r\n:b\r\n\r\n", b"", Trailer),
        (b"0\r\n a:b\r\n\r\n", b"", Trailer),
        (b"0\r\na:b\r\n c\r\n\r\n", b"", Trailer),
        (b"0\r\na:\0\r\n\r\n", b"", Trailer),
        (b"0\r\na:b\rc\r\n\r\n", b"", Trailer),
        (b"0\r\nGET / HTTP/1.1\r\n", b"", Trailer),
        (b"0\r\na:b\n\r\n", b"", BareLf),
        (b"0\r\n\n", b"", BareLf),
        (b"0\n\n", b"", BareLf),
    ];
    for (input, body, malformation) in table {
        for step in 1..=input.len() {
            let cuts: Vec<usize> = (0..input.len()).step_by(step).collect();
            let decoder = BodyDecoder::new(BodyFraming::Chunked, u64::MAX);
            let outcome = decode_in_pieces(decoder, input, &cuts, usize::MAX);
            let input = input.escape_ascii().to_string();
            assert_eq!(outcome, malformed(body, *malformation), "{input:?} in pieces of {step}");
        }
    }
}

#[test]
fn what_has_come_of_a_body_is_known_as_malformed_before_it_is_decoded() {
    let malformed = Err(DecodeError::Malformed(Malformation::ChunkSize));
    let table: &[(BodyFraming, &[u8], Result<(), DecodeError>)] = &[
        (BodyFraming::None, b"x", Ok(())),
        (BodyFraming::Length(1), b"x", Ok(())),
        (BodyFraming::Chunked, b"", Ok(())),
        (BodyFraming::Chunked, b"1\r\na", Ok(())),
        (BodyFraming::Chunked, b"1\r\na\r\n0\r\n\r\nx", Ok(())),
        (BodyFraming::Chunked, b"x\r\n", malformed),
        (BodyFraming::Chunked, b"1\r\na\r\nx\r\n", malformed),
    ];
    for (framing, input, checked) in table {
        assert_eq!(check_begun(*framing, input), *checked, "{framing:?} {:?}", input.escape_ascii().to_string());
    }
}

#[test]
fn what_is_no_body_is_bounded() {
    use Malformation::{ExtensionsTooLarge, TrailersTooLarge};
    let line = |length: usize| format!("1;{}\r\na\r\n", "e".repeat(length - 4));
    assert_eq!(chunked((line(MAX_LINE) + "0\r\n\r\n").as_bytes()), Outcome::Whole(b"a".into(), b"".into()));
    assert_eq!(chunked(line(MAX_LINE + 1).as_bytes()), malformed(b"", ExtensionsTooLarge));
    assert_eq!(chunked(&[b'1'; MAX_LINE]), malformed(b"", ExtensionsTooLarge));

    let extensions = |count: usize| "1;234567\r\na\r\n".repeat(count) + "0\r\n\r\n";
    let most = MAX_EXTENSIONS / ";234567".len();
    assert_eq!(chunked(extensions(most).as_bytes()), Outcome::Whole(vec![b'a'; most], b"".into()));
    assert_eq!(chunked(extensions(most + 1).as_bytes()), malformed(&vec![b'a'; most], ExtensionsTooLarge));

    // Not one of them is kept.
    let trailers = |count: usize| "0\r\n".to_owned() + &"te:345\r\n".repeat(count) + "\r\n";
    let most = MAX_TRAILERS / "te:345\r\n".len() - 1;
    assert_eq!(chunked(trailers(most).as_bytes()), Outcome::Whole(b"".into(), b"".into()));
    assert_eq!(chunked(trailers(most + 1).as_bytes()), malformed(b"", TrailersTooLarge));
    assert_eq!(chunked(format!("0\r\na:{}", "b".repeat(MAX_LINE)).as_bytes()), malformed(b"", TrailersTooLarge));
}

// RFC 9110 section 15.5.14
#[test]
fn max_body_is_exact() {
    let decode =
        |framing, max_body, input| decode_in_pieces(BodyDecoder::new(framing, max_body), input, &[], usize::MAX);
    let too_large = |body: &[u8]| Outcome::Failed(body.to_vec(), DecodeError::TooLarge);
    assert_eq!(decode(BodyFraming::Length(3), 3, b"abc"), Outcome::Whole(b"abc".into(), b"".into()));
    assert_eq!(BodyDecoder::new(BodyFraming::Length(4), 3).failure(), Some(DecodeError::TooLarge));
    assert_eq!(BodyDecoder::new(BodyFraming::Length(3), 3).failure(), None);
    assert_eq!(decode(BodyFraming::Length(u64::MAX), u64::MAX, b"ab"), Outcome::Incomplete(b"ab".into()));

    let three = b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    assert_eq!(decode(BodyFraming::Chunked, 3, three), Outcome::Whole(b"abc".into(), b"".into()));
    assert_eq!(decode(BodyFraming::Chunked, 2, three), too_large(b"ab"));
    assert_eq!(decode(BodyFraming::Chunked, 2, b"3\r\n"), too_large(b""));
    assert_eq!(decode(BodyFraming::Chunked, 0, b"0\r\n\r\n"), Outcome::Whole(b"".into(), b"".into()));
    let overflow = b"1\r\na\r\nffffffffffffffff\r\nb";
    assert_eq!(decode(BodyFraming::Chunked, u64::MAX, overflow), too_large(b"a"));
    assert_eq!(decode(BodyFraming::Chunked, u64::MAX, b"ffffffffffffffff\r\nb"), Outcome::Incomplete(b"b".into()));
}

#[test]
fn errors_say_whether_the_body_is_wrong_or_too_large() {
    assert_eq!(DecodeError::TooLarge.status(), 413);
    assert_eq!(DecodeError::Malformed(Malformation::ChunkSize).status(), 400);
}

fn encode(chunks: &[Vec<u8>]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for chunk in chunks {
        encoded.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        encoded.extend_from_slice(chunk);
        encoded.extend_from_slice(b"\r\n");
    }
    [&encoded[..], b"0\r\n\r\n"].concat()
}

/// Bytes that resemble chunks in parts.
fn chunk_like() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        8 => prop::sample::select(vec![
            "1\r\na\r\n", "3\r\n", "abc\r\n", "2;a=b\r\n", "0\r\n", "\r\n", "\r", "\n", "a: b\r\n", "f", ";a=\"", "ffffffff",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn any_split_gives_the_same_body(
        input in chunk_like(),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
        max in 1..8_usize,
        max_body in 0..12_u64,
    ) {
        let decoder = || BodyDecoder::new(BodyFraming::Chunked, max_body);
        let whole = decode_in_pieces(decoder(), &input, &[], usize::MAX);
        prop_assert_eq!(decode_in_pieces(decoder(), &input, &places(&cuts, input.len()), max), whole);
    }

    #[test]
    fn what_was_encoded_is_decoded(
        chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..64), 0..12),
        cuts in prop::collection::vec(any::<Index>(), 0..8),
        max in 1..80_usize,
        rest in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let body = chunks.concat();
        let input = [encode(&chunks), rest.clone()].concat();
        let decoder = BodyDecoder::new(BodyFraming::Chunked, body.len() as u64);
        let outcome = decode_in_pieces(decoder, &input, &places(&cuts, input.len()), max);
        prop_assert_eq!(outcome, Outcome::Whole(body, rest));
    }

    #[test]
    fn random_bytes_stay_within_max_body(
        input in prop::collection::vec(any::<u8>(), 0..256),
        max_body in 0..16_u64,
    ) {
        let decoder = BodyDecoder::new(BodyFraming::Chunked, max_body);
        let (Outcome::Whole(body, _) | Outcome::Incomplete(body) | Outcome::Failed(body, _)) =
            decode_in_pieces(decoder, &input, &[], 3);
        prop_assert!(body.len() as u64 <= max_body);
    }
}
