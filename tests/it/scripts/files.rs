//! The files of scripts: what they import, what a change does, and what is served of a directory.

use crate::support::script::{can_run, routes, serve};
use crate::support::{RoutesDir, TestServer, log};

#[test]
fn a_script_imports_from_the_folders_lib_beside_it_and_above() {
    if !can_run() {
        return;
    }
    let server = serve(&[
        (
            "shop/cart.py",
            "from vibrato import handler\nimport near, far\nfrom shared.deep import name\nfrom lib.near import NEAR\n@handler\ndef c(): return f'{near.NEAR} {far.FAR} {name} {NEAR}'\n",
        ),
        ("shop/lib/near.py", "NEAR = 'near'\n"),
        ("lib/near.py", "NEAR = 'not this one'\n"),
        ("lib/far.py", "import near\nFAR = f'far {near.NEAR}'\n"),
        ("lib/shared/deep.py", "from .wide import name\n"),
        ("lib/shared/wide.py", "name = __name__\n"),
        (
            "shop/cart2.ts",
            "import { near } from './lib/near.js';\nimport far from '../lib/far';\nexport default () => `${near} ${far()}`;\n",
        ),
        ("shop/lib/near.js", "export const near = 'near';\n"),
        ("lib/far.ts", "export default (): string => 'far';\n"),
    ]);
    assert!(
        server.get("/shop/cart").contains("\r\nnear far near shared.wide near\r\n"),
        "{}",
        server.get("/shop/cart")
    );
    assert!(server.get("/shop/cart2").contains("\r\nnear far\r\n"));
    for path in ["/lib/near", "/lib/far", "/shop/lib/near"] {
        assert!(server.get(path).starts_with("HTTP/1.1 404 "), "{path}");
    }
}

#[test]
fn the_last_good_version_of_a_script_goes_on_until_a_new_one_is_good() {
    if !can_run() {
        return;
    }
    let python =
        |text: &str| format!("from vibrato import handler\nimport part\n@handler\ndef v(): return '{text}' + part.P\n");
    let routes = routes(&[("v.py", &python("one")), ("lib/part.py", "P = ' a'\n")]);
    let server = TestServer::builder(routes).watched().start();
    assert!(server.get("/v").contains("one a"));
    server.routes().replace("v.py", "def v(:\n");
    log().wait_for(&["v.py: v.py:1: SyntaxError: invalid syntax"]);
    assert!(server.get("/v").contains("one a"));
    server.routes().replace("v.py", python("two"));
    crate::support::wait_until("the new version answers", || server.get("/v").contains("two a"));
    server.routes().replace("lib/part.py", "P = ' b'\n");
    crate::support::wait_until("a change of what it imports counts", || server.get("/v").contains("two b"));
    server.routes().remove("v.py");
    server.wait_for("/v", "404");
}

#[test]
fn a_script_and_a_component_of_one_name_claim_the_same_path() {
    if !can_run() {
        return;
    }
    let server = TestServer::start(routes(&[
        ("a.py", "from vibrato import handler\n@handler\ndef a(): return 'a'\n"),
        ("a.js", "export default () => 'a';\n"),
    ]));
    let reasons: Vec<String> = server.diagnostics().iter().map(ToString::to_string).collect();
    assert!(reasons.len() == 1 && reasons[0].contains("is claimed by"), "{reasons:?}");
}

#[test]
fn what_is_no_script_is_not_served_as_one() {
    if !can_run() {
        return;
    }
    let routes = RoutesDir::new()
        .with_file("__init__.py", "not a script")
        .with_file("types.d.ts", "not a script")
        .with_file(".hidden.py", "not a script")
        .with_file("__pycache__/x.py", "not a script")
        .with_file("notes.txt", "not a script");
    let server = TestServer::start(routes);
    let wrong: Vec<_> = server.diagnostics().iter().filter(|it| !it.location.ends_with("notes.txt")).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
