//! Limits and time-outs, and servers that break the protocol.

use super::*;

/// Whether a failure is the one that is expected.
type IsExpected = fn(&UpstreamFailure) -> bool;

fn short() -> HttpLimits {
    let time = Duration::from_millis(100);
    HttpLimits { first_byte_timeout: time, between_bytes_timeout: time, ..HttpLimits::default() }
}

#[test]
fn a_server_that_sends_no_http_is_told_from_one_that_stops() {
    on_a_worker(async {
        let table: [(&'static [u8], IsExpected); 12] = [
            (b"", |failure| *failure == UpstreamFailure::Closed),
            (b"HTTP/1.1 200", |failure| *failure == UpstreamFailure::Incomplete),
            (b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nshort", |failure| *failure == UpstreamFailure::Incomplete),
            (b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", |failure| {
                *failure == UpstreamFailure::Incomplete
            }),
            (b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", |failure| {
                *failure == UpstreamFailure::Incomplete
            }),
            (b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n\r\n", |failure| {
                matches!(failure, UpstreamFailure::Protocol(_))
            }),
            (b"SSH-2.0-x\r\n\r\n", |failure| matches!(failure, UpstreamFailure::Protocol(_))),
            (b"HTTP/1.1 20 x\r\n\r\n", |failure| matches!(failure, UpstreamFailure::Protocol(_))),
            (b"HTTP/1.1 200 x\r\na b: c\r\n\r\n", |failure| matches!(failure, UpstreamFailure::Protocol(_))),
            (b"HTTP/1.1 200 x\r\n folded: c\r\n\r\n", |failure| matches!(failure, UpstreamFailure::Protocol(_))),
            (b"HTTP/1.1 200 x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", |failure| {
                matches!(failure, UpstreamFailure::Protocol(_))
            }),
            (b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", |failure| {
                matches!(failure, UpstreamFailure::Protocol(_))
            }),
        ];
        for (answer, is_expected) in table {
            let upstream = Upstream::new(move |_, mut accepted| async move {
                accepted.request().await;
                accepted.write(answer).await;
            })
            .await;
            let failure = get(&upstream.grant(), &upstream.url("/")).await.expect_err("it is no response");
            assert!(is_expected(&failure), "{}: {failure:?}", answer.escape_ascii());
        }
    });
}

#[test]
fn a_head_without_end_ends_in_an_error() {
    on_a_worker(async {
        let starts: [(&'static [u8], &'static [u8]); 3] = [
            (b"HTTP/1.1 200 x\r\n", b"a: b\r\n"),
            (b"HTTP/1.1 200 x\r\na: ", b"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"),
            (b"", b"HTTP/1.1 103 x\r\n\r\n"),
        ];
        for (start, rest) in starts {
            let upstream = Upstream::new(move |_, mut accepted| async move {
                accepted.request().await;
                accepted.write(start).await;
                accepted.write_for_ever(rest).await;
            })
            .await;
            let failure = get(&upstream.grant(), &upstream.url("/")).await;
            assert_eq!(failure, Err(UpstreamFailure::HeadTooLarge), "{}", rest.escape_ascii());
        }
    });
}

#[test]
fn interim_responses_are_passed_over() {
    on_a_worker(async {
        let upstream = Upstream::answering(
            b"HTTP/1.1 100 x\r\n\r\nHTTP/1.1 103 x\r\nlink: a\r\n\r\nHTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok",
        )
        .await;
        assert_eq!(get(&upstream.grant(), &upstream.url("/")).await, ok("ok"));
    });
}

