//! The waits of a handler: which task is woken, and whether the handler's clock runs during them.

use std::cell::RefCell;
use std::future::{pending, poll_fn};
use std::sync::atomic::AtomicBool;
use std::task::{Context, Wake, Waker};

use super::*;

/// Runs branches as a sub-executor does. Each is polled once, and after that only if its own waker was called.
struct Branches<'b> {
    handler: Waker,
    branches: Vec<Branch<'b>>,
}

/// One branch. Its future is dropped when it ends.
struct Branch<'b> {
    future: Option<Pin<Box<dyn Future<Output = ()> + 'b>>>,
    waker: Arc<BranchWaker>,
}

struct BranchWaker {
    woken: AtomicBool,
    handler: Waker,
}

impl Wake for BranchWaker {
    fn wake(self: Arc<Self>) {
        self.woken.store(true, Ordering::Relaxed);
        self.handler.wake_by_ref();
    }
}

impl<'b> Branches<'b> {
    fn new(exchange: &Arc<Exchange>) -> Self {
        Self { handler: exchange.handler_waker(), branches: Vec::new() }
    }

    fn add(&mut self, future: impl Future<Output = ()> + 'b) {
        let waker = BranchWaker { woken: AtomicBool::new(true), handler: self.handler.clone() };
        self.branches.push(Branch { future: Some(Box::pin(future)), waker: Arc::new(waker) });
    }
}

