//! Keeps `src/bindings.rs` equal to what wit-bindgen makes of `wit/`, so that a handler's build need not run it.
//!
//! `UPDATE_BINDINGS=1 cargo test -p guest-sdk --test bindings` writes the file anew after a change of the world.

use std::error::Error;
use std::path::Path;
use std::{env, fs, str};

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

/// The interfaces that all worlds share: the first file has them.
const SHARED: [&str; 6] = ["types", "request", "response", "options", "push", "context"];

#[test]
fn bindings_are_what_the_generator_makes_of_the_worlds() -> Result<(), Box<dyn Error>> {
    let handler = Opts {
        // The macro exports it by hand: `src/declaration.rs` says why.
        skip: vec!["describe".to_owned()],
        // `step` is for the other worlds.
        generate_unused_types: true,
        ..options("guest_sdk::bindings")
    };
    assert_generated("bindings.rs", "handler-described", handler)?;
    for (file, world) in [("on_request.rs", "middleware-request"), ("on_response.rs", "middleware-response")] {
        let module = file.strip_suffix(".rs").ok_or("a file of Rust")?;
        let shared = |name: &&str| {
            let path = format!("crate::bindings::vibrato::handler::{name}");
            (format!("vibrato:handler/{name}@0.1.0"), WithOption::Path(path))
        };
        let with = SHARED.iter().map(shared).collect();
        let of_middleware = Opts { with, ..options(&format!("guest_sdk::bindings_of_middleware::{module}")) };
        assert_generated(&format!("bindings_of_middleware/{file}"), world, of_middleware)?;
    }
    Ok(())
}

/// Compares a file with what is generated of a world, or writes it.
fn assert_generated(file: &str, world: &str, options: Opts) -> Result<(), Box<dyn Error>> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let generated = generate(&package.join("wit"), world, options)?;
    let shipped = package.join("src").join(file);
    if env::var_os("UPDATE_BINDINGS").is_some() {
        fs::write(&shipped, &generated)?;
    }
    // Not `assert_eq!`: the two files would drown the remedy.
    assert!(
        fs::read_to_string(&shipped)? == generated,
        "src/{file} is out of date: run `UPDATE_BINDINGS=1 cargo test -p guest-sdk --test bindings`"
    );
    Ok(())
}

/// What the worlds have in common. The macro is used from the handler's crate, and finds the types in `module`.
fn options(module: &str) -> Opts {
    Opts {
        format: true,
        default_bindings_module: Some(module.to_owned()),
        pub_export_macro: true,
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        ..Opts::default()
    }
}

/// The bindings of a world, as Rust source.
fn generate(wit: &Path, world: &str, options: Opts) -> Result<String, Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit)?;
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, source) = files.iter().next().ok_or("the generator made no file")?;
    Ok(str::from_utf8(source)?.to_owned())
}
