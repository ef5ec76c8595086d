//! The control socket without a server: its messages, and who may connect.

use std::os::unix::fs::PermissionsExt as _;

use proptest::prelude::*;

use super::*;
use crate::net::LocalBindError;
use crate::routes::Site;

fn request(scope: TopicScope, topic: &str, chunk: &[u8]) -> PublishRequest {
    PublishRequest { scope, topic: topic.to_owned(), chunk: chunk.to_vec() }
}

fn named(site: &str, name: &str) -> TopicScope {
    TopicScope::Named { site: Site::named(site).expect("it is a site"), name: name.to_owned() }
}

#[test]
fn a_request_is_read_as_it_was_sent() {
    let directory = |path: &str| TopicScope::of_directory(Path::new(path)).expect("it is in the routes directory");
    for request in [
        request(directory(""), "a", b"text"),
        request(directory("./in//deep/"), "t\u{f6}pic \"quoted\"", b""),
        request(named("default", "chat"), "a", b"{\n}"),
        request(named("example.org", "chat"), "a", b"c"),
    ] {
        let bytes = request.to_bytes();
        let end = bytes.iter().position(|byte| *byte == b'\n').expect("it begins with a line") + 1;
        let (read, length) = PublishRequest::parse(&bytes[..end]).expect("it is a request");
        assert_eq!(length, request.chunk.len());
        assert_eq!(PublishRequest { chunk: bytes[end..].to_vec(), ..read }, request);
    }
    assert_eq!(directory("./in//deep/"), TopicScope::Directory("in/deep".into()));
    for path in ["/", "/etc", "..", "a/../b"] {
        assert_eq!(TopicScope::of_directory(Path::new(path)), None, "{path}");
    }
}

#[test]
fn an_answer_is_read_as_it_was_sent() {
    for answer in [Ok(0), Ok(u32::MAX), Err("why".to_owned())] {
        assert_eq!(message::read_answer(&message::answer(answer.clone())), answer);
    }
    for broken in ["", "{", "{}", "[]", "{\"reached\":-1}", "{\"reached\":4294967296}"] {
        assert!(message::read_answer(broken.as_bytes()).is_err(), "{broken}");
    }
}

#[test]
fn a_socket_is_for_its_user_alone_and_one_of_a_host_that_is_gone_is_replaced() -> io::Result<()> {
    let directory = tempfile::tempdir()?;
    let path = socket(directory.path());
    let listener = LocalListener::bind(&path).expect("it can be listened on");
    assert_eq!(std::fs::metadata(&path)?.permissions().mode() & 0o777, 0o600);
    assert!(matches!(LocalListener::bind(&path), Err(LocalBindError::InUse(_))));
    drop(listener);
    assert!(!path.exists());
    // A host that was killed leaves its socket behind.
    let killed = LocalListener::bind(&path).expect("it can be listened on");
    std::fs::rename(&path, directory.path().join("kept"))?;
    drop(killed);
    std::fs::rename(directory.path().join("kept"), &path)?;
    drop(LocalListener::bind(&path).expect("nobody listens on it"));
    std::fs::write(&path, "a file")?;
    assert!(matches!(LocalListener::bind(&path), Err(LocalBindError::NoSocket(_))));
    std::fs::remove_file(&path)?;
    assert_eq!(std::fs::read_dir(directory.path())?.count(), 0);
    let long = directory.path().join("x".repeat(120));
    std::fs::create_dir(&long)?;
    assert!(matches!(LocalListener::bind(&socket(&long)), Err(LocalBindError::System { .. })));
    assert_eq!(std::fs::read_dir(&long)?.count(), 0);
    Ok(())
}

#[test]
fn where_nobody_listens_the_error_names_the_command() {
    let directory = tempfile::tempdir().expect("a directory");
    let request = request(named("default", "chat"), "a", b"b");
    let error = publish(directory.path(), &request).expect_err("nobody listens").to_string();
    assert!(error.contains("start one with `host run --state "), "{error}");
}

proptest! {
    #[test]
    fn no_line_panics_the_host(line in prop_oneof![any::<Vec<u8>>(), "[{}\\[\\]\":,a-z0-9]{0,64}\n".prop_map(String::into_bytes)]) {
        let _ = PublishRequest::parse(&line);
        let _ = message::read_answer(&line);
    }
}
