//! Which responses have ranges, and the bytes of a part of a body.

use super::{Call, ChunkedCoding, DATE, Http10, Response, TestOptions, made, options};
use crate::http::head::{RequestHead, RequestParts};
use crate::http::version::Version;
use crate::response::SelectedRange::{self, Part, Unsatisfiable, Whole};

const TAG: Call = Call::Field("etag", "\"1\"");

fn request(method: &str, fields: &[(&str, &str)]) -> RequestHead {
    let fields: Vec<(&[u8], &[u8])> = fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let authority = Some(b"it".as_slice());
    let parts =
        RequestParts { version: Version::Http11, method: method.as_bytes(), target: b"/", authority, fields: &fields };
    RequestHead::from_parts(&parts).expect("a head")
}

fn select(response: &mut Response, fields: &[(&str, &str)]) -> SelectedRange {
    response.select_range(&request("GET", fields), 1000, DATE)
}

fn if_needed() -> TestOptions {
    TestOptions { chunked: ChunkedCoding::IfNeeded, ..options() }
}

fn field<'r>(response: &'r Response, name: &str) -> Option<&'r str> {
    response.head().fields().get(name).map(|value| str::from_utf8(value).expect("text"))
}

#[test]
fn a_part_has_its_place_and_its_length_in_the_head() {
    let never = TestOptions { chunked: ChunkedCoding::Never, ..options() };
    let http10 = TestOptions { version: Http10, ..options() };
    let declared: &[Call] = &[TAG, Call::Field("content-length", "1000")];
    for (options, calls) in [(&if_needed(), &[TAG][..]), (&never, &[TAG]), (&http10, &[TAG]), (&options(), declared)] {
        let mut response = made(options, calls);
        assert_eq!(select(&mut response, &[("range", "bytes=2-4")]), Part(2..5), "{options:?}");
        assert_eq!(response.begin(Some(3), DATE), Ok(()));
        let output = String::from_utf8_lossy(response.output()).into_owned();
        assert!(output.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{output}");
        let fields = "etag: \"1\"\r\nAccept-Ranges: bytes\r\nContent-Range: bytes 2-4/1000\r\nContent-Length: 3\r\n";
        assert!(output.contains(fields), "{output}");
    }
}

#[test]
fn what_no_part_is_made_of_stays_whole() {
    let range: &[(&str, &str)] = &[("range", "bytes=2-4")];
    let table: &[(&TestOptions, &[Call])] = &[
        (&options(), &[TAG]),
        (&if_needed(), &[]),
        (&if_needed(), &[Call::Field("etag", "W/\"1\"")]),
        (&if_needed(), &[TAG, Call::Status(203)]),
        (&if_needed(), &[TAG, Call::Status(404)]),
        (&if_needed(), &[TAG, Call::Status(206), Call::Field("content-range", "bytes 0-999/2000")]),
        (&if_needed(), &[TAG, Call::Field("content-range", "bytes 0-999/2000")]),
        (&if_needed(), &[TAG, Call::Write("a")]),
    ];
    for (options, calls) in table {
        let mut response = made(options, calls);
        let before = response.head().status();
        assert_eq!(select(&mut response, range), Whole, "{options:?} {calls:?}");
        assert_eq!((response.head().status(), field(&response, "accept-ranges")), (before, None), "{calls:?}");
    }
    let mut empty = made(&if_needed(), &[TAG]);
    assert_eq!(empty.select_range(&request("GET", range), 0, DATE), Whole);
}

#[test]
fn a_whole_body_tells_that_it_has_ranges() {
    let requests: &[&[(&str, &str)]] = &[
        &[],
        &[("range", "bytes=0-1,2-3")],
        &[("range", "bytes=0-1"), ("range", "bytes=2-3")],
        &[("range", "lines=0-1")],
        &[("range", "bytes=2-4"), ("if-range", "\"2\"")],
    ];
    for fields in requests {
        let mut response = made(&if_needed(), &[TAG]);
        assert_eq!(select(&mut response, fields), Whole, "{fields:?}");
        assert_eq!((response.head().status(), field(&response, "accept-ranges")), (200, Some("bytes")), "{fields:?}");
    }
    let mut response = made(&TestOptions { head_only: true, ..if_needed() }, &[TAG]);
    assert_eq!(response.select_range(&request("HEAD", &[("range", "bytes=2-4")]), 1000, DATE), Whole);
    assert_eq!((response.head().status(), field(&response, "accept-ranges")), (200, Some("bytes")));
    let mut response = made(&if_needed(), &[TAG]);
    assert_eq!(response.select_range(&request("POST", &[("range", "bytes=2-4")]), 1000, DATE), Whole);
    assert_eq!((response.head().status(), field(&response, "accept-ranges")), (200, None));
}

#[test]
fn a_range_past_the_end_is_told_with_the_length_and_changes_nothing() {
    let mut response = made(&if_needed(), &[TAG]);
    let told = Unsatisfiable("bytes */1000".to_owned());
    assert_eq!(select(&mut response, &[("range", "bytes=1000-"), ("if-range", "\"1\"")]), told);
    assert_eq!((response.head().status(), field(&response, "accept-ranges")), (200, None));
    assert_eq!(select(&mut response, &[("range", "bytes=1000-"), ("if-range", "\"2\"")]), Whole);
}

#[test]
fn without_room_for_its_fields_a_body_stays_whole() {
    let mut response = made(&if_needed(), &[TAG]);
    let fields = response.fields_mut().expect("nothing is sent");
    while fields.append("x", b"y").is_ok() {}
    assert_eq!(select(&mut response, &[("range", "bytes=2-4")]), Whole);
    assert_eq!(response.head().status(), 200);
    response.fields_mut().expect("nothing is sent").set("accept-ranges", b"bytes").expect_err("there is no room");
    assert_eq!(response.begin(Some(1000), DATE), Ok(()));
}
