"""The request that is answered."""

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from wit_world.imports import request as host

from .cookies import parse_cookies
from .errors import RequestError, refusals
from .forms import Form, Part, read_parts
from .options import Options, options
from .text import from_field

# The most bytes of one piece of a body.
MAX_PIECE = 65_536
# The most bytes of a body that is read whole, unless the handler says otherwise.
MAX_BODY = 1_048_576
# The deepest JSON that is read: the stack of an instance is small.
MAX_DEPTH = 500

_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def _is_deep(text: bytes) -> bool:
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for match in _BRACKET.finditer(text):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(match[0], 0)
        if depth > MAX_DEPTH:
            return True
    return False


class Request:
    """The request. Each property asks the host: keep what is used twice."""

    def __init__(self) -> None:
        self._body: bytes | None = None

    @property
    def method(self) -> str:
        """`GET`; a HEAD request is seen as `HEAD`."""
        return host.method()

    @property
    def target(self) -> str:
        """The request target as it was sent."""
        return host.target()

    @property
    def path(self) -> str:
        """The path as it was sent, not percent-decoded."""
        return host.path()

    @property
    def query_string(self) -> str:
        """The query as it was sent, without its `?`."""
        return host.query() or ""

    @property
    def query(self) -> Form:
        """The query, decoded as a form is."""
        return Form(parse_qsl(self.query_string, keep_blank_values=True, max_num_fields=1000))

    @property
    def params(self) -> dict[str, str]:
        """What the route's pattern captured, percent-decoded."""
        return dict(host.params())

    @property
    def version(self) -> str:
        """`1.0` or `1.1`."""
        return {"HTTP10": "1.0"}.get(host.version().name, "1.1")

    @property
    def peer(self) -> str:
        """The client's address."""
        return host.peer()

    @property
    def fields(self) -> list[tuple[str, str]]:
        """All fields, with names in lower case."""
        return [(name, from_field(value)) for name, value in host.fields()]

    def field(self, name: str) -> str | None:
        """One field by its name, in any case."""
        value = host.field(name)
        return None if value is None else from_field(value)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies that the client sent."""
        return parse_cookies(self.field("cookie") or "")

    @property
    def options(self) -> Options:
        """The options of the route."""
        return options

    def stream(self) -> Iterator[bytes]:
        """The pieces of the body as they come."""
        while True:
            with refusals():
                piece = host.read(MAX_PIECE)
            if piece is None:
                return
            yield piece

    def body(self, limit: int = MAX_BODY) -> bytes:
        """The whole body, of at most `limit` bytes. A second call returns the same."""
        if self._body is None:
            pieces, length = [], 0
            for piece in self.stream():
                length += len(piece)
                if length > limit:
                    raise RequestError(f"the body has more than {limit} bytes", 413)
                pieces.append(piece)
            self._body = b"".join(pieces)
        return self._body

    def text(self, limit: int = MAX_BODY) -> str:
        """The body as text, in the charset of its type, which is UTF-8 if it names none."""
        charset = self._parameter("charset") or "utf-8"
        try:
            return self.body(limit).decode(charset)
        except LookupError:
            raise RequestError(f"the charset {charset[:40]!r} is not known", 415) from None
        except UnicodeDecodeError:
            raise RequestError(f"the body is not {charset}") from None

    def json(self, limit: int = MAX_BODY) -> Any:
        """The body as JSON."""
        body = self.body(limit)
        if _is_deep(body):
            raise RequestError(f"the JSON of the body is deeper than {MAX_DEPTH}")
        try:
            return json.loads(body)
        except ValueError as error:
            raise RequestError(f"the body is no JSON: {error}") from None

    def form(self, limit: int = MAX_BODY) -> Form:
        """The body as a form: urlencoded, or the texts of a multipart one."""
        match self._type():
            case "application/x-www-form-urlencoded":
                try:
                    text = self.body(limit).decode()
                    return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=1000))
                except ValueError:
                    raise RequestError("the form is malformed") from None
            case "multipart/form-data":
                parts = ((part.name, part.text(limit)) for part in self.parts(limit) if part.filename is None)
                return Form(list(parts))
            case other:
                raise RequestError(f"the body is no form, but {other or 'of no type'}", 415)

    def parts(self, limit: int = MAX_BODY) -> Iterator[Part]:
        """The parts of a multipart form, one after the other as they come. All of it has at most `limit` bytes."""
        boundary = self._parameter("boundary")
        if self._type() != "multipart/form-data" or not boundary:
            raise RequestError("the body is no multipart form", 415)
        return read_parts(self.stream(), boundary, limit)

    def prefers(self, *types: str) -> str | None:
        """Which of some media types the client likes best (RFC 9110 section 12.5.1). The first if it likes several as much."""
        ranges: dict[str, float] = {}
        for entry in (self.field("accept") or "*/*").split(","):
            name, *parameters = (part.strip().lower() for part in entry.split(";"))
            quality = next((it[2:] for it in parameters if it.startswith("q=")), "1")
            try:
                ranges.setdefault(name, float(quality))
            except ValueError:
                ranges.setdefault(name, 0.0)

        def quality_of(media: str) -> float:
            names = (media, media.partition("/")[0] + "/*", "*/*")
            return next((ranges[name] for name in names if name in ranges), 0.0)

        best = max(types, key=quality_of, default=None)
        return best if best is not None and quality_of(best) > 0 else None

    def _type(self) -> str:
        return (self.field("content-type") or "").partition(";")[0].strip().lower()

    def _parameter(self, name: str) -> str | None:
        for part in (self.field("content-type") or "").split(";")[1:]:
            key, _, value = part.partition("=")
            if key.strip().lower() == name:
                return value.strip().strip('"')
        return None

    def _begin(self) -> None:
        """Another request begins, in an instance that is used again."""
        self._body = None


request = Request()
