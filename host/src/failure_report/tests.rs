//! What interpreters and runtimes print, as they print it.

use super::*;

const TRAP: &str = "wasm trap: wasm `unreachable` instruction executed\nerror while executing at wasm backtrace:\n    \
                    0:   0x69bd - shop.wasm!abort\n    1:   0x46b8 - shop.wasm!std::process::abort\n    \
                    2:   0x198c - shop.wasm!shop::look_up\n    3:   0x1dd3 - shop.wasm!handle";

/// The same without names.
const STRIPPED: &str = "wasm trap: wasm `unreachable` instruction executed\nerror while executing at wasm backtrace:\n    \
                        0:   0x3fec - <unknown>!<wasm function 34>\n    1:   0x4023 - <unknown>!<wasm function 35>";

fn report(reason: &str, printed: &str) -> FailureReport {
    let printed: Vec<String> = printed.lines().map(str::to_owned).collect();
    FailureReport::new(HandlerFailure { who: "handler shop", reason, may_be_printed: true }, &printed)
}

/// What a report begins with: the error and its place.
fn lead(printed: &str) -> (String, String) {
    let report = report(STRIPPED, printed);
    (report.lead, report.source)
}

#[test]
fn a_panic_leads_and_frames_of_the_runtime_are_counted() {
    let printed = "looking for Ada\nthread '<unnamed>' (1) panicked at src/lib.rs:9:20:\nthere is no user\n\
                   note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";
    assert_eq!(
        report(TRAP, printed).text(),
        "panic: there is no user\n  at src/lib.rs:9:20\n\nIt had printed:\n  looking for Ada\n\n\
         handler shop wasm trap: wasm `unreachable` instruction executed\n  (2 frames of the runtime)\n    \
         2:   0x198c - shop.wasm!shop::look_up\n    3:   0x1dd3 - shop.wasm!handle"
    );
}

#[test]
fn the_page_folds_what_the_text_counts_and_escapes_all_of_it() {
    let printed = "thread '<unnamed>' (1) panicked at src/lib.rs:9:20:\n<b>&";
    let markup = report(TRAP, printed).markup().into_string();
    assert!(
        markup.starts_with("<pre class=\"error\"><b>panic: &lt;b&gt;&amp;</b>\n  at src/lib.rs:9:20</pre>"),
        "{markup}"
    );
    let folded = "<details><summary>2 frames of the runtime</summary><pre>    0:   0x69bd - shop.wasm!abort\n    \
                  1:   0x46b8 - shop.wasm!std::process::abort</pre></details><pre>    2:   0x198c - shop.wasm!shop::look_up";
    assert!(markup.contains(folded), "{markup}");
}

#[test]
fn an_entry_of_the_log_does_not_repeat_what_it_has() {
    let printed = "looking for Ada\nthread '<unnamed>' (1) panicked at src/lib.rs:9:20:\nthere is no user";
    let entry = report(TRAP, printed).log_entry("handler shop");
    assert!(entry.starts_with("handler shop failed: panic: there is no user\n  at src/lib.rs:9:20\n\n"), "{entry}");
    assert!(!entry.contains("looking for Ada"), "{entry}");
    assert!(report(TRAP, "").log_entry("handler shop").starts_with("handler shop wasm trap: "));
}

#[test]
fn what_cannot_be_told_apart_is_shown_before_the_trap() {
    assert_eq!(
        report(STRIPPED, "no such key: 7").text(),
        "It had printed:\n  no such key: 7\n\nhandler shop wasm trap: wasm `unreachable` instruction executed\n  \
         (2 frames without names)"
    );
    assert_eq!(report("wasm trap: x", "").text(), "handler shop wasm trap: x");
    let many: String = (0..25).map(|number| format!("{number}\n")).collect();
    let text = report("wasm trap: x", &many).text();
    assert!(text.starts_with("It had printed, after 5 other lines:\n  5\n"), "{text}");
}

#[test]
fn a_reason_that_the_handler_names_leads() {
    let printed = ["Traceback (most recent call last):".to_owned(), "KeyError: 'old'".to_owned()];
    let failure = HandlerFailure { who: "handler shop", reason: "failed: no tea", may_be_printed: false };
    let text = FailureReport::new(failure, &printed).text();
    assert!(text.starts_with("handler shop failed: no tea\n\nIt had printed:\n  Traceback"), "{text}");
}

