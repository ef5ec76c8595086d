use proptest::prelude::*;

use super::*;

const NOT_FOUND: ErrorPage<'static> =
    ErrorPage { status: 404, text: "there is no route at /a&b", details: "", request: Some(7) };

#[test]
fn a_page_says_in_plain_words_what_is_wrong_and_which_line_of_the_log_is_its() {
    assert_eq!(NOT_FOUND.render(BodyForm::Plain), "there is no route at /a&b\n");
    let expected = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>404 Not Found</title>\n\
         <style>{STYLE}</style>\n<h1>404 Not Found</h1>\n\
         <p>There is nothing at this address. It may have moved, or the link to it may be wrong.</p>\n\
         <p>there is no route at /a&amp;b.</p>\n<p><small>Request 7</small></p>\n"
    );
    assert_eq!(NOT_FOUND.render(BodyForm::Html), expected);
}

#[test]
fn who_develops_is_shown_details_and_where_to_look() {
    let page =
        ErrorPage { status: 500, text: "Internal Server Error", details: "it <trapped>\n  0: f", request: Some(7) };
    assert_eq!(page.render(BodyForm::Plain), "Internal Server Error\n\nit <trapped>\n  0: f\n\nrequest 7\n");
    assert!(page.render(BodyForm::Html).contains("<pre>it &lt;trapped&gt;\n  0: f</pre>\n"));
}

#[test]
fn where_there_is_nothing_to_say_there_is_no_body() {
    let page = ErrorPage { status: 204, request: Some(7), ..ErrorPage::default() };
    assert_eq!((page.render(BodyForm::Plain), page.render(BodyForm::Html)), (String::new(), String::new()));
}

proptest! {
    #[test]
    fn nothing_of_a_client_or_a_guest_is_markup(text in ".{1,40}", details in ".{0,40}") {
        let page = ErrorPage { status: 500, text: &text, details: &details, request: None };
        let empty = ErrorPage { text: "x", details: if details.is_empty() { "" } else { "x" }, ..page.clone() };
        let markup = |page: &ErrorPage<'_>| {
            let html = page.render(BodyForm::Html);
            ['<', '>', '"', '\''].map(|char| html.matches(char).count())
        };
        prop_assert_eq!(markup(&page), markup(&empty));
    }
}
