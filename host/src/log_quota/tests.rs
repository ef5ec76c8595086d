use super::*;

fn quota(rate: u64) -> (Arc<LogQuota>, Instant) {
    let now = Instant::now();
    (Arc::new(LogQuota::new(rate, now)), now)
}

#[test]
fn the_burst_is_seconds_of_the_rate_or_what_an_invocation_may_print() {
    for (rate, burst) in [(1_000_000, 8_000_000), (1, 131_072)] {
        let (quota, now) = quota(rate);
        let mut usage = quota.lock();
        assert!(usage.take(burst, now), "{rate}");
        assert!(!usage.take(1, now), "{rate}");
        assert!(usage.take(usize::try_from(rate).expect("it is small"), now + Duration::from_secs(1)), "{rate}");
    }
}

#[test]
fn a_refused_line_takes_nothing() {
    let (quota, now) = quota(1);
    let mut usage = quota.lock();
    assert!(!usage.take(131_073, now));
    assert!(usage.take(131_072, now));
}

#[test]
fn without_a_rate_all_is_logged() {
    let (quota, now) = quota(0);
    assert!(quota.lock().take(usize::MAX, now));
    assert!(quota.admit("a", usize::MAX));
}

#[test]
fn dropped_lines_are_counted_and_reported_once_in_a_period() {
    let (quota, now) = quota(1);
    assert!(quota.lock().take(131_072, now));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    runtime.block_on(async {
        assert!(!quota.admit("a", 1000));
        assert!(!quota.admit("a", 500));
        assert!(quota.lock().is_report_scheduled);
    });
    assert_eq!(quota.lock().dropped, Dropped { lines: 2, bytes: 1500, ..Dropped::default() });
    // The end of the server is the end of the period.
    drop(runtime);
    assert_eq!(quota.lock().dropped, Dropped::default());
    assert!(!quota.lock().is_report_scheduled);
}

#[test]
fn failures_are_logged_in_full_a_few_times_in_a_period() {
    let (quota, _) = quota(0);
    let told: Vec<bool> = (1..=7).map(|request| quota.admit_failure("a", request, &"broke\nhere")).collect();
    assert_eq!(told, [true, true, true, true, true, false, false]);
    let dropped = quota.take_dropped();
    assert_eq!((dropped.failures, dropped.last), (2, Some((7, "broke".to_owned()))));
    let later = Instant::now() + PERIOD;
    assert!(quota.lock().may_log_in_full(later));
}
