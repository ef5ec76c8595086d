//! Registries that lie, and files that are no longer what was fetched: nothing but the bytes of a digest is ever loaded.

use std::fs;
use std::time::Duration;

use host::oci::{ContentDigest, MAX_COMPONENT};
use serde_json::json;
use tempfile::TempDir;

use crate::support::registry::{Answer, FakeRegistry};
use crate::support::{RoutesDir, TestServer, guest, log, plain, plain_saying, wait_until};

/// How long a registry may take in these tests.
const PATIENCE: Duration = Duration::from_secs(3);

/// A registry, and a host that has what is in it at `/it`, if it can.
struct Scene {
    registry: FakeRegistry,
    cache: TempDir,
}

impl Scene {
    fn new() -> Self {
        Self { registry: FakeRegistry::start(), cache: TempDir::new().expect("a directory can be made") }
    }

    fn route_file(&self, version: &str) -> String {
        format!("component = \"{}\"", self.registry.reference(&format!("it{version}")))
    }

    fn serve(&self, version: &str) -> TestServer {
        let routes =
            RoutesDir::new().with_file("it.toml", &self.route_file(version)).with_bytes("local.wasm", &plain());
        let server = TestServer::builder(routes);
        let server = server.config(|config| {
            config.cache_directory = Some(self.cache.path().to_owned());
            config.oci.timeout = PATIENCE;
        });
        server.watched().start()
    }

    /// Serves it, which fails for this reason, while the other route serves.
    #[track_caller]
    fn assert_refused(&self, version: &str, reason: &str) {
        let server = self.serve(version);
        let told: Vec<String> = server.diagnostics().iter().map(ToString::to_string).collect();
        assert!(told.len() == 1 && told[0].contains(reason), "{reason} is not in {told:?}");
        assert!(server.get("/it").starts_with("HTTP/1.1 404 "));
        assert!(server.get("/local").contains("\r\nplain\r\n"));
    }
}

fn says(server: &TestServer, said: &str) -> bool {
    server.get("/it").contains(&format!("\r\n{said}\r\n"))
}

#[test]
fn what_the_registry_has_is_served() {
    let scene = Scene::new();
    let [digest, _] = scene.registry.push("1", &plain_saying("right"));
    for version in [":1".to_owned(), format!("@{digest}")] {
        let server = scene.serve(&version);
        assert!(server.diagnostics().is_empty(), "{:?}", server.diagnostics());
        assert!(says(&server, "right"), "{version}");
    }
}

#[test]
fn a_bit_that_flips_on_the_way_is_noticed() {
    let scene = Scene::new();
    let mut component = plain();
    let [digest, layer] = scene.registry.push("1", &component);
    *component.last_mut().expect("it has bytes") ^= 1;
    scene.registry.put(&format!("/v2/it/blobs/{layer}"), Answer::Content(component));
    scene.assert_refused(":1", &format!("the bytes of {layer} from the registry are others than its digest says"));
    let scene = Scene::new();
    scene.registry.push("1", &plain());
    let other = json!({ "layers": [] }).to_string().into_bytes();
    scene.registry.put(&format!("/v2/it/manifests/{digest}"), Answer::Content(other));
    scene.assert_refused(&format!("@{digest}"), &format!("the bytes of {digest} from the registry are others"));
    assert!(scene.cache.path().join("oci/sha256").read_dir().expect("it is there").next().is_none(), "nothing is kept");
}

#[test]
fn a_bit_that_flips_in_the_cache_is_noticed_and_fetched_anew() {
    let scene = Scene::new();
    let [digest, layer] = scene.registry.push("1", &plain_saying("right"));
    let version = format!("@{digest}");
    assert!(says(&scene.serve(&version), "right"));
    let flip = |digest: &ContentDigest| {
        let file = scene.cache.path().join("oci/sha256").join(digest.hex());
        let mut bytes = fs::read(&file).expect("it is kept");
        *bytes.last_mut().expect("it has bytes") ^= 1;
        fs::write(&file, bytes).expect("it can be written");
    };
    for altered in [&layer, &digest] {
        flip(altered);
        assert!(says(&scene.serve(&version), "right"), "{altered}");
    }
    flip(&layer);
    scene.registry.remove(&format!("/v2/it/blobs/{layer}"));
    scene.assert_refused(&version, "has nothing of that name");
}

