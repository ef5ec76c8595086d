//! Changes of the routes directory itself, and of its subdirectories, while it is served.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;

use crate::support::{RoutesDir, TestServer, log, plain};

/// A server that watches `place`.
fn watched(place: &str) -> TestServer {
    TestServer::builder(RoutesDir::new().with_bytes(place, &plain())).watched().start()
}

/// Asserts that changes are noticed.
#[track_caller]
fn expect_watched(server: &TestServer, name: &str) {
    let place = format!("{name}.wasm");
    server.routes().write(&place, plain());
    server.wait_for(&format!("/{name}"), "200");
    server.routes().remove(&place);
    server.wait_for(&format!("/{name}"), "404");
}

#[test]
fn another_directory_in_the_place_of_the_one_that_is_served_is_served_from_then_on() {
    let server = watched("old.wasm");
    let (root, aside) = (server.routes().path(), TempDir::new().expect("a directory can be made"));
    for (turn, name) in ["one", "two"].into_iter().enumerate() {
        let new = RoutesDir::new().with_bytes(&format!("{name}.wasm"), &plain());
        fs::rename(root, aside.path().join(turn.to_string())).expect("a directory can be renamed");
        fs::rename(new.path(), root).expect("a directory can be renamed");
        server.wait_for(&format!("/{name}"), "200");
        server.wait_for("/old", "404");
        expect_watched(&server, "later");
    }
}

#[test]
fn a_directory_that_is_removed_and_made_again_is_served_again() {
    let server = watched("before.wasm");
    let root = server.routes().path().to_owned();
    fs::remove_dir_all(&root).expect("a directory can be removed");
    log().wait_for(&["ERROR", &format!("{}: it cannot be read: ", root.display())]);
    assert!(server.get("/before").starts_with("HTTP/1.1 200 "), "what was loaded serves on");
    server.routes().write("after.wasm", plain());
    server.wait_for("/after", "200");
    server.wait_for("/before", "404");
    expect_watched(&server, "later");
    // Without a moment for anybody to see that it was gone.
    fs::remove_dir_all(&root).and_then(|()| fs::create_dir(&root)).expect("a directory can be made again");
    server.wait_for("/after", "404");
    expect_watched(&server, "later");
}

#[test]
fn a_link_to_releases_leads_to_the_next_one() {
    let releases = TempDir::new().expect("a directory can be made");
    let release = |name: &str| {
        let release = releases.path().join(name);
        fs::create_dir(&release).expect("a directory can be made");
        fs::write(release.join(format!("{name}.wasm")), plain()).expect("a file can be written");
        release
    };
    let routes = RoutesDir::new();
    fs::remove_dir(routes.path()).and_then(|()| symlink(release("first"), routes.path())).expect("a link can be made");
    let server = TestServer::builder(routes).watched().start();
    server.wait_for("/first", "200");
    let link = releases.path().join("link");
    symlink(release("second"), &link).expect("a link can be made");
    fs::rename(link, server.routes().path()).expect("a link can be replaced");
    server.wait_for("/second", "200");
    server.wait_for("/first", "404");
    expect_watched(&server, "later");
}

#[test]
fn a_directory_that_cannot_be_read_keeps_its_routes() {
    let server = watched("sub/kept.wasm");
    let (sub, aside) = (server.routes().path().join("sub"), server.routes().path().join("_aside"));
    // A link to itself leads nowhere for anybody, also for who may read everything.
    fs::rename(&sub, &aside).and_then(|()| symlink("sub", &sub)).expect("a directory can be replaced");
    log().wait_for(&["ERROR", &format!("{}: it cannot be read: ", sub.display())]);
    expect_watched(&server, "other");
    assert!(server.get("/sub/kept").starts_with("HTTP/1.1 200 "));
    fs::remove_file(&sub).and_then(|()| fs::rename(&aside, &sub)).expect("a directory can be put back");
    expect_watched(&server, "sub/later");
    assert!(server.get("/sub/kept").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_directory_that_was_missing_at_the_start_is_served_once_it_exists() {
    let elsewhere = TempDir::new().expect("a directory can be made");
    let target = elsewhere.path().join("target.wasm");
    let routes = RoutesDir::new();
    symlink(&target, routes.path().join("lent.wasm")).expect("a link can be made");
    let server = TestServer::builder(routes).watched().start();
    server.wait_for("/lent", "404");
    // The system tells nothing of what lies elsewhere.
    fs::write(&target, plain()).expect("a file can be written");
    server.wait_for("/lent", "200");
}
