use super::*;
use crate::routes::source::Source;
use crate::routes::source::tests::InMemory;

/// A component of so many bytes.
fn candidate(path: &str, bytes: usize) -> Candidate {
    let source = InMemory::default();
    let key = source.put(path, &vec![0; bytes], None);
    let fingerprint = source.fingerprint(&key).expect("it is known");
    Candidate::read(&source, key, fingerprint)
}

fn name(candidate: &Candidate) -> String {
    candidate.key.to_string()
}

/// Begins what can be begun, and says what that is.
fn begin_all(loads: &mut LoadQueue, now: Instant) -> Vec<(String, Option<u64>)> {
    let mut begun = Vec::new();
    while let Some(begin) = loads.next() {
        begun.push(match begin {
            NextLoad::LookUp(candidate) => (name(&candidate), None),
            NextLoad::Compile(number, candidate, turns) => {
                loads.begin(number, &candidate, turns, LoadAttempt::new(|| ()), now);
                (name(&candidate), Some(number))
            }
        });
    }
    begun
}

fn look_up(name: &str) -> (String, Option<u64>) {
    (name.to_owned(), None)
}

fn compile(name: &str, number: u64) -> (String, Option<u64>) {
    (name.to_owned(), Some(number))
}

#[test]
fn nothing_is_compiled_before_all_is_looked_up_in_the_cache_and_then_small_files_go_first() {
    let (mut loads, now) = (LoadQueue::new(1), Instant::now());
    let all = [("large", 30), ("small", 10), ("cached", 20)].map(|(name, bytes)| candidate(name, bytes));
    all.iter().for_each(|candidate| loads.add(candidate.clone()));
    for candidate in &all {
        assert_eq!(begin_all(&mut loads, now), [look_up(&name(candidate))]);
        loads.looked_up(&candidate.key);
        if name(candidate) != "cached" {
            loads.add_uncached(candidate.clone(), 0);
        }
    }
    assert_eq!(begin_all(&mut loads, now), [compile("small", 1)]);
    assert_eq!(loads.end(1), 1);
    assert_eq!(begin_all(&mut loads, now), [compile("large", 2)]);
    assert_eq!(loads.left(), 1);
}

#[test]
fn what_takes_long_is_put_off_when_another_waits_that_has_had_less() {
    let (mut loads, now) = (LoadQueue::new(1), Instant::now());
    let (slow, quick) = (candidate("slow", 1), candidate("quick", 2));
    loads.add_uncached(slow.clone(), 0);
    assert_eq!(begin_all(&mut loads, now), [compile("slow", 1)]);
    assert_eq!(loads.end_turns(now + 10 * COMPILE_TURN), None, "nobody waits");
    loads.add_uncached(quick, 0);
    assert_eq!(loads.end_turns(now), Some(now + COMPILE_TURN));
    assert_eq!(loads.end_turns(now + COMPILE_TURN), None);
    assert!(loads.compiling[0].is_stopped);
    loads.add_uncached(slow, loads.compiling[0].turns + 1);
    assert_eq!(loads.end(1), 1);
    assert_eq!(begin_all(&mut loads, now + COMPILE_TURN), [compile("quick", 2)]);
    assert_eq!(loads.end_turns(now + 9 * COMPILE_TURN), None, "the one that waits has had more");
    loads.end(2);
    assert_eq!(begin_all(&mut loads, now + COMPILE_TURN), [compile("slow", 3)]);
    assert_eq!(loads.compiling[0].turn_ends, now + COMPILE_TURN + 4 * COMPILE_TURN);
}

#[test]
fn what_describes_itself_holds_up_no_other() {
    let (mut loads, now) = (LoadQueue::new(1), Instant::now());
    for number in 0..40 {
        loads.add_uncached(candidate(&format!("{number:02}"), 1), 0);
    }
    for number in 1..=32 {
        assert_eq!(begin_all(&mut loads, now).len(), 1);
        loads.compiled(number);
    }
    assert_eq!(begin_all(&mut loads, now).len(), 1, "the last has the only slot");
    loads.compiled(33);
    assert_eq!(begin_all(&mut loads, now).len(), 0, "so many are bounded too");
    loads.end(1);
    assert_eq!(begin_all(&mut loads, now).len(), 1);
}

#[test]
fn what_is_gone_or_has_changed_is_stopped() {
    let (mut loads, now) = (LoadQueue::new(2), Instant::now());
    let (gone, changed) = (candidate("gone", 1), candidate("changed", 2));
    loads.add_uncached(gone.clone(), 0);
    loads.add_uncached(changed.clone(), 0);
    assert_eq!(begin_all(&mut loads, now).len(), 2);
    loads.stop_unless(|key| *key != gone.key);
    assert_eq!(loads.compiling.iter().map(|it| it.is_stopped).collect::<Vec<_>>(), [true, false]);
    loads.add(changed);
    assert!(loads.compiling[1].is_stopped);
    assert_eq!(begin_all(&mut loads, now), [look_up("changed")]);
}
