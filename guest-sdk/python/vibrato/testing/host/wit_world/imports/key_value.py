"""Key-value stores."""

from __future__ import annotations

import builtins
from dataclasses import dataclass

from componentize_py_types import Err

from .. import current


@dataclass
class Error_Denied:
    pass


@dataclass
class Error_NoSuchStore:
    pass


@dataclass
class Error_TooLarge:
    pass


@dataclass
class Error_Other:
    value: str


@dataclass
class Page:
    keys: builtins.list[str]
    cursor: str | None


def _store(name: str, key: str, value: bytes = b"") -> dict[str, bytes]:
    stores = current().stores
    if not stores:
        raise Err(Error_Denied())
    if name not in stores:
        raise Err(Error_NoSuchStore())
    if not 1 <= len(key.encode()) <= 1024 or len(value) > 1_048_576:
        raise Err(Error_TooLarge())
    return stores[name]


def get(store: str, key: str) -> bytes | None:
    return _store(store, key).get(key)


def set(store: str, key: str, value: bytes, time_to_live: int | None) -> None:
    _store(store, key, value)[key] = value


def delete(store: str, key: str) -> None:
    _store(store, key).pop(key, None)


def list(store: str, prefix: str, cursor: str | None, limit: int) -> Page:
    keys = sorted(key for key in _store(store, "any") if key.startswith(prefix) and (cursor is None or key > cursor))
    page = keys[:limit]
    return Page(page, page[-1] if len(page) < len(keys) else None)


def increment(store: str, key: str, delta: int) -> int:
    values = _store(store, key)
    try:
        total = int(values.get(key, b"0")) + delta
    except ValueError:
        raise Err(Error_Other("the value is no integer")) from None
    values[key] = str(total).encode()
    return total


def compare_and_swap(store: str, key: str, expected: bytes | None, new: bytes | None) -> bool:
    values = _store(store, key, new or b"")
    if values.get(key) != expected:
        return False
    if new is None:
        values.pop(key, None)
    else:
        values[key] = new
    return True
