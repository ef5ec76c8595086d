//! The header of the PROXY protocol, in which a proxy that forwards bytes names its client: version 1, a line of text, and
//! version 2, binary (haproxy.org, `doc/proxy-protocol.txt`).
//!
//! It reads no socket. The parser never needs a byte behind the header to know that it has ended.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use thiserror::Error;

#[cfg(test)]
mod tests;

/// The most bytes of a header that is accepted: of version 2, with its addresses and what a proxy adds.
pub const MAX_PROXY_HEADER: usize = 536;

/// The most bytes of a header of version 1, with its line end.
const MAX_LINE: usize = 107;

/// The first bytes of a header of version 2.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The bytes of a header of version 2 before its addresses.
const FIXED: usize = 16;

/// The type of the checksum among the additions of version 2 (CRC-32C).
const CRC32C: u8 = 0x03;

/// A whole header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeaderEnd {
    /// How many bytes it has.
    pub length: usize,
    /// The address of the client. `None` if the proxy does not know it, or connects for itself, as for a health check.
    pub source: Option<SocketAddr>,
}

/// Why bytes are no header of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProxyHeaderError {
    /// They start otherwise.
    #[error("there is no header of the PROXY protocol")]
    None,
    /// The line of version 1 is malformed.
    #[error("the line of the PROXY protocol is malformed")]
    Line,
    /// The header of version 2 is malformed.
    #[error("the header of the PROXY protocol is malformed")]
    Binary,
    /// It has another version or command, or is for datagrams.
    #[error("the header of the PROXY protocol has a version, command or transport that is not supported")]
    Unsupported,
    /// It is longer than is accepted.
    #[error("the header of the PROXY protocol is too long")]
    Long,
    /// Its checksum is wrong.
    #[error("the checksum of the header of the PROXY protocol is wrong")]
    Checksum,
}

/// The header at the start of `input`. `None` if it is incomplete: then all of `input` belongs to it.
///
/// # Errors
/// See [`ProxyHeaderError`]. An error is found as soon as no further byte can mend it, or the header is complete.
pub fn parse_proxy_header(input: &[u8]) -> Result<Option<ProxyHeaderEnd>, ProxyHeaderError> {
    let starts_with = |start: &[u8]| input.iter().zip(start).all(|(one, other)| one == other);
    if starts_with(&SIGNATURE) {
        parse_binary(input)
    } else if starts_with(b"PROXY ") {
        parse_line(input)
    } else {
        Err(ProxyHeaderError::None)
    }
}

fn parse_line(input: &[u8]) -> Result<Option<ProxyHeaderEnd>, ProxyHeaderError> {
    let within = &input[..input.len().min(MAX_LINE)];
    let Some(end) = within.iter().position(|&byte| byte == b'\n') else {
        return if input.len() < MAX_LINE { Ok(None) } else { Err(ProxyHeaderError::Long) };
    };
    let line = within[..end].strip_suffix(b"\r").ok_or(ProxyHeaderError::Line)?;
    let line = str::from_utf8(line).map_err(|_| ProxyHeaderError::Line)?;
    let source = line.strip_prefix("PROXY ").and_then(source_of_line).ok_or(ProxyHeaderError::Line)?;
    Ok(Some(ProxyHeaderEnd { length: end + 1, source }))
}

/// The source of a line behind `PROXY `, if it is well-formed.
fn source_of_line(rest: &str) -> Option<Option<SocketAddr>> {
    // What follows UNKNOWN is to be ignored.
    if rest == "UNKNOWN" || rest.starts_with("UNKNOWN ") {
        return Some(None);
    }
    let mut words = rest.split(' ');
    let mut next = || words.next();
    let (family, source, destination, port, other_port) = (next()?, next()?, next()?, next()?, next()?);
    if words.next().is_some() {
        return None;
    }
    let (source, _): (IpAddr, IpAddr) = match family {
        "TCP4" => (source.parse::<Ipv4Addr>().ok()?.into(), destination.parse::<Ipv4Addr>().ok()?.into()),
        "TCP6" => (source.parse::<Ipv6Addr>().ok()?.into(), destination.parse::<Ipv6Addr>().ok()?.into()),
        _ => return None,
    };
    let (port, _) = (port_of(port)?, port_of(other_port)?);
    Some(Some(SocketAddr::new(source, port)))
}

