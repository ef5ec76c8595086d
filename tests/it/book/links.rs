//! That no link of the book or of the documents beside it leads nowhere.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::page::{Page, ROOT};

const DOCUMENTS: [&str; 6] =
    ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "guest-sdk/README.md", "docs/src/SUMMARY.md"];

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_are_there() {
    let documents = DOCUMENTS.iter().map(|place| Page::read(place));
    for page in documents.chain(Page::chapters()) {
        for (line, link) in page.links().filter(|(_, link)| !link.starts_with("https://")) {
            let at = format!("{}:{line}: {link}", page.place);
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.file() } else { beside(&page.file(), file) };
            assert!(target.exists(), "{at}: there is no such file");
            let in_book = page.place.starts_with("docs/src/");
            assert!(
                !in_book || target.starts_with(folder()),
                "{at}: leads out of the book, where it is none when built"
            );
            if !heading.is_empty() {
                assert!(headings(&target).contains(heading), "{at}: there is no such heading");
            }
        }
    }
}

fn folder() -> PathBuf {
    Path::new(ROOT).join("docs/src")
}

/// The file that `link` names from `file` on.
fn beside(file: &Path, link: &str) -> PathBuf {
    let mut target = file.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    for part in Path::new(link).components() {
        match part {
            Component::ParentDir => drop(target.pop()),
            other => target.push(other),
        }
    }
    target
}

/// The headings of a document, as links name them.
fn headings(file: &Path) -> BTreeSet<String> {
    let root = Path::new(ROOT);
    let place = file.strip_prefix(root).expect("a document is in the tree").display().to_string();
    let page = Page::read(&place);
    let headings = page.prose().filter_map(|(_, line)| line.strip_prefix('#'));
    let kept = |char: &char| char.is_alphanumeric() || *char == '-' || *char == '_';
    let slug = |text: &str| text.to_lowercase().replace(' ', "-").chars().filter(kept).collect();
    headings.map(|line| slug(line.trim_start_matches('#').trim())).collect()
}
