//! Keeps `src/bindings.rs` equal to what wit-bindgen makes of `wit/`, so that a handler's build need not run it.
//!
//! `UPDATE_BINDINGS=1 cargo test -p guest-sdk --test bindings` writes the file anew after a change of the world.

use std::error::Error;
use std::path::Path;
use std::{env, fs, str};

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::Opts;

#[test]
fn bindings_are_what_the_generator_makes_of_the_world() -> Result<(), Box<dyn Error>> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let generated = generate(&package.join("wit"))?;
    let shipped = package.join("src/bindings.rs");
    if env::var_os("UPDATE_BINDINGS").is_some() {
        fs::write(&shipped, &generated)?;
    }
    // Not `assert_eq!`: the two files would drown the remedy.
    assert!(
        fs::read_to_string(&shipped)? == generated,
        "src/bindings.rs is out of date: run `UPDATE_BINDINGS=1 cargo test -p guest-sdk --test bindings`"
    );
    Ok(())
}

/// The bindings of the world `handler-described`, as Rust source.
fn generate(wit: &Path) -> Result<String, Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit)?;
    let world = resolve.select_world(&[package], Some("handler-described"))?;
    let options = Opts {
        format: true,
        // The macro is used from the handler's crate, and finds the types here.
        default_bindings_module: Some("guest_sdk::bindings".to_owned()),
        pub_export_macro: true,
        // The macro exports it by hand: `src/declaration.rs` says why.
        skip: vec!["describe".to_owned()],
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        ..Opts::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, source) = files.iter().next().ok_or("the generator made no file")?;
    Ok(str::from_utf8(source)?.to_owned())
}
