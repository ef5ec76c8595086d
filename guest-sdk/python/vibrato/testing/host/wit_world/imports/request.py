"""The request."""

from .. import current
from . import types


def method() -> str:
    return current().method


def target() -> str:
    return current().target


def path() -> str:
    return current().target.partition("?")[0]


def query() -> str | None:
    _, mark, found = current().target.partition("?")
    return found if mark else None


def version() -> types.HttpVersion:
    return types.HttpVersion.HTTP10 if current().version == "1.0" else types.HttpVersion.HTTP11


def fields() -> list[tuple[str, bytes]]:
    return current().fields


def field(name: str) -> bytes | None:
    lines = [value for known, value in current().fields if known == name.lower()]
    return (b"; " if name.lower() == "cookie" else b", ").join(lines) if lines else None


def params() -> list[tuple[str, str]]:
    return list(current().params.items())


def peer() -> str:
    return current().peer


def read(max: int) -> bytes | None:
    pieces = current().pieces
    while pieces and not pieces[0]:
        pieces.pop(0)
    if not pieces:
        return None
    piece, pieces[0] = pieces[0][:max], pieces[0][max:]
    return piece
