//! The trailers of the request and of the response.

use super::*;

fn trailers(lines: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    for (name, value) in lines {
        assert_eq!(fields.append(name, value.as_bytes()), Ok(()));
    }
    fields
}

fn lines(fields: &Fields) -> Vec<(&str, &[u8])> {
    fields.all().collect()
}

/// An exchange with a client that takes trailers.
fn taken(options: ResponseOptions) -> Arc<Exchange> {
    with_te("TE: gzip;q=0.5, trailers\r\n", options)
}

fn with_te(te: &str, options: ResponseOptions) -> Arc<Exchange> {
    let response = response(options, b"text/plain");
    Arc::new(Exchange::new(request_with(te), response, true, Instant::now() + HOUR, None))
}

#[test]
fn the_trailers_of_a_request_are_there_once_its_body_has_ended() {
    let exchange = exchange(options());
    let mut read = pin!(exchange.read(9));
    assert!(poll(&exchange, read.as_mut()).is_pending());
    exchange.push_piece(Bytes::from_static(b"abc"));
    assert!(exchange.take_request_trailers().is_none());
    assert_eq!(poll(&exchange, read), Poll::Ready(Ok(Some(Bytes::from_static(b"abc")))));
    assert!(exchange.take_request_trailers().is_none());
    let mut end = pin!(exchange.read(9));
    assert!(poll(&exchange, end.as_mut()).is_pending());
    exchange.set_request_trailers(Box::new(trailers(&[("a", "b")])));
    assert!(exchange.take_request_trailers().is_none(), "the body has not ended");
    exchange.end_body(Ok(()));
    assert_eq!(poll(&exchange, end), Poll::Ready(Ok(None)));
    let taken = exchange.take_request_trailers().expect("trailers");
    assert_eq!(lines(&taken), [("a", &b"b"[..])]);
    assert!(exchange.take_request_trailers().is_none(), "they are taken once");
}

#[test]
fn a_body_without_trailers_or_with_a_bad_end_has_none() {
    let plain = exchange(options());
    plain.end_body(Ok(()));
    assert!(plain.take_request_trailers().is_none());
    let bad = exchange(options());
    bad.set_request_trailers(Box::new(trailers(&[("a", "b")])));
    bad.client_gone(HOUR);
    assert!(bad.take_request_trailers().is_none());
}

#[test]
fn a_client_that_goes_after_the_body_leaves_its_trailers() {
    let exchange = exchange(options());
    exchange.set_request_trailers(Box::new(trailers(&[("a", "b")])));
    exchange.end_body(Ok(()));
    exchange.client_gone(HOUR);
    assert!(exchange.take_request_trailers().is_some());
}

// RFC 9110 section 10.1.4
#[test]
fn the_trailers_of_a_response_are_sent_to_a_client_that_takes_them() {
    let table = [
        ("TE: trailers\r\n", true),
        ("te: gzip;q=0.5, Trailers\r\n", true),
        ("TE: gzip\r\nTE: trailers\r\n", true),
        ("", false),
        ("TE: gzip\r\n", false),
        ("Trailer: a\r\n", false),
        ("TE: trailers;q=0\r\n", false),
    ];
    for (te, is_sent) in table {
        let exchange = with_te(te, options());
        assert_eq!(exchange.write(b"abc", &mut 0), Ok(true));
        assert_eq!(exchange.finish_with_trailers(&trailers(&[("a", "b"), ("Host", "c")])), Ok(true));
        let end = if is_sent { "0\r\na: b\r\n\r\n" } else { "0\r\n\r\n" };
        assert_eq!(take(&exchange), format!("3\r\nabc\r\n{end}"), "{te:?}");
        assert!(exchange.response(|response| response.connection() == AfterResponse::KeepAlive));
        assert_eq!(exchange.finish_with_trailers(&Fields::default()), Err(ResponseError::Closed));
    }
}

#[test]
fn trailers_end_a_response_as_an_empty_chunk_does() {
    for te in ["", "TE: trailers\r\n"] {
        // Nothing was written.
        let empty = with_te(te, options());
        assert_eq!(empty.finish_with_trailers(&Fields::default()), Ok(true));
        assert_eq!(take(&empty), "0\r\n\r\n", "{te:?}");
        // Fewer bytes than declared.
        let short = with_te(te, options());
        assert_eq!(short.change_field("content-length", |fields| fields.set("content-length", b"5")), Ok(()));
        assert_eq!(short.write(b"abc", &mut 0), Ok(true));
        assert_eq!(short.finish_with_trailers(&trailers(&[("a", "b")])), Ok(true));
        assert_eq!(
            (take(&short).as_str(), short.response(|response| response.is_truncated())),
            ("abc", true),
            "{te:?}"
        );
        // The first write has ended it.
        let head_only = with_te(te, ResponseOptions { head_only: true, ..options() });
        assert_eq!(head_only.write(b"abc", &mut 0), Ok(true));
        assert_eq!(head_only.finish_with_trailers(&Fields::default()), Err(ResponseError::Closed), "{te:?}");
        // The handler gave up, or the client is gone.
        let failed = with_te(te, options());
        assert_eq!(failed.fail(|| Ok::<_, ()>("it".to_owned())), Ok(()));
        assert_eq!(failed.finish_with_trailers(&Fields::default()), Err(ResponseError::Closed), "{te:?}");
        let gone = with_te(te, options());
        gone.client_gone(HOUR);
        assert_eq!(gone.finish_with_trailers(&Fields::default()), Err(ResponseError::Closed), "{te:?}");
    }
}

#[test]
fn trailers_wait_until_the_chain_has_seen_the_head() {
    for te in ["", "TE: trailers\r\n"] {
        let exchange = with_te(te, options());
        let fields = trailers(&[("a", "b")]);
        exchange.hold_head();
        assert_eq!(exchange.finish_with_trailers(&fields), Ok(false));
        assert!(exchange.is_head_requested());
        let mut writable = pin!(exchange.writable());
        assert!(poll(&exchange, writable.as_mut()).is_pending());
        exchange.begin_review(HOUR);
        assert_eq!(exchange.finish_with_trailers(&fields), Err(ResponseError::Closed), "who sees it cannot write");
        assert_eq!(exchange.response(|response| response.output().len()), 0);
        exchange.release_head();
        assert!(poll(&exchange, writable).is_ready());
        assert_eq!(exchange.finish_with_trailers(&fields), Ok(true));
        assert_eq!(take(&exchange), if te.is_empty() { "0\r\n\r\n" } else { "0\r\na: b\r\n\r\n" });
    }
}

#[test]
fn trailers_wait_for_room_as_a_chunk_does() {
    let exchange = taken(options());
    assert_eq!(exchange.write(&[b'x'; 1000], &mut 0), Ok(false));
    let fields = trailers(&[("a", &"b".repeat(30_000))]);
    assert_eq!(exchange.finish_with_trailers(&fields), Ok(false));
    let mut writable = pin!(exchange.writable());
    assert!(poll(&exchange, writable.as_mut()).is_pending());
    take(&exchange);
    assert!(poll(&exchange, writable).is_ready());
    assert_eq!(exchange.finish_with_trailers(&fields), Ok(true));
    assert_eq!(take(&exchange), format!("0\r\na: {}\r\n\r\n", "b".repeat(30_000)));
}
