"""Settings and secrets that the operator grants."""

from typing import overload

from wit_world.imports import config as host


@overload
def get(name: str, default: None = None) -> str | None: ...


@overload
def get(name: str, default: str) -> str: ...


def get(name: str, default: str | None = None) -> str | None:
    """One setting; `default` if it is not set."""
    value = host.get(name)
    return default if value is None else value


def all() -> dict[str, str]:
    """All settings. Some may be secrets: do not log them."""
    return dict(host.all())
