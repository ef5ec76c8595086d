//! Which connection is evicted for which. The tests set the time.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::task::Wake;

use tokio::net::TcpStream;

use super::*;
use crate::net::Stream;

const SECOND: Duration = Duration::from_secs(1);

/// A moment at which every connection has been open for long.
const NOW: Duration = Duration::from_secs(1000);

const ONE: &str = "192.0.2.1";
const OTHER: &str = "192.0.2.2";

struct Served {
    peer: Peer,
    _permit: ConnectionPermit,
    socket: Arc<ClientSocket>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Served {
    /// Marks it as idle since `second` seconds after the start.
    fn rest(self, second: u64) -> Self {
        self.socket.note_busy();
        assert!(self.socket.note_idle(|| IdleSince::new(Duration::from_secs(second), 0)));
        self
    }

    fn serve(self) -> Self {
        assert!(self.socket.note_busy());
        self
    }

    /// Whether it was evicted and its task was woken.
    fn gives_way(&self) -> bool {
        let evicted = !self.socket.note_idle(|| panic!("it is idle"));
        assert_eq!(self.woken.0.load(Ordering::Relaxed), usize::from(evicted));
        evicted
    }
}

fn table(most: usize, per_client: usize) -> Arc<ConnectionTable> {
    let per_client =
        NonZeroUsize::new(per_client).map_or(ConnectionsPerClient::Unbounded, ConnectionsPerClient::AtMost);
    let limits = Limits { max_connections: most, max_connections_per_client: per_client, ..Limits::default() };
    Arc::new(ConnectionTable::new(&limits))
}

fn peer(address: &str) -> Peer {
    let address: IpAddr = address.parse().expect("it is an address");
    SocketAddr::new(address, 40_000).into()
}

/// A socket that is connected to nobody.
fn unconnected() -> TcpStream {
    let socket =
        socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).expect("a socket can be made");
    socket.set_nonblocking(true).expect("a socket need not block");
    TcpStream::from_std(socket.into()).expect("the runtime takes a socket")
}

/// A connection that was accepted at `now` and that a worker serves.
fn open_of(table: &Arc<ConnectionTable>, peer: Peer, now: Duration, socket: TcpStream) -> Result<Served, CloseReason> {
    let mut permit = table.open_at(&peer, now).expect("few are refused");
    if let Some(reason) = permit.refused() {
        return Err(reason);
    }
    let socket = Arc::new(ClientSocket::new(Stream::Tcp(socket), peer.client_key(), IdleSince::new(now, 0)));
    let woken = Arc::new(Woken::default());
    permit.register(&socket, &Waker::from(woken.clone()));
    Ok(Served { peer, _permit: permit, socket, woken })
}

fn open_over(table: &Arc<ConnectionTable>, at: &str, now: Duration, socket: TcpStream) -> Result<Served, CloseReason> {
    open_of(table, peer(at), now, socket)
}

fn open(table: &Arc<ConnectionTable>, peer: &str) -> Result<Served, CloseReason> {
    open_over(table, peer, NOW, unconnected())
}

#[track_caller]
fn admit(table: &Arc<ConnectionTable>, peer: &str) -> Served {
    open(table, peer).unwrap_or_else(|reason| panic!("{peer}: {}", reason.explain()))
}

#[track_caller]
fn refuse(table: &Arc<ConnectionTable>, peer: &str) -> CloseReason {
    open(table, peer).err().expect("it is refused")
}

#[tokio::test]
async fn at_the_bound_the_connection_that_is_idle_for_longest_gives_way_and_busy_ones_never_do() {
    let table = table(3, 0);
    let (second, first) = (admit(&table, ONE).rest(20), admit(&table, OTHER).rest(10));
    let busy = admit(&table, ONE).serve();
    let mut others = vec![admit(&table, OTHER).serve()];
    assert!(first.gives_way() && !second.gives_way());
    others.push(admit(&table, OTHER).serve());
    assert!(second.gives_way());
    assert_eq!(refuse(&table, OTHER), CloseReason::Overloaded);
    let idle_again = busy.rest(30);
    others.push(admit(&table, OTHER).serve());
    assert!(idle_again.gives_way());
}

