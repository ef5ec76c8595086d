"""Requests to other servers, if the operator grants them."""

import json as json_module
from collections.abc import Iterator, Mapping
from typing import Any

from wit_world.imports import http_client as host

from .errors import refusals
from .text import from_field, to_bytes

# The most bytes of one piece of a body.
MAX_PIECE = 65_536


class Response:
    """A response, whose body is read as it comes."""

    def __init__(self, response: host.IncomingResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """The status."""
        return self._response.status()

    @property
    def fields(self) -> list[tuple[str, str]]:
        """All fields, with names in lower case."""
        return [(name, from_field(value)) for name, value in self._response.fields()]

    def field(self, name: str) -> str | None:
        """One field by its name, in any case."""
        value = self._response.field(name)
        return None if value is None else from_field(value)

    def stream(self) -> Iterator[bytes]:
        """The pieces of the body as they come."""
        while True:
            with refusals():
                piece = self._response.read(MAX_PIECE)
            if piece is None:
                return
            yield piece

    def bytes(self) -> bytes:
        """The rest of the body."""
        return b"".join(self.stream())

    def text(self) -> str:
        """The rest of the body as text."""
        return from_field(self.bytes())

    def json(self) -> Any:
        """The rest of the body as JSON."""
        return json_module.loads(self.bytes())


def request(
    method: str,
    url: str,
    *,
    fields: Mapping[str, str | bytes] | None = None,
    body: str | bytes | None = None,
    json: Any = None,
    timeout: float | None = None,
) -> Response:
    """Sends a request and waits for the head of its response. `timeout` is in seconds, for each step of it."""
    with refusals():
        outgoing = host.OutgoingRequest(method, url)
        for name, value in (fields or {}).items():
            outgoing.set_field(name, to_bytes(value))
        if json is not None:
            outgoing.set_field("content-type", b"application/json")
            body = json_module.dumps(json)
        if timeout is not None:
            milliseconds = max(1, round(timeout * 1000))
            outgoing.set_connect_timeout(milliseconds)
            outgoing.set_first_byte_timeout(milliseconds)
            outgoing.set_between_bytes_timeout(milliseconds)
        if body is not None:
            outgoing.write(to_bytes(body))
        return Response(outgoing.send())


def get(url: str, **settings: Any) -> Response:
    """A GET request; see `request`."""
    return request("GET", url, **settings)


def post(url: str, **settings: Any) -> Response:
    """A POST request; see `request`."""
    return request("POST", url, **settings)
