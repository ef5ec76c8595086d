//! The units for systemd: it finds no fault with them.

use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::page::{Act, Page};
use crate::support::{host, run, skip, text};

#[test]
fn systemd_finds_no_fault_with_the_units() {
    let version = Command::new("systemd-analyze").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !version.is_ok_and(|end| end.success()) {
        return skip("the units for systemd: there is no systemd-analyze");
    }
    let steps = Page::chapters().into_iter().flat_map(|page| page.steps());
    let units = steps.filter_map(|step| match step.act {
        Act::Recipe { program, text } if program == "systemd" => Some(text),
        _ => None,
    });
    let units: Vec<String> = units.collect();
    assert_eq!(units.len(), 2);
    for unit in units {
        // It looks for the program.
        let program = host(&[]).get_program().to_string_lossy().into_owned();
        let unit = unit.replace("/usr/local/bin/host", &program);
        let first = unit.lines().next().expect("it has a line");
        let name =
            first.split(['/', ';']).find(|part| part.ends_with(".service")).expect("the first line names the file");
        let (sound, spoilt) = (verify(name, &unit), verify(name, &unit.replace("CacheDirectory=", "CacheFolder=")));
        assert_eq!(sound, "", "{name}");
        assert!(spoilt.contains("CacheFolder"), "it looks at {name}: {spoilt:?}");
    }
}

/// What it says of a unit.
fn verify(name: &str, unit: &str) -> String {
    let folder = TempDir::new().expect("a temporary directory can be made");
    let file = folder.path().join(name);
    fs::write(&file, unit).expect("a file can be written");
    let said = run(Command::new("systemd-analyze").arg("verify").arg(file));
    text(&said.stdout).to_owned() + text(&said.stderr)
}
