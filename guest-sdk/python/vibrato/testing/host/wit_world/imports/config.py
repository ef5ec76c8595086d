"""Settings."""

from .. import current


def get(name: str) -> str | None:
    return current().config.get(name)


def all() -> list[tuple[str, str]]:
    return sorted(current().config.items())
