use std::net::Ipv4Addr;
use std::sync::mpsc::Sender;
use std::time::UNIX_EPOCH;

use proptest::prelude::*;

use super::*;
use crate::http::head::Version;
use crate::meter::Cost;

fn entry() -> Entry {
    Entry {
        time: UNIX_EPOCH + Duration::from_millis(784_111_777_042),
        client: Ipv4Addr::LOCALHOST.into(),
        asked: Some(asked("/hello?a=b")),
        status: Some(200),
        body: 11,
        wire: 151,
        route: Some("hello".into()),
        request: 17,
        end: End::Complete,
        took: Duration::from_micros(412),
        cost: Cost {
            queued: Duration::from_micros(1),
            instantiate: Duration::from_micros(9),
            run: Duration::from_nanos(2_999),
            paced: Duration::from_millis(300),
            memory: 65_536,
        },
    }
}

fn asked(target: &str) -> Asked {
    Asked { method: "GET".into(), target: target.into(), version: Version::Http11 }
}

/// One whose head could not be read.
fn unread() -> Entry {
    let (asked, route, took, cost) = (None, None, Duration::ZERO, Cost::default());
    Entry { asked, route, took, cost, status: Some(400), ..entry() }
}

fn line(format: Format, entry: &Entry) -> String {
    let mut line = String::new();
    format.write(entry, &mut line);
    line
}

#[test]
fn a_line_of_text_has_six_words_and_then_names() {
    let expected = "1994-11-06T08:49:37.042Z 127.0.0.1 GET /hello?a=b HTTP/1.1 200 body=11 wire=151 route=hello \
                    request=17 end=complete took=412 queued=1 instantiate=9 run=2 paced=300000\n";
    assert_eq!(line(Format::Text, &entry()), expected);
    let expected = "1994-11-06T08:49:37.042Z 127.0.0.1 - - - 400 body=11 wire=151 route=- request=17 end=complete \
                    took=0 queued=0 instantiate=0 run=0 paced=0\n";
    assert_eq!(line(Format::Text, &unread()), expected);
}

#[test]
fn a_line_of_json_is_one_object() {
    let expected = "{\"body\":11,\"client\":\"127.0.0.1\",\"end\":\"complete\",\"instantiate\":9,\"method\":\"GET\",\
                    \"paced\":300000,\"queued\":1,\"request\":17,\"route\":\"hello\",\"run\":2,\"status\":200,\
                    \"target\":\"/hello?a=b\",\"time\":\"1994-11-06T08:49:37.042Z\",\"took\":412,\
                    \"version\":\"HTTP/1.1\",\"wire\":151}\n";
    assert_eq!(line(Format::Json, &entry()), expected);
    let unread: serde_json::Value = serde_json::from_str(&line(Format::Json, &unread())).expect("it is JSON");
    assert_eq!((&unread["method"], &unread["status"]), (&serde_json::Value::Null, &400.into()));
}

proptest! {
    #[test]
    fn nobody_can_forge_a_line(target in any::<String>(), route in any::<String>()) {
        let entry = Entry { asked: Some(asked(&target)), route: Some(route.as_str().into()), ..entry() };
        let text = line(Format::Text, &entry);
        prop_assert!(text.bytes().all(|byte| byte == b'\n' || byte.is_ascii_graphic() || byte == b' '));
        prop_assert_eq!(text.matches('\n').count(), 1);
        if !target.is_empty() {
            prop_assert_eq!(text.split_whitespace().count(), 16);
        }
        let json = line(Format::Json, &entry);
        prop_assert_eq!(json.matches('\n').count(), 1);
        let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
        prop_assert_eq!(json["target"].as_str(), Some(target.as_str()));
    }
}

/// Takes a write only when it is told to, and then says what came.
struct Slow {
    go: Receiver<()>,
    came: Sender<String>,
}

impl Write for Slow {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.go.recv().map_err(io::Error::other)?;
        self.came.send(String::from_utf8_lossy(bytes).into_owned()).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_writer_that_is_held_up_holds_up_nobody_and_the_loss_is_counted() {
    let (go, waits) = channel();
    let (sends, came) = channel();
    let slow = Slow { go: waits, came: sends };
    let (log, writing) = AccessLog::start_with(Format::Text, Box::new(slow), None).expect("a thread can be started");
    // As many wait at most, and the writer has as many in its hands and one more.
    for _ in 0..3 * QUEUE {
        log.log(entry());
    }
    let dropped = log.dropped.load(Ordering::Relaxed);
    assert!(dropped >= QUEUE as u64 - 1, "{dropped}");
    for _ in 0..4 {
        go.send(()).expect("the writer waits");
    }
    drop((log, go));
    writing.finish();
    let lines: usize = came.iter().map(|lines| lines.lines().count()).sum();
    assert_eq!(lines as u64 + dropped, 3 * QUEUE as u64);
}

/// A disk that is full in the middle of the first line, and has room again later.
struct Full {
    writes: usize,
    came: Sender<Vec<u8>>,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writes += 1;
        let taken = match self.writes {
            1 => 10,
            2 => return Err(io::ErrorKind::StorageFull.into()),
            _ => bytes.len(),
        };
        self.came.send(bytes[..taken].to_vec()).map_err(io::Error::other)?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_broke_off_is_no_part_of_the_next() {
    let (sends, came) = channel();
    let full = Full { writes: 0, came: sends };
    let (log, writing) = AccessLog::start_with(Format::Text, Box::new(full), None).expect("a thread can be started");
    log.log(Entry { request: 1, ..entry() });
    // What is logged from here on is no longer written at once with it.
    let begun = came.recv().expect("the writer writes");
    log.log(Entry { request: 2, ..entry() });
    drop(log);
    writing.finish();
    let written: Vec<u8> = begun.into_iter().chain(came.iter().flatten()).collect();
    let expected = line_of(1)[..10].to_owned() + "\n" + &line_of(2);
    assert_eq!(String::from_utf8_lossy(&written), expected);
}

#[test]
fn a_file_is_appended_to_and_opened_anew() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let (path, kept) = (directory.path().join("access.log"), directory.path().join("access.log.1"));
    std::fs::write(&path, "before\n").expect("a file can be written");
    let (log, writing) =
        AccessLog::start(Format::Text, Destination::File(path.clone())).expect("the file can be opened");
    std::fs::rename(&path, &kept).expect("a file can be renamed");
    log.log(Entry { request: 1, ..entry() });
    log.reopen();
    log.log(Entry { request: 2, ..entry() });
    drop(log);
    writing.finish();
    let lines = |path| std::fs::read_to_string(path).expect("it is there");
    assert!(lines(&kept).starts_with("before\n"));
    assert!(lines(&path).contains("request=2"), "{}", lines(&path));
    assert_eq!(lines(&kept) + &lines(&path), "before\n".to_owned() + &line_of(1) + &line_of(2));
}

fn line_of(request: u64) -> String {
    line(Format::Text, &Entry { request, ..entry() })
}