#[tokio::test]
async fn within_one_tick_of_the_clock_the_first_that_was_idle_gives_way() {
    let table = table(2, 0);
    let (second, first) = (admit(&table, ONE).serve(), admit(&table, ONE).serve());
    first.socket.note_idle(|| IdleSince::new(NOW, 7));
    second.socket.note_idle(|| IdleSince::new(NOW, 8));
    let _newcomer = admit(&table, ONE).serve();
    assert!(first.gives_way() && !second.gives_way());
}

#[tokio::test]
async fn a_client_at_its_bound_gives_way_to_itself_and_not_to_others() {
    let table = table(100, 2);
    let longest = admit(&table, OTHER).rest(1);
    let own = [admit(&table, ONE).rest(20), admit(&table, ONE).rest(10)];
    let _newcomer = admit(&table, ONE).serve();
    assert!(!longest.gives_way() && !own[0].gives_way() && own[1].gives_way());
    let _newcomer = admit(&table, ONE).serve();
    assert!(!longest.gives_way() && own[0].gives_way());
    assert_eq!(refuse(&table, ONE), CloseReason::ClientOverloaded);
    admit(&table, OTHER);
}

#[tokio::test]
async fn a_client_that_is_within_its_bound_takes_the_place_of_one_that_holds_all() {
    let table = table(50, 0);
    let hog: Vec<Served> = (1..=50).map(|second| admit(&table, ONE).rest(second)).collect();
    let others: Vec<Served> = (0..10).map(|_| admit(&table, OTHER).serve()).collect();
    assert_eq!(hog.iter().filter(|served| served.gives_way()).count(), others.len());
    assert!(hog[..10].iter().all(Served::gives_way));
}

#[tokio::test]
async fn an_ipv6_network_of_64_bits_is_one_client_and_every_ipv4_address_another() {
    let table = table(100, 1);
    let _one = ["2001:db8:0:1::1", "2001:db8:0:2::1", ONE, OTHER].map(|peer| admit(&table, peer).serve());
    for peer in ["2001:db8:0:1::2", "2001:db8:0:2:ffff::", "::ffff:192.0.2.1", ONE] {
        assert_eq!(refuse(&table, peer), CloseReason::ClientOverloaded, "{peer}");
    }
    admit(&table, "2001:db8:0:3::1");
}

/// How many connections a client with this address may have.
fn bound(address: &str, max_connections_per_client: ConnectionsPerClient) -> usize {
    ConnectionTable::new(&Limits { max_connections_per_client, ..Limits::default() }).most_of(&peer(address))
}

#[test]
fn loopback_addresses_have_no_bound_unless_it_is_given() {
    let given = ConnectionsPerClient::AtMost(NonZeroUsize::new(7).expect("it is not 0"));
    for (address, by_default) in
        [("127.0.0.1", usize::MAX), ("::1", usize::MAX), ("::ffff:127.0.0.2", usize::MAX), (ONE, 1000)]
    {
        assert_eq!(bound(address, ConnectionsPerClient::default()), by_default, "{address}");
        assert_eq!(bound(address, given), 7, "{address}");
        assert_eq!(bound(address, ConnectionsPerClient::Unbounded), usize::MAX, "{address}");
    }
}

#[tokio::test]
async fn connections_without_an_address_are_no_client_and_give_way_like_others() {
    let table = table(3, 1);
    let open = || open_of(&table, Peer::Local, NOW, unconnected()).expect("it is admitted");
    let (idle, _busy) = (open().rest(10), [open().serve(), open().serve()]);
    let _newcomer = open().serve();
    assert!(idle.gives_way());
    assert_eq!(refuse(&table, ONE), CloseReason::Overloaded);
}

