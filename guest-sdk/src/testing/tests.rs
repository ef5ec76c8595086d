use super::{TestRequest, call};
use crate::sse::{self, Event};
use crate::{BodyError, Error, Manual, Options, Outcome, Request, Response, config, context, http, kv, push};

#[test]
fn a_handler_sees_the_request_of_its_test() {
    let seen = |request: Request, options: Options| {
        let parts = [request.method(), request.target(), request.path(), request.peer()];
        let query = request.query_param("b").unwrap_or_default();
        let fields = (request.field_text("x-a"), request.cookie("c"), request.param("id"));
        let own = (options.text("greeting"), options.integer("times"), options.boolean("loud"), options.float("half"));
        format!("{parts:?} {query} {fields:?} {own:?}")
    };
    let request = TestRequest::post("/a?b=c", "body").field("X-A", "1").field("x-a", "2").field("cookie", "c=d");
    let request = request.param("id", "7").option("greeting", "Hi").option("times", 3).option("times", 4);
    let response = call(seen, request.option("loud", true).option("half", 0.5).peer("192.0.2.1"));
    let expected = "[\"POST\", \"/a?b=c\", \"/a\", \"192.0.2.1\"] c (Some(\"1, 2\"), Some(\"d\"), Some(\"7\")) \
        (Some(\"Hi\"), Some(4), Some(true), Some(0.5))";
    assert_eq!(response.text(), expected);
    assert!(call(|request: Request| request.is_timer().to_string(), TestRequest::timer("/")).text() == "true");
}

#[test]
fn every_way_to_make_a_body_is_recorded() {
    let whole = call(|| "Hello", TestRequest::get("/"));
    assert_eq!((whole.status, whole.text(), whole.chunks.len()), (200, "Hello".to_owned(), 0));
    let yielded = call(|| ["a", "", "b"].into_iter(), TestRequest::get("/"));
    assert_eq!((yielded.text(), yielded.chunks), ("ab".to_owned(), vec![b"a".to_vec(), b"b".to_vec()]));
    let written = |response: Response| -> Result<&'static str, Error> {
        response.set_status(201)?.set_field("x-a", "1")?.append_field("X-A", "2")?.write("a")?;
        Ok("b")
    };
    let written = call(written, TestRequest::get("/"));
    assert_eq!((written.status, written.field("x-a"), written.text()), (201, Some("1".to_owned()), "ab".to_owned()));
    assert_eq!(written.fields.len(), 2);
    let echo = |request: Request| -> Result<Vec<u8>, BodyError> { request.body().read_all(100_000) };
    assert_eq!(call(echo, TestRequest::post("/", vec![b'x'; 50_000])).body.len(), 50_000);
    assert_eq!(call(|| (), TestRequest::get("/")).outcome, Outcome::Close);
    let closed = |response: Response| response.close().map(|()| "dropped");
    let closed = call(closed, TestRequest::get("/"));
    assert_eq!((closed.outcome, closed.body), (Outcome::Close, vec![]));
}

#[test]
fn calls_are_refused_as_a_host_refuses_them() {
    let refused = |response: Response| {
        assert_eq!(response.set_status(100).err(), Some(Error::Invalid));
        assert_eq!(response.set_field("a b", "").err(), Some(Error::Invalid));
        assert_eq!(response.set_field("a", "\r").err(), Some(Error::Invalid));
        assert_eq!(response.set_field("Connection", "close").err(), Some(Error::Forbidden));
        assert_eq!(push::publish("", "a"), Err(Error::Invalid));
        assert_eq!(push::publish("a", ""), Err(Error::Invalid));
        response.write("a").expect("it is open");
        assert_eq!(response.set_status(200).err(), Some(Error::HeadAlreadySent));
        response.finish().expect("it is open");
        assert_eq!(response.write("b").err(), Some(Error::Closed));
        "ignored"
    };
    let response = call(refused, TestRequest::get("/"));
    assert_eq!((response.text(), response.is_finished), ("a".to_owned(), true));
}

#[test]
fn a_failure_is_recorded_with_its_reason() {
    let failed = call(|| Err::<&str, _>("the stars are wrong"), TestRequest::get("/"));
    assert_eq!((failed.status, failed.failure.as_deref()), (500, Some("the stars are wrong")));
    let late = |response: Response| -> Result<(), Error> { response.write("a").and(response.fail("too late")) };
    let late = call(late, TestRequest::get("/"));
    assert_eq!((late.status, late.text(), late.failure.as_deref()), (200, "a".to_owned(), Some("too late")));
}

