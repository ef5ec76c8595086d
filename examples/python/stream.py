"""Shows a long response: `/stream?chunks=N&size=M` writes N chunks of M bytes, unlimited."""

from urllib.parse import parse_qs

import wit_world
from wit_world.imports import request, response
from wit_world.imports.types import Outcome, Outcome_Body

# The largest chunk, in bytes: it is made in memory.
MAX_SIZE = 1_048_576


class WitWorld(wit_world.WitWorld):
    def handle(self) -> Outcome:
        chunks, size = number("chunks"), number("size")
        if chunks is None or size is None or not 1 <= size <= MAX_SIZE:
            response.set_status(400)
            response.set_field("content-type", b"text/plain")
            return Outcome_Body(b"usage: /stream?chunks=N&size=M, with M from 1 to %d\n" % MAX_SIZE)
        response.set_field("content-type", b"application/octet-stream")
        chunk = b"x" * size
        for _ in range(chunks):
            response.write(chunk)
        return Outcome_Body(b"")


def number(name: str) -> int | None:
    """The parameter of the query, where it is a number of at most nine digits."""
    value = parse_qs(request.query() or "").get(name, [""])[0]
    return int(value) if value.isascii() and value.isdigit() and len(value) <= 9 else None
