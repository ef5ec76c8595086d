//! Declares an option of the host with a value of the wrong type, which `#[handler]` would not compile.

use guest_sdk::bindings::{self, Declaration, Guest};
use guest_sdk::{Outcome, Value};

struct BadOption;

impl Guest for BadOption {
    fn handle() -> Outcome {
        Outcome::Body(b"mounted".to_vec())
    }

    fn describe() -> Declaration {
        Declaration {
            paths: vec!["/bad_option".to_owned()],
            methods: Vec::new(),
            options: vec![("rate".to_owned(), Value::from("fast"))],
        }
    }
}

bindings::export!(BadOption with_types_in bindings);
