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

#[test]
fn scripts_wait_for_one_compile_of_their_interpreter_and_hold_up_no_other() {
    let (mut loads, now) = (LoadQueue::new(3), Instant::now());
    for (path, bytes) in [("a.py", 1), ("b.py", 2), ("c.js", 3), ("d.ts", 4), ("large", 100), ("larger", 101)] {
        loads.add_uncached(candidate(path, bytes), 0);
    }
    assert_eq!(begin_all(&mut loads, now), [compile("large", 1), compile("larger", 2), compile("a.py", 3)]);
    loads.end(1);
    assert_eq!(begin_all(&mut loads, now), [compile("c.js", 4)], "b.py waits for what is compiled for a.py");
    loads.end(2);
    assert_eq!(begin_all(&mut loads, now), [], "nothing is compiled twice");
    assert_eq!(loads.end_turns(now + 10 * COMPILE_TURN), None, "it would be stopped for the sake of itself");
    loads.add_uncached(candidate("last", 1), 0);
    assert_eq!(begin_all(&mut loads, now), [compile("last", 5)]);
    loads.end(3);
    assert_eq!(begin_all(&mut loads, now), [look_up("b.py")], "it is there now");
    assert_eq!(loads.left(), 4);
}

#[test]
fn a_turn_for_one_script_was_a_turn_of_all_that_need_the_interpreter() {
    let (mut loads, now) = (LoadQueue::new(1), Instant::now());
    let all = [("a.py", 1), ("b.py", 2), ("component", 3)].map(|(path, bytes)| candidate(path, bytes));
    all[..2].iter().for_each(|it| loads.add_uncached(it.clone(), 0));
    assert_eq!(begin_all(&mut loads, now), [compile("a.py", 1)]);
    loads.add_uncached(all[2].clone(), 1);
    assert_eq!(loads.end_turns(now + COMPILE_TURN), None, "the component has had more turns");
    loads.add_uncached(candidate("new", 1), 0);
    assert_eq!(loads.end_turns(now + COMPILE_TURN), None);
    assert!(loads.compiling[0].is_stopped);
    let turns = loads.end(1);
    loads.add_uncached(all[0].clone(), turns);
    let mut order = Vec::new();
    for number in 2..5 {
        order.extend(begin_all(&mut loads, now).into_iter().map(|(name, _)| name));
        loads.end(number);
    }
    assert_eq!(order, ["new", "component", "a.py"], "b.py would have begun anew with the shortest turn");
    assert_eq!(begin_all(&mut loads, now), [look_up("b.py")]);
}

#[test]
fn an_interpreter_is_compiled_to_its_end_whichever_script_changes() {
    let (mut loads, now) = (LoadQueue::new(1), Instant::now());
    let (changed, other) = (candidate("changed.py", 1), candidate("other.py", 1));
    loads.add_uncached(changed.clone(), 0);
    assert_eq!(begin_all(&mut loads, now), [compile("changed.py", 1)]);
    loads.add(changed.clone());
    assert_eq!(begin_all(&mut loads, now), [look_up("changed.py")]);
    loads.looked_up(&changed.key);
    loads.add_uncached(changed.clone(), 0);
    loads.add_uncached(other.clone(), 0);
    loads.stop_unless(|key| *key == other.key);
    assert!(!loads.compiling[0].is_stopped, "the other needs it");
    loads.forget(&other.key);
    loads.stop_unless(|_| false);
    assert!(loads.compiling[0].is_stopped);
}

#[test]
fn scripts_that_start_for_long_hold_up_no_other() {
    let (mut loads, now) = (LoadQueue::new(1), Instant::now());
    let all: Vec<Candidate> = (0..12).map(|number| candidate(&format!("{number:02}.py"), 1)).collect();
    all.iter().for_each(|candidate| loads.add(candidate.clone()));
    for candidate in &all[..8] {
        assert_eq!(begin_all(&mut loads, now), [look_up(&name(candidate))]);
        loads.found(&candidate.key);
    }
    assert_eq!(begin_all(&mut loads, now).len(), 1, "the last has the only slot");
    loads.found(&all[8].key);
    assert_eq!(begin_all(&mut loads, now).len(), 0, "so many are bounded too");
    loads.looked_up(&all[0].key);
    assert_eq!(begin_all(&mut loads, now).len(), 1);
}
