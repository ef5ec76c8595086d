//! The examples and the guests for tests, a constant each. A name without a guest does not compile, and neither does a
//! guest that no test names.

// Some tests are for Linux alone.
#![cfg_attr(target_os = "linux", deny(dead_code))]

include!(artifacts::guests_file!());
