"""Named bytes that middleware leaves for what comes after it within a request."""

from wit_world.imports import context as host

from .errors import refusals
from .text import to_bytes


def get(name: str) -> bytes | None:
    """What was set last under this name."""
    return host.get(name)


def set(name: str, value: str | bytes) -> None:
    """Sets what a name has."""
    with refusals():
        host.set(name, to_bytes(value))


def seal(name: str) -> None:
    """Seals a name, in middleware: nobody after it changes what it has."""
    from wit_world.imports import seal as host_seal

    with refusals():
        host_seal.context(name)


def sealed(name: str) -> bytes | None:
    """What a name has that a middleware has sealed."""
    from wit_world.imports import seal as host_seal

    return host_seal.sealed(name)
