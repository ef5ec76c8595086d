//! Parses `multipart/form-data` (RFC 7578, RFC 2046 section 5.1.1) from pieces as they come. It does no IO.

/// Maximum bytes of a boundary (RFC 2046 section 5.1.1).
pub const MAX_BOUNDARY: usize = 70;
/// Maximum bytes of the fields of one part.
pub const MAX_HEAD: usize = 16 * 1024;
/// Maximum number of parts.
pub const MAX_PARTS: usize = 1000;

/// What comes next of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Part(Head),
    /// Some bytes of the part, never none.
    Data(Vec<u8>),
    /// The part has ended.
    PartEnd,
    /// The form has ended. What follows is of no meaning.
    End,
    /// More bytes are needed.
    NeedMore,
}

/// What the fields of a part say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// The name of the form's field. Not empty.
    pub name: String,
    /// The name of a file, if it is one.
    pub filename: Option<String>,
    /// Its media type, if it has one.
    pub content_type: Option<String>,
}

/// What is wrong with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// A boundary of no bytes, or of more than [`MAX_BOUNDARY`].
    Boundary,
    /// A delimiter has something behind it on its line.
    Delimiter,
    /// A part has no name.
    Name,
    /// The fields of a part have more than [`MAX_HEAD`] bytes.
    Head,
    /// There are more than [`MAX_PARTS`] parts.
    Parts,
}

/// Where in the form the parser is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first delimiter, whose bytes mean nothing.
    Preamble,
    /// Behind a delimiter.
    Delimiter,
    /// At the end of the line of a delimiter, and then in the fields of a part.
    Head,
    Content,
    End,
}

/// The parser of one form. It holds what was fed and not taken yet.
#[derive(Debug)]
pub struct Parser {
    delimiter: Vec<u8>,
    input: Vec<u8>,
    /// How much of the input was taken.
    taken: usize,
    /// How much of the input is known to be content, so that many small reads do not search it again.
    content_end: usize,
    state: State,
    parts: usize,
}

impl Parser {
    /// # Errors
    /// [`Mistake::Boundary`].
    pub fn new(boundary: &[u8]) -> Result<Self, Mistake> {
        if !(1..=MAX_BOUNDARY).contains(&boundary.len()) {
            return Err(Mistake::Boundary);
        }
        let delimiter = [b"\r\n--", boundary].concat();
        // The first delimiter may come without a line break before it.
        Ok(Self { delimiter, input: b"\r\n".to_vec(), taken: 0, content_end: 0, state: State::Preamble, parts: 0 })
    }

    /// Adds what has come.
    pub fn feed(&mut self, piece: &[u8]) {
        self.input.drain(..self.taken);
        self.content_end = self.content_end.saturating_sub(self.taken);
        self.taken = 0;
        self.input.extend_from_slice(piece);
    }

    /// How many bytes are held: after [`Event::NeedMore`] no more than the fields of a part.
    #[allow(dead_code, reason = "the bound is a matter of tests, here and of fuzzers")]
    pub fn held(&self) -> usize {
        self.ahead().len()
    }

