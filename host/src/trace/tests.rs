use proptest::prelude::*;

use super::context::trace_state;
use super::*;

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn parse(value: &str) -> Option<TraceParent> {
    TraceParent::parse(value.as_bytes())
}

/// A tracer without an exporter, and its queue.
fn tracer(parents: TraceParents, ratio: f64) -> (Arc<Tracer>, mpsc::Receiver<Vec<SpanRecord>>) {
    let endpoint = "http://127.0.0.1:4318".parse().expect("it is a URL");
    let settings = TraceSettings { parents, ratio, ..TraceSettings::new(endpoint) };
    let (queue, waiting) = mpsc::channel();
    (Arc::new(Tracer::new(settings, queue)), waiting)
}

fn begin(tracer: &Arc<Tracer>, is_trusted: bool, parents: &[&str]) -> Arc<RequestTrace> {
    let states = ["a=1"];
    tracer.begin(is_trusted, parents.iter().map(|value| value.as_bytes()), states.iter().map(|value| value.as_bytes()))
}

fn finish(trace: &RequestTrace) {
    trace.finish("GET".to_owned(), (None, Instant::now()), Vec::new(), None);
}

#[test]
fn a_traceparent_is_read_and_written_as_the_recommendation_says() {
    let parent = parse(PARENT).expect("it is well-formed");
    assert!(parent.is_sampled);
    assert_eq!(parent.to_string(), PARENT);
    assert_eq!(parent.trace.to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(parent.span.to_string(), "b7ad6b7169203331");
    let unsampled = parse(&PARENT.replace("-01", "-00")).expect("it is well-formed");
    assert!(!unsampled.is_sampled && unsampled.to_string().ends_with("-00"));
    // Other flags are not known, and those that come back are the host's own.
    assert!(parse(&PARENT.replace("-01", "-ff")).is_some_and(|parent| parent.to_string() == PARENT));
    // A later version may have more behind it.
    assert_eq!(parse(&PARENT.replacen("00", "cc", 1)), Some(parent));
    assert_eq!(parse(&format!("{}-what-ever", PARENT.replacen("00", "cc", 1))), Some(parent));
}

#[test]
fn a_traceparent_that_is_malformed_is_none() {
    for malformed in [
        "",
        "00",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
        "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01.more",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333-001",
        "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c_b7ad6b7169203331-01",
        "0 -0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ] {
        assert_eq!(parse(malformed), None, "{malformed}");
    }
    let twice = [PARENT.as_bytes(); 2];
    assert_eq!(TraceParent::of_fields(twice.into_iter()), None, "which of them is meant?");
}

proptest! {
    #[test]
    fn whatever_comes_is_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), at in 0..55_usize, byte in any::<u8>()) {
        let _ = TraceParent::parse(&bytes);
        let _ = trace_state([&bytes[..]].into_iter());
        let mut almost = PARENT.as_bytes().to_vec();
        almost[at] = byte;
        if let Some(parent) = TraceParent::parse(&almost) {
            // What is taken is that of a valid one.
            let again = TraceParent::parse(parent.to_string().as_bytes());
            prop_assert_eq!(again, Some(parent));
        }
    }
}

#[test]
fn a_tracestate_is_passed_on_as_far_as_it_is_well_formed() {
    let read = |values: &[&str]| trace_state(values.iter().map(|value| value.as_bytes()));
    assert_eq!(
        read(&["rojo=00f067aa0ba902b7, congo=t61rcWkgMzE", "a@b=x y"]).as_deref(),
        Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,a@b=x y")
    );
    for refused in ["a", "A=1", "a=", "=1", "a=b=c", "a=\u{e9}", "a=1,b", "a=\x01"] {
        assert_eq!(read(&[refused]), None, "{refused}");
    }
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[&"a=1,".repeat(33)]), None, "too many");
    assert_eq!(read(&[&format!("a={}", "x".repeat(600))]), None, "too long");
}

#[test]
fn a_client_that_is_not_trusted_neither_names_a_trace_nor_has_it_sampled() {
    for (parents, is_trusted, is_followed) in [
        (TraceParents::Trusted, false, false),
        (TraceParents::Trusted, true, true),
        (TraceParents::Any, false, true),
        (TraceParents::Ignored, true, false),
    ] {
        let (tracer, _waiting) = tracer(parents, 0.0);
        let trace = begin(&tracer, is_trusted, &[PARENT]);
        assert_eq!(PARENT.contains(&trace.id().to_string()), is_followed, "{parents:?} {is_trusted}");
        assert_eq!(trace.is_sampled(), is_followed, "{parents:?} {is_trusted}");
        assert_eq!(trace.state(), is_followed.then_some("a=1"), "{parents:?} {is_trusted}");
    }
}

