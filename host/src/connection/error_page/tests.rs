use proptest::prelude::*;

use super::*;
use crate::failure_report::HandlerFailure;

const NOT_FOUND: ErrorPage<'static> = ErrorPage {
    status: 404,
    text: "there is no route at /a&b",
    details: Details::None,
    request: Some(7),
    trace: None,
    live: None,
};

#[test]
fn a_page_says_in_plain_words_what_is_wrong_and_which_line_of_the_log_is_its() {
    assert_eq!(NOT_FOUND.render(BodyForm::Plain), "there is no route at /a&b\n");
    let expected = "<h1>404 Not Found</h1>\
        <p>There is nothing at this address. It may have moved, or the link to it may be wrong.</p>\
        <p>there is no route at /a&amp;b.</p><p><small>Request 7</small></p></body></html>";
    let page = NOT_FOUND.render(BodyForm::Html);
    assert!(page.starts_with("<!DOCTYPE html>") && page.contains("<title>404 Not Found</title>"), "{page}");
    assert!(page.ends_with(expected), "{page}");
}

#[test]
fn who_develops_is_shown_details_and_where_to_look() {
    let page = ErrorPage {
        status: 500,
        text: "Internal Server Error",
        details: Details::Text("it <trapped>\n  0: f"),
        request: Some(7),
        trace: None,
        live: None,
    };
    assert_eq!(page.render(BodyForm::Plain), "Internal Server Error\n\nit <trapped>\n  0: f\n\nrequest 7\n");
    assert!(page.render(BodyForm::Html).contains("<pre>it &lt;trapped&gt;\n  0: f</pre>"));
}

#[test]
fn where_there_is_nothing_to_say_there_is_no_body() {
    let page = ErrorPage { status: 204, request: Some(7), ..ErrorPage::default() };
    assert_eq!((page.render(BodyForm::Plain), page.render(BodyForm::Html)), (String::new(), String::new()));
}

proptest! {
    #[test]
    fn nothing_of_a_client_or_a_guest_is_markup(text in ".{1,40}", details in ".{0,40}", may_be_printed: bool) {
        let report = FailureReport::new(HandlerFailure { who: "handler a", reason: &text, may_be_printed }, std::slice::from_ref(&details));
        let plain = FailureReport::new(HandlerFailure { who: "handler a", reason: "x", may_be_printed }, &["x".to_owned()]);
        let page = ErrorPage { status: 500, text: &text, details: Details::Failure(&report), request: None, trace: None, live: None };
        let empty = ErrorPage { text: "x", details: Details::Failure(&plain), ..page.clone() };
        let markup = |page: &ErrorPage<'_>| {
            let html = page.render(BodyForm::Html);
            ['<', '>', '"'].map(|char| html.matches(char).count())
        };
        prop_assert_eq!(markup(&page), markup(&empty));
    }
}
