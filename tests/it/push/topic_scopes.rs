//! Whose topics a route shares, and what it may take of them.

use std::time::Duration;

use host::close_reason::CloseReason;
use host::diagnostic::Severity;

use crate::support::wire::get;
use crate::support::{Client, RoutesDir, TestServer, guest};

/// A routes directory with the guest `script` at `/DIRECTORY` for each of these directories, with options.
fn directories(routes: &[(&str, &str)]) -> RoutesDir {
    routes.iter().fold(RoutesDir::new(), |directory, (name, options)| {
        let route_file = format!("path = '/{name}'\n{options}");
        directory
            .with_as(&format!("{name}/script.wasm"), guest::SCRIPT)
            .with_file(&format!("{name}/script.toml"), &route_file)
    })
}

fn serve(routes: &[(&str, &str)]) -> TestServer {
    let server = TestServer::start(directories(routes));
    assert_eq!(server.diagnostics(), []);
    server
}

/// A connection that the handler at `path` has left open with topic `a`.
#[track_caller]
fn listen(server: &TestServer, path: &str) -> Client {
    let mut client = server.connect();
    client.send(get(&format!("{path}?subscribe=a&write=one&manual")));
    client.read_until("3\r\none\r\n");
    client
}

/// What the handler at `path` reports that has run `commands`.
#[track_caller]
fn report(server: &TestServer, path: &str, commands: &str) -> String {
    let response = server.get(&format!("{path}?{commands}&report"));
    response.rsplit("\r\n").nth(3).unwrap_or_default().to_owned()
}

#[test]
fn a_route_can_neither_receive_nor_publish_nor_finish_in_the_topics_of_another_directory() {
    let server = serve(&[("rooms", ""), ("stranger", ""), ("rooms/inner", "")]);
    let mut listener = listen(&server, "/rooms");
    let mut spies = [listen(&server, "/stranger"), listen(&server, "/rooms/inner")];
    for path in ["/stranger", "/rooms/inner"] {
        // They reach themselves alone.
        assert_eq!(report(&server, path, "publish=a:forged&finish=a"), "publish: 1\nfinish: 1\n");
    }
    assert_eq!(report(&server, "/rooms", "publish=a:two"), "publish: 1\n");
    listener.expect("3\r\ntwo\r\n");
    spies.iter_mut().for_each(|spy| spy.expect("6\r\nforged\r\n0\r\n\r\n"));
}

#[test]
fn the_routes_of_a_directory_and_those_with_the_same_topics_option_share_topics() {
    let routes = directories(&[("rooms", "topics = 'chat'"), ("desk", "topics = 'chat'")]);
    let routes = routes.with_as("rooms/other.wasm", guest::SCRIPT).with_file("rooms/other.toml", "path = '/other'");
    let routes = routes.with_as("rooms/third.wasm", guest::SCRIPT).with_file("rooms/third.toml", "path = '/third'");
    let server = TestServer::start(routes);
    let mut listeners = ["/rooms", "/desk", "/other", "/third"].map(|path| listen(&server, path));
    assert_eq!(report(&server, "/desk", "publish=a:chat"), "publish: 2\n");
    assert_eq!(report(&server, "/third", "publish=a:directory"), "publish: 2\n");
    listeners[..2].iter_mut().for_each(|listener| listener.expect("4\r\nchat\r\n"));
    listeners[2..].iter_mut().for_each(|listener| listener.expect("9\r\ndirectory\r\n"));
}

#[test]
fn a_component_can_choose_neither_its_topic_scope_nor_its_grants() {
    let routes = directories(&[("rooms", "topics = 'chat'")]).with_as("stranger/claims.wasm", guest::CLAIMS_TOPICS);
    let server = TestServer::start(routes);
    assert!(server.diagnostics().iter().all(|warning| warning.severity == Severity::Warning));
    let mut reasons: Vec<&str> = server.diagnostics().iter().map(|warning| &*warning.reason).collect();
    reasons.sort_unstable();
    let expected = ["what it is granted", "whose topics it shares"];
    assert_eq!(reasons, expected.map(|says| format!("its declaration says {says}, which is not its to say")));
    let mut listener = listen(&server, "/rooms");
    assert!(server.get("/stranger/claims?a").ends_with("1\r\n0\r\n0\r\n\r\n"), "it reaches nobody");
    listener.expect_silence(Duration::from_millis(50));
}

#[test]
fn a_flood_in_another_directory_disconnects_no_subscriber_and_loses_it_no_chunk() {
    let server = serve(&[("rooms", "topics = 'chat'\nrate = 20_000\nburst = 500"), ("flood", "topics = 'chat'")]);
    // It takes 20 kB a second: a quarter of the flood would be more than it may have waiting.
    let mut listener = listen(&server, "/rooms");
    for _ in 0..20 {
        report(&server, "/flood", &["publish-bytes=a:16000"; 16].join("&"));
    }
    assert_eq!(report(&server, "/rooms", "publish=a:from%20home"), "publish: 1\n");
    assert!(server.pushed().dropped > 0);
    listener.read_until("9\r\nfrom home\r\n");
    assert_eq!(server.closed(CloseReason::Lagging), 0);
}

#[test]
fn past_its_quotas_a_route_is_refused_and_others_are_not() {
    let limited = "max_topics = 2\nmax_subscribers = 1\npublish_rate = 1000\n";
    let server = serve(&[("limited", limited), ("free", "")]);
    let too_many = report(&server, "/limited", "subscribe=a&subscribe=b&subscribe=c&subscribe=a");
    assert_eq!(too_many, "subscribe: ok\nsubscribe: ok\nsubscribe: too-large\nsubscribe: ok\n");
    let _listener = listen(&server, "/limited");
    assert_eq!(report(&server, "/limited", "subscribe=a"), "subscribe: too-large\n");
    // A second's worth, or the largest chunk; what is refused reaches nobody.
    let published = report(&server, "/limited", "publish-bytes=a:60000&publish-bytes=a:60000");
    assert_eq!(published, "publish-bytes: 1\npublish-bytes: too-large\n");
    let _other = listen(&server, "/free");
    assert_eq!(report(&server, "/free", "subscribe=b&publish-bytes=a:60000"), "subscribe: ok\npublish-bytes: 1\n");
}

#[test]
fn an_invalid_topics_option_is_reported() {
    for wrong in ["topics = 1", "topics = ''", "topics = ['a']", "topics = \"a\\u0000b\""] {
        let server = TestServer::start(directories(&[("rooms", wrong)]));
        let [error] = server.diagnostics() else { panic!("{wrong}: {:?}", server.diagnostics()) };
        assert!(
            error.to_string().contains("line 2: `topics` is something else; expected a name of 1 to 128"),
            "{error}"
        );
    }
    let routes =
        RoutesDir::new().with_as("_middleware.wasm", guest::LAYER).with_file("_middleware.toml", "topics = 'a'");
    let server = TestServer::start(routes.with(guest::SCRIPT));
    assert!(server.diagnostics()[0].to_string().contains("a middleware has no `topics`"), "{:?}", server.diagnostics());
}
