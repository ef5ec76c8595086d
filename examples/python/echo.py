"""Shows both directions at once: each piece of the request's body is sent back as it arrives."""

import wit_world
from componentize_py_types import Err
from wit_world.imports import request, response
from wit_world.imports.types import Outcome, Outcome_Body

# The most bytes of one piece; the host gives no more than the route's `buffer_size`.
MAX_PIECE = 65_536


class WitWorld(wit_world.WitWorld):
    def handle(self) -> Outcome:
        content_type = request.field("content-type") or b"application/octet-stream"
        response.set_field("content-type", content_type)
        try:
            while (piece := request.read(MAX_PIECE)) is not None:
                response.write(piece)
        except Err as error:
            # What the host refused: `incomplete`, `closed`, ...
            response.fail(f"cannot echo: {error.value.name.lower()}")
        return Outcome_Body(b"")
