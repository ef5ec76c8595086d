"""Shows a handler that writes its body in two chunks."""

import wit_world
from wit_world.imports import response
from wit_world.imports.types import Outcome, Outcome_Body


class WitWorld(wit_world.WitWorld):
    def handle(self) -> Outcome:
        response.write(b"Hello")
        return Outcome_Body(b"World!")
