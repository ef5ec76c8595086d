"""Returns its body whole."""

import wit_world
from wit_world.imports import request, response
from wit_world.imports.types import Outcome, Outcome_Body


class WitWorld(wit_world.WitWorld):
    def handle(self) -> Outcome:
        response.set_field("content-type", b"text/plain; charset=utf-8")
        # NAME.toml names the path, and what it captures.
        name = dict(request.params()).get("name", "")
        # What is returned is the body, after whatever was written before.
        return Outcome_Body(f"Hello, {name}!\n".encode())
