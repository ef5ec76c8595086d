//! Whether the body of an event stream ends between two events or inside one (HTML standard, section 9.2.5).

/// How many bytes it takes to know that the last line is blank: the CR LF that ends it, and the last byte of the line
/// end before it.
const KEPT: usize = 3;

/// The last bytes of a body.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LastBytes {
    bytes: [u8; KEPT],
    /// The number of bytes that are kept. If it is less than [`KEPT`], they are the whole body.
    length: u8,
}

impl LastBytes {
    /// Follows a piece that was added to the body.
    pub(super) fn follow(&mut self, piece: &[u8]) {
        if let Some(last) = piece.last_chunk() {
            (self.bytes, self.length) = (*last, KEPT as u8);
            return;
        }
        for byte in piece {
            self.bytes.rotate_left(1);
            self.bytes[KEPT - 1] = *byte;
            self.length = (self.length + 1).min(KEPT as u8);
        }
    }

    /// Whether the last line is blank, or there is no line. Lines end in LF, CR or CR LF.
    pub(super) fn are_between_events(&self) -> bool {
        let bytes = &self.bytes[KEPT - usize::from(self.length)..];
        let before = match bytes {
            [] => return true,
            [before @ .., b'\r', b'\n'] | [before @ .., b'\n' | b'\r'] => before,
            [..] => return false,
        };
        matches!(before, [] | [.., b'\n' | b'\r'])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether a reader that goes through the stream byte by byte is between two events at the end.
    fn is_read_as_between(body: &[u8]) -> bool {
        let (mut is_blank, mut line_is_empty, mut follows_cr) = (true, true, false);
        for byte in body {
            match (*byte, follows_cr) {
                (b'\n', true) => {}
                (b'\n' | b'\r', _) => (is_blank, line_is_empty) = (line_is_empty, true),
                (_, _) => (is_blank, line_is_empty) = (false, false),
            }
            follows_cr = *byte == b'\r';
        }
        is_blank
    }

    #[test]
    fn a_blank_line_is_told_from_the_end_of_another() {
        let table: &[(&str, bool)] = &[
            ("", true),
            ("\n", true),
            ("\r\n", true),
            ("data: Hel", false),
            ("data: one\n", false),
            ("data: one\r", false),
            ("data: one\r\n", false),
            ("data: one\n\n", true),
            ("data: one\r\r", true),
            ("data: one\r\n\r\n", true),
            ("data: one\r\n\r", true),
            ("data: one\n\r", true),
            ("data: one\n\r\n", true),
            ("data: one\r\r\n", true),
            ("data: one\r\n\n", true),
            ("data: one\n\ndata: Hel", false),
        ];
        for (body, between) in table {
            for cut in 0..=body.len() {
                let mut last = LastBytes::default();
                last.follow(&body.as_bytes()[..cut]);
                last.follow(&body.as_bytes()[cut..]);
                assert_eq!(last.are_between_events(), *between, "{body:?} cut at {cut}");
            }
        }
    }

    proptest! {
        #[test]
        fn whatever_the_line_ends_and_the_cuts_a_stream_rests_where_its_reader_does(
            pieces in prop::collection::vec("[a:\r\n]{0,5}", 0..8),
        ) {
            let mut last = LastBytes::default();
            let mut body = Vec::new();
            for piece in pieces {
                last.follow(piece.as_bytes());
                body.extend_from_slice(piece.as_bytes());
                prop_assert_eq!(last.are_between_events(), is_read_as_between(&body), "{:?}", body);
            }
        }
    }
}
