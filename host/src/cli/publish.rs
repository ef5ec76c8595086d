//! `host publish`: publishes a chunk to a topic of a running host.

use std::io::{Read as _, stdin};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use host::control::{self, PublishRequest, TopicScope};
use host::push::{self, MAX_CHUNK_BYTES};
use host::routes::Site;

/// The arguments of `host publish`.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// The topic, as handlers subscribe to it.
    topic: String,

    /// What to publish [default: what stdin has, to its end].
    text: Option<String>,

    /// The state directory of the host, as it was given to `host run`.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,

    /// The directory of the routes whose topic it is, relative to the routes directory [default: the routes directory
    /// itself].
    #[arg(long, value_name = "DIR", conflicts_with = "topics")]
    directory: Option<PathBuf>,

    /// The name that these routes have as `topics` in their NAME.toml, in place of a directory.
    #[arg(long, value_name = "NAME")]
    topics: Option<String>,

    /// The site of these routes [default: the default site].
    #[arg(long, value_name = "HOST", requires = "topics", value_parser = parse_site)]
    site: Option<Site>,

    /// Publish the text as a server-sent event: each line as `data`, and an empty line after them.
    #[arg(long)]
    sse: bool,
}

impl Publish {
    /// Prints how many subscribers it has reached.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let directory = self.directory.unwrap_or_default();
        let scope = match self.topics {
            Some(name) => TopicScope::Named { site: self.site.unwrap_or_default(), name },
            None => TopicScope::of_directory(&directory).with_context(|| {
                let directory = directory.display();
                format!("{directory} is not below the routes directory; write it relative to that, as in `chat`")
            })?,
        };
        let name = &self.topic;
        anyhow::ensure!(push::is_topic(name), "`{}` is not a topic; write 1 to 128 bytes of text", name.escape_debug());
        let mut chunk = match self.text {
            Some(text) => text.into_bytes(),
            None => {
                let mut chunk = Vec::new();
                // One byte more shows that it is too long.
                stdin().take(MAX_CHUNK_BYTES as u64 + 1).read_to_end(&mut chunk).context("cannot read stdin")?;
                chunk
            }
        };
        if self.sse {
            chunk = event(&chunk);
        }
        anyhow::ensure!(!chunk.is_empty(), "there is nothing to publish; give it as an argument or on stdin");
        anyhow::ensure!(chunk.len() <= MAX_CHUNK_BYTES, "a chunk has at most {MAX_CHUNK_BYTES} bytes; publish several");
        let reached = control::publish(&self.state, &PublishRequest { scope, topic: self.topic, chunk })?;
        println!("{reached} {}", if reached == 1 { "subscriber" } else { "subscribers" });
        Ok(ExitCode::SUCCESS)
    }
}

fn parse_site(name: &str) -> Result<Site, String> {
    Site::named(name).map_err(|error| format!("{error}; {}", error.remedy()))
}

/// A server-sent event with these lines as its data. Lines end in LF, CR LF or CR (HTML standard, section 9.2.6).
fn event(text: &[u8]) -> Vec<u8> {
    let mut event = Vec::new();
    let text = String::from_utf8_lossy(text).replace("\r\n", "\n").replace('\r', "\n");
    for line in text.strip_suffix('\n').unwrap_or(&text).split('\n') {
        event.extend_from_slice(b"data: ");
        event.extend_from_slice(line.as_bytes());
        event.push(b'\n');
    }
    event.push(b'\n');
    event
}

#[cfg(test)]
mod tests {
    use super::event;

    #[test]
    fn each_line_of_an_event_is_data() {
        for (text, expected) in [
            ("a", "data: a\n\n"),
            ("a\n", "data: a\n\n"),
            ("a\r\nb\rc\n\n", "data: a\ndata: b\ndata: c\ndata: \n\n"),
            ("", "data: \n\n"),
        ] {
            assert_eq!(event(text.as_bytes()), expected.as_bytes(), "{text:?}");
        }
    }
}
