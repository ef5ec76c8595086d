use super::*;
use crate::guest::{EngineOptions, LoadAttempt};

fn engine() -> Engine {
    Engine::new(&EngineOptions {
        max_invocations: 1,
        workers: 1,
        cache_directory: None,
        compiling: crate::config::Compiling::default(),
        wasi_http_03: false,
    })
    .expect("an engine can be made")
}

fn attempt() -> LoadAttempt {
    LoadAttempt::new(|| ())
}

#[test]
fn nobody_who_only_looks_waits_for_an_interpreter_that_another_thread_loads() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    for language in Language::ALL {
        std::fs::write(directory.path().join(language.interpreter()), "text").expect("a file can be written");
    }
    let (interpreters, engine) = (Interpreters::new(vec![directory.path().to_owned()]), engine());
    let loads = interpreters.python.lock().expect("no thread panics here");
    let get = |language| interpreters.get(&engine, language, &Effort::Cached(attempt()));
    assert!(matches!(get(Language::Python), Err(NoInterpreter::Uncached)));
    assert!(matches!(get(Language::JavaScript), Err(NoInterpreter::Refused(..))), "that of another language is free");
    drop(loads);
    assert!(matches!(get(Language::Python), Err(NoInterpreter::Refused(..))));
}

#[test]
fn what_refuses_an_interpreter_is_found_once_for_each_version_of_its_file() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let (interpreters, engine) = (Interpreters::new(vec![directory.path().to_owned()]), engine());
    let refused = || match interpreters.get(&engine, Language::Python, &Effort::Full(attempt())) {
        Err(NoInterpreter::Refused(_, errors)) => errors,
        other => panic!("{other:?}"),
    };
    let write = |text: &str| std::fs::write(directory.path().join("python.wasm"), text).expect("it can be written");
    write("text");
    let first = refused();
    assert!(Arc::ptr_eq(&first, &refused()), "it was read again");
    write("another text");
    assert!(!Arc::ptr_eq(&first, &refused()), "the file is another");
}