#[test]
fn trailers_and_extensions_of_chunks_without_end_are_an_error() {
    on_a_worker(async {
        let starts: [(&'static [u8], &'static [u8]); 2] = [(b"0\r\n", b"a: b\r\n"), (b"2;", b"extensionextension")];
        for (start, rest) in starts {
            let upstream = Upstream::new(move |_, mut accepted| async move {
                accepted.request().await;
                accepted.write(b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n").await;
                accepted.write(start).await;
                accepted.write_for_ever(rest).await;
            })
            .await;
            let failure = get(&upstream.grant(), &upstream.url("/")).await;
            assert!(matches!(failure, Err(UpstreamFailure::Protocol(_))), "{}: {failure:?}", rest.escape_ascii());
        }
    });
}

#[test]
fn a_body_past_its_limit_is_an_error_whether_or_not_its_length_was_said() {
    on_a_worker(async {
        let limits = HttpLimits { max_response: 4, ..HttpLimits::default() };
        let answers: [&'static [u8]; 3] = [
            b"HTTP/1.1 200 x\r\nContent-Length: 5\r\n\r\nabcde",
            b"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
            b"HTTP/1.0 200 x\r\n\r\nabcde",
        ];
        for answer in answers {
            let upstream = Upstream::new(move |_, mut accepted| async move {
                accepted.request().await;
                accepted.write(answer).await;
            })
            .await;
            let failure = get(&upstream.limited(limits.clone()), &upstream.url("/")).await;
            assert_eq!(failure, Err(UpstreamFailure::BodyTooLarge(4)));
        }
        let upstream = Upstream::answering(b"HTTP/1.1 200 x\r\nContent-Length: 4\r\n\r\nabcd").await;
        assert_eq!(get(&upstream.limited(limits), &upstream.url("/")).await, ok("abcd"));
        let head = Upstream::answering(b"HTTP/1.1 200 x\r\nContent-Length: 999999999999\r\n\r\n").await;
        assert_eq!(call(&head.grant(), request("HEAD", &head.url("/"), UpstreamBody::Empty)).await, ok(""));
    });
}

#[test]
fn a_server_that_does_not_answer_and_one_that_stalls_are_given_up() {
    on_a_worker(async {
        let silent = Upstream::new(|_, accepted| accepted.closed()).await;
        let limits = short();
        let time = limits.first_byte_timeout;
        let failure = get(&silent.limited(limits), &silent.url("/")).await;
        assert_eq!(failure, Err(UpstreamFailure::FirstByteTimeout(time)));
        let stalling = Upstream::new(|_, mut accepted| async move {
            accepted.request().await;
            accepted.write(b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nsome").await;
            accepted.closed().await;
        })
        .await;
        let limits = HttpLimits { between_bytes_timeout: time, ..HttpLimits::default() };
        assert_eq!(get(&stalling.limited(limits), &stalling.url("/")).await, Err(UpstreamFailure::ReadTimeout(time)));
    });
}

#[test]
fn a_component_may_ask_for_less_time_and_not_for_more() {
    on_a_worker(async {
        let silent = Upstream::new(|_, accepted| accepted.closed()).await;
        let (less, more) = (Duration::from_millis(30), Duration::from_secs(3600));
        for (asked, given) in [(less, less), (more, short().first_byte_timeout)] {
            let timeouts = CallTimeouts { first_byte: Some(asked), ..CallTimeouts::default() };
            let request = UpstreamRequest { timeouts, ..request("GET", &silent.url("/"), UpstreamBody::Empty) };
            let failure = call(&silent.limited(short()), request).await;
            assert_eq!(failure, Err(UpstreamFailure::FirstByteTimeout(given)));
        }
    });
}

#[test]
fn a_server_that_takes_nothing_is_given_up_while_a_body_is_sent() {
    on_a_worker(async {
        let upstream = Upstream::new(|_, accepted| async move {
            let _held = accepted;
            std::future::pending::<()>().await;
        })
        .await;
        let grant = upstream.limited(short());
        let (writer, body) = UpstreamBody::written(None);
        let mut pending = grant.start(&InvocationCalls::new(grant.limits()), request("POST", &upstream.url("/"), body));
        let write = async {
            while writer.write(&[0; MAX_WAITING]).is_ok() {
                writer.writable().await;
            }
        };
        let ((), failure) = tokio::join!(write, &mut pending);
        assert!(matches!(failure, Err(UpstreamFailure::WriteTimeout(_))), "{failure:?}");
    });
}

#[test]
fn requests_past_the_limits_wait_for_others_within_their_time_for_a_connection() {
    on_a_worker(async {
        let answer = b"HTTP/1.1 200 x\r\nContent-Length: 9\r\n\r\nsome";
        let connect_timeout = Duration::from_millis(100);
        let late = Some(UpstreamFailure::ConnectTimeout(connect_timeout));
        let at_once = HttpLimits { concurrency: 1, connect_timeout, ..HttpLimits::default() };
        let connections = HttpLimits { connections: 1, connect_timeout, ..HttpLimits::default() };
        for (limits, of_host) in
            [(at_once, 1024), (connections, 1024), (HttpLimits { connect_timeout, ..HttpLimits::default() }, 1)]
        {
            let upstream = Upstream::answering(answer).await;
            let grant = grant_of(UpstreamClient::new(of_host, Vec::new()), &[&upstream.url("")], limits);
            let calls = InvocationCalls::new(grant.limits());
            let get = || grant.start(&calls, request("GET", &upstream.url("/"), UpstreamBody::Empty));
            // A busy machine may not connect within so short a time.
            let held = loop {
                match get().await {
                    Ok(response) => break response,
                    Err(failure) => assert_eq!(Some(failure), late),
                }
            };
            assert_eq!(get().await.err(), late);
            drop(held);
            // The slot and the permits come back with the end of the connection's task.
            let again = loop {
                match get().await {
                    Ok(response) => break response,
                    Err(failure) => assert_eq!(Some(failure), late),
                }
            };
            drop(again);
        }
    });
}

#[test]
fn an_idle_connection_gives_way_to_one_that_is_needed() {
    on_a_worker(async {
        let answer = b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok";
        let (one, other) = (Upstream::answering(answer).await, Upstream::answering(answer).await);
        let limits = HttpLimits { connections: 1, ..HttpLimits::default() };
        let grant = grant(&[&one.url(""), &other.url("")], limits, StubResolver::new(&[]));
        for upstream in [&one, &other, &one, &other] {
            assert_eq!(get(&grant, &upstream.url("/")).await, ok("ok"));
        }
        assert_eq!((one.connections(), other.connections()), (2, 2));
    });
}