const PYTHON: &str = "Traceback (most recent call last):\n  File \"/0/shop.py\", line 16, in handle\n  \
                      File \"/0/shop/cart.py\", line 4, in load\n    json.loads(text)\n    ~~~~~~~~~~^^^^^^\n  \
                      File \"/python/json/__init__.py\", line 346, in loads\n  \
                      File \"/python/json/decoder.py\", line 345, in decode\n\
                      json.decoder.JSONDecodeError: Expecting value: line 1";
const PYTHON_END: &str = "\nthread '<unnamed>' (1) panicked at runtime/src/lib.rs:1280:25:\nPython function threw an unexpected \
                          exception\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace";

#[test]
fn an_exception_of_python_leads_to_the_last_call_in_the_handlers_source() {
    let report = report(STRIPPED, &format!("first\n{PYTHON}{PYTHON_END}"));
    assert_eq!(
        report.text(),
        "json.decoder.JSONDecodeError: Expecting value: line 1\n  at shop/cart.py:4\n\n  File \"shop.py\", line 16, in handle\n  \
         File \"shop/cart.py\", line 4, in load\n    json.loads(text)\n    ~~~~~~~~~~^^^^^^\n  (2 frames of the runtime)\n\n\
         It had printed:\n  first\n\nhandler shop wasm trap: wasm `unreachable` instruction executed\n  (2 frames without names)"
    );
}

#[test]
fn of_exceptions_of_python_that_cause_each_other_the_last_leads() {
    let printed = format!(
        "{PYTHON}\nThe above exception was the direct cause of the following exception:\nTraceback (most recent call last):\n  \
         File \"/0/shop.py\", line 18, in handle\nRuntimeError: cannot\nread it{PYTHON_END}"
    );
    assert_eq!(lead(&printed), ("RuntimeError: cannot\nread it".to_owned(), "shop.py:18".to_owned()));
    assert!(report(STRIPPED, &printed).text().contains("\njson.decoder.JSONDecodeError: Expecting value: line 1\n"));
}

#[test]
fn an_exception_that_was_handled_is_not_the_error() {
    let printed = format!("{PYTHON}\nthread '<unnamed>' (1) panicked at src/lib.rs:1:1:\nlater");
    assert_eq!(lead(&printed), ("panic: later".to_owned(), "src/lib.rs:1:1".to_owned()));
}

#[test]
fn an_exception_of_quickjs_has_its_line_breaks() {
    let panic = |thrown: &str| {
        format!(
            "thread '<unnamed>' (1) panicked at crates/runtime/src/interpreter.rs:51:31:\nFailed to call 'handle': {thrown}"
        )
    };
    let thrown = r#"Exception(Exception { message: Some("two\nlines \"quoted\" é"), stack: Some("    at TeaError (/app.js:2:55)\n    at inner (/app.js:4:28)\n    at map (native)\n    at handle (/app.js:14:7)\n") })"#;
    assert_eq!(lead(&panic(thrown)), ("two\nlines \"quoted\" é".to_owned(), "app.js:4:28".to_owned()));
    let text = report(STRIPPED, &panic(thrown)).text();
    assert!(
        text.contains("\n    at inner (app.js:4:28)\n  (1 frame of the runtime)\n    at handle (app.js:14:7)\n"),
        "{text}"
    );
    assert!(!text.contains("interpreter.rs"), "{text}");
    assert_eq!(lead(&panic("Value(String(Ok(\"a string\")))")).0, "thrown: \"a string\"");
    assert_eq!(lead(&panic("Value(Object(0x1603a0))")).0, "thrown: Object(0x1603a0)");
    for broken in ["Exception(Exception { message: Some(\"a", "Exception(Exception {", "Value("] {
        assert!(!report(STRIPPED, &panic(broken)).text().is_empty(), "{broken}");
    }
}

#[test]
fn an_exception_of_starlingmonkey_leads() {
    let printed = "about to fail\nError while running request handler: table.get(...) is undefined\nStack:\n  \
                   lookUp@app.js:1:44\n  answer@app.js:6:23";
    assert_eq!(lead(printed), ("table.get(...) is undefined".to_owned(), "app.js:1:44".to_owned()));
}

