"""What a handler in Python is built from: the component calls what `app` declares.

The module that is built has one line: `from vibrato.component import WitWorld`.
"""

import traceback

import app
import wit_world
from wit_world.imports import types

from . import calls

_functions = calls.functions_of(app)


class WitWorld(wit_world.WitWorld):
    def handle(self) -> types.Outcome:
        return calls.handle(lambda: _functions, _report)

    def describe(self) -> types.Declaration:
        return calls.declared(_functions)


def _report(error: BaseException) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "/vibrato/" not in frame.filename]
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames), *traceback.format_exception_only(error)]
    calls.log("".join(lines).rstrip())
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
