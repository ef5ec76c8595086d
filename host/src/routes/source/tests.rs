//! A source that is no directory: all that is served comes through it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::guest::Effort;
use crate::regular_file::ReadError;
use crate::routes::component::tests::key;
use crate::routes::directory::Directory;
use crate::routes::fingerprint::Stamp;
use crate::routes::load::{Candidate, Load, Loaded, LoadedComponent, Retry, Unfinished};
use crate::routes::table::tests::route;
use crate::routes::{Lookup, RouteTable};

const PATIENCE: Duration = Duration::from_secs(30);

/// Components in memory.
#[derive(Debug, Default)]
pub(in crate::routes) struct InMemory(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    /// Each with its route file.
    components: BTreeMap<ComponentKey, (Vec<u8>, Option<Vec<u8>>)>,
    changed: Option<Box<dyn Fn() + Send>>,
}

impl Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.components.fmt(f)
    }
}

impl InMemory {
    /// Puts a component there, and reports that.
    pub(in crate::routes) fn put(&self, path: &str, bytes: &[u8], route_file: Option<&str>) -> ComponentKey {
        let key = key(path);
        let contents = &mut *self.0.lock().expect("no thread panics here");
        contents.components.insert(key.clone(), (bytes.to_owned(), route_file.map(|text| text.as_bytes().to_owned())));
        contents.changed.iter().for_each(|changed| changed());
        key
    }
}

fn fingerprint((bytes, route_file): &(Vec<u8>, Option<Vec<u8>>)) -> Fingerprint {
    let stamp = |bytes: &Vec<u8>| {
        let sum = bytes.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        Stamp { length: bytes.len() as u64, contents: [sum, 0, 0, 0], status: [0; 2] }
    };
    Fingerprint { component: Some(stamp(bytes)), route_file: route_file.as_ref().map(stamp) }
}

impl Source for InMemory {
    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn list(&self) -> io::Result<Listing> {
        let contents = self.0.lock().expect("no thread panics here");
        let components = contents.components.iter().map(|(key, it)| (key.clone(), fingerprint(it)));
        Ok(Listing { components: components.collect(), ..Listing::default() })
    }

    fn fingerprint(&self, key: &ComponentKey) -> io::Result<Fingerprint> {
        let contents = self.0.lock().expect("no thread panics here");
        Ok(contents.components.get(key).map_or(Fingerprint::GONE, fingerprint))
    }

    fn file_of(&self, key: &ComponentKey) -> Option<String> {
        Some(key.location().to_owned())
    }

    fn read(&self, key: &ComponentKey, _: u64) -> Result<Vec<u8>, ReadError> {
        let contents = self.0.lock().expect("no thread panics here");
        let found = contents.components.get(key).map(|(bytes, _)| bytes.clone());
        found.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound).into())
    }

    fn read_route_file(&self, key: &ComponentKey, _: u64) -> Result<Option<Vec<u8>>, ReadError> {
        let contents = self.0.lock().expect("no thread panics here");
        Ok(contents.components.get(key).and_then(|(_, route_file)| route_file.clone()))
    }

    fn watch(&self, changed: Box<dyn Fn() + Send>) -> Result<Box<dyn ChangeWatcher>, WatchError> {
        self.0.lock().expect("no thread panics here").changed = Some(changed);
        Ok(Box::new(Watching))
    }
}

#[derive(Debug)]
struct Watching;

impl ChangeWatcher for Watching {
    fn update(&mut self, _: &Listing) -> WatchUpdate {
        WatchUpdate { added: false, failed: None }
    }

    fn is_stale(&self) -> bool {
        false
    }

    fn has_failed(&self) -> bool {
        false
    }

    fn acknowledge(&self) {}
}

/// Makes a route of each component, at the paths of its route file, without looking at its bytes.
struct WithoutReading;

impl Load for WithoutReading {
    fn load(&self, candidate: &Candidate, _: &Effort) -> Result<Loaded, Unfinished> {
        let paths = candidate.route_file.as_ref().expect("the route files of this test are good").paths.clone();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let route = Arc::into_inner(route(candidate.key.location(), &paths, &[])).expect("nobody else has it");
        Ok(Loaded {
            component: Some(LoadedComponent::Route(Box::new(route))),
            diagnostics: Vec::new(),
            retry: Retry::OnChange,
        })
    }

    fn cache_hits_and_misses(&self) -> (usize, usize) {
        (0, 0)
    }
}

fn found(table: &RouteTable, path: &str) -> Option<String> {
    match table.lookup_by_default("GET", path) {
        Lookup::Found { route, .. } => Some(route.mount.key.to_string()),
        _ => None,
    }
}

#[test]
fn components_of_a_source_that_is_no_directory_are_served_and_its_changes_noticed() {
    let source = Arc::new(InMemory::default());
    source.put("a.wasm", b"a", Some("path = '/one'"));
    let directory = Directory::load_with(source.clone(), Arc::default(), None, Arc::new(WithoutReading))
        .expect("threads can be started");
    assert_eq!(directory.wait(PATIENCE), Some(vec![]));
    directory.watch().expect("this source reports its changes");
    let before = directory.current().table();
    assert_eq!((found(&before, "/one"), found(&before, "/two")), (Some("a.wasm".to_owned()), None));
    source.put("in/b.wasm", b"b", Some("path = '/two'"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("there is a runtime");
    let swapped = async { tokio::time::timeout(PATIENCE, directory.current().after(&before)).await };
    runtime.block_on(swapped).expect("a change is noticed");
    let after = directory.current().table();
    assert_eq!(found(&after, "/one").zip(found(&after, "/two")), Some(("a.wasm".to_owned(), "in/b.wasm".to_owned())));
}
