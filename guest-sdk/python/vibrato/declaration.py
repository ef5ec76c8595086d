"""What a handler declares about its route, and what it takes."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, overload

from . import config, context, http, kv, push
from .options import options
from .request import request
from .response import response

#: What a function can take by name, besides its options.
SERVER: dict[str, Any] = {
    "request": request,
    "response": response,
    "options": options,
    "config": config,
    "context": context,
    "http": http,
    "kv": kv,
    "push": push,
}


@dataclass
class Route:
    """What a handler declares."""

    paths: list[str] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    options: dict[str, Any] = field(default_factory=dict)


F = TypeVar("F", bound=Callable[..., Any])
#: The value of an option.
Option = bool | int | float | str | list[bool] | list[int] | list[float] | list[str]


@overload
def handler(function: F, /) -> F: ...


@overload
def handler(*paths: str, method: str | list[str] | None = None, **declared: Option) -> Callable[[F], F]: ...


def handler(*paths: Any, method: str | list[str] | None = None, **declared: Any) -> Any:
    """Declares a handler: `@handler`, or `@handler("/hello", method="GET", rate=2_097_152)`.

    Options are the host's own, or any that you invent. A parameter with a default is an option too.
    """
    if len(paths) == 1 and callable(paths[0]):
        return handler()(paths[0])
    for path in paths:
        if not isinstance(path, str):
            raise TypeError(f"a path of @handler is a text, not {path!r}")
    methods = [] if method is None else [method] if isinstance(method, str) else list(method)

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__route__ = Route(list(paths), methods, declared)  # type: ignore[attr-defined]
        return function

    return declare


def route_of(function: Callable[..., Any]) -> Route:
    """What a handler declares, by its decorator and its parameters."""
    route = getattr(function, "__route__", None) or Route()
    defaults = {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty and name not in SERVER
    }
    return Route(route.paths, route.methods, {**defaults, **route.options})


def check_parameters(function: Callable[..., Any], positional: int = 0) -> None:
    """Raises a `TypeError` if a function takes what there is not. The first `positional` are given to it by place."""
    for name, parameter in list(inspect.signature(function).parameters.items())[positional:]:
        is_open = parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        if not is_open and name not in SERVER and parameter.default is parameter.empty:
            known = ", ".join(SERVER)
            raise TypeError(f"{function.__name__} takes {name!r}: without a default it can take {known}")


def arguments(function: Callable[..., Any], positional: int = 0) -> dict[str, Any]:
    """What a function takes, by the names of its parameters."""
    code = function.__code__
    names = code.co_varnames[positional : code.co_argcount + code.co_kwonlyargcount]
    taken = {name: SERVER[name] for name in names if name in SERVER}
    for name in names:
        if name not in SERVER and (value := options.get(name)) is not None:
            taken[name] = value
    if code.co_flags & inspect.CO_VARKEYWORDS:
        taken = {**SERVER, **taken}
    return taken
