//! How an engine is named, trusted and authenticated to, and that nobody hears of its credentials.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use host::certificates::SelfSigned;
use tempfile::TempDir;

use super::*;
use crate::support::{Process, host, log, run, skip, text};

/// An engine with the user `fleet`, whose password is in the file that is returned, and who may do only what hosts do.
fn with_users() -> Option<(Redis, PathBuf)> {
    let redis = Redis::start()?;
    let rules = "on >hidden-word resetchannels &vibrato:* -@all +publish +subscribe +unsubscribe";
    assert_eq!(redis.ask(&format!("ACL SETUSER fleet {rules}")), "+OK");
    assert_eq!(redis.ask("ACL SETUSER default off"), "+OK");
    let file = redis.socket().with_file_name("password");
    fs::write(&file, "hidden-word\n").expect("it can be written");
    Some((redis, file))
}

#[test]
fn the_password_is_read_from_a_file_and_told_nowhere() {
    let (redis, file) = redis!(with_users());
    let routes = RoutesDir::new().with(guest::SCRIPT);
    let file = file.to_str().expect("the path is text");
    let place = redis.socket().display().to_string();
    let url = format!("redis+unix://{place}?user=fleet");
    let with_password = |password: &str| format!("{url}&pass={password}");
    let arguments = ["--engine", &url, "--engine-password", file];
    let (process, admin) = Process::start_with_admin(&routes, &arguments);
    process.stderr().wait_for(&["connected to the engine"]);
    let (refused, refused_admin) = Process::start_with_admin(&routes, &["--engine", &with_password("hidden-wrong")]);
    refused.stderr().wait_for(&["is away", "WRONGPASS"]);
    for (process, admin) in [(&process, &admin), (&refused, &refused_admin)] {
        let lines = process.stderr().with(&[]).concat();
        let pages = ["/stats.json", "/metrics", "/readyz", "/healthz", "/"].map(|path| admin.told(path).1).concat();
        assert!(pages.contains("vibrato_engine_up"), "{pages}");
        for shown in [lines, pages] {
            assert!(!shown.contains("hidden-wo") && !shown.contains("hidden-wr"), "{shown}");
        }
    }
    let directory = routes.path().to_str().expect("the path is text");
    let shown = run(&mut host(&["routes", "--routes", directory]));
    assert!(shown.status.success() && !text(&shown.stdout).contains("hidden-w"));
}

#[test]
fn a_user_with_the_rights_that_the_book_names_is_enough() {
    let (redis, file) = redis!(with_users());
    let options = || EngineSpec {
        url: format!("{}?user=fleet", redis.url()),
        prefix: "vibrato".to_owned(),
        password_file: Some(file.clone()),
        ..EngineSpec::default()
    };
    let hosts = [(); 2].map(|()| serve_with(options(), RoutesDir::new().with(guest::SCRIPT)));
    hosts.iter().for_each(wait_for_engine);
    let mut client = hosts[1].park("subscribe=a&write=one", OPEN);
    // Nobody can ask the engine how many have subscribed.
    wait_until("it has subscribed", || {
        report(&hosts[0], "publish=a:two");
        stats(&hosts[1]).received > 0
    });
    client.expect("3\r\ntwo\r\n");
}

/// An engine that speaks TLS, its port, and the directory with its certificate.
fn with_tls(arguments: &[&str]) -> Option<(Redis, u16, TempDir)> {
    let directory = tempfile::tempdir().expect("a directory can be made");
    SelfSigned::open(Some(directory.path()), &[]).expect("a certificate can be made");
    let [certificate, key] = ["localhost.pem", "localhost.key"].map(|name| path(&directory, name));
    let port = crate::support::redis::free_port();
    let port_text = port.to_string();
    let tls = ["--tls-port", &port_text, "--tls-cert-file", &certificate, "--tls-key-file", &key];
    let redis = Redis::with(&[&tls[..], &["--tls-ca-cert-file", &certificate], arguments].concat());
    if redis.as_ref().is_some_and(Redis::has_refused) {
        skip("an engine with TLS: this one has no TLS");
        return None;
    }
    Some((redis?, port, directory))
}

fn path(directory: &TempDir, name: &str) -> String {
    directory.path().join(name).to_str().expect("the path is text").to_owned()
}

