//! WebSockets as a client sees them that is none of ours: the package `websockets` of Python, where it is installed.

use std::process::Command;

use crate::support::{TestServer, guest, run, skip, text, tls};

/// Says `held` at its end.
const CLIENT: &str = r#"
import ssl, sys
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

# It offers permessage-deflate, and is content without.
url = sys.argv[1]
if url.startswith("wss:"):
    # The certificate is one that the tests have made.
    from functools import partial
    context = ssl.create_default_context(cafile=sys.argv[2])
    connect = partial(connect, ssl=context)
with connect(url + "?set=Sec-WebSocket-Protocol:chat&subscribe=room", subprotocols=["chat", "other"]) as one:
    assert one.subprotocol == "chat", one.subprotocol
    one.send("echo=héllo")
    assert one.recv(10) == "héllo"
    one.send(["ec", "ho=", "in parts"])
    assert one.recv(10) == "in parts"
    one.send(bytes(range(256)) * 200)
    assert one.recv(10) == bytes(range(256)) * 200
    assert one.ping().wait(10)
    with connect(url) as other:
        other.send("publish=room:for all")
        assert other.recv(10) == "1"
    assert one.recv(10) == "for all"
    one.send("close-with=4001:enough")
    try:
        one.recv(10)
        raise SystemExit("it was not closed")
    except ConnectionClosedError as error:
        assert (error.rcvd.code, error.rcvd.reason) == (4001, "enough"), error
try:
    connect(url + "?body=no")
    raise SystemExit("it was opened")
except InvalidStatus as error:
    assert error.response.status_code == 200, error
print("held")
"#;

#[test]
fn a_client_of_another_make_agrees_with_the_host() {
    let installed = Command::new("python3").args(["-c", "import websockets.sync.client"]).output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return skip("WebSockets with a client of another make: python3 has no package `websockets`");
    }
    let server = TestServer::serving(guest::MESSAGES);
    let url = format!("{}/messages", server.urls()[0].replacen("http", "ws", 1));
    let certificate = tls::certificate_file();
    let ended = run(Command::new("python3").args(["-c", CLIENT, &url]).arg(certificate.path()));
    assert_eq!((text(&ended.stdout), text(&ended.stderr)), ("held\n", ""));
}
