//! Components in Debian's docker-registry: pushed, served, changed, and served on when it is gone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;
use tempfile::TempDir;

use crate::support::registry::{DockerRegistry, PASSWORD, USER};
use crate::support::{Process, RoutesDir, host, plain, plain_saying, run, text, wait_until};

/// What a machine of an operator has: a cache, and the configuration of Docker.
struct Machine {
    cache: TempDir,
    docker: TempDir,
}

impl Machine {
    fn new() -> Self {
        let [cache, docker] = [(); 2].map(|()| TempDir::new().expect("a directory can be made"));
        Self { cache, docker }
    }

    /// A command with this cache and this configuration.
    fn host(&self, arguments: &[&str]) -> Command {
        let mut command = host(arguments);
        command.arg("--cache-dir").arg(self.cache.path()).env("DOCKER_CONFIG", self.docker.path());
        command
    }

    /// What `docker login` writes.
    fn log_in(&self, config: &serde_json::Value) {
        fs::write(self.docker.path().join("config.json"), config.to_string()).expect("it can be written");
    }

    /// Pushes a component. Returns its reference by digest.
    #[track_caller]
    fn push(&self, component: &[u8], reference: &str, arguments: &[&str]) -> String {
        let output = self.try_push(component, reference, arguments);
        assert!(output.status.success(), "{output:?}");
        text(&output.stdout).trim_end().to_owned()
    }

    fn try_push(&self, component: &[u8], reference: &str, arguments: &[&str]) -> Output {
        let routes = RoutesDir::new().with_bytes("pushed.wasm", component);
        let file = routes.path().join("pushed.wasm");
        run(self.host(&["push"]).arg(file).arg(reference).args(arguments))
    }

    /// Serves a directory.
    fn serve(&self, routes: &RoutesDir, arguments: &[&str]) -> Process {
        let mut command = self.host(&["run", "--listen", "127.0.0.1:0"]);
        command.arg("--routes").arg(routes.path()).args(arguments);
        let process = Process::spawn(command, 1);
        process.stderr().wait_for(&["routes loaded"]);
        process
    }
}

/// A route file of a component.
fn route_file(reference: &str) -> String {
    format!("component = \"{reference}\"\n")
}

fn polled(reference: &str) -> String {
    format!("{}poll = 5\n", route_file(reference))
}

#[track_caller]
fn assert_says(process: &Process, path: &str, said: &str) {
    let response = process.get(path);
    assert!(response.starts_with("HTTP/1.1 200 ") && response.contains(&format!("\r\n{said}\r\n")), "{response}");
}

#[test]
fn what_is_pushed_is_served_by_its_tag_and_by_its_digest() {
    let Some(registry) = DockerRegistry::start() else { return };
    let machine = Machine::new();
    let tagged = registry.reference("shop/cart:1.2");
    let digest = machine.push(&plain(), &tagged, &["--tag", "latest"]);
    assert!(digest.starts_with(&registry.reference("shop/cart@sha256:")), "{digest}");
    let latest = registry.reference("shop/cart:latest");
    let routes = RoutesDir::new()
        .with_file("tag.toml", &route_file(&tagged))
        .with_file("latest.toml", &route_file(&latest))
        .with_file("in/digest.toml", &route_file(&digest));
    let process = machine.serve(&routes, &[]);
    for path in ["/tag", "/latest", "/in/digest"] {
        assert_says(&process, path, "plain");
    }
    let output = run(machine.host(&["check"]).arg(routes.path()));
    assert_eq!(text(&output.stdout), "3 routes; 0 errors, 0 warnings\n");
    let output = run(machine.host(&["call", "--path", "/tag"]).arg(routes.path().join("tag.toml")));
    assert!(text(&output.stdout).ends_with("plain"), "{output:?}");
    let output = run(machine.host(&["routes"]).arg(routes.path()));
    let (_, hash) = digest.split_once('@').expect("it has a digest");
    let file = routes.path().join("tag.toml").display().to_string();
    let printed = text(&output.stdout);
    assert!(printed.contains(&file) && printed.contains(&format!("component {tagged}, now {hash}\n")), "{printed}");
    assert!(printed.contains(&format!("component {digest}\n")), "{printed}");
    let output = run(machine.host(&["routes", "--json"]).arg(routes.path()));
    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let components = printed["routes"].as_array().into_iter().flatten().map(|route| route["component"].clone());
    let expected = [&digest, &latest, &tagged].map(|reference| json!({ "reference": reference, "digest": hash }));
    assert_eq!(components.collect::<Vec<_>>(), expected);
}

