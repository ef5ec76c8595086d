//! Reading one response whatever its length, as its framing says (RFC 9112 section 6.3).

use std::io::ErrorKind;

use super::Client;

impl Client {
    /// One response, or nothing where the server has closed the connection without a byte.
    #[track_caller]
    pub fn read_response_if_any(&mut self) -> Option<String> {
        match self.read_some() {
            Ok(1..) => Some(self.read_response()),
            Ok(0) => None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// One response: its head, and its body as `Content-Length` or the chunked coding frames it, still coded. A
    /// response without either has its head alone.
    #[track_caller]
    pub fn read_response(&mut self) -> String {
        let head = self.read_until("\r\n\r\n");
        // A proxy may write the names of fields otherwise.
        let fields = head.to_ascii_lowercase();
        if fields.contains("\r\ntransfer-encoding: chunked\r\n") {
            let mut response = head;
            loop {
                let size = self.read_until("\r\n");
                let bytes = usize::from_str_radix(size.trim_end(), 16).expect("a chunk has a size");
                response += &size;
                response += &String::from_utf8_lossy(&self.read_exactly(bytes + 2));
                if bytes == 0 {
                    return response;
                }
            }
        }
        let length = fields.split("\r\n").find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().expect("a length is a number"));
        head + &String::from_utf8_lossy(&self.read_exactly(length))
    }
}
