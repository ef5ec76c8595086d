//! Benchmarks of parts of every request: parsing a head, encoding a chunk, reserving from a rate.
//!
//! divan's arguments apply: `cargo bench --bench micro -- parse` runs the benchmarks with `parse` in their name.

use std::fmt;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use host::http::date::Date;
use host::http::version::Version;
use host::http1::encoder::{Http1Encoder, Http1Options};
use host::http1::head::{HeadLimits, HeadParser};
use host::rate::TokenBucket;
use host::response::{Response, ResponseOptions};

/// Calls per sample. divan would derive too few from a first, cold call.
const CALLS: u32 = 1000;

const DATE: Date = *b"Sun, 06 Nov 1994 08:49:37 GMT";

const CURL: &str = "GET /hello HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nUser-Agent: curl/8.14.1\r\nAccept: */*\r\n\r\n";

const BROWSER: &str = "GET /page/7?q=a&ids[]=1 HTTP/1.1\r\nHost: example.com\r\nConnection: keep-alive\r\n\
    Cache-Control: max-age=0\r\nsec-ch-ua: \"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\n\
    sec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) \
    AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,\
    application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8\r\nSec-Fetch-Site: none\r\n\
    Sec-Fetch-Mode: navigate\r\nSec-Fetch-User: ?1\r\nSec-Fetch-Dest: document\r\nAccept-Encoding: gzip, deflate, br, \
    zstd\r\nAccept-Language: en-US,en;q=0.9\r\nCookie: session=0123456789abcdef0123456789abcdef; theme=dark\r\n\r\n";

fn main() {
    divan::main();
}

/// A request head, displayed by its name.
struct Head {
    name: &'static str,
    bytes: String,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {} B", self.name, self.bytes.len())
    }
}

fn heads() -> [Head; 3] {
    let fields: String = (0..63).map(|at| format!("X-Field-{at}: value of field {at}\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: example.com\r\n{fields}\r\n");
    [("curl", CURL.to_owned()), ("browser", BROWSER.to_owned()), ("64 fields", many)]
        .map(|(name, bytes)| Head { name, bytes })
}

#[divan::bench(args = heads(), sample_size = CALLS)]
fn parse_head(bencher: Bencher, head: &Head) {
    let head = head.bytes.as_bytes();
    let (mut parser, limits, mut input) = (HeadParser::default(), HeadLimits::default(), BytesMut::new());
    bencher.counter(BytesCount::of_slice(head)).bench_local(|| {
        input.extend_from_slice(black_box(head));
        let parsed = parser.parse(&mut input, &limits);
        assert!(matches!(black_box(parsed), Ok(Some(_))));
    });
}

#[divan::bench(args = [64, 16 * 1024], sample_size = CALLS)]
fn encode_chunk(bencher: Bencher, size: usize) {
    let buffer_size = 16 * 1024;
    let framing = Http1Options {
        version: Version::Http11,
        keep_alive: true,
        awaits_continue: false,
        chunked: true.into(),
        buffer_size,
    };
    let options = ResponseOptions { head_only: false, status: 200, coalesce: 0, buffer_size };
    let encoder = Http1Encoder::new(framing, BytesMut::new());
    let (mut response, piece) = (Response::new(options, b"text/plain", encoder), vec![b'x'; size]);
    bencher.counter(BytesCount::new(size)).bench_local(|| {
        let written = response.write(black_box(&piece), DATE);
        assert_eq!(written, Ok(()));
        response.advance(black_box(response.output()).len());
    });
}

/// One reservation of 10 KiB at 2 MiB/s, 5 ms after the previous one.
#[divan::bench(sample_size = CALLS)]
fn reserve_from_a_rate(bencher: Bencher) {
    let mut now = Instant::now();
    let rate = NonZeroU64::new(2 << 20).expect("a rate above 0");
    let mut bucket = TokenBucket::new(rate, 20_971, now);
    bencher.bench_local(|| {
        now += Duration::from_micros(5000);
        black_box(bucket.reserve(black_box(10_485), now));
    });
}
