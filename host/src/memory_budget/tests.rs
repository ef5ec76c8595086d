//! Tests what is counted, and how the memory of the machine is found.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::machine::{of_groups, of_machine};
use super::*;

const MIB: usize = 1024 * 1024;

/// A route whose share of the budget is `percent`.
struct TestRoute(Arc<RouteUsage>, Share);

impl TestRoute {
    fn with_share(percent: u64) -> Self {
        Self(Arc::default(), Share::new(percent))
    }

    fn owner(&self) -> MemoryOwner<'_> {
        MemoryOwner { usage: &self.0, share: self.1 }
    }

    fn taken(&self) -> usize {
        self.0.sum(Resource::Memory)
    }
}

/// Runs on a thread that counts for a budget, as its worker of that number.
fn serving<R: Send>(budget: &Arc<MemoryBudget>, worker: usize, work: impl FnOnce() -> R + Send) -> R {
    std::thread::scope(|scope| {
        let served = scope.spawn(|| {
            budget.serve(worker);
            work()
        });
        served.join().expect("the thread ends well")
    })
}

fn budget(limit: usize, workers: usize) -> Arc<MemoryBudget> {
    Arc::new(MemoryBudget::new(limit, NonZeroUsize::new(workers).expect("it is above 0")))
}

fn is_there(bytes: usize) -> bool {
    reserve(bytes, 0, None).is_ok()
}

#[test]
fn no_more_is_reserved_than_there_is() {
    let budget = budget(64 * MIB, 1);
    let taken = serving(&budget, 0, || (0..100).take_while(|_| is_there(MIB)).count());
    assert_eq!((taken, budget.in_use()), (64, 64 * MIB));
}

#[test]
fn what_is_released_can_be_reserved_elsewhere() {
    let budget = budget(64 * MIB, 3);
    for worker in 0..3 {
        serving(&budget, worker, || {
            assert!(is_there(55 * MIB) && !is_there(10 * MIB));
            release(55 * MIB);
        });
        assert_eq!(budget.in_use(), 0);
        assert!(budget.reserved() <= 8 * MIB, "an eighth is kept ahead at most");
    }
}

#[test]
fn a_route_has_its_share_and_one_that_has_none_gets_what_is_left() {
    let budget = budget(64 * MIB, 1);
    let (greedy, other, all) = (TestRoute::with_share(50), TestRoute::with_share(1), TestRoute::with_share(100));
    serving(&budget, 0, || {
        let taken = (0..100).take_while(|_| reserve(MIB, 0, Some(greedy.owner())).is_ok()).count();
        assert!((30..=32).contains(&taken), "{taken}");
        assert_eq!(reserve(MIB, 0, Some(greedy.owner())), Err(MemoryShortage::Share));
        assert_eq!((greedy.taken(), budget.in_use()), (taken * MIB, taken * MIB));
        assert_eq!(check(10 * MIB, other.owner()), Ok(()));
        assert_eq!(reserve(10 * MIB, 0, Some(other.owner())), Ok(()));
        assert_eq!(reserve(10 * MIB, 0, Some(other.owner())), Err(MemoryShortage::Share));
        assert_eq!(reserve(30 * MIB, 0, Some(all.owner())), Err(MemoryShortage::Total));
        assert_eq!(reserve(15 * MIB, 0, Some(all.owner())), Ok(()));
    });
}

#[test]
fn bytes_are_counted_until_the_last_clone_is_dropped_on_any_thread() {
    let (budget, route) = (budget(64 * MIB, 2), TestRoute::with_share(100));
    let part = serving(&budget, 0, || {
        let bytes = counted(Bytes::from(vec![b'x'; 60 * MIB]), route.owner());
        let part = bytes.slice(7..9);
        drop(bytes);
        assert!(!is_there(8 * MIB));
        part
    });
    let part = serving(&budget, 1, || {
        let clone = part.clone();
        drop(part);
        clone
    });
    assert_eq!((budget.in_use(), route.taken(), &part[..]), (60 * MIB, 60 * MIB, &b"xx"[..]));
    // On a thread that serves no requests.
    drop(part);
    assert_eq!((budget.in_use(), route.taken()), (0, 0));
    assert!(serving(&budget, 1, || is_there(50 * MIB)));
}

