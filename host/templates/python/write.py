"""Writes its body: each `write` is one chunk, and returns once there is room for more."""

import wit_world
from componentize_py_types import Err
from wit_world.imports import request, response
from wit_world.imports.types import Outcome, Outcome_Body


class WitWorld(wit_world.WitWorld):
    def handle(self) -> Outcome:
        # The head goes out with the first chunk: from then on it is too late for a status or a field.
        response.set_field("content-type", b"text/plain; charset=utf-8")
        # NAME.toml names the path, and what it captures.
        name = dict(request.params()).get("name", "")
        # An exception that is not caught is a 500, or a response that breaks off.
        try:
            response.write(b"Hello, ")
            response.write(f"{name}!\n".encode())
        except Err:
            pass  # The client has gone, or asked for the head alone: nobody reads the rest.
        # An empty body ends the response. `Outcome_Close()` would close the connection.
        return Outcome_Body(b"")
