"""Yields its body: each chunk is written as it is made."""

from collections.abc import Iterator

import wit_world
from componentize_py_types import Err
from wit_world.imports import request, response
from wit_world.imports.types import Outcome, Outcome_Body


class WitWorld(wit_world.WitWorld):
    def handle(self) -> Outcome:
        # The head goes out with the first chunk: from then on it is too late for a status or a field.
        response.set_field("content-type", b"text/plain; charset=utf-8")
        try:
            for chunk in greeting():
                # Returns once there is room for more: a long body takes no memory.
                response.write(chunk.encode())
        except Err:
            pass  # The client has gone, or asked for the head alone: nobody reads the rest.
        # An empty body ends the response. `Outcome_Close()` would close the connection.
        return Outcome_Body(b"")


def greeting() -> Iterator[str]:
    # NAME.toml names the path, and what it captures.
    name = dict(request.params()).get("name", "")
    yield "Hello, "
    yield f"{name}!\n"
