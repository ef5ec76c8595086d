//! A whole connection: bytes in, bytes out. Whatever comes, and however it is split, what is sent is the same, is made
//! of well-formed responses alone, one for each request, and says `close` exactly where the connection is closed.

#![no_main]

use host_fuzz::client;
use host_fuzz::echo::EchoServer;
use host_fuzz::pieces;
use libfuzzer_sys::fuzz_target;

fn serve(pieces: &[&[u8]]) -> EchoServer {
    let mut connection = EchoServer::default();
    pieces.iter().for_each(|piece| connection.receive(piece));
    connection
}

fuzz_target!(|data: &[u8]| {
    let pieces = pieces(data);
    let connection = serve(&[&pieces.concat()]);
    let split = serve(&pieces);
    assert_eq!(split.output.escape_ascii().to_string(), connection.output.escape_ascii().to_string());
    assert_eq!(split.is_closed(), connection.is_closed());
    client::read(&connection.output, &connection.head_only, connection.is_closed());
});
