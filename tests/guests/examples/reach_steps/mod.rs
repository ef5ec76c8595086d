//! Reaches for files and variables, as the steps of a query say, through the standard library.
//!
//! | step | does |
//! |---|---|
//! | `env=NAME` | reports the variable, or `none` |
//! | `read=PATH`, `size=PATH` | reports the contents or the length of a file |
//! | `list=PATH` | reports the names in a directory, sorted |
//! | `write=PATH:TEXT`, `append=PATH:TEXT`, `fill=PATH:BYTES` | writes a file anew, at its end, or with N times `x` in pieces of 4096 |
//! | `seek=PATH:OFFSET` | writes one byte there |
//! | `truncate=PATH:BYTES` | sets the length of a file |
//! | `mkdir=PATH`, `rmdir=PATH`, `remove=PATH` | as they say |
//! | `rename=PATH:PATH`, `link=PATH:PATH`, `symlink=TARGET:PATH` | as they say |
//! | `files=PATH:N` | makes N empty files, and reports how many there was room for |
//! | `open=PATH:N` | opens a file N times at once, and reports how often that was possible |
//! | `touch=PATH` | sets the times of a file |

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::time::SystemTime;

/// What a step reports: `read: Hello`. `None` if it is none of these.
pub fn run(step: &str, argument: &str) -> Option<String> {
    let (path, rest) = argument.split_once(':').unwrap_or((argument, ""));
    let done = match step {
        "env" => Ok(std::env::var(argument).unwrap_or_else(|_| "none".to_owned())),
        "read" => fs::read_to_string(path),
        "size" => fs::metadata(path).map(|metadata| metadata.len().to_string()),
        "list" => list(path),
        "write" => fs::write(path, rest).map(ok),
        "append" => append(path, rest.as_bytes()).map(ok),
        "fill" => fill(path, number(rest)).map(ok),
        "seek" => seek(path, number(rest)).map(ok),
        "truncate" => OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(number(rest))).map(ok),
        "mkdir" => fs::create_dir(path).map(ok),
        "rmdir" => fs::remove_dir(path).map(ok),
        "remove" => fs::remove_file(path).map(ok),
        "rename" => fs::rename(path, rest).map(ok),
        "link" => fs::hard_link(path, rest).map(ok),
        "symlink" => symlink(path, rest).map(ok),
        "files" => {
            Ok((0..number(rest)).take_while(|at| File::create(format!("{path}/{at}")).is_ok()).count().to_string())
        }
        "open" => {
            let open: Vec<File> = (0..number(rest)).map_while(|_| File::open(path).ok()).collect();
            Ok(open.len().to_string())
        }
        "touch" => {
            OpenOptions::new().read(true).open(path).and_then(|file| file.set_modified(SystemTime::UNIX_EPOCH)).map(ok)
        }
        _ => return None,
    };
    Some(format!("{step}: {}", done.unwrap_or_else(|error| error_name(&error))))
}

fn ok((): ()) -> String {
    "ok".to_owned()
}

fn error_name(error: &io::Error) -> String {
    format!("{:?}", error.kind())
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_default()
}

fn list(path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names.join(" "))
}

fn append(path: &str, bytes: &[u8]) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(bytes)
}

fn fill(path: &str, bytes: u64) -> io::Result<()> {
    let mut file = File::create(path)?;
    for at in (0..bytes).step_by(4096) {
        file.write_all(&[b'x'; 4096][..4096.min((bytes - at) as usize)])?;
    }
    file.flush()
}

fn seek(path: &str, offset: u64) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    file.write_all(b"x")
}

/// The standard library has no function of its own for links on this target.
#[allow(deprecated, reason = "there is no other way to make one here")]
fn symlink(target: &str, path: &str) -> io::Result<()> {
    fs::soft_link(target, path)
}
