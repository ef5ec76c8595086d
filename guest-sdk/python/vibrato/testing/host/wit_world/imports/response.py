"""The response."""

import re

from componentize_py_types import Err

from .. import Invocation, current
from .types import Error

_OF_CONNECTION = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def open_response() -> Invocation:
    it = current()
    if it.is_finished or it.is_closed or it.failure is not None:
        raise Err(Error.CLOSED)
    return it


def _head(name: str = "x", value: bytes = b"") -> Invocation:
    it = open_response()
    if it.chunks:
        raise Err(Error.HEAD_ALREADY_SENT)
    if name.lower() in _OF_CONNECTION:
        raise Err(Error.FORBIDDEN)
    if not _TOKEN.fullmatch(name) or _CONTROL.search(value):
        raise Err(Error.INVALID)
    return it


def set_status(code: int) -> None:
    it = _head()
    if not 200 <= code <= 599:
        raise Err(Error.INVALID)
    it.status = code


def set_field(name: str, value: bytes) -> None:
    _head(name, value)
    remove_field(name)
    append_field(name, value)


def append_field(name: str, value: bytes) -> None:
    _head(name, value).set_fields.append((name.lower(), value))


def remove_field(name: str) -> None:
    it = _head(name)
    it.set_fields = [line for line in it.set_fields if line[0] != name.lower()]


def status() -> int:
    return current().status


def fields() -> list[tuple[str, bytes]]:
    return current().set_fields


def field(name: str) -> bytes | None:
    return next((value for known, value in current().set_fields if known == name.lower()), None)


def write(chunk: bytes) -> None:
    it = open_response()
    if chunk:
        it.chunks.append(bytes(chunk))
    else:
        it.is_finished = True


def close() -> None:
    it = current()
    it.is_closed = not it.is_finished


def fail(reason: str) -> None:
    it = current()
    it.failure = it.failure or reason
    if not it.chunks:
        it.status = 500