#[test]
fn the_same_file_has_the_same_digest_and_what_is_no_component_is_not_pushed() {
    let Some(registry) = DockerRegistry::start() else { return };
    let machine = Machine::new();
    let routes = RoutesDir::new().with_bytes("pushed.wasm", &plain());
    let pushed = ["a", "b"].map(|tag| {
        let file = routes.path().join("pushed.wasm");
        let output = run(machine.host(&["push"]).arg(file).arg(registry.reference(&format!("x:{tag}"))));
        assert!(output.status.success(), "{output:?}");
        output.stdout
    });
    assert_eq!(pushed[0], pushed[1]);
    let output = machine.try_push(b"no component", &registry.reference("y:1"), &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("it is not WebAssembly"), "{output:?}");
    let by_digest = text(&pushed[0]).trim_end();
    let output = machine.try_push(&plain(), by_digest, &[]);
    assert!(text(&output.stderr).contains("a component is pushed under a tag"), "{output:?}");
}

#[test]
fn a_tag_that_moves_is_served_within_two_seconds_after_its_poll() {
    let Some(registry) = DockerRegistry::start() else { return };
    let machine = Machine::new();
    let reference = registry.reference("moves:1");
    machine.push(&plain(), &reference, &[]);
    let routes = RoutesDir::new().with_file("moves.toml", &polled(&reference));
    let process = machine.serve(&routes, &[]);
    assert_says(&process, "/moves", "plain");
    machine.push(&plain_saying("other"), &reference, &[]);
    let pushed = Instant::now();
    wait_until("the other version is served", || process.get("/moves").contains("\r\nother\r\n"));
    assert!(pushed.elapsed() < Duration::from_secs(7), "{:?}", pushed.elapsed());
    // The operator does not wait for the next poll.
    machine.push(&plain_saying("third"), &reference, &[]);
    process.signal("HUP");
    wait_until("a reload asks", || process.get("/moves").contains("\r\nthird\r\n"));
}

#[test]
fn a_registry_that_is_gone_changes_nothing_that_serves_also_after_a_restart() {
    let Some(mut registry) = DockerRegistry::start() else { return };
    let machine = Machine::new();
    let tagged = registry.reference("gone:1");
    let digest = machine.push(&plain(), &tagged, &[]);
    let routes =
        RoutesDir::new().with_file("tag.toml", &polled(&tagged)).with_file("digest.toml", &route_file(&digest));
    let process = machine.serve(&routes, &[]);
    registry.kill();
    process.stderr().wait_for(&["WARN", "it is not known whether", &tagged, "the version that was fetched serves on"]);
    for path in ["/tag", "/digest"] {
        assert_says(&process, path, "plain");
    }
    // Another option, which needs no registry.
    routes.write("digest.toml", format!("{}status = 201\n", route_file(&digest)));
    process.wait_for("/digest", "201");
    drop(process);
    let process = machine.serve(&routes, &[]);
    assert_says(&process, "/tag", "plain");
    process.wait_for("/digest", "201");
    registry.run();
    machine.push(&plain_saying("other"), &tagged, &[]);
    process.signal("HUP");
    wait_until("it is back", || process.get("/tag").contains("\r\nother\r\n"));
    process.stderr().wait_for(&["INFO", "answers again", &tagged]);
}

