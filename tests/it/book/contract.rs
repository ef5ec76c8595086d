//! The reference of the contract, made of `wit/world.wit`: its comments as prose, its items as code.
//!
//! It reads the form in which that file is written, a line for an item, and no other.

use std::fmt::Write;

/// The reference, in Markdown.
pub fn reference(wit: &str) -> String {
    let mut pages = Reference::default();
    let mut lines = wit.lines();
    while let Some(line) = lines.next() {
        let item = line.trim_start();
        match (item.strip_prefix("///"), line.len() - item.len()) {
            (Some(comment), _) => pages.comment.push(comment.trim().to_owned()),
            (None, _) if item.is_empty() || item == "}" => pages.end_code(),
            (None, 0) if item.ends_with('{') => pages.part(item),
            (None, 0) => pages.package(item),
            (None, _) if item.ends_with('{') && !item.starts_with("use ") => {
                let cases = lines.by_ref().map(str::trim_start).take_while(|line| *line != "}").collect();
                pages.types(item, cases);
            }
            (None, _) => pages.member(item),
        }
    }
    pages.end_code();
    pages.text.trim_end().to_owned() + "\n"
}

/// The text so far, and what is not in it yet.
#[derive(Default)]
struct Reference {
    text: String,
    /// The lines of the comment that the next item has.
    comment: Vec<String>,
    /// Items without a comment, which share a block.
    code: Vec<String>,
}

impl Reference {
    fn package(&mut self, item: &str) {
        let comment = self.take_comment("");
        let _ = writeln!(self.text, "```wit\n{item}\n```\n\n{comment}");
    }

    /// An interface or a world.
    fn part(&mut self, item: &str) {
        let comment = self.take_comment("");
        let _ = writeln!(self.text, "## `{}`\n\n{comment}", item.trim_end_matches(" {"));
    }

    /// A variant, an enum or a record, with its cases or fields.
    fn types(&mut self, item: &str, lines: Vec<&str>) {
        self.end_code();
        let comment = self.take_comment("");
        let cases: Vec<&str> = lines.iter().filter(|line| !line.starts_with("///")).copied().collect();
        let _ = writeln!(self.text, "### `{}`\n\n{comment}", item.trim_end_matches(" {"));
        let _ = writeln!(self.text, "```wit\n{item}\n    {}\n}}\n```\n", cases.join("\n    "));
        for line in lines {
            match line.strip_prefix("///") {
                Some(comment) => self.comment.push(comment.trim().to_owned()),
                None => {
                    let comment = self.take_comment("  ");
                    let _ = write!(self.text, "- `{}`: {}", line.trim_end_matches(','), comment.trim_start());
                }
            }
        }
        self.text.push('\n');
    }

    /// A function, or what an interface or a world takes from another.
    fn member(&mut self, item: &str) {
        if self.comment.is_empty() {
            self.code.push(item.to_owned());
            return;
        }
        self.end_code();
        let comment = self.take_comment("");
        let name = item.split(':').next().unwrap_or(item);
        let _ = writeln!(self.text, "### `{name}`\n\n```wit\n{item}\n```\n\n{comment}");
    }

    fn end_code(&mut self) {
        if !self.code.is_empty() {
            let _ = writeln!(self.text, "```wit\n{}\n```\n", self.code.join("\n"));
            self.code.clear();
        }
    }

    /// The comment, each line behind `indent`.
    fn take_comment(&mut self, indent: &str) -> String {
        let lines = std::mem::take(&mut self.comment);
        let line = |line: &String| if line.is_empty() { "\n".to_owned() } else { format!("{indent}{line}\n") };
        lines.iter().map(line).collect()
    }
}
