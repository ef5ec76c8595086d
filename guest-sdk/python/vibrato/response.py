"""The response."""

from collections.abc import Generator
from typing import Any

from wit_world.imports import response as host

from .cookies import cookie
from .errors import refusals
from .text import from_field, to_bytes

# Of these there is one line only.
SINGLE = {"content-length", "content-type", "date"}


class Done:
    """What is done already, for `await` in handlers that are `async`."""

    def __await__(self) -> Generator[Any, Any, None]:
        return
        yield


_DONE = Done()


class Response:
    """The response. Status and fields can be set until the first chunk is written."""

    @property
    def status(self) -> int:
        """The status, from 200 to 599."""
        return host.status()

    @status.setter
    def status(self, code: int) -> None:
        with refusals():
            host.set_status(code)

    @property
    def fields(self) -> list[tuple[str, str]]:
        """The fields as they stand, with names in lower case."""
        return [(name, from_field(value)) for name, value in host.fields()]

    def field(self, name: str) -> str | None:
        """One field by its name, in any case."""
        value = host.field(name)
        return None if value is None else from_field(value)

    def set_field(self, name: str, value: str | bytes) -> None:
        """Sets a field, in place of all lines of that name."""
        with refusals():
            host.set_field(name, to_bytes(value))

    def append_field(self, name: str, value: str | bytes) -> None:
        """Adds a line for a field."""
        with refusals():
            if name.lower() in SINGLE:
                host.set_field(name, to_bytes(value))
            else:
                host.append_field(name, to_bytes(value))

    def remove_field(self, name: str) -> None:
        """Removes all lines of a field."""
        with refusals():
            host.remove_field(name)

    def seal_field(self, name: str) -> None:
        """Seals a field, in middleware: nobody after it changes the field."""
        from wit_world.imports import seal

        with refusals():
            seal.field(name)

    def set_cookie(self, name: str, value: str, **attributes: Any) -> None:
        """Sets a cookie; see `cookie` for its attributes."""
        self.append_field("set-cookie", cookie(name, value, **attributes))

    def write(self, chunk: str | bytes) -> Done:
        """Writes a chunk, and returns once there is room for more. An empty one ends the response."""
        with refusals():
            host.write(to_bytes(chunk))
        return _DONE

    def close(self) -> None:
        """Forces the connection closed."""
        with refusals():
            host.close()

    def fail(self, reason: object) -> None:
        """Gives up, for a reason that goes to the log."""
        with refusals():
            host.fail(str(reason))


response = Response()


def redirect(location: str, status: int = 303) -> tuple[str, int, dict[str, str]]:
    """An answer that leads to another place."""
    return "", status, {"location": location}
