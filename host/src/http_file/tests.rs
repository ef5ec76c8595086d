use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Vec<FileRequest> {
    parse(text).expect("the file is good")
}

/// The request of a file that has one.
fn one(text: &str) -> FileRequest {
    let [request] = read(text).try_into().expect("it has one request");
    request
}

#[test]
fn requests_are_read_as_editors_read_them() {
    let requests = read(
        "# A comment\n\n### First\nGET /a?b=c\nAccept: text/plain\n// another comment\nX-Empty:\n\n###\n\n### \nPOST http://it:8000/b HTTP/1.1\r\n\
         Content-Type: text/plain\r\n\r\none\r\n# two\r\n\r\n\n### Last\nhttp://it\n",
    );
    let shown: Vec<_> = requests
        .iter()
        .map(|it| (it.line, it.name.as_deref(), it.method.as_str(), it.target.as_str(), it.body.as_deref()))
        .collect();
    assert_eq!(
        shown,
        [
            (4, Some("First"), "GET", "/a?b=c", None),
            (12, None, "POST", "/b", Some(&b"one\n# two"[..])),
            (20, Some("Last"), "GET", "/", None),
        ]
    );
    let fields = |index: usize| -> Vec<String> {
        requests[index].fields.iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    assert_eq!(fields(0), ["Accept=text/plain", "X-Empty="]);
    assert_eq!(fields(1), ["Host=it:8000", "Content-Type=text/plain"]);
    assert_eq!(fields(2), ["Host=it"]);
    assert_eq!(read(""), []);
    assert_eq!(read("\u{feff}GET /").len(), 1);
}

#[test]
fn expectations_are_comments_above_the_body() {
    let request = one(
        "### a\n# expect status 201\n# expect field content-type text/plain; charset=utf-8\nPUT /\n#expect field etag\n\
         # expect no field x-a\n# expect body a\\n\\\\\\x00\n# expect body contains b c\n\n# expect status 500\n",
    );
    let of = |text: &str| text.to_owned();
    let expected = [
        (2, Expectation::Status(201)),
        (3, Expectation::Field(of("content-type"), Some(of("text/plain; charset=utf-8")))),
        (5, Expectation::Field(of("etag"), None)),
        (6, Expectation::NoField(of("x-a"))),
        (7, Expectation::Body(b"a\n\\\0".to_vec())),
        (8, Expectation::BodyContains(b"b c".to_vec())),
    ];
    assert_eq!(request.expectations, expected);
    assert_eq!(request.body.as_deref(), Some(&b"# expect status 500"[..]));
    assert_eq!(one("# expect closed\nGET /").expectations, [(1, Expectation::Closed)]);
    assert_eq!(one("# expect body \nGET /").expectations, [(1, Expectation::Body(vec![]))]);
    assert_eq!(one("# body a\\n\nPUT /").body.as_deref(), Some(&b"a\n"[..]));
}

#[test]
fn mistakes_are_told_with_their_line() {
    for (text, said) in [
        ("GET", "line 1: `GET` is no request line; write a method and a path, as in `GET /hello`"),
        ("\nGET /a b c", "line 2: `GET /a b c` is no request line; "),
        ("G(T /", "line 1: `G(T /` is no request line; "),
        ("GET \u{e9}", "line 1: `GET \u{e9}` is no request line; "),
        ("GET http:///a", "line 1: `GET http:///a` is no request line; "),
        ("GET /\nno field", "line 2: `no field` is no field; "),
        ("GET /\na b: c", "line 2: `a b: c` is no field; "),
        ("# expect state 200\nGET /", "line 1: `state 200` is no expectation; "),
        ("# expect status two\nGET /", "line 1: `status two` is no expectation; "),
        ("# expect status 20\nGET /", "line 1: `status 20` is no expectation; "),
        ("# expect field \nGET /", "line 1: `field ` is no expectation; "),
        ("# expect no etag\nGET /", "line 1: `no etag` is no expectation; "),
        ("# expect closed now\nGET /", "line 1: `closed now` is no expectation; "),
        ("# expect body \\a\nGET /", "line 1: `\\a` has a backslash that begins no escape; "),
        ("# body \\x0\nGET /", "line 1: `\\x0` has a backslash that begins no escape; "),
        ("GET /\n\n###\n# expect status 200\n###\n", "line 4: there is no request for what is expected here; "),
        ("# body a\nPUT /\n\nb", "line 1: there is a body in a comment and another below the fields; "),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert!(error.starts_with(said), "{error}");
    }
}

fn response(status: u16, body: &str) -> ReceivedResponse {
    let fields = vec![("Content-Type".to_owned(), b"text/plain".to_vec()), ("a".to_owned(), b"1".to_vec())];
    ReceivedResponse { status: Some(status), fields, body: body.into(), is_truncated: false }
}

#[test]
fn what_is_expected_and_what_came_are_told() {
    let closed = ReceivedResponse::default();
    let cut = ReceivedResponse { is_truncated: true, ..response(200, "a") };
    let (ok, missing) = (response(200, "Hello\n"), response(404, ""));
    for (expectation, response, said) in [
        ("status 200", &ok, None),
        ("status 200", &missing, Some("expected status 200, got 404")),
        ("status 200", &closed, Some("expected a response, got a closed connection without a response")),
        ("field content-type text/plain", &ok, None),
        ("field content-type", &ok, None),
        ("field content-type: text/plain", &ok, None),
        ("field a 2", &ok, Some("expected the field a: 2, got 1")),
        ("field b", &ok, Some("expected the field b, got none")),
        ("no field b", &ok, None),
        ("no field A", &ok, Some("expected no field A, got 1")),
        ("body Hello\\n", &ok, None),
        ("body Hello", &ok, Some("expected the body `Hello`, got `Hello\\n`")),
        ("body contains ell", &ok, None),
        ("body contains x", &ok, Some("expected a body with `x` in it, got `Hello\\n`")),
        ("closed", &closed, None),
        ("closed", &ok, Some("expected a closed connection without a response, got 200")),
        ("truncated", &cut, None),
        ("truncated", &ok, Some("expected a response that breaks off, got a complete one")),
    ] {
        let expectation = Expectation::parse(expectation).expect("it is an expectation");
        assert_eq!(expectation.mismatch(response).as_deref(), said, "{expectation:?}");
    }
    let long = Expectation::Body(vec![]).mismatch(&response(200, &"x".repeat(100_000))).expect("it differs");
    assert!(long.len() < 300, "{long}");
}

#[test]
fn without_an_expectation_a_response_has_to_be_complete_and_good() {
    let none: &[(usize, Expectation)] = &[];
    let status = &[(1, Expectation::Status(404))][..];
    let cut = ReceivedResponse { is_truncated: true, ..response(200, "a") };
    assert_eq!(response(399, "").unexpected(none), None);
    assert_eq!(response(404, "").unexpected(status), None);
    assert_eq!(response(404, "").unexpected(none).as_deref(), Some("expected a status below 400, got 404"));
    assert!(cut.unexpected(status).is_some_and(|said| said.contains("breaks off")));
    assert_eq!(cut.unexpected(&[(1, Expectation::Truncated)]), None);
    assert!(ReceivedResponse::default().unexpected(none).is_some());
    assert_eq!(ReceivedResponse::default().unexpected(&[(1, Expectation::Closed)]), None);
}

#[test]
fn what_is_recorded_is_read_again_and_holds() {
    let request = |body: &[u8]| FileRequest {
        line: 0,
        name: None,
        method: "PUT".to_owned(),
        target: "/a".to_owned(),
        fields: vec![("a".to_owned(), "b".to_owned())],
        body: Some(body.to_vec()).filter(|body| !body.is_empty()),
        expectations: vec![],
    };
    let cut = ReceivedResponse { is_truncated: true, ..response(200, "a") };
    let answers = [response(200, "Hello\n\0"), response(500, ""), response(200, &"x".repeat(5000)), cut];
    for answer in answers.into_iter().chain([ReceivedResponse::default()]) {
        for body in [&b""[..], b"plain", b"two\nlines", b"ends\n", b"### no", b"\xff\0", b"\r\n", b"\n\nafter"] {
            let request = request(body);
            let recorded = record(&request, &answer);
            let [first, second] = read(&format!("{recorded}{recorded}")).try_into().expect("two requests");
            for read in [first, second] {
                assert_eq!(
                    (&read.method, &read.target, &read.fields),
                    (&request.method, &request.target, &request.fields)
                );
                assert_eq!(read.body, request.body, "{recorded}");
                assert_eq!(answer.unexpected(&read.expectations), None, "{recorded}");
                let wrong: Vec<_> = read.expectations.iter().filter_map(|(_, it)| it.mismatch(&answer)).collect();
                assert_eq!(wrong, [""; 0], "{recorded}");
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_escaped_is_one_line_and_comes_back(bytes in any::<Vec<u8>>()) {
        let escaped = escape(&bytes);
        prop_assert!(!escaped.contains(char::is_control));
        prop_assert_eq!(unescape(&escaped), Some(bytes));
    }

    #[test]
    fn no_file_panics_the_reader(text in "(###|# expect|# body|GET|/|:|\\\\|x|a|\n| |\r|\u{e9}){0,40}") {
        let _ = parse(&text);
    }
}