/// A decimal number without a sign or leading zeros.
fn port_of(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_number)
}

fn parse_binary(input: &[u8]) -> Result<Option<ProxyHeaderEnd>, ProxyHeaderError> {
    let command = input.get(12).copied();
    if command.is_some_and(|byte| byte >> 4 != 2 || byte & 0xf > 1) {
        return Err(ProxyHeaderError::Unsupported);
    }
    // A proxy that connects for itself may write any family and addresses, which are ignored.
    let is_local = command == Some(0x20);
    let family = input.get(13).copied();
    if !is_local && family.is_some_and(|family| !matches!(family, 0x00 | 0x11 | 0x21 | 0x31)) {
        return Err(ProxyHeaderError::Unsupported);
    }
    let (Some(family), Some(length)) = (family, input.get(14..FIXED)) else { return Ok(None) };
    let length = FIXED + usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length > MAX_PROXY_HEADER {
        return Err(ProxyHeaderError::Long);
    }
    let Some(header) = input.get(..length) else { return Ok(None) };
    // Of an unspecified family nothing is known but the length.
    if is_local || family == 0x00 {
        return Ok(Some(ProxyHeaderEnd { length, source: None }));
    }
    let addresses = match family {
        0x11 => 12,
        0x21 => 36,
        // Two paths of Unix sockets.
        _ => 2 * 108,
    };
    let (address, additions) = header[FIXED..].split_at_checked(addresses).ok_or(ProxyHeaderError::Binary)?;
    check_additions(header, additions)?;
    Ok(Some(ProxyHeaderEnd { length, source: source_of(family, address) }))
}

fn source_of(family: u8, address: &[u8]) -> Option<SocketAddr> {
    let port = |at: usize| Some(u16::from_be_bytes([*address.get(at)?, *address.get(at + 1)?]));
    match family {
        0x11 => {
            let octets: [u8; 4] = address.get(..4)?.try_into().ok()?;
            Some(SocketAddr::new(Ipv4Addr::from(octets).into(), port(8)?))
        }
        0x21 => {
            let octets: [u8; 16] = address.get(..16)?.try_into().ok()?;
            Some(SocketAddr::new(Ipv6Addr::from(octets).into(), port(32)?))
        }
        // A Unix socket of the proxy's machine, or something unknown.
        _ => None,
    }
}

/// Checks that the additions are well-formed, and a checksum if there is one.
fn check_additions(header: &[u8], mut additions: &[u8]) -> Result<(), ProxyHeaderError> {
    while let Some((kind, rest)) = additions.split_first() {
        let (length, rest) = rest.split_first_chunk::<2>().ok_or(ProxyHeaderError::Binary)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (value, behind) = rest.split_at_checked(length).ok_or(ProxyHeaderError::Binary)?;
        if *kind == CRC32C {
            let stated: [u8; 4] = value.try_into().map_err(|_| ProxyHeaderError::Binary)?;
            let at = header.len() - behind.len() - value.len();
            let without = header.iter().enumerate();
            let without = without.map(|(index, byte)| if (at..at + 4).contains(&index) { 0 } else { *byte });
            if crc32c(without) != u32::from_be_bytes(stated) {
                return Err(ProxyHeaderError::Checksum);
            }
        }
        additions = behind;
    }
    Ok(())
}

/// CRC-32C (RFC 3720 appendix B.4), bit by bit: a header is short, and few have it.
fn crc32c(bytes: impl Iterator<Item = u8>) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    !bytes.fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 })
    })
}
