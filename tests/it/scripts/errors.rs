//! What is told of a script that is wrong: file and line, in the report, the log and `host check`.

use crate::support::script::{can_run, interpreters, routes, serve};
use crate::support::{RoutesDir, TestServer, host, log, run, text};

#[test]
fn a_script_that_is_wrong_is_told_with_file_and_line() {
    if !can_run() {
        return;
    }
    let python = |body: &str| format!("from vibrato import *\n{body}");
    for (place, script, reason) in [
        ("w.py", python("@handler\ndef w(:\n"), "w.py:3: SyntaxError: invalid syntax"),
        ("in/w.py", python("x = 1\n  y = 2\n"), "in/w.py:3: IndentationError: unexpected indent"),
        ("w.py", python("def f():\n    return 1 / 0\nf()\n"), "ZeroDivisionError: division by zero (w.py:3)"),
        ("w.py", python("import nowhere\n"), "ModuleNotFoundError: No module named 'nowhere' (w.py:2)"),
        ("w.py", "x = '\u{0}'".to_owned(), "w.py: SyntaxError: source code string cannot contain null bytes"),
        ("w.py", python("request.method\n"), "it cannot be prepared: there is no request while"),
        ("w.py", python("@handler(7)\ndef w(): pass\n"), "TypeError: a path of @handler is a text, not 7 (w.py:2)"),
        ("w.py", python("@handler(a=object())\ndef w(): pass\n"), "the option 'a' is object: it is bool, int"),
        ("w.py", python("@handler\ndef w(name): pass\n"), "w takes 'name': without a default it can take request"),
        ("w.py", python("@handler\ndef a(): pass\n@handler\ndef b(): pass\n"), "a and b are handlers: a file has one"),
        ("w.py", python("import sys\nsys.exit('bye')\n"), "SystemExit: bye (w.py:3)"),
        ("w.py", String::new(), "the script has no handler"),
        ("_middleware.py", python("@handler\ndef w(): pass\n"), "the script has no function of a middleware"),
        ("w.js", "export default function w( {\n".to_owned(), "w.js:"),
        ("in/w.js", "const x = 1;\nconst y = ;\n".to_owned(), "in/w.js:2: SyntaxError"),
        ("w.js", "let a = 1;\nlet a = 2;\n".to_owned(), "SyntaxError"),
        (
            "w.js",
            "const f = () => {\n  nothing();\n};\nf();\n".to_owned(),
            "ReferenceError: nothing is not defined (w.js:2)",
        ),
        ("w.js", "import x from 'nowhere';\nx();\n".to_owned(), "w.js: there is no module \"nowhere\""),
        ("w.js", "export const route = 7;\nexport default () => '';\n".to_owned(), "`route` is no object"),
        (
            "w.js",
            "export const route = { a: {} };\nexport default () => '';\n".to_owned(),
            "the option `a` of `route` is no boolean",
        ),
        (
            "w.js",
            "export const route = { path: 7 };\nexport default () => '';\n".to_owned(),
            "`path` of `route` is no text",
        ),
        ("w.js", "throw 'text';\n".to_owned(), "text"),
        ("w.js", String::new(), "the script has no handler"),
        ("w.ts", "const x: = 1;\n".to_owned(), "w.ts:1: SyntaxError"),
    ] {
        let server = TestServer::start(RoutesDir::new().with_file(place, &script));
        let diagnostics = server.diagnostics();
        assert_eq!(diagnostics.len(), 1, "{script}\n{diagnostics:?}");
        assert!(diagnostics[0].reason.contains(reason), "{script}\n{}", diagnostics[0]);
        assert!(diagnostics[0].location.ends_with(place), "{}", diagnostics[0]);
    }
}

#[test]
fn a_script_that_is_not_text_or_too_large_is_refused() {
    if !can_run() {
        return;
    }
    for (bytes, reason) in [(&b"x = '\xff'"[..], "not UTF-8"), (&[b'#'; 1024 * 1024 + 1], "larger than 1048576 bytes")]
    {
        for place in ["b.js", "b.py"] {
            let server = TestServer::start(RoutesDir::new().with_bytes(place, bytes));
            let reason = if place == "b.py" && reason == "not UTF-8" { "SyntaxError: (unicode error)" } else { reason };
            assert!(server.diagnostics()[0].reason.contains(reason), "{:?}", server.diagnostics());
        }
    }
}

