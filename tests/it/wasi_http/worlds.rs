//! The versions of wasi:http, each with the guest that does what a request says.

use artifacts::Guest;

use crate::support::{Case, RoutesDir, TestServer, check_before, guest};

const NEXT: &str = get_and_close!("/script?set&write=next&finish");
const NEXT_RESPONSE: &str = untyped_chunked_close!("4\r\nnext\r\n0\r\n\r\n");

/// A version.
#[derive(Debug, Clone, Copy)]
pub struct World {
    /// As it is in the names of routes.
    pub name: &'static str,
    /// The guest. Steps that only some version has are in its source.
    pub script: Guest,
}

/// Version 0.2, for what no other has.
pub const WASI_02: World = World { name: "wasi02", script: guest::WASI_SCRIPT };

/// Version 0.3, for what it does otherwise.
pub const WASI_03: World = World { name: "wasi03", script: guest::WASI_SCRIPT_P3 };

/// All that tests run for.
pub const WORLDS: [World; 2] = [WASI_02, WASI_03];

impl World {
    /// Its guest at `/script` with these options. The route is called `name`, with that of the version: [`Self::route`].
    pub fn serve(self, name: &str, options: &str) -> TestServer {
        let server = TestServer::start(self.routes(name, options));
        assert_eq!(server.diagnostics(), [], "{self:?}");
        server
    }

    /// The same as files.
    pub fn routes(self, name: &str, options: &str) -> RoutesDir {
        let route = self.route(name);
        let routes = RoutesDir::new().with_as(&format!("{route}.wasm"), self.script);
        routes.with_file(&format!("{route}.toml"), &format!("path = '/script'\n{options}"))
    }

    /// What the log calls the route `name`.
    pub fn route(self, name: &str) -> String {
        format!("{name}_{}", self.name)
    }
}

/// For each version, sends `request` with the steps of each case: see [`crate::support::check`]. The route is called `name`.
#[track_caller]
pub fn check(name: &str, options: &str, request: &str, cases: &[Case]) {
    for world in WORLDS {
        check_one(world, name, options, request, cases);
    }
}

/// The same for one version.
#[track_caller]
pub fn check_one(world: World, name: &str, options: &str, request: &str, cases: &[Case]) {
    println!("{world:?}, {options:?}");
    check_before(&world.serve(name, options), request, cases, (NEXT, NEXT_RESPONSE));
}

/// The lines that the guest reports of these steps, sent with a GET.
#[track_caller]
pub fn reported(server: &TestServer, steps: &str) -> Vec<String> {
    report_in(&server.get(&format!("/script?{steps}&report")))
}

/// The lines of a report that was sent in chunks.
#[track_caller]
pub fn report_in(response: &str) -> Vec<String> {
    let (head, chunks) = response.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{response:?}"));
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    let body: String = chunks.split("\r\n").skip(1).step_by(2).collect();
    body.lines().map(str::to_owned).collect()
}
