//! Keeps the bindings in `src` equal to what wit-bindgen makes of `wit/`, so that a handler's build need not run it.
//!
//! `UPDATE_BINDINGS=1 cargo test -p guest-sdk --test bindings` writes the files anew after a change of the world.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs, str};

use wit_bindgen_core::wit_parser::{PackageId, Resolve};
use wit_bindgen_core::{Files, WorldGenerator};
use wit_bindgen_rust::{Opts, WithOption};

/// The interfaces that all worlds share: the first file has them.
const SHARED: [&str; 9] =
    ["types", "request", "response", "options", "config", "http-client", "key-value", "push", "context"];

/// Where the bindings of what middleware imports alone are.
const SEAL: &str = "crate::bindings_of_middleware::seals::vibrato::handler::seal";

/// The export of the world `websocket` alone: a handler has it beside those of `handler-described`, or has it not.
const ON_MESSAGE: &str = "
    package vibrato:guest-sdk;

    world on-message {
        use vibrato:handler/messages@0.1.0.{message, reply};
        export on-message: func(message: message) -> reply;
    }
";

/// What middleware imports alone: the worlds of `on-request` and `on-response` share it.
const SEALS: &str = "
    package vibrato:guest-sdk;

    world seals {
        import vibrato:handler/seal@0.1.0;
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
    let (resolve, package) = world()?;
    check("src/bindings.rs", &generate(resolve, package, "handler-described", handler)?)?;
    for module in ["on_request", "on_response"] {
        let shared = |name: &&str| {
            let path = format!("crate::bindings::vibrato::handler::{}", name.replace('-', "_"));
            (format!("vibrato:handler/{name}@0.1.0"), WithOption::Path(path))
        };
        let seal = ("vibrato:handler/seal@0.1.0".to_owned(), WithOption::Path(SEAL.to_owned()));
        let with = SHARED.iter().map(shared).chain([seal]).collect();
        let of_middleware = Opts { with, ..options(&format!("guest_sdk::bindings_of_middleware::{module}")) };
        let name = module.replace("on_", "middleware-");
        let (resolve, package) = world()?;
        let path = format!("src/bindings_of_middleware/{module}.rs");
        check(&path, &generate(resolve, package, &name, of_middleware)?)?;
    }
    Ok(())
}

#[test]
fn bindings_of_seals_are_what_the_generator_makes_of_their_world() -> Result<(), Box<dyn Error>> {
    let (mut resolve, _) = world()?;
    let package = resolve.push_str("seals.wit", SEALS)?;
    let types = WithOption::Path("crate::bindings::vibrato::handler::types".to_owned());
    let with = [("vibrato:handler/types@0.1.0".to_owned(), types)];
    // The interface is of another package than the world.
    let options = Opts {
        generate_all: true,
        with: with.into_iter().collect(),
        ..options("guest_sdk::bindings_of_middleware::seals")
    };
    check("src/bindings_of_middleware/seals.rs", &generate(resolve, package, "seals", options)?)
}

#[test]
fn bindings_of_a_websocket_are_what_the_generator_makes_of_its_world() -> Result<(), Box<dyn Error>> {
    let (mut resolve, _) = world()?;
    let package = resolve.push_str("on-message.wit", ON_MESSAGE)?;
    // The types are of another package than the world.
    let options = Opts { generate_all: true, ..options("guest_sdk::websocket::bindings") };
    check("src/websocket/bindings.rs", &generate(resolve, package, "on-message", options)?)
}

/// The package that a handler is built against.
fn world() -> Result<(Resolve, PackageId), Box<dyn Error>> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit())?;
    Ok((resolve, package))
}

/// Compares, or writes anew.
fn check(shipped: &str, generated: &str) -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(shipped);
    if env::var_os("UPDATE_BINDINGS").is_some() {
        fs::write(&path, generated)?;
    }
    // Not `assert_eq!`: the two files would drown the remedy.
    assert!(
        fs::read_to_string(&path)? == generated,
        "{shipped} is out of date: run `UPDATE_BINDINGS=1 cargo test -p guest-sdk --test bindings`"
    );
    Ok(())
}

/// The bindings of a world, as Rust source.
fn generate(mut resolve: Resolve, package: PackageId, world: &str, options: Opts) -> Result<String, Box<dyn Error>> {
    let world = resolve.select_world(&[package], Some(world))?;
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let (_, source) = files.iter().next().ok_or("the generator made no file")?;
    Ok(str::from_utf8(source)?.to_owned())
}

fn options(module: &str) -> Opts {
    Opts {
        format: true,
        // The macro is used from the handler's crate, and finds the types here.
        default_bindings_module: Some(module.to_owned()),
        pub_export_macro: true,
        additional_derive_attributes: vec!["PartialEq".to_owned()],
        ..Opts::default()
    }
}

fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("wit")
}
