use proptest::prelude::*;

use super::RangeSelection::{Bytes, Ignored, Unsatisfiable};
use super::*;
use crate::http::head::RequestParts;
use crate::http::version::Version;

const DATE: Date = *b"Sun, 06 Nov 1994 08:49:37 GMT";
const EARLIER: &[u8] = b"Sun, 06 Nov 1994 08:49:36 GMT";

// RFC 9110 section 14.1.2
#[test]
fn one_range_selects_its_bytes_and_the_rest_is_ignored() {
    let table: &[(&str, RangeSelection)] = &[
        ("bytes=0-0", Bytes(0..1)),
        ("bytes=0-499", Bytes(0..500)),
        ("bytes=500-999", Bytes(500..1000)),
        ("bytes=500-", Bytes(500..1000)),
        ("bytes=-500", Bytes(500..1000)),
        ("bytes=-1000", Bytes(0..1000)),
        ("bytes=-1001", Bytes(0..1000)),
        ("bytes=0-", Bytes(0..1000)),
        ("bytes=999-2000", Bytes(999..1000)),
        ("bytes=0-99999999999999999999999", Bytes(0..1000)),
        ("bytes=-99999999999999999999999", Bytes(0..1000)),
        ("BYTES=0-1", Bytes(0..2)),
        ("bytes= 0-1 ", Bytes(0..2)),
        ("bytes=1000-", Unsatisfiable),
        ("bytes=1000-1001", Unsatisfiable),
        ("bytes=99999999999999999999999-", Unsatisfiable),
        ("bytes=-0", Unsatisfiable),
        ("bytes=2-1", Ignored),
        ("bytes=0-1,3-4", Ignored),
        ("bytes=0-1,", Ignored),
        ("bytes=-", Ignored),
        ("bytes=", Ignored),
        ("bytes", Ignored),
        ("", Ignored),
        ("bytes=a-b", Ignored),
        ("bytes=+1-2", Ignored),
        ("bytes=1--2", Ignored),
        ("bytes=1 -2", Ignored),
        ("bytes =0-1", Ignored),
        ("lines=0-1", Ignored),
        ("bytes=0x1-2", Ignored),
    ];
    for (value, expected) in table {
        assert_eq!(select(value.as_bytes(), 1000), *expected, "{value}");
    }
}

/// The name and the value of a field.
type Line<'l> = (&'l str, &'l [u8]);

fn fields(lines: &[Line<'_>]) -> Fields {
    let mut fields = Fields::default();
    lines.iter().for_each(|(name, value)| fields.append(name, value).expect("a field"));
    fields
}

#[test]
fn ranges_are_offered_of_what_stays_the_same() {
    let table: &[(&[Line], bool)] = &[
        (&[], false),
        (&[("etag", b"\"1\"")], true),
        (&[("etag", b"W/\"1\"")], false),
        (&[("etag", b"\"")], false),
        (&[("etag", b"1")], false),
        (&[("last-modified", EARLIER)], true),
        (&[("Accept-Ranges", b"bytes")], true),
        (&[("accept-ranges", b"none"), ("etag", b"\"1\"")], false),
        (&[("etag", b"\"1\""), ("content-range", b"bytes 0-1/2")], false),
    ];
    for (lines, expected) in table {
        assert_eq!(are_offered(&fields(lines)), *expected, "{lines:?}");
    }
}

// RFC 9110 section 13.1.5
#[test]
fn if_range_holds_for_the_same_strong_validator() {
    let tagged = fields(&[("etag", b"\"1\""), ("last-modified", EARLIER)]);
    let weak = fields(&[("etag", b"W/\"1\"")]);
    let just_now = fields(&[("last-modified", &DATE)]);
    let dated = fields(&[("last-modified", EARLIER), ("date", EARLIER)]);
    let future = fields(&[("last-modified", b"Sun, 06 Nov 1994 08:49:38 GMT")]);
    let table: &[(&[&[u8]], &Fields, bool)] = &[
        (&[], &tagged, true),
        (&[b"\"1\""], &tagged, true),
        (&[EARLIER], &tagged, true),
        (&[b"\"2\""], &tagged, false),
        (&[b"W/\"1\""], &tagged, false),
        (&[b"W/\"1\""], &weak, false),
        (&[b"\"1\""], &weak, false),
        (&[&DATE], &tagged, false),
        (&[&DATE], &just_now, false),
        (&[EARLIER], &dated, false),
        (&[b"Sun, 06 Nov 1994 08:49:38 GMT"], &future, false),
        (&[b"\"1\"", b"\"1\""], &tagged, false),
        (&[b""], &tagged, false),
        (&[b"1"], &tagged, false),
    ];
    for (lines, fields, expected) in table {
        let lines: Vec<(&[u8], &[u8])> = lines.iter().map(|line| (&b"if-range"[..], *line)).collect();
        let (method, target, authority) = (b"GET".as_slice(), b"/".as_slice(), Some(b"it".as_slice()));
        let parts = RequestParts { version: Version::Http11, method, target, authority, fields: &lines };
        let head = RequestHead::from_parts(&parts).expect("a head");
        assert_eq!(if_range_holds(&head, fields, &DATE), *expected, "{lines:?} {fields:?}");
    }
}

proptest! {
    #[test]
    fn whatever_the_value_a_selection_is_within_the_body(
        value in prop_oneof![any::<Vec<u8>>(), "bytes=[0-9]{0,21}-[0-9]{0,21}".prop_map(String::into_bytes)],
        length in prop_oneof![0..3_u64, any::<u64>()],
    ) {
        if let Bytes(range) = select(&value, length) {
            prop_assert!(range.start < range.end && range.end <= length);
        }
    }
}
