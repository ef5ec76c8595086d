//! What every request passes, alone: parsing a head, encoding a piece, reserving of a rate.
//!
//! Prints the median of several rounds. There is no framework: the known ones change the features of what the server
//! is built with, and so would measure another build than the one that is run.

use std::hint::black_box;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use host::http::head::{HeadLimits, HeadParser, Version};
use host::http::response::{Date, Response, ResponseOptions};
use host::rate::TokenBucket;

const ROUNDS: usize = 15;
const ROUND: Duration = Duration::from_millis(40);

const DATE: &Date = b"Sun, 06 Nov 1994 08:49:37 GMT";

const CURL: &str = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n";

const BROWSER: &str = "GET /page/7?q=a&ids[]=1 HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\n\
    Cache-Control: max-age=0\r\nsec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\n\
    sec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,\
    application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\nSec-Fetch-Site: none\r\n\
    Sec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\nAccept-Encoding: gzip, deflate, br, \
    zstd\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";

fn main() {
    let fields: String = (0..63).map(|at| format!("X-Field-{at}: value of field {at}\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: example.com\r\n{fields}\r\n");
    for (name, head) in [("curl", CURL), ("browser", BROWSER), ("64 fields", &many)] {
        parse_head(name, head.as_bytes());
    }
    for (name, size) in [("64 B", 64), ("16 KiB", 16 * 1024)] {
        encode_chunk(name, size);
    }
    reserve();
}

fn parse_head(name: &str, head: &[u8]) {
    let (mut parser, limits, mut input) = (HeadParser::default(), HeadLimits::default(), BytesMut::new());
    measure(&format!("parse a head of {} bytes ({name})", head.len()), || {
        input.extend_from_slice(black_box(head));
        let parsed = parser.parse(&mut input, &limits);
        assert!(matches!(black_box(parsed), Ok(Some(_))));
    });
}

fn encode_chunk(name: &str, size: usize) {
    let options = ResponseOptions {
        version: Version::Http11,
        head_only: false,
        keep_alive: true,
        chunked: true,
        status: 200,
        coalesce: 0,
        buffer_size: 16 * 1024,
    };
    let (mut response, piece) = (Response::new(options, b"text/plain", BytesMut::new()), vec![b'x'; size]);
    measure(&format!("encode a chunk of {name}"), || {
        let written = response.write(black_box(&piece), DATE);
        assert_eq!(written, Ok(()));
        response.advance(black_box(response.output()).len());
    });
}

fn reserve() {
    let mut now = Instant::now();
    let rate = NonZeroU64::new(2 << 20).expect("a rate above 0");
    let mut bucket = TokenBucket::new(rate, 20_971, now);
    measure("reserve 10 KiB of a rate", || {
        now += Duration::from_micros(5000);
        black_box(bucket.reserve(black_box(10_485), now));
    });
}

/// Prints how long one call takes.
fn measure(name: &str, mut work: impl FnMut()) {
    let mut calls = 1;
    // As many calls as fill a round.
    while time(calls, &mut work) < ROUND {
        calls *= 2;
    }
    let mut rounds: Vec<f64> = (0..ROUNDS).map(|_| time(calls, &mut work).as_secs_f64() * 1e9 / calls as f64).collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:42} {:9.1} ns  (fastest {:.1})", rounds[ROUNDS / 2], rounds[0]);
}

fn time(calls: u64, work: &mut impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..calls {
        work();
    }
    start.elapsed()
}
