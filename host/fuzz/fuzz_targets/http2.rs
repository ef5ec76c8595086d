//! A whole connection of HTTP/2 behind its preface, without a socket. Whatever comes, and however it is split, it ends, what is
//! sent is whole frames on streams of the client, and not much more than what came.

#![no_main]

use host_fuzz::http2::Http2Server;
use host_fuzz::pieces;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut server = Http2Server::default();
    server.open();
    pieces(data).into_iter().for_each(|piece| server.receive(piece));
    server.end();
});
