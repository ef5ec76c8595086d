use std::str::FromStr;

use super::live_reload::parse_query;
use super::*;

fn seen(text: &str) -> SeenVersions {
    SeenVersions::from_str(text).expect("it can be read")
}

#[test]
fn what_a_page_has_seen_is_read_as_it_was_written() {
    for text in ["1a-2b-0.3.4.5", "x.0.0.", ".18446744073709551615.0.0"] {
        assert_eq!(seen(text).to_string(), text);
    }
    for text in ["", "x", "x.1.2", "x.1.2.y", "x.-1.2.3", "x.1.18446744073709551616.3"] {
        assert!(SeenVersions::from_str(text).is_err(), "{text}");
    }
}

#[test]
fn a_query_that_is_not_understood_is_of_a_page_that_is_outdated() {
    assert_eq!(parse_query("watch=overview&seen=a.1.2.3"), (WatchTarget::Overview, Some(seen("a.1.2.3"))));
    assert_eq!(parse_query("seen=a%2E1.2.3&x&watch=handler"), (WatchTarget::HandlerPage, Some(seen("a.1.2.3"))));
    for query in ["", "seen=a.1.2.3", "watch=none&seen=a.1.2.3", "watch=page", "watch=page&seen=%ff", "watch&seen=&="] {
        assert_eq!(parse_query(query).1, None, "{query}");
    }
}

#[test]
fn each_kind_of_page_is_outdated_by_what_it_shows() {
    let before = seen("a.1.1.1");
    for (now, handler_page, host_page, overview) in [
        ("a.1.1.1", false, false, false),
        ("b.1.1.1", true, true, true),
        ("a.2.1.1", true, true, true),
        ("a.1.2.1", false, false, true),
        ("a.1.1.2", false, true, true),
    ] {
        let outdated = [WatchTarget::HandlerPage, WatchTarget::HostPage, WatchTarget::Overview]
            .map(|watch| before.is_outdated(&seen(now), watch));
        assert_eq!(outdated, [handler_page, host_page, overview], "{now}");
    }
    // It is told of builds nevertheless, and a page that has seen none is told at once.
    assert!(before.differs_in_counts((1, 2), WatchTarget::HandlerPage));
    assert!(seen("a.1.1.").differs_in_counts((1, 1), WatchTarget::HandlerPage));
    assert!(!before.differs_in_counts((2, 1), WatchTarget::HandlerPage));
}
