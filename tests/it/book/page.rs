//! A page of the book, cut into what its blocks of code ask for. It must not know how any of that is done.
//!
//! A comment before a block says what the block is, for nobody but the tests: `<!-- file: routes/greet.toml -->`.

use std::fs;
use std::path::{Path, PathBuf};

/// The root of the tree.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A page, read.
#[derive(Debug)]
pub struct Page {
    /// Its file, from the root on.
    pub place: String,
    /// All of it.
    pub text: String,
}

/// Something to do, in the order of the page.
#[derive(Debug, Clone)]
pub struct Step {
    /// The line of the page, from 1, for what a failure says.
    pub line: usize,
    /// What to do.
    pub act: Act,
}

/// What a block, or a comment by itself, asks for.
#[derive(Debug, Clone)]
pub enum Act {
    /// Write a file; a route file must be good.
    File { place: String, text: String },
    /// Write a route file that the page shows to be wrong.
    BrokenFile { place: String, text: String },
    /// Compile a handler in Rust, and put the component there.
    Handler { place: String, text: String },
    /// Put an example of the tree into the routes directory.
    Example(String),
    /// The block is a copy of a file of the tree.
    Copy { place: String, text: String },
    /// Run a command that the page does not show.
    Prepare(String),
    /// Run the lines that begin with `$ `, and compare what they print.
    Console(String),
    /// Run each line; each succeeds.
    Script(String),
    /// The log of the server has these lines.
    Log(String),
    /// The text is part of the contract.
    Wit(String),
    /// What to write into the configuration of a program that stands before the host.
    Recipe { program: String, text: String },
    /// It cannot be run here, for a reason.
    NotRun(String),
}

impl Page {
    /// Reads a page by its place below the root.
    pub fn read(place: &str) -> Self {
        let file = Path::new(ROOT).join(place);
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        Self { place: place.to_owned(), text }
    }

    /// All chapters, in the order of the book.
    pub fn chapters() -> Vec<Self> {
        let summary = Self::read("docs/src/SUMMARY.md");
        let names = summary.links().map(|(_, link)| link.to_owned()).collect::<Vec<_>>();
        names.iter().map(|name| Self::read(&format!("docs/src/{name}"))).collect()
    }

    /// Where its file is.
    pub fn file(&self) -> PathBuf {
        Path::new(ROOT).join(&self.place)
    }

    /// Its name without folder and ending.
    pub fn name(&self) -> String {
        let stem = Path::new(&self.place).file_stem().expect("a page has a name");
        stem.to_string_lossy().into_owned()
    }

    /// The targets of its links outside blocks of code, each with its line.
    pub fn links(&self) -> impl Iterator<Item = (usize, &str)> {
        self.prose().flat_map(|(number, line)| {
            line.split("](").skip(1).filter_map(move |rest| Some((number, rest.split_once(')')?.0)))
        })
    }

    /// Its lines outside blocks of code, each with its number.
    pub fn prose(&self) -> impl Iterator<Item = (usize, &str)> {
        let mut inside = false;
        (1..).zip(self.text.lines()).filter(move |(_, line)| {
            let fence = line.starts_with("```");
            inside ^= fence;
            !inside && !fence
        })
    }

    /// What the page asks for.
    #[track_caller]
    pub fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let mut lines = (1..).zip(self.text.lines());
        let mut marker = None;
        while let Some((line, text)) = lines.next() {
            if let Some(found) = comment(text) {
                match found {
                    ("example", name) => steps.push(Step { line, act: Act::Example(name.to_owned()) }),
                    ("prepare", command) => steps.push(Step { line, act: Act::Prepare(command.to_owned()) }),
                    _ => marker = Some(found),
                }
            } else if let Some(language) = text.strip_prefix("```") {
                let block = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
                let block: String = block.map(|line| format!("{line}\n")).collect();
                let act = act(language, marker.take(), block);
                let act = act.unwrap_or_else(|wrong| panic!("{}:{line}: {wrong}", self.place));
                steps.push(Step { line, act });
            } else {
                marker = None;
            }
        }
        steps
    }
}

/// The words before and behind the colon of a comment that fills a line.
fn comment(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("<!-- ")?.strip_suffix(" -->")?.split_once(": ")
}

fn act(language: &str, marker: Option<(&str, &str)>, text: String) -> Result<Act, String> {
    let Some((word, argument)) = marker else {
        return match language {
            "console" => Ok(Act::Console(text)),
            "sh" => Ok(Act::Script(text)),
            "log" => Ok(Act::Log(text)),
            "wit" => Ok(Act::Wit(text)),
            _ => Err(format!("a block of `{language}` needs a comment before it that says what it is")),
        };
    };
    let place = argument.to_owned();
    match (word, language) {
        ("not run", _) => Ok(Act::NotRun(place)),
        ("copy", _) => Ok(Act::Copy { place, text }),
        ("recipe", _) => Ok(Act::Recipe { program: place, text }),
        ("handler", "rust") => Ok(Act::Handler { place, text }),
        ("file", _) => Ok(Act::File { place, text }),
        ("broken file", _) => Ok(Act::BrokenFile { place, text }),
        _ => Err(format!("a block of `{language}` cannot be `{word}`")),
    }
}