#[test]
fn small_bytes_are_not_counted() {
    let (budget, route) = (budget(64 * MIB, 1), TestRoute::with_share(100));
    serving(&budget, 0, || {
        let _small = counted(Bytes::from(vec![0; MIN_COUNTED - 1]), route.owner());
        assert_eq!(budget.in_use(), 0);
        let _large = counted(Bytes::from(vec![0; MIN_COUNTED]), route.owner());
        assert_eq!(budget.in_use(), MIN_COUNTED);
    });
}

#[test]
fn what_is_there_in_any_case_keeps_others_out() {
    let (budget, route) = (budget(64 * MIB, 1), TestRoute::with_share(100));
    serving(&budget, 0, || {
        assert!(is_there(1));
        let over = Reservation::forced(100 * MIB, route.owner());
        assert!(!is_there(1) && !is_there(MIB));
        assert_eq!(check_reserved(10, route.owner()), Err(MemoryShortage::Total));
        drop(over);
        assert_eq!(check_reserved(10, route.owner()), Ok(()));
        assert!(is_there(60 * MIB));
    });
}

#[test]
fn a_reservation_grows_and_a_refused_one_stays_as_it_is() {
    let (budget, route) = (budget(64 * MIB, 1), TestRoute::with_share(100));
    serving(&budget, 0, || {
        let mut reservation = Reservation::new(10 * MIB, route.owner()).expect("there is as much");
        assert_eq!(reservation.grow(20 * MIB, route.owner()), Ok(()));
        assert_eq!(reservation.grow(40 * MIB, route.owner()), Err(MemoryShortage::Total));
        assert_eq!((reservation.bytes(), budget.in_use(), route.taken()), (30 * MIB, 30 * MIB, 30 * MIB));
        drop(reservation);
        assert_eq!((budget.in_use(), route.taken()), (0, 0));
    });
}

#[test]
fn a_thread_that_serves_nobody_counts_nothing() {
    assert!(is_there(usize::MAX));
    release(usize::MAX);
    release(usize::MAX);
    assert!(is_there(1) && !is_short());
}

#[test]
fn who_waits_is_given_what_others_have_ahead_and_do_not_use() {
    let (budget, route) = (budget(64 * MIB, 2), TestRoute::with_share(100));
    // The other worker keeps some bytes reserved ahead.
    let idle = |budget: &Arc<MemoryBudget>| {
        budget.serve(1);
        assert!(is_there(MIB));
        release(MIB);
        assert!(budget.reserved() > 0 && budget.in_use() == 0);
    };
    let dropped = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (done, is_done) = tokio::sync::oneshot::channel::<()>();
        let (shared, dropped) = (&budget, &dropped);
        scope.spawn(move || {
            idle(shared);
            let runtime = tokio::runtime::Builder::new_current_thread().build().expect("there is a runtime");
            runtime.block_on(async {
                let relieve = shared.relieve(|| {
                    dropped.fetch_add(1, Ordering::Relaxed);
                });
                let mut relieve = std::pin::pin!(relieve);
                // It is notified from its first poll on.
                let mut told = Some(ready);
                let listening = std::future::poll_fn(|cx| {
                    let polled = relieve.as_mut().poll(cx);
                    if let Some(told) = told.take() {
                        told.send(()).expect("the other thread waits");
                    }
                    polled
                });
                tokio::select! { () = listening => {} , _ = is_done => {} }
            });
        });
        is_ready.recv().expect("the other worker is there");
        serving(&budget, 0, || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let all = || check(64 * MIB, route.owner());
            assert_eq!(all(), Err(MemoryShortage::Total));
            let waited = runtime.expect("there is a runtime").block_on(wait_until(all, Duration::from_secs(30)));
            assert_eq!(waited, Ok(()));
        });
        drop(done);
    });
    assert!(dropped.load(Ordering::Relaxed) > 0);
}

