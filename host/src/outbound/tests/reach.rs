//! Who is reached, and who is not.

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 x\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn nobody_is_reached_whom_the_grant_does_not_name() {
    on_a_worker(async {
        let upstream = Upstream::answering(OK).await;
        let grant = grant(&["http://other.example"], HttpLimits::default(), StubResolver::new(&[]));
        assert_eq!(get(&grant, &upstream.url("/")).await, Err(UpstreamFailure::Denied));
        assert_eq!(upstream.connections(), 0);
    });
}

#[test]
fn a_name_that_leads_to_a_special_address_is_refused_unless_its_network_is_granted() {
    on_a_worker(async {
        let upstream = Upstream::answering(OK).await;
        let addresses = [
            "127.0.0.1",
            "10.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "fe80::1",
            "fd00::1",
        ];
        let url = format!("http://a.example:{}/", upstream.port);
        for address in addresses {
            let resolver = StubResolver::new(&[("a.example", &[address])]);
            let grant = grant(&["http://*.example:*", "http://a.example:*"], HttpLimits::default(), resolver);
            let prohibited = UpstreamFailure::AddressProhibited(address.parse().expect("an address"));
            assert_eq!(get(&grant, &url).await, Err(prohibited));
        }
        assert_eq!(upstream.connections(), 0);
        let private = vec!["127.0.0.1/32".parse().expect("a network")];
        let resolver = StubResolver::new(&[("a.example", &["127.0.0.1"])]);
        let grant = grant(&["http://a.example:*"], HttpLimits { private, ..HttpLimits::default() }, resolver);
        assert_eq!(get(&grant, &url).await, ok("ok"));
    });
}

#[test]
fn of_several_addresses_only_those_that_may_be_reached_are_tried() {
    on_a_worker(async {
        let upstream = Upstream::answering(OK).await;
        let private = vec!["127.0.0.1/32".parse().expect("a network")];
        // Nothing is sent to the first: it would answer, too.
        let resolver = StubResolver::new(&[("a.example", &["127.0.0.2", "::1", "127.0.0.1"])]);
        let grant = grant(&["http://a.example:*"], HttpLimits { private, ..HttpLimits::default() }, resolver);
        assert_eq!(get(&grant, &format!("http://a.example:{}/", upstream.port)).await, ok("ok"));
        assert_eq!(upstream.connections(), 1);
    });
}

#[test]
fn a_name_is_looked_up_once_for_a_connection() {
    on_a_worker(async {
        let upstream = Upstream::answering(OK).await;
        let private = vec!["127.0.0.1/32".parse().expect("a network")];
        let resolver = StubResolver::new(&[("a.example", &["127.0.0.1"])]);
        let grant = grant(&["http://a.example:*"], HttpLimits { private, ..HttpLimits::default() }, resolver.clone());
        for _ in 0..3 {
            assert_eq!(get(&grant, &format!("http://a.example:{}/", upstream.port)).await, ok("ok"));
        }
        assert_eq!(resolver.lookups.load(Ordering::Relaxed), 1);
    });
}

#[test]
fn an_address_is_a_grant_for_itself_and_is_not_looked_up() {
    on_a_worker(async {
        let upstream = Upstream::answering(OK).await;
        let resolver = StubResolver::new(&[]);
        let grant = grant(&[&upstream.url("")], HttpLimits::default(), resolver.clone());
        assert_eq!(get(&grant, &upstream.url("/")).await, ok("ok"));
        assert_eq!(resolver.lookups.load(Ordering::Relaxed), 0);
        let redirected = get(&grant, &format!("http://127.0.0.2:{}/", upstream.port)).await;
        assert_eq!(redirected, Err(UpstreamFailure::Denied));
    });
}

#[test]
fn a_redirect_is_a_response_like_any_other() {
    on_a_worker(async {
        let upstream =
            Upstream::answering(b"HTTP/1.1 302 x\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n")
                .await;
        assert_eq!(get(&upstream.grant(), &upstream.url("/")).await, Ok((302, Vec::new())));
        assert_eq!(upstream.connections(), 1);
    });
}

#[test]
fn a_name_without_an_address_and_a_closed_port_are_told_apart() {
    on_a_worker(async {
        let grant = grant(&["http://a.example", "http://127.0.0.1:*"], HttpLimits::default(), StubResolver::new(&[]));
        let lookup = get(&grant, "http://a.example/").await;
        assert_eq!(lookup, Err(UpstreamFailure::Lookup("there is no such name".to_owned())));
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            listener.local_addr().expect("its address").port()
        };
        assert_eq!(get(&grant, &format!("http://127.0.0.1:{port}/")).await, Err(UpstreamFailure::Refused));
    });
}

/// A resolver whose look-ups never end. It keeps their permits.
#[derive(Debug, Default)]
struct StuckResolver(Mutex<Vec<LookupPermit>>);

impl StuckResolver {
    fn lookups(&self) -> usize {
        self.0.lock().expect("no holder has panicked").len()
    }
}

impl Resolve for StuckResolver {
    fn resolve(&self, _: &str, permit: LookupPermit) -> ResolveFuture {
        self.0.lock().expect("no holder has panicked").push(permit);
        Box::pin(std::future::pending())
    }
}

#[test]
fn a_route_whose_names_are_slow_leaves_look_ups_to_others() {
    on_a_worker(async {
        let resolver = Arc::new(StuckResolver::default());
        let client = || UpstreamClient::default().with_resolver(resolver.clone());
        let limits = HttpLimits { connect_timeout: Duration::from_millis(20), ..HttpLimits::default() };
        let late = Err(UpstreamFailure::ConnectTimeout(limits.connect_timeout));
        let (one, other) = (
            grant_of(client(), &["http://*.example"], limits.clone()),
            grant_of(client(), &["http://b.example"], limits),
        );
        // A look-up holds its permit after its request was given up, since nothing ends its thread.
        for _ in 0..6 {
            assert_eq!(get(&one, "http://a.example/").await, late);
        }
        assert_eq!(resolver.lookups(), 4);
        assert_eq!(get(&other, "http://b.example/").await, late);
        assert_eq!(resolver.lookups(), 5);
        resolver.0.lock().expect("no holder has panicked").clear();
        assert_eq!(get(&one, "http://a.example/").await, late);
        assert_eq!(resolver.lookups(), 1);
    });
}