    /// What comes next. Data has at most `max` bytes, and at least one.
    ///
    /// # Errors
    /// What is wrong with the form. The parser is of no use afterwards.
    pub fn next(&mut self, max: usize) -> Result<Event, Mistake> {
        loop {
            let event = match self.state {
                State::Preamble => self.preamble(),
                State::Delimiter => self.delimiter()?,
                State::Head => Some(self.head()?),
                State::Content => Some(self.content(max.max(1))),
                State::End => Some(Event::End),
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    fn ahead(&self) -> &[u8] {
        &self.input[self.taken..]
    }

    /// How many bytes are surely before the next delimiter, and whether it follows them.
    fn before_delimiter(&self) -> (usize, bool) {
        match find(self.ahead(), &self.delimiter) {
            Some(at) => (at, true),
            // The end may be the beginning of a delimiter.
            None => ((self.ahead().len() + 1).saturating_sub(self.delimiter.len()), false),
        }
    }

    fn preamble(&mut self) -> Option<Event> {
        let (length, is_found) = self.before_delimiter();
        self.taken += length;
        if !is_found {
            return Some(Event::NeedMore);
        }
        self.taken += self.delimiter.len();
        self.state = State::Delimiter;
        None
    }

    fn delimiter(&mut self) -> Result<Option<Event>, Mistake> {
        self.state = match self.ahead() {
            [b'-', b'-', ..] => State::End,
            [b'\r', b'\n', ..] if self.parts == MAX_PARTS => return Err(Mistake::Parts),
            [b'\r', b'\n', ..] => State::Head,
            // White space that a relay has added.
            [b' ' | b'\t', ..] => {
                self.taken += 1;
                return Ok(None);
            }
            [] | [b'-' | b'\r'] => return Ok(Some(Event::NeedMore)),
            _ => return Err(Mistake::Delimiter),
        };
        Ok(None)
    }

    /// The fields, which end with an empty line: the first line break is that of the delimiter's line.
    fn head(&mut self) -> Result<Event, Mistake> {
        let Some(length) = find(self.ahead(), b"\r\n\r\n") else {
            return if self.ahead().len() > MAX_HEAD { Err(Mistake::Head) } else { Ok(Event::NeedMore) };
        };
        if length > MAX_HEAD {
            return Err(Mistake::Head);
        }
        let head = Head::parse(&String::from_utf8_lossy(&self.ahead()[..length]));
        if head.name.is_empty() {
            return Err(Mistake::Name);
        }
        self.taken += length + b"\r\n\r\n".len();
        self.parts += 1;
        self.state = State::Content;
        Ok(Event::Part(head))
    }

    fn content(&mut self, max: usize) -> Event {
        let mut is_found = false;
        if self.content_end <= self.taken {
            let length;
            (length, is_found) = self.before_delimiter();
            self.content_end = self.taken + length;
        }
        if self.content_end > self.taken {
            let length = (self.content_end - self.taken).min(max);
            let data = self.ahead()[..length].to_vec();
            self.taken += length;
            return Event::Data(data);
        }
        if !is_found {
            return Event::NeedMore;
        }
        self.taken += self.delimiter.len();
        self.state = State::Delimiter;
        Event::PartEnd
    }
}

impl Head {
    fn parse(text: &str) -> Self {
        let mut head = Self::default();
        for (name, value) in text.split("\r\n").filter_map(|line| line.split_once(':')) {
            if name.trim().eq_ignore_ascii_case("content-disposition") {
                head.name = parameter(value, "name").unwrap_or_default();
                head.filename = parameter(value, "filename");
            } else if name.trim().eq_ignore_ascii_case("content-type") {
                head.content_type = Some(value.trim().to_owned());
            }
        }
        head
    }
}

/// A parameter of a field's value: `x` in `form-data; name="x"`.
pub fn parameter(value: &str, name: &str) -> Option<String> {
    let (_, mut rest) = value.split_once(';')?;
    loop {
        let (key, after) = rest.split_once('=')?;
        // A parameter without a value is passed over.
        let key = key.rsplit(';').next().unwrap_or_default().trim();
        let (found, behind) = parameter_value(after.trim_start());
        if key.eq_ignore_ascii_case(name) {
            return Some(found);
        }
        (_, rest) = behind.split_once(';')?;
    }
}

/// The value at the beginning of `text`, a token or a quoted string, and what is behind it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            // What is escaped. Browsers send a backslash of a file's path as it is.
            '\\' => match quoted[at + 1..].chars().next() {
                Some(escaped @ ('"' | '\\')) => {
                    characters.next();
                    value.push(escaped);
                }
                _ => value.push('\\'),
            },
            other => value.push(other),
        }
    }
    (value, "")
}

/// Where `wanted` is, which begins with a byte that is rare.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == first) {
        if bytes[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests;
