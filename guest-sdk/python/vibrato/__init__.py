"""What scripts and components in Python are written with.

A script declares one handler, and the client gets what it returns:

    from vibrato import handler

    @handler("/hello/{name}", rate=2_097_152)
    def hello(request, greeting="Hello"):
        return f"{greeting}, {request.params['name']}!\n"

A handler takes what it names: `request`, `response`, `options`, and each of its options, which are the parameters with a
default. It returns the body (`str`, `bytes`), JSON (`dict`, `list`), `(body, status)` or `(body, status, fields)`; it yields
chunks; it returns `None` to force the connection closed, or `True` to leave the response open.
"""

import sys

try:
    import wit_world  # noqa: F401
except ModuleNotFoundError:
    # This is no component, but a unit test: there the package has a host of its own.
    sys.path.append(f"{__path__[0]}/testing/host")

from . import config, context, http, kv, push
from .cookies import cookie
from .declaration import handler
from .errors import Denied, HostError, RequestError
from .forms import Form, Part
from .options import options
from .request import Request, request
from .response import Response, redirect, response
from .results import Close, Manual
from .sse import event

__all__ = [
    "Close",
    "Denied",
    "Form",
    "HostError",
    "Manual",
    "Part",
    "Request",
    "RequestError",
    "Response",
    "config",
    "context",
    "cookie",
    "event",
    "handler",
    "http",
    "kv",
    "options",
    "push",
    "redirect",
    "request",
    "response",
]