#[test]
fn a_response_is_bounded_in_size_and_in_time() {
    let large = vec![b' '; 5 * 1024 * 1024];
    let cases: [(&str, Answer, &str); 9] = [
        ("a manifest without an end", Answer::Endless, "more bytes than such a response may have"),
        ("a manifest of 5 MiB", Answer::Content(large), "more bytes than such a response may have"),
        ("a manifest that says 100 MiB", Answer::WrongLength(b"{}".to_vec(), 100 << 20), "gives no answer"),
        (
            "a manifest that is too short",
            Answer::WrongLength(b"{}".to_vec(), 1000),
            "gives no answer: the response is incomplete",
        ),
        ("slow bytes", Answer::Slow(50), "the registry has taken longer than 3s"),
        ("a redirect to itself", Answer::Redirect("/v2/it/manifests/1".to_owned()), "more than 3 redirects"),
        (
            "a redirect without TLS",
            Answer::Redirect("http://192.0.2.1/x".to_owned()),
            "sends requests on to 192.0.2.1, which is without TLS",
        ),
        ("a redirect to nowhere", Answer::Redirect("x:y".to_owned()), "a place that is no URL"),
        ("a failure", Answer::Head("HTTP/1.1 500 Oh\r\nContent-Length: 0".to_owned()), "the status 500"),
    ];
    for (name, answer, reason) in cases {
        let scene = Scene::new();
        let digest = ContentDigest::of(name.as_bytes());
        scene.registry.put("/v2/it/manifests/1", answer.clone());
        scene.registry.put(&format!("/v2/it/manifests/{digest}"), answer);
        scene.assert_refused(&format!("@{digest}"), reason);
    }
}

#[test]
fn a_component_has_as_many_bytes_as_its_manifest_says_and_64_mib_at_most() {
    let component = plain();
    let size = component.len();
    for (name, answer, reason) in [
        ("endless", Answer::Endless, "more bytes than the manifest says"),
        ("longer", Answer::Content([&component[..], b"x"].concat()), "more bytes than the manifest says"),
        ("shorter", Answer::Content(component[..size - 1].to_vec()), "fewer bytes than the manifest says"),
        ("slow", Answer::Slow(50), "the registry has taken longer than 3s"),
    ] {
        let scene = Scene::new();
        let [digest, layer] = scene.registry.push("1", &component);
        scene.registry.put(&format!("/v2/it/blobs/{layer}"), answer);
        scene.assert_refused(&format!("@{digest}"), reason);
        assert!(!scene.cache.path().join("oci/sha256").join(layer.hex()).exists(), "{name}");
    }
    let scene = Scene::new();
    let layer = |media_type: &str, size: u64| json!({ "mediaType": media_type, "digest": ContentDigest::of(b"").to_string(), "size": size });
    for (manifest, reason) in [
        (json!({ "layers": [layer("application/wasm", MAX_COMPONENT + 1)] }), "the component has 67108865 bytes"),
        (
            json!({ "layers": [layer("application/vnd.oci.image.layer.v1.tar", 1)] }),
            "0 layers of the type application/wasm",
        ),
        (json!({ "manifests": [] }), "it is an index"),
        (json!("no manifest"), "it is no manifest"),
    ] {
        let digest = scene.registry.push_manifest("1", &manifest);
        scene.assert_refused(&format!("@{digest}"), reason);
    }
}

