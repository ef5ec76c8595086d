"""What middleware leaves."""

from .. import current


def get(name: str) -> bytes | None:
    return current().context.get(name)


def set(name: str, value: bytes) -> None:
    current().context[name] = value
