use super::*;

#[test]
fn the_stats_of_a_server_are_the_sum_of_its_workers() {
    let workers = [WorkerMetrics::default(), WorkerMetrics::default()];
    let [one, two] = &workers;
    let in_flight = [one.start_invocation(), two.start_invocation(), two.start_invocation()];
    one.add_connection();
    two.add_connection();
    two.add_connection();
    two.remove_connection();
    assert_eq!([one.count_request(), one.count_request(), two.count_request()], [0, 1, 0]);
    one.count_closed(CloseReason::Idle);
    two.count_closed(CloseReason::Idle);
    two.count_closed(CloseReason::Stopping);
    one.count_reached(3);
    two.count_reached(4);
    two.count_dropped(5);

    let sum = || {
        let mut stats = ServerStats::default();
        workers.iter().for_each(|worker| worker.add_to(&mut stats));
        stats
    };
    let stats = sum();
    assert_eq!((stats.requests, stats.connections, stats.invocations), (3, 2, 3));
    assert_eq!(stats.published, PublishedChunks { reached: 7, dropped: 5 });
    for reason in CloseReason::ALL {
        let expected = match reason {
            CloseReason::Idle => 2,
            CloseReason::Stopping => 1,
            _ => 0,
        };
        assert_eq!(stats.closed(reason), expected, "{reason:?}");
    }
    drop(in_flight);
    assert_eq!(sum().invocations, 0);
}
