//! Follows the frames that a client sends, to know whether a block of fields is incomplete (RFC 9113 section 4), and how many
//! frames are of no request.
//!
//! It only counts. The frames themselves are read elsewhere.

/// The length of the header of a frame.
const HEADER: usize = 9;

/// Types of frames.
const DATA: u8 = 0;
const WINDOW_UPDATE: u8 = 8;

/// Types of frames that carry a block of fields, or a part of one.
const HEADERS: u8 = 1;
const PUSH_PROMISE: u8 = 5;
const CONTINUATION: u8 = 9;

/// The flag of a frame that ends its block of fields.
const END_HEADERS: u8 = 4;

/// Follows the frames of one connection, behind the preface. What is fed may be split anywhere.
#[derive(Debug, Default)]
pub struct FrameScanner {
    header: [u8; HEADER],
    /// How many bytes of the header have come.
    come: usize,
    /// How many bytes of the payload are still to come.
    payload: usize,
    /// Whether the last frame carries a block of fields, or a part of one.
    is_of_block: bool,
    /// Whether a block of fields is continued in a further frame.
    is_continued: bool,
    /// How many HEADERS frames have begun.
    headers: u64,
    /// How many HEADERS and DATA frames have begun.
    messages: u64,
    /// How many frames have begun that are of no request.
    controls: u64,
}

impl FrameScanner {
    /// Follows further bytes.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            bytes = &bytes[self.feed_part(bytes)..];
        }
    }

    /// Follows the first of further bytes: at most to the end of the header of a frame, or of its payload. Returns how many.
    pub fn feed_part(&mut self, bytes: &[u8]) -> usize {
        if self.payload > 0 {
            let skipped = self.payload.min(bytes.len());
            self.payload -= skipped;
            return skipped;
        }
        let taken = (HEADER - self.come).min(bytes.len());
        self.header[self.come..self.come + taken].copy_from_slice(&bytes[..taken]);
        self.come += taken;
        if self.come == HEADER {
            self.begin_frame();
        }
        taken
    }

    fn begin_frame(&mut self) {
        self.come = 0;
        let [high, middle, low, kind, flags, ..] = self.header;
        self.payload = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        match kind {
            HEADERS | DATA => self.messages += 1,
            CONTINUATION | WINDOW_UPDATE => {}
            _ => self.controls += 1,
        }
        self.is_of_block = matches!(kind, HEADERS | PUSH_PROMISE | CONTINUATION);
        if self.is_of_block {
            self.headers += u64::from(kind == HEADERS);
            self.is_continued = flags & END_HEADERS == 0;
        }
    }

    /// Whether a block of fields has begun, and its end has not come.
    #[must_use]
    pub fn is_in_head(&self) -> bool {
        self.is_continued || self.is_of_block && self.payload > 0
    }

    /// How many HEADERS frames have begun.
    #[must_use]
    pub fn headers(&self) -> u64 {
        self.headers
    }

    /// How many HEADERS and DATA frames have begun: the frames of requests.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// How many frames have begun that are of no request and open no window, such as PING, SETTINGS, PRIORITY and RST_STREAM.
    #[must_use]
    pub fn controls(&self) -> u64 {
        self.controls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).expect("the test gives short payloads").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER + payload, 7);
        frame
    }

    /// Whether a block of fields is incomplete after each byte.
    fn follow(bytes: &[u8]) -> (Vec<bool>, FrameScanner) {
        let mut scanner = FrameScanner::default();
        let states = bytes.iter().map(|byte| {
            scanner.feed(&[*byte]);
            scanner.is_in_head()
        });
        (states.collect(), scanner)
    }

    #[test]
    fn a_head_is_incomplete_from_its_frame_header_to_its_last_byte() {
        for payload in [1, 5, 300] {
            let (states, scanner) = follow(&frame(1, 5, payload));
            let incomplete = states.iter().filter(|incomplete| **incomplete).count();
            assert_eq!((incomplete, scanner.is_in_head(), scanner.headers()), (payload, false, 1), "{payload}");
        }
    }

    #[test]
    fn a_head_that_is_continued_is_incomplete_until_the_frame_that_ends_it() {
        let bytes = [frame(1, 0, 3), frame(9, 0, 0), frame(9, 4, 2)].concat();
        let (states, scanner) = follow(&bytes);
        let (last, others) = states.split_last().expect("a frame has bytes");
        assert!(!last && others[HEADER - 1..].iter().all(|incomplete| *incomplete), "{states:?}");
        assert_eq!(scanner.headers(), 1);
    }

    #[test]
    fn frames_without_fields_are_no_head() {
        let (states, scanner) = follow(&[frame(0, 0, 20), frame(4, 0, 12), frame(6, 0, 8)].concat());
        assert!(states.iter().all(|incomplete| !incomplete));
        assert_eq!(scanner.headers(), 0);
    }

    #[test]
    fn frames_are_told_by_whether_they_are_of_a_request() {
        let of_requests = [frame(1, 4, 3), frame(0, 0, 20), frame(0, 1, 0)].concat();
        let neutral = [frame(8, 0, 4), frame(9, 4, 2)].concat();
        let others: Vec<u8> = [2, 3, 4, 5, 6, 7, 10, 255].into_iter().flat_map(|kind| frame(kind, 4, 8)).collect();
        let (_, scanner) = follow(&[of_requests, neutral, others].concat());
        assert_eq!((scanner.messages(), scanner.controls()), (3, 8));
    }

    #[test]
    fn a_part_ends_with_the_header_of_a_frame_or_with_its_payload() {
        let bytes = [frame(6, 0, 8), frame(4, 0, 0)].concat();
        let (mut scanner, mut rest, mut parts) = (FrameScanner::default(), &bytes[..], Vec::new());
        while !rest.is_empty() {
            let taken = scanner.feed_part(rest);
            rest = &rest[taken..];
            parts.push(taken);
        }
        assert_eq!(parts, [HEADER, 8, HEADER]);
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_are_split() {
        let bytes = [frame(4, 0, 12), frame(1, 4, 20), frame(0, 0, 100), frame(1, 5, 9)].concat();
        for split in 0..=bytes.len() {
            let mut scanner = FrameScanner::default();
            scanner.feed(&bytes[..split]);
            scanner.feed(&bytes[split..]);
            assert!(!scanner.is_in_head() && scanner.headers() == 2, "split at {split}");
        }
    }
}