#[tokio::test]
async fn a_new_connection_that_has_sent_nothing_is_spared_for_a_second() {
    let table = table(1, 0);
    let new = admit(&table, ONE);
    assert_eq!(refuse(&table, OTHER), CloseReason::Overloaded);
    let late = NOW + SECOND - Duration::from_millis(10);
    assert_eq!(open_over(&table, OTHER, late, unconnected()).err(), Some(CloseReason::Overloaded));
    let _newcomer = open_over(&table, OTHER, NOW + SECOND, unconnected()).expect("it is admitted");
    assert!(new.gives_way());
}

#[tokio::test]
async fn a_connection_whose_request_is_there_unread_does_not_give_way() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port is free");
    let client = TcpStream::connect(listener.local_addr().expect("it listens")).await.expect("it is accepted");
    let (accepted, _) = listener.accept().expect("a client has connected");
    accepted.set_nonblocking(true).expect("a socket need not block");
    let accepted = TcpStream::from_std(accepted).expect("the runtime takes a socket");
    let table = table(1, 0);
    let served = open_over(&table, ONE, NOW, accepted).expect("it is admitted").rest(10);
    client.writable().await.expect("it is connected");
    client.try_write(b"GET").expect("there is room");
    let arrival = async {
        while !served.socket.has_unread() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(10 * SECOND, arrival).await.expect("what was sent arrives");
    assert_eq!(refuse(&table, OTHER), CloseReason::Overloaded);
    let mut input = bytes::BytesMut::new();
    assert_eq!(std::future::poll_fn(|cx| served.socket.poll_read(cx, &mut input)).await.expect("it is there"), 3);
    let _newcomer = admit(&table, OTHER);
    assert!(served.gives_way());
}

#[tokio::test]
async fn a_request_that_came_to_a_connection_that_gave_way_takes_the_place_of_another() {
    let table = table(2, 0);
    let (first, second) = (admit(&table, ONE).rest(10), admit(&table, ONE).rest(20));
    let newcomer = admit(&table, OTHER).serve();
    assert!(!first.socket.note_busy(), "it has given way");
    assert_eq!(table.readmit(&first.peer, &first.socket, Waker::noop()), Ok(()));
    assert!(second.gives_way() && first.socket.note_busy() && newcomer.socket.note_busy());
    assert!(!second.socket.note_busy(), "it has given way");
    assert_eq!(table.readmit(&second.peer, &second.socket, Waker::noop()), Err(CloseReason::Overloaded));
    drop((first, second, newcomer));
    assert_is_empty(&table);
}

#[tokio::test]
async fn many_that_are_idle_give_way_in_the_order_of_their_time() {
    let table = table(300, 0);
    let mut crowd: Vec<Option<Served>> = (0..300).map(|_| None).collect();
    // 7 and 300 have no common divisor, so each number occurs once.
    for number in (0..300).map(|number| number * 7 % 300) {
        crowd[number] = Some(admit(&table, ONE).rest(1 + number as u64));
    }
    let mut others = Vec::new();
    for number in 0..300 {
        // Long after the last search.
        let now = NOW + SECOND * u32::try_from(number).expect("a small number");
        others.push(open_over(&table, OTHER, now, unconnected()).expect("it is admitted").serve());
        let gone = crowd[number].take().expect("it was there");
        assert!(gone.gives_way() && !crowd[number..].iter().flatten().any(Served::gives_way), "{number}");
    }
}

#[tokio::test]
async fn a_search_of_many_connections_rests_before_the_next() {
    let (mut queue, mut searches) = (EvictionQueue::default(), 0);
    let socket =
        Arc::new(ClientSocket::new(Stream::Tcp(unconnected()), peer(ONE).client_key(), IdleSince::new(NOW, 0)));
    socket.note_busy();
    let mut search = |now| {
        let found = queue.search(now, |search| {
            searches += 1;
            (0..10_000).for_each(|_| search.offer(&socket));
        });
        assert!(!found);
        searches
    };
    assert_eq!((search(NOW), search(NOW), search(NOW + Duration::from_millis(9))), (1, 1, 1));
    assert_eq!(search(NOW + Duration::from_millis(10)), 2);
}