#[test]
fn a_script_that_does_not_end_or_takes_all_memory_is_refused_in_time() {
    if !can_run() {
        return;
    }
    let endless = [("e.py", "while True: pass\n"), ("e.js", "for (;;);\n")];
    let greedy = [("e.py", "x = 'x' * 10 ** 9\n"), ("e.js", "globalThis.x = new Uint8Array(10 ** 9);\n")];
    for (files, reason) in [(endless, "it took longer than 1s"), (greedy, "")] {
        for (place, text) in files {
            let server = TestServer::start(routes(&[(place, text), ("e.toml", "timeout = 1")]));
            let diagnostics = server.diagnostics();
            assert!(diagnostics.len() == 1 && diagnostics[0].reason.contains(reason), "{place}: {diagnostics:?}");
        }
    }
}

#[test]
fn an_exception_is_a_500_and_the_log_has_the_lines_of_the_script_alone() {
    if !can_run() {
        return;
    }
    let python = "from vibrato import handler\n\ndef inner(n):\n    return 1 / n\n\n@handler\ndef py():\n    print('told before')\n    \
                  return inner(0)\n";
    let javascript = "function inner(n) {\n  return n.x.y;\n}\n\nexport default function js() {\n  console.log('told before');\n  \
                      return inner({});\n}\n";
    let server = serve(&[("py.py", python), ("js.js", javascript)]);
    for (path, reason, lines) in [
        (
            "py",
            "handler py failed: ZeroDivisionError: division by zero (py.py:4)",
            ["  File \"py.py\", line 9, in py", "    return inner(0)", "  File \"py.py\", line 4, in inner"],
        ),
        (
            "js",
            "handler js failed: TypeError: cannot read property 'y' of undefined (js.js:2)",
            ["    at inner (js.js:2:", "    at js (js.js:7:", "told before"],
        ),
    ] {
        let answer = server.get(&format!("/{path}"));
        assert!(answer.starts_with("HTTP/1.1 500 ") && !answer.contains("ZeroDivision"), "{answer}");
        log().wait_for(&[reason]);
        for line in lines {
            log().wait_for(&[&format!("route=\"{path}\""), line]);
        }
        assert_eq!(log().with(&[&format!("route=\"{path}\""), "interpreter"]), Vec::<String>::new());
    }
}

#[test]
fn an_exception_after_the_first_chunk_truncates_the_response() {
    if !can_run() {
        return;
    }
    let python = "from vibrato import handler\n@handler\ndef t():\n    yield 'x'\n    raise ValueError('late')\n";
    let javascript = "export default function* t() {\n  yield 'x';\n  throw new Error('late');\n}\n";
    for (place, text) in [("t.py", python), ("t.js", javascript)] {
        let answer = serve(&[(place, text)]).get("/t");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("1\r\nx\r\n"), "{place}: {answer}");
    }
}

#[test]
fn a_script_without_an_interpreter_says_the_command_that_brings_it() {
    let directory = RoutesDir::new();
    for (place, language, file) in [("a.py", "Python", "python.wasm"), ("a.ts", "JavaScript", "javascript.wasm")] {
        let routes = RoutesDir::new().with_file(place, "x");
        let server =
            TestServer::builder(routes).config(|it| it.interpreters = vec![directory.path().to_owned()]).start();
        let diagnostic = &server.diagnostics()[0];
        let expected = format!("there is no interpreter of {language}: no `{file}` in {}", directory.path().display());
        assert_eq!(diagnostic.reason, expected);
        assert!(
            diagnostic.remedy.contains("`make interpreters`") && diagnostic.remedy.contains("--interpreters"),
            "{diagnostic}"
        );
    }
}

#[test]
fn what_is_no_interpreter_is_refused_as_one() {
    for (bytes, reason) in [
        (b"text".to_vec(), "it is not WebAssembly"),
        (crate::support::guest::HELLO.bytes(), "it is no interpreter of scripts; it does not export `on-request`"),
    ] {
        let directory = RoutesDir::new().with_bytes("python.wasm", &bytes);
        let routes = RoutesDir::new().with_file("a.py", "x");
        let server =
            TestServer::builder(routes).config(|it| it.interpreters = vec![directory.path().to_owned()]).start();
        assert!(server.diagnostics()[0].reason.contains(reason), "{:?}", server.diagnostics());
    }
}

#[test]
fn host_check_shows_the_line_that_is_wrong() {
    if !can_run() {
        return;
    }
    let routes = routes(&[("w.py", "def w():\n    return (1\n")]);
    let checked = run(host(&["check"]).arg(routes.path()).arg("--interpreters").arg(interpreters()));
    assert_eq!(checked.status.code(), Some(1));
    let expected = "w.py:2: SyntaxError: '(' was never closed\n        return (1\n               ^\n  remedy: ";
    assert!(text(&checked.stdout).contains(expected), "{}", text(&checked.stdout));
}
