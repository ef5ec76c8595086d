"""Calls the functions of a handler, and tells the host what they return or raise."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

from componentize_py_types import Err
from wit_world.imports import types

from . import declaration, results
from .errors import DeclarationError, HostError, RequestError, told
from .request import request
from .response import response

#: The functions that the host calls, and the names that it has for them.
NAMES = {"handle": "handle", "on_request": "on-request", "on_response": "on-response", "on_message": "on-message"}

Functions = dict[str, Callable[..., Any]]


def functions_of(module: ModuleType) -> Functions:
    """The functions of a module that the host calls: by their names, and the handler by its decorator."""
    functions = {name: found for name in NAMES if callable(found := getattr(module, name, None))}
    declared = {id(it): it for it in vars(module).values() if hasattr(it, "__route__")}
    if len(declared) > 1:
        names = " and ".join(sorted(it.__name__ for it in declared.values()))
        raise DeclarationError(f"{names} are handlers: a file has one, so put the other into a file of its own")
    if declared:
        functions["handle"] = next(iter(declared.values()))
    return functions


def declared(functions: Functions) -> types.Declaration:
    """What the handler declares about its route, once the functions take what there is."""
    for name, function in functions.items():
        declaration.check_parameters(function, 1 if name == "on_message" else 0)
    route = declaration.route_of(functions["handle"]) if "handle" in functions else declaration.Route()
    options = [(name, _value(name, value)) for name, value in route.options.items()]
    return types.Declaration(route.paths, route.methods, options)


def call(
    load: Callable[[], Functions],
    name: str,
    converted: Callable[[Any], Any],
    failed: Any,
    report: Callable[[BaseException], str],
    *before: Any,
) -> Any:
    """Calls a function by its name. `report` logs an exception and returns where it was raised, as in `hello.py:3`."""
    try:
        function = load()[name]
        request._begin()
        return converted(function(*before, **declaration.arguments(function, len(before))))
    except BaseException as raised:
        error = raised
        if isinstance(error, RequestError):
            try:
                return converted((f"{error}\n", error.status, {"content-type": "text/plain; charset=utf-8"}))
            except (HostError, TypeError):
                # Something was sent already, or there is no response.
                pass
        refused = told(error.value) if isinstance(error, Err) else error
        # The client has gone, or asked for the head alone: nobody reads the rest.
        if not (isinstance(refused, HostError) and refused.reason == "closed"):
            response.fail(placed(refused, report(error)))
        return failed


def handle(load: Callable[[], Functions], report: Callable[[BaseException], str]) -> types.Outcome:
    """Answers a request."""
    outcome: types.Outcome = call(load, "handle", results.outcome, types.Outcome_Body(b""), report)
    return outcome


def placed(error: BaseException, place: str) -> str:
    """An exception and where it was raised: `ZeroDivisionError: division by zero (hello.py:3)`."""
    reason = f"{type(error).__name__}: {error}"
    return f"{reason} ({place})" if place else reason


def log(trace: str) -> None:
    """Writes a traceback to the log of the handler."""
    print(trace, file=sys.stderr, flush=True)


def _value(name: str, value: Any) -> types.Value:
    match value:
        case bool():
            return types.Value_Boolean(value)
        case int() if -(2**63) <= value < 2**63:
            return types.Value_Integer(value)
        case float():
            return types.Value_Float(value)
        case str():
            return types.Value_Text(value)
        case list() | tuple():
            if not value or all(isinstance(item, str) for item in value):
                return types.Value_Texts(list(value))
            if all(isinstance(item, bool) for item in value):
                return types.Value_Booleans(list(value))
            if all(isinstance(item, int) and not isinstance(item, bool) for item in value):
                return types.Value_Integers(list(value))
            if all(isinstance(item, int | float) and not isinstance(item, bool) for item in value):
                return types.Value_Floats([float(item) for item in value])
    kind = type(value).__name__
    raise DeclarationError(f"the option {name!r} is {kind}: it is bool, int, float, str, or a list of one of these")
