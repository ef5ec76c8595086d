"""Errors: what the host refuses, and what a client is to blame for."""

from collections.abc import Iterator
from contextlib import contextmanager

from componentize_py_types import Err


class HostError(Exception):
    """The host refuses a call. `reason` is one of the error's names in the contract, such as `closed`, `invalid`, `full`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason


class Denied(HostError):
    """The operator has not granted it: `[grant]` of the route's file does."""


class DeclarationError(Exception):
    """What a handler declares is wrong."""


class RequestError(Exception):
    """The client sent something wrong. If no handler catches it, the client is answered `status` and the message."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def refusals() -> Iterator[None]:
    """Turns the errors of generated bindings into `HostError`."""
    try:
        yield
    except Err as error:
        raise told(error.value) from None


def told(value: object) -> HostError:
    """The exception for an error value of the host: a member of an enumeration, or a case of a variant."""
    name = getattr(value, "name", None)
    if not isinstance(name, str):
        # `HttpError_AddressProhibited` and its like.
        case = type(value).__name__.partition("_")[2]
        name = "".join(f"-{letter.lower()}" if letter.isupper() else letter for letter in case).lstrip("-")
    reason = name.lower().replace("_", "-")
    kind = Denied if reason == "denied" else HostError
    return kind(reason, str(getattr(value, "value", "")) if not hasattr(value, "name") else "")
