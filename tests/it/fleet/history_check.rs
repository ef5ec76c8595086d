//! That no event of a history goes missing silently: clients that are cut off at random and come back to any host, an engine that is
//! restarted, and a host that is killed. Each client sees every event once and in order, or a `reset`.
//!
//! With `VIBRATO_HISTORY_CHECK=large` in the environment there are 100,000 events and 300 clients.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::support::Process;
use crate::support::wire::get_and_close;

/// How much is checked.
struct Scale {
    topics: usize,
    events: u64,
    clients: usize,
    /// How often each client is cut off.
    cuts: usize,
    /// The most events that a client reads before it is cut off.
    most: u64,
}

const SMALL: Scale = Scale { topics: 3, events: 3_000, clients: 30, cuts: 4, most: 200 };
const LARGE: Scale = Scale { topics: 10, events: 100_000, clients: 300, cuts: 10, most: 900 };

/// How many events one request appends.
const BATCH: u64 = 25;

/// After this the check has failed.
const DEADLINE: Duration = Duration::from_secs(900);

/// What a client has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    /// Where it begins.
    Start,
    Event(String),
    Reset,
}

type Id = (String, u64);

/// What all take part in.
struct Check {
    scale: Scale,
    /// The hosts that clients connect to.
    hosts: Mutex<Vec<SocketAddr>>,
    /// How many events the publishers know to be there.
    appended: AtomicU64,
    /// The events that they know, by topic.
    known: Mutex<HashMap<(usize, Id), String>>,
    /// The id of the last event of each topic, once all is appended.
    ends: Mutex<HashMap<usize, Id>>,
    refused: AtomicUsize,
    /// How often clients were cut off and came back.
    cuts: AtomicUsize,
    is_over: AtomicBool,
    started: Instant,
}

/// Random numbers.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

impl Check {
    /// Whether it goes on.
    fn goes_on(&self) -> bool {
        assert!(self.started.elapsed() < DEADLINE, "it takes too long");
        !self.is_over.load(Ordering::Relaxed)
    }

    fn host(&self, random: &mut Random) -> SocketAddr {
        let hosts = self.hosts.lock().expect("no thread panics with it");
        hosts[usize::try_from(random.below(hosts.len() as u64)).expect("it is small")]
    }

    /// Appends the events to a topic, in one request. Returns the id of the last, if all are known to be there.
    fn append(&self, host: SocketAddr, topic: usize, data: &[String]) -> Option<Id> {
        let commands: Vec<String> = data.iter().map(|data| format!("event=t{topic}:{data}")).collect();
        let request = get_and_close(&format!("/script?{}&report", commands.join("&")));
        let mut socket = connect(host)?;
        socket.write_all(request.as_bytes()).ok()?;
        let lines = BufReader::new(socket).lines().map_while(Result::ok);
        let ids: Vec<Option<Id>> = lines.filter_map(|line| Some(id(line.strip_prefix("event: ")?))).collect();
        let mut known = self.known.lock().expect("no thread panics with it");
        for (data, id) in data.iter().zip(ids.iter().flatten()) {
            // If an earlier one of the request has failed, the data are those of another.
            if ids.iter().all(Option::is_some) {
                known.insert((topic, id.clone()), data.clone());
            }
        }
        let is_whole = ids.len() == data.len() && ids.iter().all(Option::is_some);
        self.refused.fetch_add(usize::from(!is_whole), Ordering::Relaxed);
        ids.last().filter(|_| is_whole).cloned().flatten()
    }

    /// Appends its part of the events.
    fn publish(&self, publisher: u64) {
        let mut random = Random(publisher);
        let mut number = 0;
        while self.appended.load(Ordering::Relaxed) < self.scale.events && self.goes_on() {
            let topic = usize::try_from(random.below(self.scale.topics as u64)).expect("it is small");
            let data: Vec<String> = (number..number + BATCH).map(|number| format!("{publisher}.{number}")).collect();
            number += BATCH;
            match self.append(self.host(&mut random), topic, &data) {
                Some(_) => drop(self.appended.fetch_add(BATCH, Ordering::Relaxed)),
                None => std::thread::park_timeout(Duration::from_millis(20)),
            }
        }
    }

