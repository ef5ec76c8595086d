"""Topics."""

from enum import Enum

from componentize_py_types import Err

from .. import current
from .response import open_response
from .types import Error


class HistoryError(Enum):
    CLOSED = 0
    INVALID = 1
    FORBIDDEN = 2
    TOO_LARGE = 3
    UNAVAILABLE = 4


def _is_topic(topic: str) -> bool:
    return 1 <= len(topic.encode()) <= 128 and topic.isprintable()


def _check(topic: str) -> None:
    if not _is_topic(topic):
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


def subscribe_after(topic: str, last_id: str | None) -> bool:
    response = open_response()
    if not _is_topic(topic) or response.resumed is not None:
        raise Err(HistoryError.INVALID)
    response.resumed = (topic, last_id)
    return True


def append(topic: str, event: bytes) -> str:
    if not _is_topic(topic) or not event:
        raise Err(HistoryError.INVALID)
    if len(event) > 65_536:
        raise Err(HistoryError.TOO_LARGE)
    appended = current().appended
    appended.append((topic, event))
    return f"0000000000000000-{len(appended)}"
