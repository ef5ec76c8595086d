//! The bounds of connections: at them whoever is idle gives way, and only where nobody is are others answered 503.

use std::net::Ipv4Addr;
use std::num::NonZeroUsize;

use host::close_reason::CloseReason;
use host::config::{ConnectionsPerClient, Limits};

use crate::support::wire::{CONTINUE, HELLO_RESPONSE, TOO_MANY_CONNECTIONS};
use crate::support::{Client, End, Process, RoutesDir, TestServer, guest, wait_until};

/// The same for one client.
const TOO_MANY_OF_CLIENT: &str = host_response!(
    "503 Service Unavailable",
    "Retry-After: 1\r\n",
    49,
    "Connection: close\r\n",
    "there are too many connections from this address\n"
);

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

fn routes() -> RoutesDir {
    RoutesDir::new().with(guest::HELLO).with(guest::UPLOAD).with(guest::MANUAL).with(guest::MESSAGES)
}

fn bounded(change: impl FnOnce(&mut Limits)) -> TestServer {
    TestServer::builder(routes()).limits(change).start()
}

fn at_most(connections: usize) -> ConnectionsPerClient {
    ConnectionsPerClient::AtMost(NonZeroUsize::new(connections).expect("it is not 0"))
}

/// A request, served whole: then the connection is idle.
#[track_caller]
fn served(mut client: Client) -> Client {
    client.send(get!("/hello"));
    client.expect(HELLO_RESPONSE);
    client
}