#[test]
fn the_decision_of_a_trusted_caller_is_followed_whatever_the_ratio() {
    let (tracer, _waiting) = tracer(TraceParents::Trusted, 1.0);
    assert!(!begin(&tracer, true, &[&PARENT.replace("-01", "-00")]).is_sampled());
    assert!(begin(&tracer, true, &["malformed"]).is_sampled(), "a new trace begins");
}

#[test]
fn as_many_traces_are_sampled_as_the_ratio_says() {
    for (ratio, range) in [(0.0, 0..1), (0.25, 2_000..3_000), (1.0, 10_000..10_001)] {
        let (tracer, _waiting) = tracer(TraceParents::Trusted, ratio);
        let sampled = (0..10_000).filter(|_| begin(&tracer, false, &[]).is_sampled()).count();
        assert!(range.contains(&sampled), "{sampled} of 10000 at {ratio}");
    }
}

#[test]
fn spans_are_parts_of_what_runs_when_they_begin() {
    let (tracer, waiting) = tracer(TraceParents::Trusted, 1.0);
    let trace = begin(&tracer, false, &[]);
    let middleware = trace.enter(|| "middleware".to_owned());
    drop(trace.begin(SpanKind::Client, || "store".to_owned()));
    drop(middleware);
    let handler = trace.enter(|| "handler".to_owned());
    let mut call = trace.begin(SpanKind::Client, || "call".to_owned()).expect("it is sampled");
    let sent = trace.parent_of_call(Some(&call)).to_string();
    call.fail(&"refused\nwith more");
    drop((call, handler));
    finish(&trace);
    let spans = waiting.try_recv().expect("they are queued at the end of the request");
    let find = |name: &str| spans.iter().find(|span| span.name == name).expect("it has ended");
    assert_eq!(spans.len(), 5);
    assert_eq!(find("GET").parent, None);
    for (part, whole) in [("middleware", "GET"), ("store", "middleware"), ("handler", "GET"), ("call", "handler")] {
        assert_eq!(find(part).parent, Some(find(whole).id), "{part}");
        assert!(find(part).start <= find(part).end);
    }
    assert_eq!(find("call").error.as_deref(), Some("refused"));
    assert!(sent.contains(&find("call").id.to_string()) && sent.ends_with("-01"), "{sent}");
}

#[test]
fn what_ends_after_the_request_is_sent_by_itself() {
    let (tracer, waiting) = tracer(TraceParents::Trusted, 1.0);
    let trace = begin(&tracer, false, &[]);
    let handler = trace.enter(|| "handler".to_owned());
    finish(&trace);
    assert_eq!(waiting.try_recv().expect("the request").len(), 1);
    drop(handler);
    assert_eq!(waiting.try_recv().expect("the handler")[0].name, "handler");
}

#[test]
fn a_trace_that_is_not_sampled_has_no_spans_and_is_passed_on() {
    let (tracer, waiting) = tracer(TraceParents::Trusted, 0.0);
    let trace = begin(&tracer, false, &[]);
    assert!(trace.enter(|| unreachable!("it needs no name")).is_none());
    assert_eq!(trace.parent_of_call(None).to_string()[..36], format!("00-{}-", trace.id()));
    assert!(trace.parent_of_call(None).to_string().ends_with("-00"));
    finish(&trace);
    assert!(waiting.try_recv().is_err());
}

#[test]
fn a_request_has_a_bounded_number_of_spans() {
    let (tracer, waiting) = tracer(TraceParents::Trusted, 1.0);
    let trace = begin(&tracer, false, &[]);
    (0..1_000).for_each(|_| drop(trace.begin(SpanKind::Client, || "call".to_owned())));
    finish(&trace);
    assert_eq!(waiting.try_recv().expect("they are queued").len(), 129);
}

#[test]
fn what_the_queue_has_no_room_for_is_dropped_and_counted() {
    let (tracer, waiting) = tracer(TraceParents::Trusted, 1.0);
    (0..MAX_WAITING + 10).for_each(|_| finish(&begin(&tracer, false, &[])));
    assert_eq!(tracer.counts(), SpanCounts { sent: 0, dropped: 10, failed: 0 });
    assert_eq!(waiting.try_iter().count(), MAX_WAITING);
}

#[test]
fn a_refusal_of_some_spans_is_read_in_either_form() {
    for (response, rejected) in [
        ("", 0),
        ("{}", 0),
        ("{\"partialSuccess\":{}}", 0),
        ("{\"partialSuccess\":{\"rejectedSpans\":\"5\"}}", 5),
        ("{\"partialSuccess\":{\"rejectedSpans\":5}}", 5),
        ("<html>", 0),
        ("{\"partialSuccess\":{\"rejectedSpans\":-5}}", 0),
    ] {
        assert_eq!(otlp::rejected(response.as_bytes()), rejected, "{response}");
    }
}
