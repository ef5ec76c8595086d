"""The options."""

from typing import Any

from .. import current
from . import types


def get(name: str) -> types.Value | None:
    options = current().options
    return _value(options[name]) if name in options else None


def all() -> list[tuple[str, types.Value]]:
    return [(name, _value(value)) for name, value in sorted(current().options.items())]


def _value(value: Any) -> types.Value:
    match value:
        case bool():
            return types.Value_Boolean(value)
        case int():
            return types.Value_Integer(value)
        case float():
            return types.Value_Float(value)
        case str():
            return types.Value_Text(value)
        case [bool(), *_]:
            return types.Value_Booleans(list(value))
        case [int() | float(), *_]:
            is_whole = not any(isinstance(item, float) for item in value)
            return types.Value_Integers(list(value)) if is_whole else types.Value_Floats([float(item) for item in value])
    return types.Value_Texts(list(value))