#[test]
fn a_panic_of_go_leads_to_the_first_frame_of_the_handler() {
    let printed = "panic: strings: negative Repeat count\ngoroutine 1 [running]:\nstrings.Repeat({0x67ee, 0x1}, 0xff)\n\t\
                   /opt/go/src/strings/strings.go:609 +0xbc\nshop/handler.Handle()\n\t/home/ada/shop/handler.go:29 +0x2d\n\
                   main.wasm_export_wit_world_handle()\n\t/home/ada/shop/wit_exports.go:24 +0x2";
    let text = report(STRIPPED, printed).text();
    let expected = "panic: strings: negative Repeat count\n  at /home/ada/shop/handler.go:29\n\n  (1 frame of the runtime)\n  \
                    shop/handler.Handle()\n    /home/ada/shop/handler.go:29 +0x2d\n  (1 frame of the runtime)\n\nhandler shop";
    assert!(text.starts_with(expected), "{text}");
    let printed = "panic: first [recovered]\n\tpanic: again\ngoroutine 1 [running]:\nmain.f()\n\t/a/f.go:3 +0x5";
    assert_eq!(lead(printed), ("panic: first [recovered]\n\tpanic: again".to_owned(), "/a/f.go:3".to_owned()));
    assert_eq!(
        lead("fatal error: all goroutines are asleep - deadlock!").0,
        "fatal error: all goroutines are asleep - deadlock!"
    );
}

#[test]
fn an_assertion_of_c_names_its_place() {
    let lead = lead("Assertion failed: key < 3 (shop.c: look_up: 7)");
    assert_eq!(lead, ("assertion failed: key < 3".to_owned(), "shop.c:7".to_owned()));
}

#[test]
fn a_trap_of_c_names_its_function_and_its_place_if_there_is_debug_information() {
    let trap = |frames: &str| {
        let reason =
            format!("wasm trap: out of bounds memory access\nerror while executing at wasm backtrace:\n{frames}");
        report(&reason, "").text()
    };
    assert_eq!(
        trap("    0:    0x6ed - shop.core!look_up\n    1:    0xa87 - shop.core!exports_handler_handle"),
        "handler shop wasm trap: out of bounds memory access\n\n    0:    0x6ed - shop.core!look_up\n    \
         1:    0xa87 - shop.core!exports_handler_handle"
    );
    let text = trap(
        "    0:    0x6ed - abort\n                    at libc/abort.c:9:3\n    1:    0x7f0 - look_up\n                    at \
         shop.c:65:40",
    );
    assert!(text.starts_with("handler shop wasm trap: out of bounds memory access\n  at shop.c:65:40\n\n"), "{text}");
}

#[test]
fn functions_are_of_who_wrote_them() {
    let origin = |symbol: &str| {
        let reason = format!("x\nerror while executing at wasm backtrace:\n    0: 0x1 - {symbol}");
        stack::of_wasm(&reason).1[0].origin
    };
    for runtime in [
        "a.wasm!core::panicking::panic_fmt",
        "a.wasm!<alloc::vec::Vec<shop::Item> as core::clone::Clone>::clone",
        "a.wasm!std::sys::backtrace::__rust_end_short_backtrace::<std::panicking::panic_handler::{closure#0}, !>",
        "std::panicking::panic\n                    at /rustc/0/std/panicking.rs:1:1",
        "a.wasm!guest_sdk::bindings::_export_handle_cabi",
        "a.wasm!__rustc::rust_begin_unwind",
        "libc.so!abort",
        "libpython3.14.so!_PyEval_EvalFrameDefault",
        "componentize_py_runtime.wasm!wit_dylib_export_call",
        "<unknown>!runtime.gopanic",
    ] {
        assert_eq!(origin(runtime), FrameOrigin::Runtime, "{runtime}");
    }
    for handler in [
        "a.wasm!shop::cart::total",
        "a.wasm!<shop::Item as core::fmt::Debug>::fmt",
        "<unknown>!handle",
        "a.wasm!stdlike::f",
        "look_up\n                    at shop.c:7:1",
        "a.wasm!corelib",
    ] {
        assert_eq!(origin(handler), FrameOrigin::Handler, "{handler}");
    }
}