    /// A client of a topic, with what it has seen.
    fn listen(&self, client: usize) -> Vec<(Id, Seen)> {
        let topic = client % self.scale.topics;
        let mut random = Random(client as u64 + 1000);
        let (mut seen, mut cuts): (Vec<(Id, Seen)>, usize) = (Vec::new(), 0);
        while self.goes_on() {
            let most = (cuts < self.scale.cuts).then(|| 1 + random.below(self.scale.most));
            let before = seen.len();
            self.read(self.host(&mut random), topic, most, &mut seen);
            cuts += usize::from(seen.len() > before);
            let last = seen.last().map(|(id, _)| id);
            if last.is_some() && self.ends.lock().expect("no thread panics with it").get(&topic) == last {
                break;
            }
        }
        self.cuts.fetch_add(cuts.saturating_sub(1), Ordering::Relaxed);
        seen
    }

    /// Reads on, until the connection ends, as many events have come, or it has the last one.
    fn read(&self, host: SocketAddr, topic: usize, most: Option<u64>, seen: &mut Vec<(Id, Seen)>) -> Option<()> {
        let mut socket = connect(host)?;
        let last = seen.last().map(|((epoch, offset), _)| format!("Last-Event-ID: {epoch}-{offset}\r\n"));
        let fields = format!("Host: it\r\n{}\r\n", last.unwrap_or_default());
        socket.write_all(format!("GET /script?resume=t{topic}&manual HTTP/1.1\r\n{fields}").as_bytes()).ok()?;
        let mut lines = BufReader::new(socket);
        let (mut count, mut pending): (u64, Option<Id>) = (0, None);
        while self.goes_on() {
            let mut line = String::new();
            match lines.read_line(&mut line) {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
            let line = line.trim_end();
            if let Some(text) = line.strip_prefix("id: ") {
                pending = Some(id(text).unwrap_or_else(|| panic!("{line:?} is no id")));
                continue;
            }
            let now = match (line, pending.is_some()) {
                ("event: reset", true) => Seen::Reset,
                ("", true) => Seen::Start,
                (line, true) => Seen::Event(line.strip_prefix("data: ").expect("it is an event").to_owned()),
                (_, false) => continue,
            };
            let now = (pending.take().expect("there is an id"), now);
            seen.push(now);
            count += 1;
            let has_ended = most.is_none() && {
                let ends = self.ends.lock().expect("no thread panics with it");
                ends.get(&topic) == seen.last().map(|(id, _)| id)
            };
            if has_ended || most == Some(count) {
                return Some(());
            }
        }
        None
    }
}

fn connect(host: SocketAddr) -> Option<TcpStream> {
    let socket = TcpStream::connect(host).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    Some(socket)
}

fn id(text: &str) -> Option<Id> {
    let (epoch, offset) = text.split_once('-')?;
    Some((epoch.to_owned(), offset.parse().ok()?))
}

/// Checks what a client of a topic has seen. Returns how often it was reset.
fn check_client(topic: usize, seen: &[(Id, Seen)], events: &mut HashMap<(usize, Id), String>) -> usize {
    let mut resets = 0;
    let mut before: Option<&Id> = None;
    for (id, what) in seen {
        match (what, before) {
            (Seen::Start, None) => {}
            (Seen::Start, Some(_)) => panic!("a client that has an id is not told where it begins: {id:?}"),
            // The same place again is harmless: it was reset twice without an event in between.
            (Seen::Reset, _) => resets += 1,
            (Seen::Event(data), before) => {
                let (epoch, offset) = before.expect("a client is told where it begins");
                assert!(*epoch == id.0 && offset + 1 == id.1, "{id:?} behind {before:?}: a gap or a double");
                let known = events.entry((topic, id.clone())).or_insert_with(|| data.clone());
                assert_eq!(known, data, "{id:?} is one event for all");
            }
        }
        before = Some(id);
    }
    resets
}

#[test]
fn the_check_sees_a_gap_a_double_and_another_event() {
    let seen = |offsets: &[u64], epoch: &str| -> Vec<(Id, Seen)> {
        let event = |offset: &u64| ((epoch.to_owned(), *offset), Seen::Event(format!("data of {offset}")));
        [vec![(("e".to_owned(), 3), Seen::Start)], offsets.iter().map(event).collect()].concat()
    };
    let fails = |seen: &[(Id, Seen)]| std::panic::catch_unwind(|| check_client(0, seen, &mut HashMap::new())).is_err();
    assert!(!fails(&seen(&[4, 5, 6], "e")));
    for (offsets, epoch) in [(&[5][..], "e"), (&[4, 4], "e"), (&[4, 6], "e"), (&[5, 4], "e"), (&[4], "f")] {
        assert!(fails(&seen(offsets, epoch)), "{offsets:?} of {epoch}");
    }
    let mut reset = seen(&[4, 9], "e");
    reset[2].1 = Seen::Reset;
    assert_eq!(check_client(0, &reset, &mut HashMap::new()), 1);
    let mut known = HashMap::from([((0, ("e".to_owned(), 4)), "other data".to_owned())]);
    let other = std::panic::catch_unwind(move || check_client(0, &seen(&[4], "e"), &mut known));
    assert!(other.is_err(), "one id is two events");
}

#[test]
fn no_event_goes_missing_silently() {
    let mut redis = redis!(Redis::with(&["--appendonly", "yes", "--appendfsync", "everysec"]));
    let is_large = std::env::var_os("VIBRATO_HISTORY_CHECK").is_some_and(|scale| scale == "large");
    let scale = if is_large { LARGE } else { SMALL };
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let routes = routes.with_file("script.toml", "history = 10_000\nhistory_seconds = 3_600\npublish_rate = 0");
    let url = redis.url();
    let processes: Vec<Process> = (0..3).map(|_| Process::start(&routes, &["--engine", &url])).collect();
    processes.iter().for_each(|process| drop(process.stderr().wait_for(&["connected to the engine"])));
    let check = Check {
        scale,
        hosts: Mutex::new(processes.iter().map(|process| process.addresses()[0]).collect()),
        appended: AtomicU64::new(0),
        known: Mutex::default(),
        ends: Mutex::default(),
        refused: AtomicUsize::new(0),
        cuts: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
        started: Instant::now(),
    };
    let appended = |part: u64| check.appended.load(Ordering::Relaxed) >= check.scale.events * part / 3;
    let seen: Vec<Vec<(Id, Seen)>> = std::thread::scope(|scope| {
        let check = &check;
        let clients: Vec<_> =
            (0..check.scale.clients).map(|client| scope.spawn(move || check.listen(client))).collect();
        let publishers: Vec<_> = (0..3).map(|publisher| scope.spawn(move || check.publish(publisher))).collect();
        // If the checks here fail, the threads end.
        let _over = Over(&check.is_over);
        wait_while(check, || !appended(1));
        redis.kill();
        redis.run();
        wait_while(check, || !appended(2));
        check.hosts.lock().expect("no thread panics with it").pop();
        processes[2].signal("KILL");
        publishers.into_iter().for_each(|publisher| publisher.join().expect("it publishes"));
        for topic in 0..check.scale.topics {
            let mut random = Random(0);
            let mut end = None;
            wait_while(check, || {
                end = check.append(check.host(&mut random), topic, &["end".to_owned()]);
                end.is_none()
            });
            check.ends.lock().expect("no thread panics with it").extend(end.map(|end| (topic, end)));
        }
        clients.into_iter().map(|client| client.join().expect("it listens")).collect()
    });
    let mut events = check.known.lock().expect("no thread panics with it").clone();
    let ends = check.ends.lock().expect("no thread panics with it");
    let (mut resets, mut count) = (0, 0);
    for (client, seen) in seen.iter().enumerate() {
        let topic = client % check.scale.topics;
        resets += check_client(topic, seen, &mut events);
        count += seen.len();
        assert_eq!(seen.last().map(|(id, _)| id), ends.get(&topic), "it has got to the end");
    }
    println!(
        "{} events, {} clients, {} cuts: {count} were seen in order, {resets} resets, {} requests refused, {:.1} s",
        check.appended.load(Ordering::Relaxed),
        check.scale.clients,
        check.cuts.load(Ordering::Relaxed),
        check.refused.load(Ordering::Relaxed),
        check.started.elapsed().as_secs_f64()
    );
}

/// Says that it is over when it is dropped while a check fails.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

fn wait_while(check: &Check, mut waits: impl FnMut() -> bool) {
    while waits() {
        assert!(check.goes_on(), "it is over");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
