"""Topics."""

from componentize_py_types import Err

from .. import current
from .response import open_response
from .types import Error


def _check(topic: str) -> None:
    if not 1 <= len(topic.encode()) <= 128 or not topic.isprintable():
        raise Err(Error.INVALID)


def subscribe(topic: str) -> None:
    _check(topic)
    subscribed = open_response().subscribed
    if topic not in subscribed:
        subscribed.append(topic)


def publish(topic: str, chunk: bytes) -> int:
    _check(topic)
    if not chunk:
        raise Err(Error.INVALID)
    if len(chunk) > 65_536:
        raise Err(Error.TOO_LARGE)
    current().published.append((topic, chunk))
    return current().subscribers


def finish(topic: str) -> int:
    _check(topic)
    current().finished.append(topic)
    return current().subscribers
