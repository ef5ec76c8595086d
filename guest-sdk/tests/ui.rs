//! What the compiler says of a handler: nothing of those in `ui/pass`, and each mistake of those in `ui/fail` at its
//! word.
//!
//! `TRYBUILD=overwrite cargo test -p guest-sdk --test ui` writes the expected messages anew; read them before you
//! commit them.

#[test]
fn handlers_compile_and_mistakes_are_pointed_at() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