#[test]
fn topics_and_the_context_are_recorded() {
    let handler = |response: Response| -> Result<Manual, Error> {
        push::subscribe("room")?;
        sse::open(&response)?;
        context::set("user", "Grace")?;
        let reached = push::publish("room", Event::new().data("hi"))?;
        assert_eq!((reached, push::finish("other")?), (3, 3));
        assert_eq!((context::get("user"), context::get("role")), (Some(b"Grace".to_vec()), Some(b"admin".to_vec())));
        Ok(Manual)
    };
    let request = TestRequest::get("/").context("user", "Ada").context("role", "admin").subscribers(3);
    let response = call(handler, request);
    assert_eq!((response.outcome, response.subscribed), (Outcome::Manual, vec!["room".to_owned()]));
    assert_eq!(response.published, [("room".to_owned(), b"data: hi\n\n".to_vec())]);
    assert_eq!(response.finished, ["other"]);
}

#[test]
fn a_handler_that_panics_leaves_nothing_behind() {
    let panics = || -> &'static str { panic!("oh") };
    assert!(std::panic::catch_unwind(|| call(panics, TestRequest::get("/"))).is_err());
    assert_eq!(call(|| "next", TestRequest::get("/")).text(), "next");
}

#[test]
#[should_panic(expected = "call the handler with `guest_sdk::testing::call`")]
fn outside_of_a_call_there_is_no_request() {
    let _ = push::subscribe("a");
}

#[test]
fn settings_and_stores_are_those_of_the_test() {
    let handler = || -> Result<String, kv::Error> {
        let secret = config::secret("key").map(|secret| secret.reveal().to_owned());
        kv::set("new", "1")?;
        kv::delete("old")?;
        let swapped = (kv::compare_and_swap("a", Some(b"1"), Some(b"2"))?, kv::compare_and_swap("a", None, None)?);
        let keys: Vec<String> = kv::list("").collect::<Result<_, _>>()?;
        let other = (kv::open("other").get("b")?, kv::open("third").get("b"));
        Ok(format!(
            "{secret:?} {swapped:?} {keys:?} {other:?} {} {:?}",
            kv::increment("count", 2)?,
            kv::increment("a b", 1)
        ))
    };
    let request = TestRequest::get("/").config("key", "s").store("other").stored("", "count", "5").stored("", "a", "1");
    let response = call(handler, request.stored("", "old", "").stored("", "a b", "x"));
    let expected = "Some(\"s\") (true, false) [\"a\", \"a b\", \"count\", \"new\"] (None, Err(NoSuchStore)) 7 \
                    Err(Other(\"the value is no integer\"))";
    assert_eq!(response.text(), expected);
    assert_eq!((response.stored("", "a"), response.stored("", "old")), (Some("2".to_owned()), None));
    let denied = call(|| kv::get("a").map(|_| "found"), TestRequest::get("/"));
    assert_eq!((denied.status, denied.failure.as_deref()), (500, Some("the route is granted no key-value store")));
    let large = || kv::set(&"k".repeat(1025), "").or_else(|_| kv::set("", "")).map(|()| "set");
    assert_eq!(call(large, TestRequest::get("/").store("")).status, 500);
}

#[test]
fn calls_to_other_servers_are_answered_by_the_test() {
    let handler = || -> Result<String, http::Error> {
        let request = http::Request::new("POST", "https://api.example.com/notes?a=1").field("X-A", "1")?;
        let mut answer = request.body("text")?;
        let text = answer.text()?;
        Ok(format!("{} {text} {:?}", answer.status(), http::get("https://api.example.company/").map(|_| ())))
    };
    let request = TestRequest::get("/").upstream("https://api.example.com", 201, "made");
    let response = call(handler, request);
    assert_eq!(response.text(), "201 made Err(HttpError::Denied)");
    let call = &response.calls[0];
    assert_eq!((call.method.as_str(), call.body.as_slice()), ("POST", &b"text"[..]));
    assert_eq!(call.fields, [("x-a".to_owned(), b"1".to_vec())]);
}