#[test]
fn an_engine_is_reached_by_tls_if_its_authority_is_trusted() {
    let (_redis, port, directory) = redis!(with_tls(&["--tls-auth-clients", "no"]));
    let options = |host: &str, ca_file| EngineSpec {
        url: format!("rediss://{host}:{port}"),
        prefix: "vibrato".to_owned(),
        ca_file,
        ..EngineSpec::default()
    };
    let ca = || Some(directory.path().join("localhost.pem"));
    let trusting = serve_with(options("localhost", ca()), RoutesDir::new().with(guest::SCRIPT));
    wait_for_engine(&trusting);
    // Neither the system's authorities nor another name are enough.
    let other = log();
    let _strangers = [options("localhost", None), options("127.0.0.2", ca())]
        .map(|options| serve_with(options, RoutesDir::new().with(guest::SCRIPT)));
    other.wait_for(&["the engine localhost:", "is away", "certificate"]);
    other.wait_for(&["the engine 127.0.0.2:", "is away", "certificate"]);
}

#[test]
fn a_host_shows_the_engine_its_certificate() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let [certificate, key] = ["host.pem", "host.key"].map(|name| path(&directory, name));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]);
    openssl.args(["-subj", "/CN=host", "-keyout", &key, "-out", &certificate]);
    assert!(run(&mut openssl).status.success());
    let (redis, port, of_engine) = redis!(with_tls(&["--tls-auth-clients", "yes", "--tls-ca-cert-file", &certificate]));
    let options = |certificate_files: Option<(&str, &str)>| EngineSpec {
        url: format!("rediss://localhost:{port}"),
        prefix: "vibrato".to_owned(),
        ca_file: Some(of_engine.path().join("localhost.pem")),
        certificate_files: certificate_files.map(|(certificate, key)| (Path::new(certificate).into(), key.into())),
        ..EngineSpec::default()
    };
    let lines = log();
    let refused = serve_with(options(None), RoutesDir::new().with(guest::SCRIPT));
    lines.wait_for(&[&format!("localhost:{port} is away")]);
    let server = serve_with(options(Some((&certificate, &key))), RoutesDir::new().with(guest::SCRIPT));
    wait_for_engine(&server);
    assert!(!stats(&refused).is_up);
    drop(redis);
}

#[test]
fn a_warning_says_that_the_engine_may_remove_what_hosts_keep_there() {
    let redis = redis!(Redis::with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]));
    let lines = log();
    let place = redis.socket().display().to_string();
    let server = connected(&redis);
    lines.wait_for(&["WARN", &place, "its maxmemory-policy is allkeys-lru, and should be noeviction"]);
    redis.ask("CLIENT KILL TYPE pubsub");
    wait_until("it is connected again", || stats(&server).gaps == 0 && lines.with(&[&place, "is back"]).len() == 1);
    assert_eq!(lines.with(&[&place, "maxmemory-policy"]).len(), 1, "it is said once");
}

#[test]
fn a_wrong_engine_is_told_without_its_password() {
    let routes = RoutesDir::new();
    let directory = routes.path().to_str().expect("the path is text");
    for (arguments, reason) in [
        (
            &["--engine", "http://user:hidden@127.0.0.1"][..],
            "http://127.0.0.1 is no URL of an engine; give redis://HOST:PORT",
        ),
        (&["--engine", "redis://127.0.0.1", "--engine-prefix", "a b"], "\"a b\" cannot begin the names at an engine"),
        (&["--engine", "redis://127.0.0.1", "--engine-password", "/nowhere"], "in /nowhere cannot be used"),
        (&["--engine", "redis://u:hidden@a", "--engine-ca", "/dev/null"], "redis://a is an engine without TLS"),
        (&["--engine", "rediss://u:hidden@a", "--engine-ca", "/dev/null"], "authorities of the engine in /dev/null"),
        (&["--engine", "rediss://u:hidden@a", "--engine-cert", "/dev/null"], "--engine-key <FILE>"),
        (&["--engine", "redis+sentinel://u:hidden@a"], "redis+sentinel://a is no URL of an engine"),
        (&["--engine-prefix", "a"], "--engine <URL>"),
    ] {
        let output = run(host(&["run", "--listen", "127.0.0.1:0", "--routes", directory]).args(arguments));
        let told = text(&output.stderr);
        assert!(!output.status.success() && told.contains(reason), "{arguments:?}: {told}");
        assert!(!told.contains("hidden"), "{told}");
    }
}
