//! What a component of wasi:http sees of a request.

use crate::support::wire::CONTINUE;
use crate::support::{RoutesDir, TestServer, log};

use super::worlds::{WASI_02, WORLDS, World, report_in, reported};

/// The guest of a version at every path.
fn everywhere(world: World, name: &str) -> TestServer {
    let routes = RoutesDir::new().with_as(&format!("{name}.wasm"), world.script);
    TestServer::start(routes.with_file(&format!("{name}.toml"), "paths = ['/', '/{*rest}']"))
}

#[test]
fn the_path_is_the_one_that_the_client_sent() {
    for world in WORLDS {
        let server = everywhere(world, "paths");
        for path in ["/", "/a", "/a%20b", "/a%2Fb/%C3%A4", "/a//b/", "/a;b=c,d'()*"] {
            let target = format!("{path}?ask=path&report");
            assert_eq!(report_in(&server.get(&target)), [format!("path: {target}")], "{world:?}");
        }
        let report =
            server.exchange("GET http://other:81/a?ask=path&report HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
        assert_eq!(report_in(&report), ["path: /a?ask=path&report"]);
    }
}

#[test]
fn the_method_is_the_one_that_the_client_sent() {
    // A method that no route names is answered by the host.
    let options = "methods = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PURGE']";
    let methods = [
        ("GET", "Method::Get"),
        ("POST", "Method::Post"),
        ("PUT", "Method::Put"),
        ("DELETE", "Method::Delete"),
        ("OPTIONS", "Method::Options"),
        ("PATCH", "Method::Patch"),
        ("PURGE", "Method::Other(\"PURGE\")"),
    ];
    for world in WORLDS {
        let server = world.serve("methods", options);
        for (method, seen) in methods {
            let request =
                format!("{method} /script?ask=method&report HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n");
            assert_eq!(report_in(&server.exchange(request)), [format!("method: {seen}")], "{world:?}");
        }
    }
}

#[test]
fn the_authority_is_that_of_the_target_or_of_the_host_field_or_the_address() {
    for world in WORLDS {
        let server = world.serve("authorities", "");
        let address = server.address().to_string();
        let requests = [
            ("/script?{} HTTP/1.1\r\nHost: a.example:81\r\n", "a.example:81"),
            ("http://b.example:82/script?{} HTTP/1.1\r\nHost: a.example\r\n", "b.example:82"),
            ("/script?{} HTTP/1.0\r\nHost: a.example\r\n", "a.example"),
            ("/script?{} HTTP/1.0\r\n", &address),
        ];
        for (request, authority) in requests {
            let request = request.replace("{}", "ask=scheme&ask=authority&report");
            let response = server.exchange(format!("GET {request}Connection: close\r\n\r\n"));
            let report = format!("scheme: Scheme::Http\nauthority: {authority}\n");
            assert!(response.contains(&report), "{response} of {world:?}");
        }
    }
}

#[test]
fn fields_of_the_connection_and_host_are_hidden() {
    let fields = "X-A: 1\r\nx-a: 2\r\nConnection: close, x-dropped\r\nX-Dropped: 1\r\nKeep-Alive: 1\r\n\
        Proxy-Connection: close\r\nTE: deflate\r\nUpgrade: foo\r\nHTTP2-Settings: AAA\r\nAccept: a/b\r\nExpect: 100-continue\r\n\
        Content-Length: 0\r\n";
    for world in WORLDS {
        let server = world.serve("hidden", "");
        let request = format!("POST /script?ask=fields&report HTTP/1.1\r\nHost: it\r\n{fields}\r\n");
        let response = server.exchange(request);
        let response = response.strip_prefix(CONTINUE).unwrap_or(&response);
        let [report] = &report_in(response)[..] else { panic!("{response}") };
        assert_eq!(report, "fields: x-a=1;x-a=2;accept=a/b;expect=100-continue;content-length=0;", "{world:?}");
        for hidden in ["host", "Host", "connection", "x-dropped", "te", "upgrade", "transfer-encoding"] {
            let request = format!("POST /script?ask=field:{hidden}&report HTTP/1.1\r\nHost: it\r\n{fields}\r\n");
            let response = server.exchange(request);
            let response = response.strip_prefix(CONTINUE).unwrap_or(&response);
            assert_eq!(report_in(response), [format!("field:{hidden}: ")], "{world:?}");
        }
        let response = server.exchange(
            "POST /script?ask=fields&report HTTP/1.1\r\nHost: it\r\nConnection: close, te\r\nTE: trailers\r\n\
             Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        );
        assert_eq!(report_in(&response), ["fields: te=trailers;"], "{world:?}");
    }
}

#[test]
fn a_body_is_read_to_its_end_however_it_is_framed() {
    let framed = [
        "Content-Length: 10\r\n\r\nHelloWorld",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nHello\r\n5\r\nWorld\r\n0\r\n\r\n",
    ];
    for world in WORLDS {
        let server = world.serve("bodies", "");
        for body in framed {
            let post = |steps: &str| {
                server.exchange(format!("POST /script?{steps} HTTP/1.1\r\nHost: it\r\nConnection: close\r\n{body}"))
            };
            assert_eq!(report_in(&post("read&report")), ["read: 10 and closed"], "{world:?}");
            let echoed = post("append=content-length:10&set&echo&finish");
            assert_eq!(echoed, untyped!("Content-Length: 10\r\nConnection: close\r\n", "HelloWorld"), "{world:?}");
            if world.name == WASI_02.name {
                let spliced = post("append=content-length:10&set&splice&finish");
                assert_eq!(spliced, echoed);
            }
        }
        assert_eq!(reported(&server, "read"), ["read: 0 and closed"]);
    }
}

#[test]
fn a_body_is_read_in_pieces_as_they_come() {
    for world in WORLDS {
        let server = world.serve("pieces", "");
        let mut client = server.connect();
        client.send("POST /script?set&read-one=100&write=a&read-one=100&write=b&read-one=100&report HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\n");
        client.send("abc");
        client.expect(untyped_chunked!("1\r\na\r\n"));
        client.send("de");
        client.expect("1\r\nb\r\n");
        let report = "read-one: 3\nwrite: ok\nread-one: 2\nwrite: ok\nread-one: closed\n";
        client.expect(&format!("{:x}\r\n{report}\r\n0\r\n\r\n", report.len()));
    }
}

#[test]
fn a_body_is_consumed_once() {
    let server = WASI_02.serve("consumes", "");
    assert_eq!(reported(&server, "consume&consume"), ["consume: ok", "consume: ()"]);
}

#[test]
fn a_body_that_was_dropped_is_no_hindrance_for_the_connection() {
    for world in WORLDS {
        let server = world.serve("drops", "");
        for steps in ["drop-request&set-without-body", "read-one=1&drop-request&set-without-body", "set-without-body"] {
            let mut client = server.connect();
            client.send(format!("POST /script?{steps} HTTP/1.1\r\nHost: it\r\nContent-Length: 5\r\n\r\nHello"));
            client.expect(untyped!("Content-Length: 0\r\n", ""));
            client.send(get_and_close!("/script?set-without-body"));
            assert_eq!(client.read_to_end(), untyped!("Content-Length: 0\r\nConnection: close\r\n", ""));
        }
    }
}

#[test]
fn a_broken_body_is_an_error_of_its_stream_and_the_clients_fault() {
    let post = |server: &TestServer, steps: &str, body: &str| {
        let mut client = server.connect();
        client.send(format!(
            "POST /script?{steps} HTTP/1.1\r\nHost: it\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        // So the component runs, and waits for the body.
        client.expect(CONTINUE);
        client.exchange(body)
    };
    let bodies = [
        ("x\r\n", "400", "ErrorCode::HttpProtocolError"),
        ("5\r\nHello\r\n0\r\n\r\n", "413", "ErrorCode::HttpRequestBodySize"),
    ];
    for world in WORLDS {
        let server = world.serve("broken", "max_body = 4");
        for (body, status, error) in bodies {
            for end in ["trap", "set&drop-body", "set-error=internal-error"] {
                let response = post(&server, &format!("read&log&{end}"), body);
                assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response} of {world:?}");
            }
            // It can answer by itself.
            let response = post(&server, "read&status=422&set-without-body", body);
            assert!(response.starts_with("HTTP/1.1 422 "), "{response} of {world:?}");
            if world.name == WASI_02.name {
                log().wait_for(&[&world.route("broken"), error]);
            }
        }
        assert_eq!(log().with(&["ERROR", &world.route("broken")]), [""; 0]);
    }
}

#[test]
fn requests_to_other_servers_are_denied() {
    for world in WORLDS {
        let server = world.serve("outbound", "");
        for authority in ["127.0.0.1:1", "example.com", "localhost"] {
            let report = reported(&server, &format!("outbound={authority}"));
            assert_eq!(report, ["outbound: ErrorCode::HttpRequestDenied"], "{world:?}");
        }
    }
}

#[test]
fn random_bytes_are_as_many_as_were_asked_for() {
    for world in WORLDS {
        let server = world.serve("random", "");
        assert_eq!(reported(&server, "random=0&random=100"), ["random: 0", "random: 100"], "{world:?}");
    }
}
