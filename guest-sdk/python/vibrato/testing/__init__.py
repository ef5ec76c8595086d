"""Calls handlers in unit tests, without a host: with a request that the test makes, and a response that is recorded.

    from vibrato.testing import call
    import app

    def test_it_greets_by_name():
        response = call(app, "/greet/Ada", params={"name": "Ada"})
        assert (response.status, response.text) == (200, "Hello, Ada!\n")
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

from wit_world import Invocation, invocations
from wit_world.imports.types import Outcome_Body, Outcome_Close, Outcome_Manual

from .. import calls, results
from ..text import from_field, to_bytes

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

Bytes = str | bytes
Fields = Mapping[str, Bytes | Sequence[Bytes]]


@dataclass
class UpstreamCall:
    """A call to another server."""

    method: str
    url: str
    fields: list[tuple[str, str]]
    body: bytes


@dataclass
class Answer:
    """What another server answers."""

    body: Bytes = b""
    status: int = 200
    fields: Fields | None = None
    #: A value in place of the body.
    json: Any = None


#: Answers a call to another server; `None` denies it.
Upstream = Callable[[UpstreamCall], "Answer | Bytes | None"]

if TYPE_CHECKING:

    class TestRequest(TypedDict, total=False):
        """What a test says of a request: the parameters of `invocation`."""

        method: str
        fields: Fields
        body: Bytes | Iterable[Bytes]
        params: Mapping[str, str]
        options: Mapping[str, Any]
        config: Mapping[str, str]
        context: Mapping[str, Bytes]
        kv: Mapping[str, Bytes]
        stores: Mapping[str, Mapping[str, Bytes]]
        http: Upstream
        peer: str
        version: str
        subscribers: int
        status: int
        response_fields: Fields


class TestResponse:
    """What a function has done to its response."""

    # Not a test itself, whatever pytest thinks of its name.
    __test__ = False

    def __init__(self, it: Invocation, returned: Any, error: BaseException | None) -> None:
        self.status = it.status
        #: The fields that were set, without those of the host.
        self.fields = [(name, from_field(value)) for name, value in it.set_fields]
        #: What was written, each chunk by itself.
        self.chunks = it.chunks
        #: `body`, `close` or `manual`; for middleware `next` if the chain goes on.
        self.outcome = "close" if it.is_closed else _outcome(returned)
        #: What the function has returned, as the host is told.
        self.returned = returned
        #: Why it has failed, if it has, and what it has raised.
        self.failure, self.error = it.failure, error
        #: The calls to other servers.
        self.calls: list[UpstreamCall] = it.calls
        #: The context and the stores as they are afterwards.
        self.context, self.stores = it.context, it.stores
        self.subscribed, self.published, self.finished = it.subscribed, it.published, it.finished
        #: The topic whose history the response reads, with the id after which it begins, and what was appended.
        self.resumed, self.appended = it.resumed, it.appended
        is_open = not (it.is_closed or it.is_finished or it.failure is not None)
        last = returned.value if isinstance(returned, Outcome_Body) and is_open else b""
        #: What was written, and what was returned.
        self.body = b"".join([*it.chunks, last])

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.body)

    def field(self, name: str) -> str | None:
        """The first line of a field that was set."""
        return next((value for known, value in self.fields if known == name.lower()), None)

    def stored(self, key: str, store: str = "") -> bytes | None:
        """What a store has afterwards."""
        return self.stores.get(store, {}).get(key)


def call(module: ModuleType, path: str = "/", **request: Unpack[TestRequest]) -> TestResponse:
    """Calls the handler of a module. What a request can have are the parameters of `invocation`."""
    return _run(module, "handle", results.outcome, invocation(module, path, **request))


def call_on_request(module: ModuleType, path: str = "/", **request: Unpack[TestRequest]) -> TestResponse:
    """Calls `on_request` of middleware."""
    return _run(module, "on_request", _step, invocation(module, path, **request))


def call_on_response(module: ModuleType, path: str = "/", **request: Unpack[TestRequest]) -> TestResponse:
    """Calls `on_response` of middleware, with a response of `status` and `response_fields`."""
    return _run(module, "on_response", results.settled, invocation(module, path, **request))


def call_on_message(module: ModuleType, message: Bytes, path: str = "/", **request: Unpack[TestRequest]) -> TestResponse:
    """Calls `on_message` with a message of a WebSocket. `returned` is what it returns."""
    return _run(module, "on_message", results.settled, invocation(module, path, **request), message)


def invocation(
    module: ModuleType,
    path: str,
    *,
    method: str = "GET",
    fields: Fields | None = None,
    body: Bytes | Iterable[Bytes] = b"",
    params: Mapping[str, str] | None = None,
    options: Mapping[str, Any] | None = None,
    config: Mapping[str, str] | None = None,
    context: Mapping[str, Bytes] | None = None,
    kv: Mapping[str, Bytes] | None = None,
    stores: Mapping[str, Mapping[str, Bytes]] | None = None,
    http: Upstream | None = None,
    peer: str = "127.0.0.1",
    version: str = "1.1",
    subscribers: int = 0,
    status: int = 200,
    response_fields: Fields | None = None,
) -> Invocation:
    """What a test says of a request. A `body` can come in pieces; `kv` is the route's store, and `stores` are others."""
    functions = calls.functions_of(module)
    declared = {name: value.value for name, value in calls.declared(functions).options}
    pieces = [body] if isinstance(body, str | bytes) else body
    granted = {**({} if kv is None else {"": kv}), **(stores or {})}
    it = Invocation(
        method=method,
        target=path,
        peer=peer,
        version=version,
        fields=[("host", b"localhost"), *_lines(fields)],
        pieces=[to_bytes(piece) for piece in pieces],
        params=dict(params or {}),
        options={**declared, **(options or {})},
        config=dict(config or {}),
        context={name: to_bytes(value) for name, value in (context or {}).items()},
        stores={name: {key: to_bytes(value) for key, value in values.items()} for name, values in granted.items()},
        answer=None,
        subscribers=subscribers,
        status=status,
        set_fields=_lines(response_fields),
    )
    it.answer = lambda *sent: _answer(it, http, *sent)
    return it


