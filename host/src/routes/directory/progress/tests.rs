use super::*;
use crate::routes::component::tests::key;

const MS: Duration = Duration::from_millis(1);

fn keys(paths: &[&str]) -> Vec<ComponentKey> {
    paths.iter().map(|path| key(path)).collect()
}

#[test]
fn what_takes_no_second_is_not_told() {
    let (mut progress, start) = (Progress::default(), Instant::now());
    assert_eq!(progress.tell_at(), None);
    progress.begin(start);
    progress.begin(start + 400 * MS);
    assert_eq!(progress.tell_at(), Some(start + 1000 * MS));
    progress.end(1);
    progress.end(0);
    assert_eq!(progress.tell_at(), None);
    // The next load has a second of its own.
    progress.begin(start + 900 * MS);
    assert_eq!(progress.tell_at(), Some(start + 1900 * MS));
}

#[test]
fn what_takes_longer_is_told_after_a_second_and_every_five() {
    let (mut progress, start) = (Progress::default(), Instant::now());
    progress.begin(start);
    progress.end(6);
    let compiling = keys(&["routes/a.wasm", "routes/b\n.wasm"]);
    let report = progress.tell(&compiling, 4, start + 1000 * MS);
    assert_eq!(report.to_string(), "compiling: 1 of 7 files are done, still at a.wasm, b\\n.wasm");
    assert_eq!(progress.tell_at(), Some(start + 6000 * MS));
    progress.end(5);
    let compiling = keys(&["a", "b", "c", "d", "e"]);
    let report = progress.tell(&compiling, 0, start + 6001 * MS);
    assert_eq!(report.to_string(), "compiling: 2 of 7 files are done, still at a, b, c, d and 1 more");
}
