//! Connections that serve several requests.

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok";

/// Answers one request for each connection, and then closes it without a word at the next.
async fn closing_at_the_second() -> Upstream {
    Upstream::new(|_, mut accepted| async move {
        if accepted.request().await {
            accepted.write(OK).await;
        }
        // The second is read, so that the client has sent it.
        accepted.request().await;
    })
    .await
}

#[test]
fn requests_that_follow_each_other_use_one_connection() {
    on_a_worker(async {
        let upstream = Upstream::answering(OK).await;
        let grant = upstream.grant();
        for _ in 0..300 {
            assert_eq!(get(&grant, &upstream.url("/")).await, ok("ok"));
        }
        assert_eq!(upstream.connections(), 1);
    });
}

#[test]
fn two_grants_never_share_a_connection_and_a_dropped_one_closes_its_own() {
    on_a_worker(async {
        let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
        let upstream = Upstream::new(move |number, mut accepted| {
            let closed = closed.clone();
            async move {
                while accepted.request().await {
                    accepted.write(OK).await;
                }
                let _ = closed.send(number);
            }
        })
        .await;
        let (one, other) = (upstream.grant(), upstream.grant());
        for grant in [&one, &other, &one, &other] {
            assert_eq!(get(grant, &upstream.url("/")).await, ok("ok"));
        }
        assert_eq!(upstream.connections(), 2);
        drop(one);
        assert_eq!(closings.recv().await, Some(0));
        assert_eq!(get(&other, &upstream.url("/")).await, ok("ok"));
        assert_eq!(upstream.connections(), 2);
    });
}

#[test]
fn a_request_on_a_connection_that_has_died_is_sent_once_more_if_that_does_no_harm() {
    on_a_worker(async {
        let upstream = closing_at_the_second().await;
        let grant = upstream.grant();
        assert_eq!(get(&grant, &upstream.url("/first")).await, ok("ok"));
        assert_eq!(get(&grant, &upstream.url("/second")).await, ok("ok"));
        let whole = UpstreamBody::Whole(Bytes::from_static(b"\r\n\r\n"));
        assert_eq!(call(&grant, request("PUT", &upstream.url("/third"), whole)).await, ok("ok"));
        assert_eq!(upstream.connections(), 3);
        assert!(upstream.requests()[1].starts_with("GET /second"));
    });
}

#[test]
fn a_post_and_a_body_that_was_streamed_are_never_sent_twice() {
    on_a_worker(async {
        let upstream = closing_at_the_second().await;
        let grant = upstream.grant();
        assert_eq!(get(&grant, &upstream.url("/first")).await, ok("ok"));
        let post = call(&grant, request("POST", &upstream.url("/post"), UpstreamBody::Empty)).await;
        assert_eq!(post, Err(UpstreamFailure::Closed));
        assert_eq!(get(&grant, &upstream.url("/third")).await, ok("ok"));
        let (writer, body) = UpstreamBody::written(None);
        writer.finish(None).expect("it is whole");
        let put = call(&grant, request("PUT", &upstream.url("/put"), body)).await;
        assert_eq!(put, Err(UpstreamFailure::Closed));
        assert_eq!(upstream.connections(), 2);
    });
}

#[test]
fn a_connection_that_was_closed_while_it_was_idle_is_not_used() {
    on_a_worker(async {
        let upstream = Upstream::new(|_, mut accepted| async move {
            if accepted.request().await {
                accepted.write(OK).await;
            }
        })
        .await;
        let grant = upstream.grant();
        for _ in 0..10 {
            let post = call(&grant, request("POST", &upstream.url("/"), UpstreamBody::Empty)).await;
            // It may be closed while the request is on its way: then it is no error that it was not sent again.
            assert!(post == ok("ok") || post == Err(UpstreamFailure::Closed), "{post:?}");
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_server_that_says_close_or_answers_too_early_is_given_a_new_connection() {
    on_a_worker(async {
        let upstream = Upstream::answering(b"HTTP/1.1 200 x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").await;
        let grant = upstream.grant();
        for _ in 0..3 {
            assert_eq!(get(&grant, &upstream.url("/")).await, ok("ok"));
        }
        assert_eq!(upstream.connections(), 3);
        let early = Upstream::answering(OK).await;
        let grant = early.grant();
        for _ in 0..3 {
            let (_writer, body) = UpstreamBody::written(None);
            assert_eq!(call(&grant, request("POST", &early.url("/"), body)).await, ok("ok"));
        }
        assert_eq!(early.connections(), 3);
    });
}

#[test]
fn a_response_that_is_dropped_unread_closes_its_connection() {
    on_a_worker(async {
        let (closed, mut closings) = tokio::sync::mpsc::unbounded_channel();
        let upstream = Upstream::new(move |_, mut accepted| {
            let closed = closed.clone();
            async move {
                accepted.request().await;
                accepted.write(b"HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\nsome").await;
                accepted.closed().await;
                let _ = closed.send(());
            }
        })
        .await;
        let grant = upstream.grant();
        let calls = InvocationCalls::new(grant.limits());
        let response = grant.start(&calls, request("GET", &upstream.url("/"), UpstreamBody::Empty)).await;
        drop(response.expect("a response"));
        assert_eq!(closings.recv().await, Some(()));
        // So does a request that is dropped before its response.
        let silent = Upstream::new(|_, mut accepted| async move { while accepted.request().await {} }).await;
        let grant = silent.grant();
        let pending = grant.start(&calls, request("GET", &silent.url("/"), UpstreamBody::Empty));
        while silent.requests().first().is_none_or(|request| !request.ends_with("\r\n\r\n")) {
            tokio::task::yield_now().await;
        }
        drop(pending);
        while grant.connections.available_permits() < grant.limits().connections {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_body_of_a_known_length_leaves_its_connection_for_the_next_request() {
    on_a_worker(async {
        let upstream = Upstream::new(|_, mut accepted| async move {
            while accepted.request().await && accepted.read_until(b"four").await {
                accepted.write(OK).await;
            }
        })
        .await;
        let grant = upstream.grant();
        for _ in 0..3 {
            let (writer, body) = UpstreamBody::written(Some(4));
            let mut request = request("POST", &upstream.url("/"), body);
            request.fields.insert("content-length", 4.into());
            let pending = grant.start(&InvocationCalls::new(grant.limits()), request);
            assert_eq!(writer.write(b"four"), Ok(4));
            writer.finish(None).expect("it is whole");
            assert_eq!(read_all(pending.await.expect("a response")).await, ok("ok"));
        }
        assert_eq!(upstream.connections(), 1);
    });
}
