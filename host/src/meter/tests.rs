use super::*;

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_stage_that_was_not_left_counts_until_now() {
    let (meter, begin) = (Meter::default(), Instant::now());
    assert_eq!(meter.read(begin), None);
    meter.add(Stage::Queued, 2 * MS);
    meter.enter(Stage::Instantiate, begin);
    meter.leave(begin + 3 * MS);
    meter.enter(Stage::Run, begin + 3 * MS);
    let cost = Cost { queued: 2 * MS, instantiate: 3 * MS, run: 4 * MS, ..Cost::default() };
    assert_eq!(meter.read(begin + 7 * MS), Some(cost));
    meter.leave(begin + 8 * MS);
    // Time between two stages belongs to neither.
    meter.leave(begin + 20 * MS);
    meter.enter(Stage::Paced, begin + 20 * MS);
    meter.leave(begin + 26 * MS);
    meter.note_memory(65_536);
    let cost = Cost { run: 5 * MS, paced: 6 * MS, memory: 65_536, ..cost };
    assert_eq!(meter.read(begin + 30 * MS), Some(cost));
}

#[test]
fn server_timing_has_milliseconds() {
    let meter = Meter::default();
    meter.add(Stage::Queued, Duration::from_micros(12));
    meter.add(Stage::Instantiate, Duration::from_nanos(1_234_567));
    meter.add(Stage::Run, 1500 * MS);
    let expected = "queue;dur=0.012, instantiate;dur=1.235, run;dur=1500.000";
    assert_eq!(meter.server_timing(Instant::now()), expected);
    meter.add(Stage::Upstream, 2 * MS);
    assert_eq!(meter.server_timing(Instant::now()), format!("{expected}, upstream;dur=2.000"));
}
