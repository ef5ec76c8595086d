//! The compile cache holds native code on a disk: what is not what was written is not run, and nothing that is wrong with
//! the cache fails a component.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Process, RoutesDir, assemble, guest, host, plain};

const PLAIN_BODY: &str = "\r\n\r\n5\r\nplain\r\n0\r\n\r\n";

/// A cache of its own, and a component that is served with it.
struct Served {
    cache: tempfile::TempDir,
    routes: RoutesDir,
}

impl Served {
    fn new() -> Self {
        let cache = tempfile::tempdir().expect("a directory can be made");
        Self { cache, routes: RoutesDir::new().with_bytes("plain.wasm", &plain()) }
    }

    /// Starts a host, which must serve, and says how many components came out of the cache and how many did not.
    #[track_caller]
    fn start(&self) -> (String, Process) {
        self.start_with(&[])
    }

    /// The same with more arguments.
    #[track_caller]
    fn start_with(&self, arguments: &[&str]) -> (String, Process) {
        let mut command = host(&["run", "--listen", "127.0.0.1:0", "--load-timeout", "60"]);
        command.args(arguments).arg("--cache-dir");
        command.arg(self.cache.path()).arg("--routes").arg(self.routes.path());
        let process = Process::spawn(command, 1);
        let answer = process.get("/plain");
        assert!(answer.ends_with(PLAIN_BODY), "{answer}");
        let line = process.stderr().wait_for(&["routes loaded"]);
        let counts = line.split_once("cached=").map_or("", |(_, counts)| counts.trim());
        let counts = counts.split(':').next().unwrap_or_default().to_owned();
        (counts, process)
    }

    #[track_caller]
    fn expect(&self, counts: &str) {
        assert_eq!(self.start().0, counts);
    }

    fn directory(&self) -> PathBuf {
        self.cache.path().join("components")
    }

    /// The entries.
    fn entries(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.directory()).expect("there is a cache").flatten().map(|entry| entry.path());
        files.filter(|path| path.file_name().is_some_and(|name| name.len() == 64)).collect()
    }

    fn entry(&self) -> PathBuf {
        let [entry] = &self.entries()[..] else { panic!("{:?}", self.entries()) };
        entry.clone()
    }
}

#[test]
fn what_was_compiled_quickly_for_dev_is_not_served_without_it() {
    let served = Served::new();
    let dev = ["--dev", "--dev-host", "it"];
    assert_eq!(served.start_with(&dev).0, MISS);
    served.expect(MISS);
    assert_eq!(served.start_with(&dev).0, HIT);
    served.expect(HIT);
    assert_eq!(served.entries().len(), 2);
}

/// Puts something in the place of an entry, of which there is a copy.
type Replace = fn(&Path, &Path);

const HIT: &str = "1 compiled=0";
const MISS: &str = "0 compiled=1";

#[test]
fn an_entry_that_is_not_what_was_written_is_a_miss_and_is_replaced() {
    let served = Served::new();
    served.expect(MISS);
    served.expect(HIT);
    let entry = served.entry();
    let whole = fs::read(&entry).expect("the entry can be read");
    let length = whole.len();
    // What it begins with, its keyed hash, the length of what the component says, that, and its code.
    for at in [0, 8, 39, 40, 50, length / 2, length - 1] {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        fs::write(&entry, altered).expect("the entry can be written");
        let (counts, process) = served.start();
        assert_eq!(counts, MISS, "byte {at}");
        if at >= 8 {
            process.stderr().wait_for(&["a compile cache entry was altered and is replaced: "]);
        }
        served.expect(HIT);
    }
    for cut in [0, 7, 20, 45, length - 1] {
        fs::write(&entry, &whole[..cut]).expect("the entry can be written");
        served.expect(MISS);
        served.expect(HIT);
    }
}

