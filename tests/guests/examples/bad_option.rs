//! Declares an option of the host with a value of the wrong type, which `#[handler]` would not compile.

use guest_sdk::__private::{Declaration, Entry, List, Text, Value};
use guest_sdk::Outcome;
use guest_sdk::bindings::{self, Guest};

struct BadOption;

impl Guest for BadOption {
    fn handle() -> Outcome {
        Outcome::Body(b"mounted".to_vec())
    }
}

bindings::export!(BadOption with_types_in bindings);

#[expect(unsafe_code, reason = "its name is that of the export")]
#[unsafe(no_mangle)]
extern "C" fn describe() -> &'static Declaration {
    const {
        &Declaration {
            paths: List::of(const { &[Text::of_str("/bad_option")] }),
            methods: List::of(&[]),
            options: List::of(const { &[Entry { name: Text::of_str("rate"), value: Value::Text(Text::of_str("fast")) }] }),
        }
    }
}
