"""From the files of a script to a program, and from the program to its modules.

A program is the compiled modules by their names. A module runs when it is first imported.
"""

import importlib.abc
import importlib.machinery
import linecache
import marshal
import sys
import traceback
from collections.abc import Iterable
from types import CodeType, ModuleType
from typing import Any

# The folder beside a script whose modules it can import.
LIBRARY = "lib"


class ScriptError(Exception):
    """A mistake of the script's author, told as it is."""


class Module:
    """A module of a script, as it is kept in a program."""

    __slots__ = ("code", "is_package", "path", "source")

    def __init__(self, path: str, source: bytes, code: bytes, is_package: bool) -> None:
        self.path, self.source, self.code, self.is_package = path, source, code, is_package


def build(files: list[tuple[str, bytes]]) -> bytes:
    """Makes a program of the files of a script, of which the first is the script."""
    (main, source), *library = files
    modules = {"": (main, source, compiled(main, source), False)}
    # Those of the nearest folder come first.
    for path, content in library:
        names = _names(path)
        if names and names[0] not in modules:
            module = (path, content, compiled(path, content), path.endswith("/__init__.py"))
            for name in names:
                modules.setdefault(name, module)
    return marshal.dumps(modules)


def _names(path: str) -> list[str]:
    """By which names a file of a library can be imported: `lib/shop/cart.py` as `shop.cart` and `lib.shop.cart`."""
    parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
    at = len(parts) - 1 - parts[::-1].index(LIBRARY) if LIBRARY in parts else len(parts)
    inner = parts[at + 1 :]
    if not inner or not all(part.isidentifier() for part in inner):
        return []
    return [".".join(inner), ".".join([LIBRARY, *inner])]


def compiled(path: str, source: bytes) -> bytes:
    """The code of a file. The error names file and line."""
    try:
        return marshal.dumps(compile(source, path, "exec", dont_inherit=True))
    except (SyntaxError, ValueError) as error:
        _remember(path, source)
        *lines, message = "".join(traceback.format_exception_only(error)).rstrip().split("\n")
        place = f"{path}:{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else path
        # The first line names the file already: what is left are the line of the source, and the place in it.
        raise ScriptError("\n".join([f"{place}: {message}", *lines[1:]])) from None


class Program(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The modules of a program."""

    def __init__(self, program: bytes) -> None:
        self.modules = {name: Module(*module[:2], module[2], module[3]) for name, module in marshal.loads(program).items()}
        sys.meta_path.insert(0, self)

    def main(self) -> ModuleType:
        """Runs the script."""
        module = self.modules[""]
        name = module.path.rpartition("/")[2].removesuffix(".py")
        script = ModuleType(name)
        script.__file__ = module.path
        sys.modules[name] = script
        self._run(module, script)
        return script

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> importlib.machinery.ModuleSpec | None:
        module = self.modules.get(name)
        # The folder itself, and folders in it without a file of their own.
        is_folder = module is None and any(known.startswith(f"{name}.") for known in self.modules)
        if module is None and not is_folder:
            return None
        origin = module.path if module else None
        is_package = is_folder or (module is not None and module.is_package)
        return importlib.machinery.ModuleSpec(name, self, origin=origin, is_package=is_package)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, instance: ModuleType) -> None:
        if module := self.modules.get(instance.__name__):
            instance.__file__ = module.path
            self._run(module, instance)

    def _run(self, module: Module, instance: ModuleType) -> None:
        code: CodeType = marshal.loads(module.code)
        exec(code, instance.__dict__)

    def trace(self, error: BaseException) -> str:
        """The traceback with the frames of the script only, and its lines."""
        paths = {module.path for module in self.modules.values()}
        for module in self.modules.values():
            _remember(module.path, module.source)
        text = traceback.TracebackException.from_exception(error)
        _keep(text, paths)
        return "".join(text.format()).rstrip()

    def place(self, error: BaseException) -> str:
        """Where in the script it was raised: `hello.py:3`. Empty if that is nowhere."""
        paths = {module.path for module in self.modules.values()}
        frames = traceback.extract_tb(error.__traceback__)
        return next((f"{frame.filename}:{frame.lineno}" for frame in reversed(frames) if frame.filename in paths), "")


def _keep(text: traceback.TracebackException, paths: Iterable[str]) -> None:
    text.stack[:] = [frame for frame in text.stack if frame.filename in paths]
    for other in (text.__cause__, text.__context__):
        if other is not None:
            _keep(other, paths)


def _remember(path: str, source: bytes) -> None:
    """Gives the lines of a file to tracebacks."""
    lines = source.decode("utf-8", "replace").splitlines(keepends=True)
    linecache.cache[path] = (len(source), None, lines, path)

