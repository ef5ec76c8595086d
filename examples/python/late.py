"""Imports at build time what Python imports only where it is used: at run time there is no file to import from."""

import encodings
import importlib.util
import pkgutil
import re
import sys

# What no source shows: imported from C, or by the name of an encoding.
NAMES = ["_strptime", *(f"encodings.{codec.name}" for codec in pkgutil.iter_modules(encodings.__path__))]

# An import below the top of a module: in a function, as a rule.
IMPORT = re.compile(r"\s+(?:from ([\w.]+) import|import ([\w., ]+))")


def imported_late(module):
    """The names that a module imports below its top."""
    spec = module.__spec__
    if not spec or not spec.origin or not spec.origin.endswith(".py"):
        return
    # By lines: what is read stays part of the component.
    with open(spec.origin, encoding="utf-8") as lines:
        for match in filter(None, map(IMPORT.match, lines)):
            for name in (match[1] or match[2]).split(","):
                name = name.split()[0] if name.split() else ""
                yield importlib.util.resolve_name(name, spec.parent) if name.startswith(".") else name


for module in list(sys.modules.values()):
    NAMES += imported_late(module)
for name in NAMES:
    # `_pydatetime` and its like are large, and there in C already.
    if name and name not in sys.modules and not name.startswith("_py"):
        try:
            importlib.import_module(name)
        except Exception:
            pass  # It is of another system, or not installed: where it is used it would fail too.