/// A request whose handler waits for its body: the connection is busy.
#[track_caller]
fn busy(mut client: Client) -> Client {
    client.send("POST /upload HTTP/1.1\r\nHost: it\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    client.expect(CONTINUE);
    client
}

/// The body of that request.
#[track_caller]
fn finished(mut client: Client) -> Client {
    client.send("abc");
    assert!(client.read_response().starts_with("HTTP/1.1 200 OK\r\n"));
    client
}

#[test]
fn a_client_that_holds_every_place_without_a_request_locks_nobody_out() {
    let server = bounded(|limits| limits.max_connections = 20);
    let mut hog: Vec<Client> = (0..20).map(|_| served(server.connect())).collect();
    let _others: Vec<Client> = (0..5).map(|_| served(server.connect())).collect();
    let kept = hog.split_off(5);
    for mut client in hog {
        assert_eq!(client.read_to_end(), "", "those that were idle for longest are closed, without a byte");
    }
    assert_eq!(server.closed(CloseReason::Evicted), 5);
    kept.into_iter().for_each(|client| drop(served(client)));
}

#[test]
fn a_connection_that_has_sent_nothing_gives_way_too_once_it_had_its_time() {
    let server = bounded(|limits| limits.max_connections = 3);
    let mut silent: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    wait_until("a silent connection gives way", || {
        let mut client = server.connect();
        client.send(get!("/hello"));
        client.read_response() != TOO_MANY_CONNECTIONS
    });
    assert_eq!(silent[0].read_to_end(), "");
}

#[test]
fn what_is_not_idle_never_gives_way() {
    let server = bounded(|limits| limits.max_connections = 4);
    let with_body = busy(server.connect());
    let mut open = server.connect();
    open.send("GET /manual HTTP/1.1\r\nHost: it\r\n\r\n");
    open.read_until("4\r\none\n\r\n");
    let mut websocket = server.connect();
    websocket.open_websocket("/messages");
    // Its first half is read with the response to the request before it.
    let mut half = server.connect();
    half.send(concat!(get!("/hello"), "GET /hello HTTP/1.1\r\n"));
    half.expect(HELLO_RESPONSE);
    for _ in 0..10 {
        assert_eq!(server.connect().read_to_end(), TOO_MANY_CONNECTIONS);
    }
    half.send("Host: it\r\n\r\n");
    half.expect(HELLO_RESPONSE);
    served(server.connect());
    assert_eq!(half.read_to_end(), "", "it was idle then");
    drop(finished(with_body));
    assert_eq!((server.closed(CloseReason::Evicted), server.closed(CloseReason::Overloaded)), (1, 10));
}

#[test]
fn a_client_at_its_own_bound_gives_way_to_itself_or_is_answered_503_while_others_are_served() {
    let server = bounded(|limits| limits.max_connections_per_client = at_most(2));
    let connect = |from| server.connect_from(from);
    let other = served(connect(OTHER));
    let first = busy(connect(ONE));
    let mut second = served(connect(ONE));
    let third = busy(connect(ONE));
    assert_eq!(second.read_to_end(), "");
    assert_eq!(connect(ONE).read_to_end(), TOO_MANY_OF_CLIENT);
    let _others = [served(other), served(connect(Ipv4Addr::LOCALHOST))];
    let mut first = finished(first);
    served(connect(ONE));
    assert_eq!(first.read_to_end(), "");
    finished(third);
    assert_eq!(server.closed(CloseReason::ClientOverloaded), 1);
}

#[test]
fn many_clients_share_what_one_may_not_take_alone() {
    let server = bounded(|limits| (limits.max_connections, limits.max_connections_per_client) = (40, at_most(4)));
    let clients = (2..12).map(|last| Ipv4Addr::new(127, 0, 0, last));
    let connect = |from| server.connect_from(from);
    let mut all: Vec<Client> = clients.clone().flat_map(|from| [from; 4]).map(|from| busy(connect(from))).collect();
    assert_eq!(connect(ONE).read_to_end(), TOO_MANY_OF_CLIENT);
    assert_eq!(connect(Ipv4Addr::new(127, 0, 0, 200)).read_to_end(), TOO_MANY_CONNECTIONS);
    all = all.into_iter().map(finished).collect();
    let newcomers: Vec<Client> = clients.flat_map(|from| [from; 4]).map(|from| busy(connect(from))).collect();
    all.iter_mut().for_each(|client| assert_eq!(client.read_to_end(), ""));
    newcomers.into_iter().for_each(|client| drop(finished(client)));
}

#[test]
fn clients_that_come_and_go_at_the_bound_are_all_served() {
    let server = bounded(|limits| limits.max_connections = 3);
    let mut crowd: Vec<Client> = (0..200).map(|_| served(server.connect())).collect();
    let _kept = crowd.split_off(197);
    crowd.iter_mut().for_each(|client| assert_eq!(client.read_to_end(), ""));
    assert_eq!((server.closed(CloseReason::Evicted), server.closed(CloseReason::Overloaded)), (197, 0));
}

#[test]
fn whoever_asks_while_connections_give_way_gets_a_whole_answer_or_none() {
    let two = NonZeroUsize::new(2).expect("it is not 0");
    let server = TestServer::builder(routes()).workers(two).limits(|limits| limits.max_connections = 4).start();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = server.connect();
                for _ in 0..100 {
                    let sent = client.try_send(get!("/hello")).is_ok();
                    let answer = sent.then(|| client.read_response_if_any()).flatten();
                    if answer.as_deref() != Some(HELLO_RESPONSE) {
                        assert!(answer.is_none() || answer.as_deref() == Some(TOO_MANY_CONNECTIONS), "{answer:?}");
                        client = server.connect();
                    }
                }
            });
        }
    });
    // All places are free or idle again.
    wait_until("places are free", || {
        let mut client = server.connect();
        client.send(get!("/hello"));
        client.read_response() == HELLO_RESPONSE
    });
    let _all: Vec<Client> = (0..4).map(|_| busy(server.connect())).collect();
}

#[test]
fn the_flag_bounds_loopback_addresses_only_where_it_is_given_and_none_lifts_it() {
    for (flags, refuses) in [(&["--max-connections-per-client", "1"][..], true), (&[], false)] {
        let host = Process::start(&routes(), flags);
        let _first = busy(host.connect());
        if refuses {
            assert_eq!(host.connect().read_until_end(), (TOO_MANY_OF_CLIENT.to_owned(), End::Closed));
            host.stderr().wait_for(&["--max-connections-per-client none"]);
        } else {
            served(host.connect());
        }
    }
    for lifted in ["none", "0"] {
        let host = Process::start(&routes(), &["--max-connections-per-client", lifted]);
        let _many: Vec<Client> = (0..3).map(|_| busy(host.connect())).collect();
    }
}
