use super::*;

const TICK: Duration = Duration::from_millis(5);

/// A scheduler and the tickets that wait for it.
#[derive(Default)]
struct Waiters {
    scheduler: Scheduler,
    tickets: Vec<(&'static str, Arc<AtomicBool>)>,
}

impl Waiters {
    fn wait(&mut self, name: &'static str, route: u64, used: Duration, is_new: bool) {
        let granted = Arc::<AtomicBool>::default();
        self.tickets.push((name, granted.clone()));
        self.scheduler.wait(route, used, is_new, Ticket { waker: Waker::noop().clone(), granted });
    }

    /// Grants a ticket and returns its name.
    fn next(&mut self) -> Option<&'static str> {
        self.scheduler.grant();
        let at = self.tickets.iter().position(|(_, granted)| granted.load(Ordering::Relaxed))?;
        Some(self.tickets.remove(at).0)
    }
}

#[test]
fn routes_take_turns_however_many_of_each_wait() {
    let mut waiters = Waiters::default();
    for _ in 0..500 {
        waiters.wait("crowd", 1, TICK, false);
    }
    waiters.wait("one", 2, TICK, false);
    let mut of_one = 0;
    for _ in 0..100 {
        let next = waiters.next().expect("some wait");
        let route = if next == "one" { 2 } else { 1 };
        of_one += u32::from(next == "one");
        waiters.wait(next, route, TICK, false);
    }
    assert!((45..=55).contains(&of_one), "{of_one} of 100");
}

#[test]
fn within_a_route_new_requests_go_first_and_then_the_oldest_ticket() {
    let mut waiters = Waiters::default();
    waiters.wait("long", 1, TICK, false);
    waiters.wait("short", 1, TICK, false);
    waiters.wait("new", 1, Duration::ZERO, true);
    assert_eq!([(); 4].map(|()| waiters.next()), [Some("new"), Some("long"), Some("short"), None]);
}

#[test]
fn a_route_that_has_used_little_goes_before_one_that_has_used_much() {
    let mut waiters = Waiters::default();
    waiters.wait("much", 1, 20 * TICK, false);
    waiters.wait("little", 2, TICK, false);
    assert_eq!([waiters.next(), waiters.next()], [Some("little"), Some("much")]);
}

#[test]
fn a_route_that_was_idle_gets_no_more_than_a_small_lead() {
    let mut waiters = Waiters::default();
    for _ in 0..1000 {
        waiters.wait("busy", 1, TICK, false);
        assert_eq!(waiters.next(), Some("busy"));
    }
    waiters.wait("busy", 1, TICK, false);
    let mut before = 0;
    waiters.wait("late", 2, TICK, false);
    while waiters.next() == Some("late") {
        before += 1;
        waiters.wait("late", 2, TICK, false);
    }
    assert!(before <= 5, "it went on {before} times before the other");
}

#[test]
fn a_dropped_ticket_takes_no_slice() {
    let mut waiters = Waiters::default();
    waiters.wait("gone", 1, TICK, false);
    waiters.wait("here", 1, TICK, false);
    waiters.tickets.retain(|(name, _)| *name == "here");
    assert_eq!([waiters.next(), waiters.next()], [Some("here"), None]);
    assert!(waiters.scheduler.waiting.is_empty());
}

#[test]
fn requests_of_a_route_start_at_once_unless_many_of_them_are_interrupted() {
    let mut waiters = Waiters::default();
    assert!(waiters.scheduler.starts_at_once(1), "nothing of the route waits");
    waiters.wait("spins", 1, TICK, false);
    assert!(!waiters.scheduler.starts_at_once(1));
    assert!(waiters.scheduler.starts_at_once(2), "another route is not concerned");

    for _ in 0..1000 {
        waiters.scheduler.starts_at_once(2);
    }
    for _ in 0..3 {
        waiters.scheduler.note_interruption(2);
        waiters.wait("one in many", 2, TICK, false);
        assert!(waiters.scheduler.starts_at_once(2), "it is quick as a rule");
    }
    waiters.scheduler.note_interruption(2);
    assert!(!waiters.scheduler.starts_at_once(2), "a burst of slow ones is noticed");
}

#[test]
fn the_number_of_remembered_routes_is_bounded() {
    let mut waiters = Waiters::default();
    waiters.wait("waits", 0, TICK, false);
    for route in 0..3 * MAX_ROUTES as u64 {
        waiters.scheduler.starts_at_once(route);
    }
    assert!(waiters.scheduler.routes.len() <= MAX_ROUTES);
    assert_eq!(waiters.next(), Some("waits"));
}
