//! `wit-package WIT OUT`: makes the WIT package in the folder WIT one file in the folder OUT, which registries of
//! WebAssembly take and tools read in place of the text. It must not know what the package says.

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::{env, fs};

use anyhow::Context;
use wit_parser::Resolve;

fn main() -> anyhow::Result<()> {
    let mut folders = env::args_os().skip(1).map(PathBuf::from);
    let (Some(wit), Some(out), None) = (folders.next(), folders.next(), folders.next()) else {
        anyhow::bail!("usage: wit-package WIT OUT, two folders");
    };
    let Package { file, bytes } = Package::of(&wit)?;
    fs::create_dir_all(&out).with_context(|| format!("cannot make {}", out.display()))?;
    let file = out.join(file);
    fs::write(&file, bytes).with_context(|| format!("cannot write {}", file.display()))?;
    println!("{}", file.display());
    Ok(())
}

/// A WIT package in its binary form, comments included.
struct Package {
    /// `NAMESPACE-NAME-VERSION.wasm`
    file: String,
    bytes: Vec<u8>,
}

impl Package {
    fn of(wit: &Path) -> anyhow::Result<Self> {
        let mut resolve = Resolve::default();
        let (id, _) = resolve.push_dir(wit)?;
        let name = &resolve.packages[id].name;
        let version = name.version.as_ref().with_context(|| format!("the package {name} has no version"))?;
        let file = format!("{}-{}-{version}.wasm", name.namespace, name.name);
        Ok(Self { file, bytes: wit_component::encode(&resolve, id)? })
    }
}