#[test]
fn an_entry_of_another_component_or_of_another_cache_is_a_miss() {
    let served = Served::new();
    served.expect(MISS);
    let entry = served.entry();
    let other = Served { cache: served.cache, routes: RoutesDir::new().with_bytes("plain.wasm", &plain()) };
    other.routes.write(
        "plain.wasm",
        assemble(&guest::PLAIN_WAT.replace("(memory (export \"memory\") 1)", "(memory (export \"memory\") 2)")),
    );
    other.expect(MISS);
    let second = other.entries().into_iter().find(|path| *path != entry).expect("there are two entries");
    fs::copy(&entry, &second).expect("a file can be copied");
    other.expect(MISS);
    other.expect(HIT);
    let elsewhere = Served::new();
    elsewhere.expect(MISS);
    fs::copy(elsewhere.entry(), &second).expect("a file can be copied");
    other.expect(MISS);
    // With another key nothing has the same name.
    fs::write(other.directory().join("key"), [7; 32]).expect("the key can be written");
    other.expect(MISS);
}

#[test]
fn what_lies_in_the_place_of_an_entry_is_neither_followed_nor_waited_for() {
    let served = Served::new();
    served.expect(MISS);
    let entry = served.entry();
    let kept = served.cache.path().join("kept");
    fs::copy(&entry, &kept).expect("a file can be copied");
    let replaced: [(&str, Replace); 3] = [
        ("a link", |entry, kept| symlink(kept, entry).expect("a link can be made")),
        ("a pipe", |entry, _| {
            let made = Command::new("mkfifo").arg(entry).status().expect("there is a mkfifo command");
            assert!(made.success());
        }),
        ("a link to nowhere", |entry, _| symlink("nowhere", entry).expect("a link can be made")),
    ];
    for (what, replace) in replaced {
        fs::remove_file(&entry).expect("the entry is there");
        replace(&entry, &kept);
        assert_eq!(served.start().0, MISS, "{what}");
        assert_eq!(served.start().0, HIT, "after {what}");
    }
    fs::remove_file(&entry).expect("the entry is there");
    fs::create_dir(&entry).expect("a directory can be made");
    let (counts, process) = served.start();
    assert_eq!(counts, MISS);
    process.stderr().wait_for(&["cannot write compiled code to "]);
}

#[test]
fn a_cache_that_cannot_be_used_is_logged_and_fails_no_component() {
    let served = Served::new();
    let told = |expected: &str| {
        let (counts, process) = served.start();
        assert_eq!(counts, MISS, "{expected}");
        let line = process.stderr().wait_for(&[" as the compile cache, so components are compiled at every start: "]);
        assert!(line.contains(expected), "{line}");
    };
    let mode =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a mode can be set");
    mode(served.cache.path(), 0o777);
    told("others can write in ");
    mode(served.cache.path(), 0o770);
    told("others can write in ");
    mode(served.cache.path(), 0o700);
    served.expect(MISS);
    mode(&served.directory(), 0o722);
    told("others can write in ");
    mode(&served.directory(), 0o755);
    served.expect(HIT);
    let key = served.directory().join("key");
    mode(&key, 0o644);
    told("cannot read its key: others can read it; remove the file `key`");
    mode(&key, 0o600);
    fs::write(&key, [1; 31]).expect("the key can be written");
    told("cannot read its key: it is damaged; remove the file `key`");
    fs::remove_file(&key).expect("the key is there");
    fs::create_dir(&key).expect("a directory can be made");
    told("cannot read its key: ");
    fs::remove_dir_all(served.directory()).expect("the cache is there");
    fs::write(served.directory(), "a file").expect("a file can be written");
    told("");
}

#[test]
fn only_the_user_of_the_host_can_read_and_write_the_cache() {
    let served = Served::new();
    served.expect(MISS);
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(&served.directory()), 0o700);
    assert_eq!((mode(&served.entry()), mode(&served.directory().join("key"))), (0o600, 0o600));
}
