use proptest::prelude::*;

use super::BodyForm::{Html, Plain};
use super::*;

const BROWSER: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

fn preferred(values: &[&str]) -> BodyForm {
    BodyForm::preferred(values.iter().map(|value| value.as_bytes()))
}

#[test]
fn the_form_that_is_worth_more_is_preferred() {
    for (accept, form) in [
        (&[][..], Plain),
        (&[""], Plain),
        (&["*/*"], Plain),
        (&["text/*"], Plain),
        (&[BROWSER], Html),
        (&["text/html"], Html),
        (&["TEXT/HTML"], Html),
        (&["text/html;q=0"], Plain),
        (&["text/html;q=0.000"], Plain),
        (&["text/html;q=0.001"], Html),
        (&["application/json"], Plain),
        (&["text/plain", "text/html"], Plain),
        (&["text/plain;q=0.5", "text/html"], Html),
        (&["text/html;q=0.5, text/plain;q=0.4"], Html),
        (&["text/html ; q=0.5 , text/plain ; q=0.6"], Plain),
        // The closer range decides the quality of a type, at any position.
        (&["text/*, text/plain;q=0.1"], Html),
        (&["text/plain;q=0.1, text/*"], Html),
        (&["*/*;q=0.1, text/*;q=0.5, text/html;q=0.2"], Plain),
        (&["text/html;charset=utf-8, text/plain;q=0.9"], Html),
        (&["text/html;charset=\"UTF-8\""], Html),
        (&["text/html;charset=latin1"], Plain),
        (&["text/html;level=1"], Plain),
        (&["text/html;q=1;ext=1"], Html),
        (&["text/html; ;q=0.9;"], Html),
    ] {
        assert_eq!(preferred(accept), form, "{accept:?}");
    }
}

#[test]
fn a_malformed_range_counts_as_if_it_were_not_there() {
    for malformed in [
        "text/html;q=1.001",
        "text/html;q=2",
        "text/html;q=0.1234",
        "text/html;q=-1",
        "text/html;q=",
        "text/html;q",
        "text",
        "/html",
        "*/html",
        "\"text/html",
        "text/html;x=\"a,text/html\"",
    ] {
        assert_eq!(preferred(&[malformed]), Plain, "{malformed}");
        assert_eq!(preferred(&[malformed, BROWSER]), Html, "{malformed}");
    }
}

fn range() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["*/*", "text/*", "text/html", "text/plain", "image/png", "text", "x/y;q=2"]);
    let weight = prop::sample::select(vec!["", ";q=0", ";q=0.3", ";q=0.35", ";q=1", ";charset=utf-8;q=0.7", ";q=9"]);
    (name, weight).prop_map(|(name, weight)| format!("{name}{weight}"))
}

proptest! {
    #[test]
    fn no_bytes_are_too_much(values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..64), 0..4)) {
        BodyForm::preferred(values.iter().map(Vec::as_slice));
    }

    #[test]
    fn neither_the_order_of_ranges_nor_their_lines_matter(
        ranges in prop::collection::vec(range(), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let form = preferred(&[&ranges.join(",")]);
        let reversed: Vec<&str> = ranges.iter().rev().map(String::as_str).collect();
        prop_assert_eq!(preferred(&reversed), form);
        let (one, other) = ranges.split_at(cut.index(ranges.len() + 1));
        prop_assert_eq!(preferred(&[&one.join(" , "), "", &other.join(",\t")]), form);
    }
}
