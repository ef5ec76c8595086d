//! Orders with an issuer and a clock of the test's own.

use std::cell::{Cell, RefCell};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};

use super::order::OrderError;
use super::renewal::{Renewal, renewal};
use super::settings::{AcmeDirectory, AcmeDirectoryError, AcmeDomain, AcmeDomainError};
use super::store::AcmeStore;
use super::thread::{AcmeClock, Issuer, Orders, RenewalSignals};
use crate::certificates::{Certificates, Validity};

const DAY: u64 = 86_400;
const MINUTE: Duration = Duration::from_secs(60);

fn after(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn domain(name: &str) -> AcmeDomain {
    name.parse().expect("it is a name")
}

/// A certificate with its key, valid for some days from a day on.
fn pem(name: &str, from: u64, days: u64) -> String {
    let mut params = CertificateParams::new([name.to_owned()]).expect("it is a name");
    params.not_before = after(from * DAY).into();
    params.not_after = after((from + days) * DAY).into();
    let pair = KeyPair::generate().expect("it can be made");
    format!("{}{}", pair.serialize_pem(), params.self_signed(&pair).expect("it can be made").pem())
}

/// A clock that is at the end of each wait at once.
#[derive(Clone, Default)]
struct StubClock {
    seconds: Rc<Cell<u64>>,
}

impl AcmeClock for StubClock {
    fn now(&self) -> SystemTime {
        after(self.seconds.get())
    }

    async fn wait(&self, time: Duration) {
        self.seconds.set(self.seconds.get() + time.as_secs().max(1));
        tokio::task::yield_now().await;
    }
}

/// What an order gets.
#[derive(Clone, Copy)]
enum Answer {
    /// A certificate that is valid for this many days, from today on.
    Issued(u64),
    /// Nothing, and perhaps after how many seconds to ask again.
    Refused(Option<u64>),
}

/// Answers orders in turn, and ends the run behind the last.
struct StubIssuer {
    answers: RefCell<Vec<Answer>>,
    orders: Rc<RefCell<Vec<(String, u64, usize)>>>,
    retry_after: Cell<Option<Duration>>,
    clock: StubClock,
    store: AcmeStore,
    signals: Rc<RenewalSignals>,
}

impl Issuer for StubIssuer {
    async fn issue(&self, domain: &AcmeDomain, failures: usize) -> Result<(), OrderError> {
        let now = self.clock.seconds.get();
        self.orders.borrow_mut().push((domain.to_string(), now, failures));
        let answer = self.answers.borrow_mut().remove(0);
        if self.answers.borrow().is_empty() {
            self.signals.stop();
        }
        match answer {
            Answer::Issued(days) => {
                let pem = pem(domain.as_str(), now / DAY, days);
                self.store.store_certificate(domain, &pem, |_| Ok(()))
            }
            Answer::Refused(retry_after) => {
                self.retry_after.set(retry_after.map(Duration::from_secs));
                Err(OrderError::Refused("no".to_owned()))
            }
        }
    }

    fn take_retry_after(&self) -> Option<Duration> {
        self.retry_after.take()
    }
}

/// A directory of an authority, and the clock, from day 20,000 on.
struct Bench {
    state: tempfile::TempDir,
    clock: StubClock,
}

const START: u64 = 20_000;

impl Bench {
    fn new() -> Self {
        let clock = StubClock::default();
        clock.seconds.set(START * DAY);
        Self { state: tempfile::tempdir().expect("a directory can be made"), clock }
    }

    fn store(&self) -> AcmeStore {
        let directory = AcmeDirectory::LETS_ENCRYPT.parse().expect("it is a URL");
        AcmeStore::open(self.state.path(), &directory).expect("it can be made")
    }

    /// Answers the orders for these names. Returns the name, the seconds since the start and the failures of each order.
    fn run(&self, names: &[&str], answers: &[Answer]) -> Vec<(String, u64, usize)> {
        let (store, orders, signals) = (self.store(), Rc::default(), Rc::new(RenewalSignals::default()));
        let domains: Vec<AcmeDomain> = names.iter().map(|name| domain(name)).collect();
        let files = domains.iter().map(|domain| store.files(domain)).collect();
        let (certificates, _) = Certificates::load_with_issued(Vec::new(), files).expect("they may be missing");
        let issuer = StubIssuer {
            answers: RefCell::new(answers.to_vec()),
            orders: Rc::clone(&orders),
            retry_after: Cell::default(),
            clock: self.clock.clone(),
            store: store.clone(),
            signals: signals.clone(),
        };
        let work = Orders::new(domains, store, Arc::new(certificates), issuer, self.clock.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it can be made");
        runtime.block_on(work.run(&signals));
        let start = START * DAY;
        orders.take().into_iter().map(|(name, at, failures)| (name, at - start, failures)).collect()
    }
}

/// The seconds of orders.
fn times(orders: &[(String, u64, usize)]) -> Vec<u64> {
    orders.iter().map(|(_, at, _)| *at).collect()
}

#[test]
fn a_missing_certificate_is_ordered_at_once_and_renewed_after_two_thirds_of_its_life() {
    let orders = Bench::new().run(&["a.test"], &[Answer::Issued(90), Answer::Issued(6), Answer::Issued(90)]);
    assert_eq!(times(&orders), [0, 60 * DAY, 64 * DAY]);
}

#[test]
fn a_certificate_that_is_kept_is_not_ordered_anew_after_a_restart() {
    let bench = Bench::new();
    assert_eq!(times(&bench.run(&["a.test"], &[Answer::Issued(90)])), [0]);
    let orders = bench.run(&["a.test"], &[Answer::Issued(90)]);
    assert_eq!(times(&orders), [60 * DAY], "it is still good until then");
}

#[test]
fn each_name_has_a_certificate_and_a_time_of_its_own() {
    let bench = Bench::new();
    bench
        .store()
        .store_certificate::<OrderError>(&domain("b.test"), &pem("b.test", START, 9), |_| Ok(()))
        .expect("kept");
    let orders = bench.run(&["a.test", "b.test"], &[Answer::Issued(30), Answer::Issued(60), Answer::Issued(60)]);
    let expected = [("a.test", 0), ("b.test", 6 * DAY), ("a.test", 20 * DAY)];
    let orders: Vec<(&str, u64)> = orders.iter().map(|(name, at, _)| (name.as_str(), *at)).collect();
    assert_eq!(orders, expected);
}

#[test]
fn a_failed_order_is_made_again_later_and_later() {
    let answers = [[Answer::Refused(None); 7].as_slice(), &[Answer::Issued(90), Answer::Issued(90)]].concat();
    let orders = Bench::new().run(&["a.test"], &answers);
    let minutes = [0, 1, 6, 21, 81, 321, 561, 801];
    let seconds: Vec<u64> = minutes.iter().map(|minutes| minutes * 60).collect();
    assert_eq!(times(&orders)[..8], seconds);
    let failures: Vec<usize> = orders.iter().map(|(_, _, failures)| *failures).collect();
    assert_eq!(failures, [0, 1, 2, 3, 4, 5, 6, 7, 0], "each attempt knows how many have failed before it");
}

#[test]
fn a_name_that_fails_keeps_no_other_waiting() {
    let orders = Bench::new().run(&["bad.test", "good.test"], &[Answer::Refused(None), Answer::Issued(90)]);
    assert_eq!(times(&orders), [0, 0]);
}

#[test]
fn the_authority_says_how_long_to_wait_up_to_a_day() {
    let (short, long) = (Answer::Refused(Some(1)), Answer::Refused(Some(9_999_999)));
    let orders = Bench::new().run(&["a.test"], &[short, Answer::Refused(Some(7200)), long, Answer::Issued(90)]);
    assert_eq!(times(&orders), [0, 60, 60 + 7200, 60 + 7200 + DAY]);
}

#[test]
fn a_certificate_that_is_old_when_it_comes_is_not_ordered_again_and_again() {
    let orders = Bench::new().run(&["a.test"], &[Answer::Issued(0), Answer::Issued(0), Answer::Issued(90)]);
    assert_eq!(times(&orders), [0, 3600, 7200]);
}

#[test]
fn an_operator_who_reloads_has_what_failed_ordered_at_once_and_nothing_else() {
    let mut orders = Renewal::default();
    let (now, good) = (after(START * DAY), Validity { not_before: START * DAY, not_after: (START + 90) * DAY });
    orders.failed(now, None);
    assert_eq!(orders.due(None), now + MINUTE);
    orders.retry_now();
    assert_eq!((orders.due(None), orders.failures()), (SystemTime::UNIX_EPOCH, 1));
    orders.succeeded(now);
    orders.retry_now();
    assert_eq!(orders.due(Some(good)), after((START + 60) * DAY));
    assert!(orders.due(None) > now);
}

#[test]
fn no_dates_of_a_certificate_are_too_much() {
    for (not_before, not_after) in [(0, u64::MAX), (u64::MAX, u64::MAX), (u64::MAX, 0), (9, 3)] {
        let _ = renewal(Validity { not_before, not_after });
    }
}

#[test]
fn one_process_orders_at_a_time() {
    let bench = Bench::new();
    let first = bench.store().lock().expect("it can be locked");
    assert!(first.is_some());
    assert!(bench.store().lock().expect("it can be asked").is_none());
    drop(first);
    assert!(bench.store().lock().expect("it can be locked").is_some());
}

#[test]
fn what_is_kept_is_for_the_hosts_user_alone_and_a_refused_certificate_replaces_nothing() {
    let bench = Bench::new();
    let store = bench.store();
    let domain = domain("a.test");
    store.store_account(b"{}").expect("it can be kept");
    store.store_certificate::<OrderError>(&domain, "old", |_| Ok(())).expect("it can be kept");
    let refused = store.store_certificate(&domain, "new", |files| {
        assert_eq!(std::fs::read(&files.key).expect("it is written"), b"new");
        Err(OrderError::Late)
    });
    assert!(refused.is_err());
    assert_eq!(std::fs::read(store.files(&domain).key).expect("it is kept"), b"old");
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(store.directory()), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(store.directory()).expect("it can be read").flatten() {
        assert_eq!(mode(&entry.path()), 0o600, "{entry:?}");
        names.push(entry.file_name().into_string().expect("it is text"));
    }
    names.sort();
    assert_eq!(names, ["a.test.pem", "account.json"]);
}

#[test]
fn two_authorities_have_nothing_in_common() {
    let state = tempfile::tempdir().expect("a directory can be made");
    let open = |url: &str| {
        let store = AcmeStore::open(state.path(), &url.parse().expect("it is a URL")).expect("it can be made");
        store.directory().file_name().expect("it has a name").to_owned()
    };
    let all = ["https://a.test/dir", "https://a.test/other", "https://b.test/dir", "https://[::1]:14000/dir"].map(open);
    assert!(all.iter().all(|name| all.iter().filter(|other| *other == name).count() == 1), "{all:?}");
    assert!(all[0].to_str().is_some_and(|name| name.starts_with("a.test-")));
}

#[test]
fn a_domain_is_one_host_name() {
    let names = [
        ("example.org", "example.org"),
        ("WWW.Example.org.", "www.example.org"),
        ("bücher.test", "xn--bcher-kva.test"),
    ];
    for (text, name) in names {
        assert_eq!(text.parse::<AcmeDomain>().map(|domain| domain.to_string()), Ok(name.to_owned()));
    }
    let refused = [
        ("*.example.org", AcmeDomainError::Wildcard),
        ("192.0.2.1", AcmeDomainError::Address),
        ("127.1", AcmeDomainError::Address),
        ("[::1]", AcmeDomainError::Address),
        ("2001:db8::1", AcmeDomainError::Address),
        ("", AcmeDomainError::NotName),
        ("example.org:443", AcmeDomainError::NotName),
        ("https://example.org", AcmeDomainError::NotName),
        ("example.org/", AcmeDomainError::NotName),
        ("../x", AcmeDomainError::NotName),
        ("a..b", AcmeDomainError::NotName),
        (".example.org", AcmeDomainError::NotName),
        ("user@example.org", AcmeDomainError::NotName),
        ("exa mple.org", AcmeDomainError::NotName),
    ];
    for (text, error) in refused {
        assert_eq!(text.parse::<AcmeDomain>(), Err(error), "{text}");
    }
}

#[test]
fn a_directory_is_a_url_with_tls() {
    assert!("https://localhost:14000/dir".parse::<AcmeDirectory>().is_ok());
    for text in ["http://ca.test/dir", "ca.test/dir", "ftp://ca.test/", ""] {
        assert_eq!(text.parse::<AcmeDirectory>(), Err(AcmeDirectoryError::NotHttps), "{text}");
    }
    assert!(matches!("https:///dir".parse::<AcmeDirectory>(), Err(AcmeDirectoryError::NotUrl(_))));
}