#[tokio::test]
async fn connections_that_come_and_go_at_the_bounds_leave_nothing_behind() {
    let table = table(8, 3);
    let mut open_ones: Vec<Served> = Vec::new();
    let mut random: u64 = 1;
    for round in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let choice = (random >> 33) as usize;
        let peer = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "192.0.2.3"][choice / 16 % 5];
        match choice % 4 {
            0 | 1 => open_ones.extend(open(&table, peer).map(Served::serve)),
            2 if !open_ones.is_empty() => {
                let served = &open_ones[choice / 16 % open_ones.len()];
                served.socket.note_idle(|| IdleSince::new(NOW, round));
            }
            _ if !open_ones.is_empty() => {
                let served = open_ones.swap_remove(choice / 16 % open_ones.len());
                // Half of the evicted connections have a request, and are served if they can be admitted again.
                if choice & 4 == 0
                    && !served.socket.note_busy()
                    && table.readmit(&served.peer, &served.socket, Waker::noop()).is_ok()
                {
                    open_ones.push(served);
                }
            }
            _ => {}
        }
        let within = open_ones.iter().filter(|served| served.socket.index().is_some()).count();
        assert_eq!(within, table.admitted.load(Ordering::Relaxed));
        assert!(within <= 8);
        assert_eq!(open_ones.len() - within, table.evicting.load(Ordering::Relaxed));
    }
    drop(open_ones);
    assert_is_empty(&table);
}

#[tokio::test]
async fn a_connection_that_no_worker_takes_gives_its_place_back() {
    let table = table(1, 1);
    drop(table.open_at(&peer(ONE), NOW));
    assert_is_empty(&table);
    let served = admit(&table, ONE).serve();
    let refused: Vec<_> = (0..=MAX_REFUSALS).map(|_| table.open_at(&peer(OTHER), NOW)).collect();
    assert_eq!(refused.iter().flatten().count(), MAX_REFUSALS, "past that they are told nothing");
    drop((served, refused));
    assert_is_empty(&table);
}

#[track_caller]
fn assert_is_empty(table: &ConnectionTable) {
    assert!(table.shards.iter().all(|shard| locked(shard).is_empty()));
    let counts = [&table.admitted, &table.refused, &table.evicting].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(counts, [0, 0, 0]);
}

/// A table that trusts the proxy 192.0.2.1.
fn behind_proxy(per_client: usize) -> Arc<ConnectionTable> {
    let most = NonZeroUsize::new(per_client).expect("it is not 0");
    let limits = Limits { max_connections_per_client: ConnectionsPerClient::AtMost(most), ..Limits::default() };
    let proxies = vec!["192.0.2.1".parse().expect("it is a proxy")];
    Arc::new(ConnectionTable::new(&limits).behind(proxies.into()))
}

#[test]
fn connections_of_a_trusted_proxy_are_bounded_together_only_and_the_requests_of_its_clients_each() {
    let table = behind_proxy(2);
    let (proxy, client, other) = (peer("192.0.2.1"), peer("198.51.100.1"), peer("198.51.100.2"));
    let _connections: Vec<_> = (0..5).map(|_| table.open(&proxy).expect("it is admitted")).collect();
    let requests: Vec<_> = (0..2).map(|_| table.forward(&client).expect("it is within its bound")).collect();
    assert!(table.forward(&client).is_none());
    assert!(table.forward(&other).is_some() && table.forward(&Peer::Local).is_some());
    drop(requests);
    assert!(table.forward(&client).is_some());
}

#[test]
fn a_connection_whose_client_a_proxy_names_counts_for_that_client() {
    let table = behind_proxy(1);
    let (proxy, client) = (peer("192.0.2.1"), peer("198.51.100.1"));
    let named = |client: &Peer| {
        let mut permit = table.open(&proxy).expect("it is admitted");
        permit.belongs_to(client);
        permit
    };
    let first = named(&client);
    assert_eq!(first.refused(), None);
    assert_eq!(named(&client).refused(), Some(CloseReason::ClientOverloaded));
    assert_eq!(named(&peer("198.51.100.2")).refused(), None);
    assert_eq!(named(&proxy).refused(), None, "a health check");
    drop(first);
    assert_eq!(named(&client).refused(), None);
}
