"""From what a function returns to what the host is told."""

import json
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any

from wit_world.imports import response as host
from wit_world.imports.types import Outcome, Outcome_Body, Outcome_Close, Outcome_Manual

from .response import response
from .text import to_bytes


class Close:
    """Returned: force the connection closed. So does `None`, from a handler."""


class Manual:
    """Returned: leave the response open. So does `True`."""


def outcome(returned: Any) -> Outcome:
    """The outcome of a handler."""
    returned = settled(returned)
    if returned is None or returned is Close:
        return Outcome_Close()
    if returned is True or returned is Manual:
        return Outcome_Manual()
    return Outcome_Body(_body(returned))


def to_json(value: Any) -> str:
    """JSON as text."""
    return json.dumps(value, ensure_ascii=False)


def settled(returned: Any) -> Any:
    """What a function returned; if it is `async`, what it returns in the end."""
    return _run(returned) if isinstance(returned, Coroutine) else returned


def _body(returned: Any) -> bytes:
    if isinstance(returned, tuple):
        if not 2 <= len(returned) <= 3:
            raise TypeError("a handler returned a tuple: it is (body, status) or (body, status, fields)")
        body, status, *fields = returned
        response.status = status
        for name, value in _lines(fields[0] if fields else {}):
            response.append_field(name, value)
        return b"" if body is None else _body(body)
    if isinstance(returned, str | bytes | bytearray | memoryview):
        return to_bytes(returned)
    if isinstance(returned, dict | list):
        if (response.field("content-type") or "").startswith("text/html"):
            host.set_field("content-type", b"application/json")
        return to_json(returned).encode()
    if isinstance(returned, AsyncIterator):
        returned = _chunks(returned)
    if isinstance(returned, Iterator):
        _write_all(returned)
        return b""
    raise TypeError(
        f"a handler returned {_named(returned)}: it returns str, bytes, dict, list, (body, status), an iterator of chunks, "
        "None or True"
    )


def _lines(fields: Any) -> Iterator[tuple[str, str | bytes]]:
    for name, value in fields.items() if isinstance(fields, dict) else fields:
        for line in value if isinstance(value, list | tuple) else (value,):
            yield name, line


def _write_all(chunks: Iterator[Any]) -> None:
    for chunk in chunks:
        if not isinstance(chunk, str | bytes | bytearray | memoryview):
            raise TypeError(f"a handler yielded {_named(chunk)}: a chunk is str or bytes")
        # An empty chunk would end the response.
        if piece := to_bytes(chunk):
            host.write(piece)


def _chunks(iterator: AsyncIterator[Any]) -> Iterator[Any]:
    while True:
        try:
            yield _run(iterator.__anext__())
        except StopAsyncIteration:
            return


def _run(coroutine: Any) -> Any:
    """Runs what is `async` to its end. Every call of this host is done when it returns, so nothing has to wait."""
    try:
        coroutine.send(None)
    except StopIteration as ended:
        return ended.value
    coroutine.close()
    raise RuntimeError("the handler awaits something that is not of vibrato: there is no event loop here")


def _named(value: Any) -> str:
    return f"{type(value).__name__} {value!r:.80}"
