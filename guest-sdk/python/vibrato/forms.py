"""Forms: `application/x-www-form-urlencoded`, and `multipart/form-data` (RFC 7578) as it comes."""

from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser

from .errors import RequestError

# The most bytes of the fields of one part.
MAX_PART_HEAD = 16_384
# The most parts.
MAX_PARTS = 1000


class Form(dict[str, str]):
    """The values by name. Of several values of a name it has the first; `get_all` has all."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__(reversed(pairs))
        self.pairs = pairs

    def get_all(self, name: str) -> list[str]:
        """All values of a name, in order."""
        return [value for key, value in self.pairs if key == name]


class Part:
    """A part of a multipart form. Read it before the next one is asked for."""

    def __init__(self, head: Message, pieces: Iterator[bytes]) -> None:
        self.name = str(head.get_param("name", "", "content-disposition"))
        #: The name of a file, as the client says it: never a path to write to.
        self.filename = head.get_filename()
        self.content_type = head.get_content_type()
        self._pieces = pieces

    def stream(self) -> Iterator[bytes]:
        """The pieces as they come."""
        return self._pieces

    def body(self, limit: int = 1_048_576) -> bytes:
        """The whole, of at most `limit` bytes."""
        pieces, length = [], 0
        for piece in self._pieces:
            length += len(piece)
            if length > limit:
                raise RequestError(f"a part of the form has more than {limit} bytes", 413)
            pieces.append(piece)
        return b"".join(pieces)

    def text(self, limit: int = 1_048_576) -> str:
        """The whole as text in UTF-8."""
        try:
            return self.body(limit).decode()
        except UnicodeDecodeError:
            raise RequestError(f"the part {self.name!r} of the form is not UTF-8") from None


class _Source:
    """What was read ahead, and the rest of the body."""

    def __init__(self, pieces: Iterator[bytes], limit: int) -> None:
        self.ahead = b""
        self.pieces = pieces
        self.left = limit

    def more(self) -> None:
        piece = next(self.pieces, None)
        if piece is None:
            raise RequestError("the multipart form ends too early")
        self.left -= len(piece)
        if self.left < 0:
            raise RequestError("the multipart form is too large", 413)
        self.ahead += piece


def read_parts(pieces: Iterator[bytes], boundary: str, limit: int) -> Iterator[Part]:
    """The parts of a body with this boundary."""
    source = _Source(pieces, limit)
    # The first delimiter may come without a line break before it.
    source.ahead = b"\r\n"
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    for _ in _until(source, delimiter):
        pass
    for _ in range(MAX_PARTS):
        while len(source.ahead) < 2:
            source.more()
        if source.ahead.startswith(b"--"):
            return
        head = _head(source)
        content = _until(source, delimiter)
        part = Part(head, content)
        if not part.name:
            raise RequestError("a part of the multipart form has no name")
        yield part
        # What nobody has read.
        for _ in content:
            pass
    raise RequestError(f"the multipart form has more than {MAX_PARTS} parts", 413)


def _head(source: _Source) -> Message:
    """The fields of a part, up to the empty line."""
    while (end := source.ahead.find(b"\r\n\r\n", 0, MAX_PART_HEAD)) < 0:
        if len(source.ahead) >= MAX_PART_HEAD:
            raise RequestError("the fields of a part of the multipart form are too large", 413)
        source.more()
    head, source.ahead = source.ahead[:end], source.ahead[end + 4 :]
    return HeaderParser().parsestr(head.decode("utf-8", "replace").lstrip("\r\n"))


def _until(source: _Source, delimiter: bytes) -> Iterator[bytes]:
    """The bytes up to the delimiter, which is passed over."""
    while (at := source.ahead.find(delimiter)) < 0:
        # The end may be the beginning of a delimiter.
        ready = len(source.ahead) - len(delimiter) + 1
        if ready > 0:
            piece, source.ahead = source.ahead[:ready], source.ahead[ready:]
            yield piece
        source.more()
    piece, source.ahead = source.ahead[:at], source.ahead[at + len(delimiter) :]
    if piece:
        yield piece