proptest! {
    /// After any sequence of reservations and releases on any worker, the budget and the route count exactly what is
    /// held. In the end they count nothing.
    #[test]
    fn what_is_held_is_counted_and_all_comes_back(
        steps in prop::collection::vec((0_usize..3, 0_usize..6, 0_usize..20 * MIB), 1..60),
    ) {
        let (budget, route) = (budget(64 * MIB, 2), TestRoute::with_share(70));
        let (mut held, mut raw): (Vec<Reservation>, usize) = (Vec::new(), 0);
        for (thread, step, bytes) in steps {
            let act = || match step {
                0 => held.extend(Reservation::new(bytes, route.owner())),
                1 => held.push(Reservation::forced(bytes, route.owner())),
                2 => drop((!held.is_empty()).then(|| held.swap_remove(bytes % held.len()))),
                3 => drop(check(bytes, route.owner())),
                // They are only released on the thread that made them.
                4 if thread == 0 => raw += reserve(bytes, 0, None).map_or(0, |()| bytes),
                _ if thread == 0 => release(std::mem::take(&mut raw)),
                _ => {}
            };
            match thread {
                2 => drop((step == 2 && !held.is_empty()).then(|| held.pop())),
                worker => serving(&budget, worker, act),
            }
            let sum: usize = held.iter().map(Reservation::bytes).sum();
            prop_assert_eq!((budget.in_use(), route.taken()), (sum + raw, sum));
        }
        drop(held);
        serving(&budget, 0, || release(raw));
        // It keeps the bytes that it has checked and not reserved until it next releases something.
        serving(&budget, 1, || release(0));
        prop_assert_eq!((budget.in_use(), route.taken()), (0, 0));
        prop_assert!(budget.reserved() <= 8 * MIB);
    }
}

#[test]
fn the_least_limit_of_all_groups_above_counts_in_both_versions() {
    let files = |files: &[(&str, &str)]| {
        let files: HashMap<String, String> =
            files.iter().map(|(path, text)| ((*path).to_owned(), format!("{text}\n"))).collect();
        move |path: &Path| files.get(path.to_str()?).cloned()
    };
    let second = files(&[
        ("/sys/fs/cgroup/a/b/memory.max", "max"),
        ("/sys/fs/cgroup/a/memory.max", "1000"),
        ("/sys/fs/cgroup/other/memory.max", "1"),
    ]);
    assert_eq!(of_groups("0::/a/b\n", &second), Some(1000));
    assert_eq!(of_groups("0::/\n", files(&[("/sys/fs/cgroup/memory.max", "77")])), Some(77));
    assert_eq!(of_groups("0::/a\n", files(&[("/sys/fs/cgroup/a/memory.max", "max")])), None);
    let slowed = files(&[("/sys/fs/cgroup/a/memory.max", "500"), ("/sys/fs/cgroup/a/memory.high", "400")]);
    assert_eq!(of_groups("0::/a\n", slowed), Some(400));
    let first = files(&[
        ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"),
        ("/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "5000"),
    ]);
    let groups = "5:cpu,cpuacct:/docker/y\n4:memory:/docker/x\n0::/\n";
    assert_eq!(of_groups(groups, &first), Some(5000));
    let in_container = files(&[("/sys/fs/cgroup/memory/memory.limit_in_bytes", "6000")]);
    assert_eq!(of_groups(groups, &in_container), Some(6000));
    assert_eq!(of_groups("nonsense\n\n::\n", &in_container), None);
}

#[test]
fn the_memory_of_the_machine_is_read() {
    assert_eq!(of_machine("MemTotal:       16384 kB\nMemFree: 1 kB\n"), Some(16 * 1024 * 1024));
    assert_eq!(of_machine("MemFree: 1 kB\n"), None);
    assert!(half_of_the_machine() > 64 * MIB);
}
