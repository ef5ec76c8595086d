//! Embeds the bindings of C and Go that are generated from `wit/`, of which `host new` copies every file. It must not
//! know which there are.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let examples = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?).join("../examples");
    let c = table("C", "What a handler in C is built with.", &examples.join("c"), &["bindings"])?;
    let go = table("GO", "What a handler in Go is built with.", &examples.join("go"), &["bindings", "pkg"])?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("bindings.rs"), c + &go)?;
    Ok(())
}

/// A constant that holds each file of `folders`, by its place in `language`.
fn table(name: &str, docs: &str, language: &Path, folders: &[&str]) -> Result<String, Box<dyn Error>> {
    let mut places = Vec::new();
    for folder in folders {
        println!("cargo::rerun-if-changed={}", language.join(folder).display());
        collect(language, Path::new(folder), &mut places)?;
    }
    places.sort();
    let mut rows = String::new();
    for place in places {
        let file = language.join(&place).canonicalize()?;
        rows += &format!("    ({:?}, include_bytes!({:?})),\n", place.to_str().ok_or("not UTF-8")?, file);
    }
    Ok(format!("/// {docs}\npub(super) const {name}: &[(&str, &[u8])] = &[\n{rows}];\n"))
}

fn collect(language: &Path, folder: &Path, places: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(language.join(folder))? {
        let entry = entry?;
        let place = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(language, &place, places)?;
        } else {
            places.push(place);
        }
    }
    Ok(())
}