def _run(module: ModuleType, name: str, converted: Callable[[Any], Any], it: Invocation, *before: Any) -> TestResponse:
    functions = calls.functions_of(module)
    if name not in functions:
        raise TypeError(f"{module.__name__} has no function that is {name!r}")
    raised: list[BaseException] = []

    def report(error: BaseException) -> str:
        raised.append(error)
        return ""

    invocations.append(it)
    try:
        returned = calls.call(lambda: functions, name, converted, None, report, *before)
    finally:
        invocations.pop()
    return TestResponse(it, returned, raised[0] if raised else None)


def _step(returned: Any) -> Any:
    returned = results.settled(returned)
    return None if returned is None else results.outcome(returned)


def _outcome(returned: Any) -> str:
    match returned:
        case Outcome_Close():
            return "close"
        case Outcome_Manual():
            return "manual"
        case None:
            return "next"
    return "body"


def _lines(fields: Fields | None) -> list[tuple[str, bytes]]:
    lines = []
    for name, value in (fields or {}).items():
        values = [value] if isinstance(value, str | bytes) else value
        lines += [(name.lower(), to_bytes(line)) for line in values]
    return lines


def _answer(
    it: Invocation, http: Upstream | None, method: str, url: str, fields: list[tuple[str, bytes]], body: bytes
) -> tuple[int, list[tuple[str, bytes]], bytes] | None:
    sent = UpstreamCall(method, url, [(name, from_field(value)) for name, value in fields], body)
    it.calls.append(sent)
    answer = http(sent) if http else None
    if answer is None:
        return None
    if not isinstance(answer, Answer):
        answer = Answer(answer)
    content = answer.body if answer.json is None else json.dumps(answer.json)
    return answer.status, _lines(answer.fields), to_bytes(content)


__all__ = [
    "Answer",
    "TestResponse",
    "UpstreamCall",
    "call",
    "call_on_message",
    "call_on_request",
    "call_on_response",
    "invocation",
]
