"""What a unit test has in place of the host: the modules that a component gets from it, for one invocation."""

from dataclasses import dataclass, field
from typing import Any, Protocol

from .imports import types


@dataclass
class Invocation:
    """What a test says of a request, and what was done to its response."""

    method: str
    target: str
    peer: str
    version: str
    fields: list[tuple[str, bytes]]
    pieces: list[bytes]
    params: dict[str, str]
    options: dict[str, Any]
    config: dict[str, str]
    context: dict[str, bytes]
    stores: dict[str, dict[str, bytes]]
    answer: Any
    subscribers: int
    status: int
    set_fields: list[tuple[str, bytes]]
    sealed: dict[str, bytes | None] = field(default_factory=dict)
    sealed_fields: list[str] = field(default_factory=list)
    chunks: list[bytes] = field(default_factory=list)
    is_finished: bool = False
    is_closed: bool = False
    failure: str | None = None
    calls: list[Any] = field(default_factory=list)
    subscribed: list[str] = field(default_factory=list)
    published: list[tuple[str, bytes]] = field(default_factory=list)
    finished: list[str] = field(default_factory=list)
    resumed: tuple[str, str | None] | None = None
    appended: list[tuple[str, bytes]] = field(default_factory=list)


#: The invocation of the test that runs.
invocations: list[Invocation] = []


def current() -> Invocation:
    if not invocations:
        raise RuntimeError("there is no request here: call the handler with `call` of vibrato.testing")
    return invocations[-1]


class WitWorld(Protocol):
    """What a component exports."""

    def handle(self) -> types.Outcome: ...

    def describe(self) -> types.Declaration: ...
