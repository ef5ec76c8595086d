use super::*;

/// Some clients.
const ADA: u64 = 1;
const BEN: u64 = 2;
const CLO: u64 = 3;
const DAN: u64 = 4;

/// A quarantine after this many failures, and its clock.
struct Tested {
    quarantine: Quarantine,
    now: Instant,
}

impl Tested {
    fn after(failures: u32) -> Self {
        Self { quarantine: Quarantine::after(failures), now: Instant::now() }
    }

    fn wait(&mut self, milliseconds: u64) {
        self.now += Duration::from_millis(milliseconds);
    }

    fn fail(&self, client: u64) -> Option<QuarantineChange> {
        self.quarantine.failed(client, || "it trapped".to_owned(), self.now)
    }

    fn succeed(&self, client: u64) -> Option<QuarantineChange> {
        self.quarantine.succeeded(client)
    }

    /// So many failures, one each 100 ms, of these clients in turn.
    fn fail_for_a_while(&mut self, failures: u32, clients: &[u64]) -> Option<QuarantineChange> {
        let mut changes = (0..failures).zip(clients.iter().cycle()).filter_map(|(_, client)| {
            self.now += Duration::from_millis(100);
            self.quarantine.failed(*client, || "it trapped".to_owned(), self.now)
        });
        let first = changes.next();
        assert_eq!(changes.next(), None, "it begins once");
        first
    }

    /// One that is in quarantine for all.
    fn in_quarantine() -> Self {
        let mut tested = Self::after(20);
        assert!(matches!(tested.fail_for_a_while(20, &[ADA, BEN, CLO]), Some(QuarantineChange::Begun(_))));
        tested
    }

    fn admit(&self, client: u64) -> Result<Option<u64>, u64> {
        self.quarantine.admit(client, self.now).map_err(|refusal| refusal.retry_after.as_millis() as u64)
    }
}

#[test]
fn it_begins_after_so_many_failures_and_says_what_has_failed() {
    let mut tested = Tested::after(20);
    assert_eq!(tested.fail_for_a_while(19, &[ADA, BEN, CLO]), None);
    assert_eq!((tested.admit(ADA), tested.quarantine.status()), (Ok(None), None));
    tested.wait(100);
    let Some(QuarantineChange::Begun(status)) = tested.fail(ADA) else { panic!("it begins") };
    assert_eq!(
        (status.failures, status.successes, status.within, status.is_for_all),
        (20, 0, Duration::from_millis(1900), true)
    );
    assert_eq!((&*status.reason, status.since), ("it trapped", tested.now));
    assert_eq!(tested.quarantine.status(), Some(status));
    assert_eq!(tested.admit(DAN), Err(5_000), "also for clients that have seen none");
}

#[test]
fn it_never_begins_if_it_is_off() {
    let mut tested = Tested::after(0);
    assert_eq!(tested.fail_for_a_while(1_000, &[ADA, BEN, CLO]), None);
    assert_eq!(tested.admit(ADA), Ok(None));
}

#[test]
fn failures_that_come_at_once_are_not_enough_and_one_a_second_later_is() {
    let mut tested = Tested::after(20);
    for _ in 0..1_000 {
        assert_eq!(tested.fail(ADA), None);
    }
    tested.wait(999);
    assert_eq!(tested.fail(ADA), None);
    tested.wait(1);
    assert!(tested.fail(ADA).is_some());
}

#[test]
fn failures_that_are_far_apart_do_not_count_together() {
    let mut tested = Tested::after(20);
    for _ in 0..200 {
        tested.wait(600);
        assert_eq!(tested.fail(ADA), None, "16 in 10 s");
    }
    // At two a second, there are as many in 10 s.
    let begins = (0..40).any(|_| {
        tested.wait(500);
        tested.fail(ADA).is_some()
    });
    assert!(begins);
}

#[test]
fn successes_between_the_failures_prevent_it() {
    for (failures_for_each_success, begins) in [(1, false), (2, false), (5, false), (15, true), (30, true)] {
        let mut tested = Tested::after(20);
        let mut failed = |number: u32| {
            tested.wait(60);
            let failed = tested.fail(u64::from(number) % 5).is_some();
            if number.is_multiple_of(failures_for_each_success) {
                tested.succeed(ADA);
            }
            failed
        };
        assert_eq!((1..2_000).any(&mut failed), begins, "{failures_for_each_success} failures for each success");
    }
}

#[test]
fn a_route_with_many_successes_is_watched_only_for_some_of_them() {
    let tested = Tested::after(20);
    tested.fail(ADA);
    assert_eq!(tested.quarantine.mode(), WATCHED);
    for _ in 0..20 {
        tested.succeed(BEN);
    }
    assert_eq!(tested.quarantine.mode(), 0, "the next success writes nothing");
}

