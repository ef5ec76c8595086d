"""The standard library, as far as scripts can use it: imported when the interpreter is built."""

import importlib
import pkgutil
import sys
from encodings import __path__ as encodings_path

# Of these there is nothing for a handler: tools, windows, tests, and what needs a process, a thread or a socket.
LEFT_OUT = {
    "antigravity", "asyncio", "concurrent", "ctypes", "curses", "dbm", "distutils", "ensurepip", "idlelib", "lib2to3",
    "multiprocessing", "pydoc", "pydoc_data", "pyrepl", "readline", "sqlite3", "test", "this", "tkinter", "turtle",
    "turtledemo", "unittest", "venv", "xmlrpc", "_pyrepl", "profiling", "cProfile", "profile", "pstats", "pdb", "bdb",
    "smtplib", "ftplib", "poplib", "imaplib", "socketserver", "wsgiref", "doctest", "cmd", "code", "codeop",
}


def load() -> None:
    """Imports each module that can be imported here."""
    names = [name for name in sys.stdlib_module_names if name not in LEFT_OUT and not name.startswith("_")]
    names += ["_strptime", "html.entities", "html.parser", "email.mime.text", "email.mime.multipart", "email.message"]
    names += ["email.policy", "email.parser", "email.generator", "xml.etree.ElementTree", "xml.sax.saxutils", "json.tool"]
    names += ["urllib.parse", "importlib.metadata", "importlib.resources", "collections.abc", "logging.handlers"]
    names += ["zoneinfo", "http.cookies", "http.client", "http"]
    names += [f"encodings.{codec.name}" for codec in pkgutil.iter_modules(encodings_path)]
    for name in sorted(names):
        try:
            importlib.import_module(name)
        except Exception:
            # It is of another system: where it is used it would fail too.
            sys.modules.pop(name, None)
