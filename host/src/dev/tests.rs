use std::time::Duration;

use super::*;
use crate::exchange::ExchangeEnd;
use crate::http::version::Version;
use crate::meter::Cost;
use crate::net::Peer;
use crate::observe::LoggedRequestLine;

fn request(number: u64, target: &str) -> EndedRequest {
    let asked = LoggedRequestLine {
        method: "M".repeat(9000).into(),
        target: target.into(),
        version: Version::Http11,
        host: None,
    };
    EndedRequest {
        time: SystemTime::UNIX_EPOCH,
        client: Peer::Local.address(),
        proxy: None,
        trace: None,
        asked: Some(asked),
        status: Some(200),
        body: 0,
        wire: 0,
        route: None,
        request: number,
        end: ExchangeEnd::Complete,
        took: Duration::ZERO,
        cost: Cost::default(),
    }
}

#[test]
fn the_last_requests_are_remembered_the_last_first_and_truncated() {
    let dev = DevState::new(false);
    for number in 0..1000 {
        dev.note_request(&request(number, &format!("/{number}{}", "x".repeat(10_000))));
    }
    let recent = dev.recent_requests();
    assert_eq!(recent.len(), MAX_RECENT);
    let (method, target) = recent[0].asked.clone().expect("it has a request line");
    assert!(target.starts_with("/999x") && target.len() <= 260 && method.len() <= 40, "{method} {target}");
    assert!(recent[MAX_RECENT - 1].asked.as_ref().is_some_and(|(_, target)| target.starts_with("/950x")));
    assert_eq!(dev.counts(), (1000, 0));
}

#[test]
fn only_the_last_failure_and_build_are_remembered_within_bounds() {
    let dev = DevState::new(false);
    dev.note_failure("a", 1, "first");
    dev.note_failure("b", 2, &"x".repeat(1 << 20));
    let failure = dev.last_failure().expect("there is one");
    assert_eq!((&*failure.route, failure.request), ("b", 2));
    assert!(failure.reason.len() < MAX_FAILURE_BYTES + 10);
    let report = |stage| BuildReport { project: "p".into(), command: "c".into(), stage, has_succeeded: false };
    dev.set_build(report(BuildStage::Running));
    assert_eq!(dev.build().and_then(|build| build.failure().map(str::to_owned)), None);
    dev.set_build(report(BuildStage::Failed("no".into())));
    assert_eq!(dev.build().and_then(|build| build.failure().map(str::to_owned)), Some("no".to_owned()));
    assert_eq!(dev.counts(), (0, 2));
}

#[test]
fn two_runs_differ() {
    let (one, other) = (DevState::new(false), DevState::new(false));
    assert_ne!(one.run(), other.run());
    assert!(one.run().bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'));
}
