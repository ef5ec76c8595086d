"""The interpreter of scripts in Python: what the host calls."""

from typing import Any

import script
import wit_world
from componentize_py_types import Err
from script import Program, ScriptError
from vibrato import calls, results
from vibrato.errors import DeclarationError
from wit_world.imports import script as host_script
from wit_world.imports import types
from wit_world.imports.messages import (
    Message,
    Message_Binary,
    Message_Text,
    Reply,
    Reply_Close,
    Reply_Message,
    Reply_Nothing,
)

# With `reuse` the script is kept from one request to the next.
_program: Program | None = None
_functions: calls.Functions | None = None


class WitWorld(wit_world.WitWorld):
    def prepare(self, files: list[wit_world.SourceFile]) -> wit_world.PreparedScript:
        program = None
        try:
            encoded = script.build([(file.path, file.content) for file in files])
            program = Program(encoded)
            functions = calls.functions_of(program.main())
            declared = calls.declared(functions)
        except ScriptError as error:
            raise Err(str(error)) from None
        except DeclarationError as error:
            raise Err(f"{files[0].path}: {error}") from None
        except BaseException as error:
            raise Err(_described(error, program)) from None
        return wit_world.PreparedScript(declared, [calls.NAMES[name] for name in functions], encoded)

    def handle(self) -> types.Outcome:
        return calls.handle(_load, _report)

    def on_request(self) -> types.Step:
        return calls.call(_load, "on_request", _step, types.Step_Next(), _report)

    def on_response(self) -> None:
        calls.call(_load, "on_response", results.settled, None, _report)

    def on_message(self, message: Message) -> Reply:
        return calls.call(_load, "on_message", _reply, Reply_Nothing(), _report, message.value)


def _load() -> calls.Functions:
    global _program, _functions
    if _program is None:
        _program = Program(host_script.program())
    if _functions is None:
        _functions = calls.functions_of(_program.main())
    return _functions


def _report(error: BaseException) -> str:
    if _program is None:
        return ""
    calls.log(_program.trace(error))
    return _program.place(error)


def _described(error: BaseException, program: Program | None) -> str:
    """What is wrong, where, and the calls that led there."""
    if program is None:
        return str(error)
    *lines, _ = program.trace(error).split("\n")
    return "\n".join([calls.placed(error, program.place(error)), *lines[1:]])


def _step(returned: Any) -> types.Step:
    returned = results.settled(returned)
    if returned is None:
        return types.Step_Next()
    match results.outcome(returned):
        case types.Outcome_Body(body):
            return types.Step_Body(body)
        case types.Outcome_Close():
            return types.Step_Close()
        case _:
            return types.Step_Manual()


def _reply(returned: Any) -> Reply:
    returned = results.settled(returned)
    match returned:
        case None:
            return Reply_Nothing()
        case str():
            return Reply_Message(Message_Text(returned))
        case bytes() | bytearray() | memoryview():
            return Reply_Message(Message_Binary(bytes(returned)))
        case dict() | list():
            return Reply_Message(Message_Text(results.to_json(returned)))
        case _ if returned is results.Close:
            return Reply_Close(None)
    raise TypeError(f"on_message returned {type(returned).__name__}: it returns str, bytes, dict, list, Close or None")
