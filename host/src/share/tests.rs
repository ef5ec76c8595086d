//! How much routes get if each takes all it may.

use std::sync::Arc;

use super::*;

/// Lets each route in turn take one more until none may, and returns what each has.
fn take_all(total: usize, shares: &[u64]) -> Vec<usize> {
    let mut own = vec![0; shares.len()];
    loop {
        let mut taken_one = false;
        for (route, percent) in shares.iter().enumerate() {
            let taken = own.iter().sum::<usize>() + 1;
            if taken <= total && Share::new(*percent).allows(|| own[route] + 1, taken, total - taken) {
                own[route] += 1;
                taken_one = true;
            }
        }
        if !taken_one {
            return own;
        }
    }
}

#[test]
fn a_route_alone_takes_its_share_and_many_leave_some() {
    assert_eq!(take_all(1000, &[50]), [500]);
    assert_eq!(take_all(1000, &[100]), [1000]);
    assert_eq!(take_all(1000, &[10]), [100]);
    assert_eq!(take_all(1000, &[50, 50]), [333, 333]);
    for routes in [3, 10, 50] {
        let taken = take_all(1000, &vec![50; routes]);
        let left = 1000 - taken.iter().sum::<usize>();
        assert!(left >= 1000 / (routes + 1) && taken.iter().all(|one| *one >= left - 1), "{routes}: {taken:?}");
    }
}

#[test]
fn usage_adds_up_across_threads() {
    let usage = Arc::new(RouteUsage::default());
    usage.add(Resource::Invocations, 5);
    let elsewhere = usage.clone();
    std::thread::spawn(move || {
        elsewhere.subtract(Resource::Invocations, 3);
        elsewhere.add(Resource::Parked, 1);
    })
    .join()
    .expect("the thread ends well");
    assert_eq!((usage.sum(Resource::Invocations), usage.sum(Resource::Parked)), (2, 1));
}
