//! Keeps the bindings equal to what wit-bindgen makes of `wit/`, so that a handler's build need not run it.
//!
//! `UPDATE_BINDINGS=1 cargo test -p guest-sdk --test bindings` writes them anew after a change of the world.

use std::error::Error;
use std::path::Path;
use std::{env, fs, str};

use wit_bindgen_core::wit_parser::{PackageId, Resolve};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

/// The interfaces that all worlds share: the first file has them.
const SHARED: [&str; 6] = ["types", "request", "response", "options", "push", "context"];

/// The export of the world `websocket` alone: a handler has it beside those of `handler-described`, or has it not.
const ON_MESSAGE: &str = "
    package vibrato:guest-sdk;

    world on-message {
        use vibrato:handler/messages@0.1.0.{message, reply};
        export on-message: func(message: message) -> reply;
    }
";

#[test]
fn bindings_are_what_the_generator_makes_of_the_worlds() -> Result<(), Box<dyn Error>> {
    let handler = Opts {
        // The macro exports it by hand: `src/declaration.rs` says why.
        skip: vec!["describe".to_owned()],
        // `step` is for the other worlds.
        generate_unused_types: true,
        ..options("guest_sdk::bindings")
    };
    assert_generated("bindings.rs", contract()?, "handler-described", handler)?;
    for (file, world) in [("on_request.rs", "middleware-request"), ("on_response.rs", "middleware-response")] {
        let module = file.strip_suffix(".rs").ok_or("a file of Rust")?;
        let shared = |name: &&str| {
            let path = format!("crate::bindings::vibrato::handler::{name}");
            (format!("vibrato:handler/{name}@0.1.0"), WithOption::Path(path))
        };
        let with = SHARED.iter().map(shared).collect();
        let of_middleware = Opts { with, ..options(&format!("guest_sdk::bindings_of_middleware::{module}")) };
        assert_generated(&format!("bindings_of_middleware/{file}"), contract()?, world, of_middleware)?;
    }
    let (mut resolve, _) = contract()?;
    let package = resolve.push_str("on-message.wit", ON_MESSAGE)?;
    // The types are of another package than the world.
    let of_messages = Opts { generate_all: true, ..options("guest_sdk::websocket::bindings") };
    assert_generated("websocket/bindings.rs", (resolve, package), "on-message", of_messages)
}

/// The package of the contract.
fn contract() -> Result<(Resolve, PackageId), Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("wit"))?;
    Ok((resolve, package))
}

/// Compares a file with what is generated of a world, or writes it.
fn assert_generated(
    file: &str,
    package: (Resolve, PackageId),
    world: &str,
    options: Opts,
) -> Result<(), Box<dyn Error>> {
    let generated = generate(package, world, options)?;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file);
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
fn generate(
    (mut resolve, package): (Resolve, PackageId),
    world: &str,
    options: Opts,
) -> Result<String, Box<dyn Error>> {
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, source) = files.iter().next().ok_or("the generator made no file")?;
    Ok(str::from_utf8(source)?.to_owned())
}
