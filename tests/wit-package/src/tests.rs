use std::path::Path;
use std::process::Command;

use wit_component::{DecodedWasm, WitPrinter};

use super::Package;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The lines of a text that begin with `start`, without it.
fn lines<'t>(text: &'t str, start: &str) -> Vec<&'t str> {
    text.lines().filter_map(|line| line.trim().strip_prefix(start)).map(str::trim).collect()
}

#[test]
fn the_package_has_every_world_interface_and_comment_of_the_text() -> anyhow::Result<()> {
    let source = std::fs::read_to_string(root().join("wit/world.wit"))?;
    let package = Package::of(&root().join("wit"))?;
    let DecodedWasm::WitPackage(resolve, id) = wit_component::decode(&package.bytes)? else {
        anyhow::bail!("it is a component, not a package");
    };
    let name = resolve.packages[id].name.to_string();
    assert_eq!(lines(&source, "package "), [format!("{name};")]);
    assert_eq!(package.file, name.replace([':', '@'], "-") + ".wasm");
    let mut printer = WitPrinter::default();
    printer.print(&resolve, id, &[])?;
    let printed = printer.output.to_string();
    for start in ["interface ", "world ", "variant ", "enum ", "record ", "resource "] {
        assert_eq!(lines(&printed, start), lines(&source, start), "{start}: {printed}");
    }
    let comments = lines(&printed, "///");
    let lost: Vec<_> = lines(&source, "///").into_iter().filter(|line| !comments.contains(line)).collect();
    assert_eq!(lost, [""; 0], "{printed}");
    Ok(())
}

/// What a crate takes along lies in its folder, at the least as a link.
#[test]
fn the_crates_to_publish_bring_the_world_their_licence_and_their_readme() -> anyhow::Result<()> {
    for (name, places) in [
        ("guest-sdk", &["LICENSE", "README.md", "wit/world.wit", "src/bindings.rs"][..]),
        ("guest-sdk-macros", &["LICENSE", "README.md", "options.md", "src/lib.rs"]),
        ("guest-sdk-options", &["LICENSE", "README.md", "src/lib.rs"]),
    ] {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["package", "--list", "--allow-dirty", "--offline", "--package", name]).current_dir(root());
        let output = cargo.output()?;
        let listed = String::from_utf8(output.stdout)?;
        let missing: Vec<_> = places.iter().filter(|place| !listed.lines().any(|line| line == **place)).collect();
        assert!(missing.is_empty(), "{name} lacks {missing:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