#[test]
fn a_client_that_alone_sees_failures_is_alone_in_quarantine() {
    let mut tested = Tested::after(20);
    let Some(QuarantineChange::Begun(status)) = tested.fail_for_a_while(20, &[ADA]) else { panic!("it begins") };
    assert!(!status.is_for_all);
    assert_eq!((tested.admit(ADA), tested.admit(BEN)), (Err(5_000), Ok(None)));
    assert_eq!(tested.succeed(BEN), None, "this says nothing of what Ada sends");
    assert!(tested.admit(ADA).is_err());
    // Two clients may be one person.
    let mut tested = Tested::after(20);
    assert!(tested.fail_for_a_while(20, &[ADA, BEN]).is_some());
    assert_eq!((tested.admit(ADA).is_err(), tested.admit(BEN).is_err(), tested.admit(CLO)), (true, true, Ok(None)));
}

#[test]
fn a_client_that_floods_a_route_with_failures_does_not_end_it_for_others_that_succeed() {
    let mut tested = Tested::after(20);
    for _ in 0..10_000 {
        tested.wait(1);
        for client in [ADA, BEN, CLO] {
            if tested.admit(client).is_ok() {
                tested.fail(client);
            }
        }
        assert_eq!(tested.admit(DAN), Ok(None));
        tested.succeed(DAN);
    }
}

#[test]
fn if_the_others_fail_too_it_is_for_all() {
    let mut tested = Tested::after(20);
    tested.fail_for_a_while(20, &[ADA]);
    tested.admit(ADA).expect_err("it is in quarantine");
    let Some(QuarantineChange::Begun(status)) = tested.fail_for_a_while(20, &[BEN]) else { panic!("it goes on") };
    assert!(status.is_for_all && status.refused == 1, "{status:?}");
    assert!(tested.admit(CLO).is_err());
    assert_eq!(tested.quarantine.counts(), QuarantineCounts { begun: 2, refused: 2 });
}

#[test]
fn after_a_pause_one_request_is_let_through_and_its_success_ends_it() {
    let mut tested = Tested::in_quarantine();
    tested.wait(4_200);
    assert_eq!(tested.admit(ADA), Err(1_000), "at least a second");
    tested.wait(800);
    assert_eq!(tested.admit(BEN), Ok(Some(1)));
    assert_eq!(tested.admit(ADA), Err(5_000));
    let Some(QuarantineChange::Ended(status)) = tested.succeed(BEN) else { panic!("it ends") };
    assert_eq!(status.refused, 2);
    assert_eq!((tested.admit(ADA), tested.quarantine.status(), tested.quarantine.mode()), (Ok(None), None, 0));
    assert_eq!(tested.quarantine.counts(), QuarantineCounts { begun: 1, refused: 2 });
}

#[test]
fn a_probe_that_fails_makes_the_next_pause_longer_up_to_a_minute() {
    let mut tested = Tested::in_quarantine();
    for pause in [5, 10, 20, 40, 60, 60] {
        tested.wait(pause * 1_000 - 1);
        assert!(tested.admit(ADA).is_err(), "{pause}");
        tested.wait(1);
        assert!(matches!(tested.admit(ADA), Ok(Some(_))), "{pause}");
        assert_eq!(tested.fail(ADA), None, "it is not told again");
    }
}

#[test]
fn what_was_running_before_it_began_neither_ends_nor_prolongs_it() {
    let mut tested = Tested::in_quarantine();
    assert_eq!((tested.succeed(ADA), tested.fail(ADA)), (None, None));
    tested.wait(5_000);
    assert_eq!(tested.admit(ADA), Ok(Some(1)));
}

#[test]
fn a_probe_that_tells_nothing_lets_the_next_request_through() {
    let mut tested = Tested::in_quarantine();
    tested.wait(5_000);
    assert_eq!(tested.admit(ADA), Ok(Some(1)));
    assert!(tested.admit(BEN).is_err());
    tested.quarantine.abandon(1, tested.now);
    assert_eq!(tested.admit(BEN), Ok(Some(2)));
    // One that was given up before, or that has told something, changes nothing.
    tested.quarantine.abandon(1, tested.now);
    assert!(tested.admit(CLO).is_err());
    tested.fail(BEN);
    tested.quarantine.abandon(2, tested.now);
    assert_eq!(tested.admit(CLO), Err(10_000));
}

#[test]
fn a_probe_that_takes_long_is_followed_by_another() {
    let mut tested = Tested::in_quarantine();
    tested.wait(5_000);
    assert_eq!(tested.admit(ADA), Ok(Some(1)));
    tested.wait(5_000);
    assert_eq!(tested.admit(BEN), Ok(Some(2)));
    assert!(matches!(tested.succeed(ADA), Some(QuarantineChange::Ended(_))), "the first has ended well");
}

#[test]
fn a_new_version_is_not_in_quarantine_and_goes_on_counting() {
    let tested = Tested::in_quarantine();
    tested.admit(ADA).expect_err("it is in quarantine");
    let next = Quarantine::after(20);
    assert!(matches!(next.replace(&tested.quarantine), Some(QuarantineChange::Ended(_))));
    assert_eq!((next.admit(ADA, tested.now), next.status()), (Ok(None), None));
    assert_eq!(next.counts(), QuarantineCounts { begun: 1, refused: 1 });
    assert_eq!(tested.admit(ADA), Ok(None), "and what still has the version before may end");
    assert_eq!(Quarantine::after(20).replace(&next), None, "a healthy one has nothing to tell");
}
