use super::*;

const DATE: Date = *b"Sun, 06 Nov 1994 08:49:37 GMT";

fn begun(status: u16, fields: &[(&str, &str)], is_sent: bool, length: BodyLength) -> (Http2Encoder, Option<u64>) {
    let mut head = ResponseHead::new(status, b"text/plain");
    for (name, value) in fields {
        head.fields_mut().append(name, value.as_bytes()).expect("the test gives valid fields");
    }
    let mut encoder = Http2Encoder::new(16);
    let length = encoder.begin(&head, BodyInfo { is_sent, length }, DATE);
    (encoder, length)
}

fn told(encoder: &mut Http2Encoder) -> (u16, Vec<(String, String)>, bool) {
    let (head, ends) = encoder.take_head(0).expect("the head is encoded");
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let fields = head.fields.iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
    (head.status, fields.filter(|(name, _)| name != "date").collect(), ends)
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn names_become_lower_case_and_every_known_length_is_declared() {
    let (mut encoder, length) = begun(201, &[("X-One", "1"), ("x-one", "2")], true, BodyLength::Known(5));
    assert_eq!(length, Some(5));
    let fields = [("content-type", "text/plain"), ("x-one", "1"), ("x-one", "2"), ("content-length", "5")];
    assert_eq!(told(&mut encoder), (201, pairs(&fields), false));
    assert!(encoder.take_head(0).is_none(), "it is sent once");
}

#[test]
fn a_response_without_a_body_ends_with_its_head() {
    for (status, length, field) in [(204, BodyLength::None, None), (200, BodyLength::Known(7), Some("7"))] {
        let (mut encoder, declared) = begun(status, &[], false, length);
        assert_eq!(declared, None, "no byte of a body follows");
        let (_, fields, ends) = told(&mut encoder);
        let length = fields.iter().find(|(name, _)| name == "content-length").map(|(_, value)| value.as_str());
        assert_eq!((length, ends), (field, true), "status {status}");
        assert!(encoder.take_end().is_none(), "the end is sent");
    }
}

#[test]
fn the_last_payload_ends_the_response_and_an_earlier_one_does_not() {
    let (mut encoder, _) = begun(200, &[], true, BodyLength::Unknown);
    encoder.encode(b"first");
    assert!(!told(&mut encoder).2);
    assert_eq!(encoder.take_payload(3, 0), ("fir".into(), false));
    encoder.encode(b" second");
    encoder.finish();
    assert!(encoder.take_end().is_none(), "payload waits");
    assert_eq!(encoder.take_payload(4, 0), ("st s".into(), false));
    assert_eq!(encoder.take_payload(99, 0), ("econd".into(), true));
    assert!(encoder.take_end().is_none(), "the end is sent");
}

#[test]
fn a_body_that_ends_without_further_payload_ends_by_itself() {
    let (mut encoder, _) = begun(200, &[], true, BodyLength::Unknown);
    encoder.encode(b"all");
    assert!(!told(&mut encoder).2);
    assert_eq!(encoder.take_payload(3, 0), ("all".into(), false));
    assert!(encoder.take_end().is_none(), "it has not ended");
    encoder.finish();
    assert!(matches!(encoder.take_end(), Some(None)));
    assert!(encoder.take_end().is_none(), "the end is sent");
}

#[test]
fn trailers_come_after_the_payload_and_only_those_that_are_allowed() {
    let (mut encoder, _) = begun(200, &[], true, BodyLength::Unknown);
    encoder.encode(b"all");
    let mut trailers = Fields::default();
    for (name, value) in [("Grpc-Status", &b"0"[..]), ("content-length", b"3")] {
        trailers.append(name, value).expect("the test gives valid fields");
    }
    encoder.finish_with_trailers(&trailers);
    assert!(!told(&mut encoder).2);
    assert_eq!(encoder.take_payload(3, 0), ("all".into(), false));
    let sent = encoder.take_end().expect("it has ended").expect("there are trailers");
    assert_eq!(sent.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["grpc-status"]);
}

#[test]
fn a_100_continue_is_not_sent_after_the_head() {
    let (mut encoder, _) = begun(200, &[], true, BodyLength::Unknown);
    encoder.interim_continue();
    assert!(encoder.take_head(0).is_some() && !encoder.take_continue());
    encoder.interim_continue();
    assert!(encoder.take_continue() && !encoder.take_continue());
}

#[test]
fn output_has_room_until_its_bound() {
    let mut encoder = Http2Encoder::new(10);
    for filled in 0..=50 {
        assert_eq!(encoder.has_room(), filled < 40, "{filled}");
        encoder.encode(b"x");
    }
}

#[test]
fn a_response_does_not_end_before_the_shared_chunks_behind_its_output() {
    let (mut encoder, _) = begun(200, &[], true, BodyLength::Declared(4));
    encoder.finish();
    let (_, ends) = encoder.take_head(4).expect("the head is encoded");
    assert!(!ends);
    assert_eq!(encoder.take_payload(0, 4), (Bytes::new(), false));
    assert!(matches!(encoder.take_end(), Some(None)));
}