impl Future for Branches<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        for Branch { future, waker } in &mut self.branches {
            let is_due = waker.woken.swap(false, Ordering::Relaxed);
            if let Some(running) = future.as_mut().filter(|_| is_due)
                && running.as_mut().poll(&mut Context::from_waker(&waker.clone().into())).is_ready()
            {
                *future = None;
            }
        }
        if self.branches.iter().all(|branch| branch.future.is_none()) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Wakes {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

#[test]
fn a_wait_that_is_dropped_lets_the_clock_go_on() {
    let exchange = exchange(options());
    while exchange.write(&[b'x'; 64], &mut 0) == Ok(true) {}
    {
        let mut read = pin!(exchange.read(1));
        assert!(poll(&exchange, read.as_mut()).is_pending());
        assert_eq!((exchange.deadline(), exchange.requested()), (None, Some(1)));
    }
    assert!(exchange.deadline().is_some(), "nothing waits for the client any more");
    assert_eq!(exchange.requested(), None, "nobody asks for the body any more");
    {
        let mut writable = pin!(exchange.writable());
        assert!(poll(&exchange, writable.as_mut()).is_pending());
        assert_eq!(exchange.deadline(), None);
    }
    assert!(exchange.deadline().is_some());
}

#[test]
fn a_wait_that_is_given_up_adds_only_the_time_that_it_took() {
    let exchange = exchange(options());
    let (deadline, begun) = (exchange.deadline().expect("it runs"), Instant::now());
    for _ in 0..3 {
        let mut read = pin!(exchange.read(1));
        assert!(poll(&exchange, read.as_mut()).is_pending());
    }
    let moved = exchange.deadline().expect("it runs again") - deadline;
    assert!(moved <= begun.elapsed());
}

#[test]
fn the_clock_stands_still_until_the_last_of_the_waits_for_the_client_has_ended() {
    let exchange = exchange(options());
    while exchange.write(&[b'x'; 64], &mut 0) == Ok(true) {}
    let mut writable = pin!(exchange.writable());
    let mut first = Some(Box::pin(exchange.read(1)));
    let mut second = Some(Box::pin(exchange.read(2)));
    let mut handler = pin!(poll_fn(|cx| {
        let _ = writable.as_mut().poll(cx);
        [&mut first, &mut second].into_iter().flatten().for_each(|read| assert!(read.as_mut().poll(cx).is_pending()));
        Poll::<()>::Pending
    }));
    assert!(poll(&exchange, handler.as_mut()).is_pending());
    assert_eq!(exchange.deadline(), None);
    drop(first.take());
    assert_eq!((exchange.deadline(), exchange.requested()), (None, Some(2)));
    drop(second.take());
    assert_eq!((exchange.deadline(), exchange.requested()), (None, None), "it still waits to write");
    take(&exchange);
    assert!(exchange.is_runnable());
    assert!(poll(&exchange, writable.as_mut()).is_ready());
    assert!(exchange.deadline().is_some());
}

#[tokio::test]
async fn the_clock_runs_while_a_handler_waits_for_something_else_besides() {
    for client_first in [true, false] {
        let exchange = exchange(options());
        let mut handler = Box::pin(async {
            tokio::select! {
                biased;
                _ = exchange.read(1), if client_first => {}
                () = exchange.wait_elsewhere(pending()) => {}
                _ = exchange.read(1) => {}
            }
        });
        assert!(poll(&exchange, handler.as_mut()).is_pending());
        assert!(exchange.deadline().is_some(), "a timer is no client");
        drop(handler);
        assert!(exchange.deadline().is_some());
    }
}

#[tokio::test]
async fn the_clock_stands_still_again_once_only_the_client_is_waited_for() {
    let (exchange, upstream) = (exchange(options()), tokio::sync::Notify::new());
    let mut handler = pin!(async {
        let mut read = pin!(exchange.read(1));
        tokio::select! {
            biased;
            _ = read.as_mut() => panic!("the client has sent nothing"),
            () = exchange.wait_elsewhere(upstream.notified()) => {}
        }
        read.await
    });
    assert!(poll(&exchange, handler.as_mut()).is_pending());
    assert!(exchange.deadline().is_some());
    upstream.notify_one();
    assert!(exchange.is_runnable(), "its upstream has woken it");
    assert!(poll(&exchange, handler.as_mut()).is_pending());
    assert_eq!(exchange.deadline(), None);
    exchange.push_piece(Bytes::from_static(b"a"));
    assert_eq!(poll(&exchange, handler), Poll::Ready(Ok(Some(Bytes::from_static(b"a")))));
    assert!(exchange.deadline().is_some());
}

#[test]
fn the_clock_runs_while_a_handler_runs_whatever_its_other_branches_wait_for() {
    let exchange = exchange(options());
    let mut read = pin!(exchange.read(1));
    let mut handler = pin!(poll_fn(|cx| {
        assert!(read.as_mut().poll(cx).is_pending());
        assert!(exchange.deadline().is_some(), "this branch computes");
        assert!(exchange.is_expired(Instant::now() + 2 * HOUR));
        Poll::<()>::Pending
    }));
    for _ in 0..3 {
        assert!(poll(&exchange, handler.as_mut()).is_pending());
        assert_eq!(exchange.deadline(), None);
    }
}

#[test]
fn the_clock_runs_while_a_handler_is_to_be_polled_again() {
    let exchange = exchange(options());
    let mut read = pin!(exchange.read(1));
    let mut handler = pin!(poll_fn(|cx| {
        assert!(read.as_mut().poll(cx).is_pending());
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    }));
    assert!(poll(&exchange, handler.as_mut()).is_pending());
    assert!(exchange.is_runnable() && exchange.deadline().is_some());
}

#[tokio::test]
async fn a_wait_in_a_task_of_its_own_is_woken() {
    type End = fn(&Exchange);
    let ends: [End; 3] = [
        |exchange| exchange.push_piece(Bytes::from_static(b"a")),
        |exchange| exchange.end_body(Ok(())),
        |exchange| exchange.client_gone(HOUR),
    ];
    for end in ends {
        let exchange = exchange(options());
        let read = tokio::spawn({
            let exchange = exchange.clone();
            async move { exchange.read(1).await }
        });
        tokio::task::yield_now().await;
        assert_eq!(exchange.requested(), Some(1));
        end(&exchange);
        let _: Result<_, _> = within(read).await;
    }
}

#[tokio::test]
async fn a_write_in_a_task_of_its_own_is_woken_by_the_client_the_end_and_the_chain() {
    type End = fn(&Exchange);
    let ends: [(bool, End); 4] = [
        (false, |exchange| _ = take(exchange)),
        (false, |exchange| exchange.response(Response::truncate)),
        (false, |exchange| exchange.client_gone(HOUR)),
        (true, |exchange| exchange.release_head()),
    ];
    for (is_held, end) in ends {
        let exchange = exchange(options());
        if is_held {
            exchange.hold_head();
        }
        while exchange.write(&[b'x'; 64], &mut 0) == Ok(true) {}
        let writable = tokio::spawn({
            let exchange = exchange.clone();
            async move { exchange.writable().await }
        });
        tokio::task::yield_now().await;
        assert!(!writable.is_finished());
        end(&exchange);
        within(writable).await;
    }
}

/// The result of a task, which must end soon.
async fn within<T>(task: tokio::task::JoinHandle<T>) -> T {
    let ended = tokio::time::timeout(Duration::from_secs(60), task).await;
    ended.expect("it is woken").expect("it does not panic")
}

#[test]
fn each_branch_of_a_handler_is_woken_for_what_it_waits_for() {
    let exchange = exchange(options());
    exchange.hold_head();
    let done = RefCell::new(Vec::new());
    let note = |what: &'static str| done.borrow_mut().push(what);
    let mut branches = Branches::new(&exchange);
    branches.add(async { exchange.read(1).await.map(|_| note("first read")).expect("a piece") });
    branches.add(async { exchange.read(1).await.map(|_| note("second read")).expect("a piece") });
    assert_eq!(exchange.write(b"x", &mut 0), Ok(false));
    branches.add(async {
        exchange.writable().await;
        note("written");
    });
    let mut handler = pin!(branches);
    let mut turn = |moved: &str| {
        assert!(exchange.take_wake(), "after {moved}");
        let polled = exchange.poll_handler(&exchange.handler_waker(), handler.as_mut());
        (polled.is_ready(), std::mem::take(&mut *done.borrow_mut()))
    };
    assert_eq!(turn("the start"), (false, vec![]));
    exchange.push_piece(Bytes::from_static(b"ab"));
    assert_eq!(turn("a piece"), (false, vec!["first read", "second read"]));
    exchange.begin_review(HOUR);
    assert!(!exchange.is_runnable());
    exchange.release_head();
    assert_eq!(turn("the head"), (true, vec!["written"]));
}

#[test]
fn a_read_that_another_has_left_nothing_asks_again() {
    let exchange = exchange(options());
    let (mut first, mut second) = (pin!(exchange.read(9)), pin!(exchange.read(3)));
    assert!(poll(&exchange, first.as_mut()).is_pending() && poll(&exchange, second.as_mut()).is_pending());
    exchange.push_piece(Bytes::from_static(b"abc"));
    assert!(poll(&exchange, first).is_ready());
    assert!(poll(&exchange, second.as_mut()).is_pending());
    assert_eq!(exchange.requested(), Some(3));
    exchange.end_body(Ok(()));
    assert_eq!(poll(&exchange, second), Poll::Ready(Ok(None)));
}

#[test]
fn a_handler_wakes_the_task_of_its_connection_only_while_that_rests() {
    let (exchange, connection) = (exchange(options()), Arc::new(Wakes::default()));
    let waker = Waker::from(connection.clone());
    let (cx, handler) = (Context::from_waker(&waker), exchange.handler_waker());
    assert!(exchange.take_wake() && !exchange.take_wake(), "a new handler is to be polled, once");
    handler.wake_by_ref();
    assert_eq!((exchange.take_wake(), connection.count()), (true, 0), "the turn goes on");
    exchange.end_turn(&cx);
    assert_eq!(connection.count(), 0);
    handler.wake_by_ref();
    handler.wake_by_ref();
    assert_eq!((exchange.is_runnable(), connection.count()), (true, 1));
    exchange.begin_turn();
    assert!(exchange.take_wake());
    handler.wake_by_ref();
    assert_eq!(connection.count(), 1);
    exchange.end_turn(&cx);
    assert_eq!(connection.count(), 2, "it was woken after the last look");
}

#[test]
fn the_clock_of_a_handler_stands_still_while_it_waits_for_its_client() {
    let exchange = exchange(options());
    let deadline = exchange.deadline().expect("it runs");
    assert!(!exchange.is_expired(deadline - Duration::from_nanos(1)));
    assert!(exchange.is_expired(deadline));
    let mut read = pin!(exchange.read(1));
    assert!(poll(&exchange, read.as_mut()).is_pending());
    assert_eq!(exchange.deadline(), None);
    assert!(!exchange.is_expired(deadline + HOUR));
    exchange.end_body(Ok(()));
    let before = Instant::now();
    assert!(poll(&exchange, read).is_ready());
    // The time that the handler has waited is added, and no more.
    let moved = exchange.deadline().expect("it runs again") - deadline;
    assert!(moved <= before.elapsed() + HOUR);
    assert!(poll(&exchange, pin!(exchange.read(1))).is_ready());
    assert_eq!(exchange.deadline(), Some(deadline + moved));
}

#[test]
fn a_client_that_is_gone_leaves_its_handler_the_grace_and_no_more() {
    let (exchange, now) = (exchange(options()), Instant::now());
    let deadline = exchange.deadline().expect("it runs");
    exchange.client_gone(2 * HOUR);
    assert_eq!(exchange.deadline(), Some(deadline));
    exchange.client_gone(Duration::ZERO);
    assert!(exchange.deadline().is_some_and(|at| (now..=Instant::now()).contains(&at)));
    assert_eq!(poll(&exchange, pin!(exchange.read(1))), Poll::Ready(Err(BodyError::Incomplete)));
    assert_eq!(exchange.write(b"a", &mut 0), Err(ResponseError::Closed));
    assert_eq!(take(&exchange), "");
}

#[test]
fn the_grace_is_not_longer_for_a_handler_that_has_waited() {
    let exchange = exchange(options());
    let mut waiting = pin!(exchange.read(1));
    assert!(poll(&exchange, waiting.as_mut()).is_pending());
    let (waited, since) = (Duration::from_millis(20), Instant::now());
    while since.elapsed() < waited {
        std::hint::spin_loop();
    }
    exchange.client_gone(Duration::ZERO);
    let gone = Instant::now();
    assert!(poll(&exchange, waiting.as_mut()).is_ready());
    let deadline = exchange.deadline().expect("it waits no more");
    assert!(deadline < gone + waited / 2, "the grace is {:?} longer", deadline - gone);
}

#[test]
fn a_client_that_is_gone_after_its_body_leaves_the_body_whole() {
    let exchange = exchange(options());
    exchange.end_body(Ok(()));
    exchange.client_gone(HOUR);
    assert_eq!(poll(&exchange, pin!(exchange.read(1))), Poll::Ready(Ok(None)));
}