#[test]
fn a_registry_that_asks_again_and_again_who_the_host_is_gets_one_answer() {
    let scene = Scene::new();
    let address = scene.registry.address();
    let asks = |challenge: String| {
        Answer::Head(format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0"))
    };
    for (challenge, reason) in [
        (format!("Bearer realm=\"http://{address}/token\",service=\"it\""), "refuses the credentials"),
        (format!("Bearer realm=\"http://{address}/no-token\""), "answers with no token"),
        (format!("Bearer realm=\"http://{address}/v2/it/manifests/1\""), "refuses the credentials"),
        ("Bearer realm=\"http://192.0.2.1/token\"".to_owned(), "sends requests on to 192.0.2.1, which is without TLS"),
        ("Basic realm=\"it\"".to_owned(), "has no credentials for it"),
        ("Negotiate".to_owned(), "answers with no question that the host knows"),
    ] {
        scene.registry.put("/v2/it/manifests/1", asks(challenge));
        scene.registry.put("/token", Answer::Content(br#"{"token": "t0ken"}"#.to_vec()));
        scene.registry.put("/no-token", Answer::Content(b"[]".to_vec()));
        scene.assert_refused(":1", reason);
    }
    let told = scene.registry.asked().with(&["HEAD /v2/it/manifests/1", "authorization: Bearer t0ken"]);
    assert_eq!(told.len(), 1, "{told:?}");
    let scope = scene.registry.asked().with(&["GET /token?scope=repository%3Ait%3Apull&service=it"]);
    assert!(!scope.is_empty(), "{:?}", scene.registry.asked().with(&["token"]));
}

#[test]
fn a_redirect_is_followed_without_the_credentials() {
    let (scene, other) = (Scene::new(), FakeRegistry::start());
    let [_, layer] = scene.registry.push("1", &plain_saying("right"));
    other.push("1", &plain_saying("right"));
    let address = scene.registry.address();
    let place = format!("/v2/it/blobs/{layer}");
    scene.registry.put(&place, Answer::Redirect(format!("http://{}{place}", other.address())));
    assert!(says(&scene.serve(":1"), "right"), "{address}");
    assert_eq!(other.asked().with(&["authorization"]), Vec::<String>::new());
}

#[test]
fn a_server_that_the_registry_leads_to_cannot_ask_who_the_host_is() {
    let (scene, other) = (Scene::new(), FakeRegistry::start());
    let [_, layer] = scene.registry.push("1", &plain_saying("right"));
    let place = format!("/v2/it/blobs/{layer}");
    scene.registry.put(&place, Answer::Redirect(format!("http://{}{place}", other.address())));
    let challenge = format!("Bearer realm=\"http://{}/token\"", other.address());
    let head = format!("HTTP/1.1 401 No\r\nWWW-Authenticate: {challenge}\r\nContent-Length: 0");
    other.put(&place, Answer::Head(head));
    scene.assert_refused(":1", "401");
    assert_eq!(other.asked().with(&["/token"]), Vec::<String>::new());
}

#[test]
fn a_new_version_that_cannot_be_used_leaves_the_one_before_it() {
    let scene = Scene::new();
    scene.registry.push("1", &plain_saying("right"));
    let server = scene.serve(":1");
    let reference = scene.registry.reference("it:1");
    let serves = ["the version before it still serves", &reference];
    scene.registry.push_manifest("1", &json!({ "manifests": [] }));
    server.reload();
    log().wait_for(&[&["WARN", "it is an index"], &serves[..]].concat());
    assert!(says(&server, "right"));
    scene.registry.push("1", b"no component");
    server.reload();
    log().wait_for(&["ERROR", "it.toml", "it is not WebAssembly", serves[0], &reference]);
    assert!(says(&server, "right"));
    server.routes().write("it.toml", format!("{}\npaths = 1", scene.route_file(":1")));
    log().wait_for(&["ERROR", server.routes().path().to_str().expect("it is text"), "line 2: `paths`", serves[0]]);
    assert!(says(&server, "right"));
    scene.registry.push("1", &plain_saying("other"));
    server.routes().write("it.toml", scene.route_file(":1"));
    server.reload();
    wait_until("the other version is served", || says(&server, "other"));
}

#[test]
fn a_component_is_in_one_place() {
    let scene = Scene::new();
    scene.registry.push("1", &plain_saying("right"));
    let server = scene.serve(":1");
    let reference = scene.registry.reference("it:1");
    for file in ["it.wasm", "it.py"] {
        server.routes().write(file, plain_saying("wrong"));
        let told =
            log().wait_for(&["ERROR", "it.toml: line 1: `component` names", &reference, &format!("/{file} too")]);
        assert!(told.contains("remove the file, or `component`"), "{told}");
        assert!(says(&server, "right"));
        server.routes().remove(file);
    }
    server.routes().write("it.toml", "");
    server.routes().replace("it.wasm", plain_saying("local"));
    wait_until("the file is served", || says(&server, "local"));
}

#[test]
fn middleware_comes_from_a_registry_too_and_a_route_never_serves_without_it() {
    let scene = Scene::new();
    let routes = |version: &str| {
        let middleware = format!("{}\nname = 'm'", scene.route_file(version));
        RoutesDir::new().with_bytes("local.wasm", &plain()).with_file("_middleware.toml", &middleware)
    };
    let serve = |version: &str| {
        let server = TestServer::builder(routes(version));
        server.config(|config| config.cache_directory = Some(scene.cache.path().to_owned())).start()
    };
    let server = serve(":away");
    assert!(server.diagnostics().iter().any(|it| it.to_string().contains("has nothing of that name")));
    assert!(!server.get("/local").contains("\r\nplain\r\n"), "{}", server.get("/local"));
    scene.registry.push("1", &guest::LAYER.bytes());
    let server = serve(":1");
    assert!(server.diagnostics().is_empty(), "{:?}", server.diagnostics());
    let response = server.get("/local");
    assert!(response.contains("X-Trace: m\r\n") || response.contains("x-trace: m\r\n"), "{response}");
}