#[test]
fn a_registry_that_is_away_at_the_start_is_reported_and_asked_again_while_the_others_serve() {
    let Some(mut registry) = DockerRegistry::start() else { return };
    let machine = Machine::new();
    let reference = registry.reference("away:1");
    machine.push(&plain(), &reference, &[]);
    registry.kill();
    let routes =
        RoutesDir::new().with_file("away.toml", &polled(&reference)).with_bytes("here.wasm", &plain_saying("local"));
    let process = machine.serve(&routes, &[]);
    process.stderr().wait_for(&["ERROR", "away.toml", &reference, "gives no answer: the connection was refused"]);
    assert_says(&process, "/here", "local");
    assert!(process.get("/away").starts_with("HTTP/1.1 404 "));
    registry.run();
    wait_until("it is fetched", || process.get("/away").contains("\r\nplain\r\n"));
}

#[test]
fn credentials_are_those_of_docker_and_are_never_printed() {
    let Some(registry) = DockerRegistry::with_password() else { return };
    let machine = Machine::new();
    let reference = registry.reference("private:1");
    let config = machine.docker.path().join("config.json").display().to_string();
    let output = machine.try_push(&plain(), &reference, &[]);
    assert!(text(&output.stderr).contains(&format!("{config} has no credentials for it; log in")), "{output:?}");
    let auths = |password: &str| {
        let auth = BASE64_STANDARD.encode(format!("{USER}:{password}"));
        (json!({ "auths": { registry.host(): { "auth": auth } } }), auth)
    };
    let (wrong, secret) = auths("a wrong password");
    machine.log_in(&wrong);
    let output = machine.try_push(&plain(), &reference, &[]);
    let told = text(&output.stderr);
    assert!(told.contains("refuses the credentials; log in again") && !told.contains("wrong"), "{told}");
    assert!(!told.contains(&secret), "{told}");
    let (right, secret) = auths(PASSWORD);
    machine.log_in(&right);
    machine.push(&plain(), &reference, &[]);
    let routes = RoutesDir::new().with_file("private.toml", &route_file(&reference));
    let process = machine.serve(&routes, &[]);
    assert_says(&process, "/private", "plain");
    for line in process.stderr().with(&[]) {
        assert!(!line.contains(PASSWORD) && !line.contains(&secret), "{line}");
    }
    // The same from a helper.
    let programs = TempDir::new().expect("a directory can be made");
    let helper = programs.path().join("docker-credential-it");
    let script = format!(
        "#!/bin/sh\nread host\n[ \"$host\" = {} ] && echo '{{\"Username\": \"{USER}\", \"Secret\": \"{PASSWORD}\"}}'\n",
        registry.host()
    );
    fs::write(&helper, script).expect("it can be written");
    fs::set_permissions(&helper, fs::Permissions::from_mode(0o755)).expect("it is ours");
    machine.log_in(&json!({ "credsStore": "it" }));
    let path = format!("{}:{}", programs.path().display(), std::env::var("PATH").unwrap_or_default());
    let output = run(Machine { cache: TempDir::new().expect("a directory can be made"), ..machine }
        .host(&["check"])
        .arg(routes.path())
        .env("PATH", path));
    assert_eq!(text(&output.stdout), "1 route; 0 errors, 0 warnings\n");
}

#[test]
fn a_registry_with_tls_is_asked_if_its_authority_is_trusted() {
    let Some(registry) = DockerRegistry::with_tls() else { return };
    let machine = Machine::new();
    let reference = registry.reference("tls:1");
    let output = machine.try_push(&plain(), &reference, &[]);
    let told = text(&output.stderr);
    assert!(told.contains("the certificate is not accepted") && told.contains("with --ca"), "{told}");
    let certificate = registry.certificate().display().to_string();
    machine.push(&plain(), &reference, &["--ca", &certificate]);
    let routes = RoutesDir::new().with_file("tls.toml", &route_file(&reference));
    let process = machine.serve(&routes, &["--ca", &certificate]);
    assert_says(&process, "/tls", "plain");
}

#[test]
fn without_a_cache_there_is_no_place_for_what_is_fetched() {
    let routes = RoutesDir::new().with_file("a.toml", &route_file("oci://localhost:1/a:1"));
    let output = run(host(&["check", "--no-cache"]).arg(routes.path()));
    let told = text(&output.stdout);
    assert!(told.contains("there is no cache directory") && told.contains("--cache-dir"), "{told}");
}
