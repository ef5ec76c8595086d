"""The key-value stores that the operator grants."""

from collections.abc import Iterator

from wit_world.imports import key_value as host

from .errors import refusals
from .text import to_bytes

# The most keys of one page.
MAX_PAGE = 1000


class Store:
    """A store, by the name that the grant gives it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get(self, key: str) -> bytes | None:
        """The value of a key."""
        with refusals():
            return host.get(self._name, key)

    def set(self, key: str, value: str | bytes, *, seconds: float | None = None) -> None:
        """Sets the value of a key; it expires after so many seconds, or never. It is on the disk when this returns."""
        time = None if seconds is None else max(1, round(seconds * 1000))
        with refusals():
            host.set(self._name, key, to_bytes(value), time)

    def delete(self, key: str) -> None:
        """Deletes a key, if it is there."""
        with refusals():
            host.delete(self._name, key)

    def list(self, prefix: str = "") -> Iterator[str]:
        """The keys that begin with `prefix`, in the order of their bytes."""
        cursor = None
        while True:
            with refusals():
                page = host.list(self._name, prefix, cursor, MAX_PAGE)
            yield from page.keys
            cursor = page.cursor
            if cursor is None:
                return

    def increment(self, key: str, delta: int = 1) -> int:
        """Adds to the integer that the value is, and returns the sum."""
        with refusals():
            return host.increment(self._name, key, delta)

    def compare_and_swap(self, key: str, expected: str | bytes | None, new: str | bytes | None) -> bool:
        """Sets the value if it is the expected one, and returns whether it was. `None` is no value."""
        old, value = (None if it is None else to_bytes(it) for it in (expected, new))
        with refusals():
            return host.compare_and_swap(self._name, key, old, value)


_DEFAULT = Store("")
get, set, delete, list = _DEFAULT.get, _DEFAULT.set, _DEFAULT.delete, _DEFAULT.list
increment, compare_and_swap = _DEFAULT.increment, _DEFAULT.compare_and_swap


def open(name: str) -> Store:
    """A store of another name."""
    return Store(name)
