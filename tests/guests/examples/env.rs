//! Looks for what a sandbox keeps from it: environment variables, files, the network. Answers what it finds.

use std::fmt::Write;
use std::net::TcpStream;
use std::{env, fs};

use guest_sdk::handler;

#[handler(content_type = "text/plain; charset=utf-8")]
fn look_around() -> Result<String, std::fmt::Error> {
    let mut found = String::new();
    writeln!(found, "arguments: {}", env::args_os().count())?;
    writeln!(found, "variables: {}", env::vars_os().count())?;
    match fs::read_dir("/") {
        Ok(entries) => writeln!(found, "files: {}", entries.count())?,
        Err(_) => writeln!(found, "files: refused")?,
    }
    match TcpStream::connect("127.0.0.1:80") {
        Ok(_) => writeln!(found, "network: connected")?,
        Err(error) => writeln!(found, "network: {:?}", error.kind())?,
    }
    Ok(found)
}
