"""Topics: what is published reaches the responses that were left open."""

from wit_world.imports import push as host

from .errors import refusals
from .text import to_bytes


def subscribe(topic: str) -> None:
    """What is published to the topic is sent on this response, once the handler has returned `True`."""
    with refusals():
        host.subscribe(topic)


def publish(topic: str, chunk: str | bytes) -> int:
    """Sends a chunk to all that are subscribed, and returns how many that are."""
    with refusals():
        return host.publish(topic, to_bytes(chunk))


def finish(topic: str) -> int:
    """Ends the responses of all that are subscribed, and returns how many that are."""
    with refusals():
        return host.finish(topic)


def subscribe_after(topic: str, last_id: str | None = None) -> bool:
    """Sends what was appended to the topic behind the event `last_id`, and what follows, on this response, which is an event
    stream. Returns `False` if some of it is no longer kept: then the client first gets an event `reset`."""
    with refusals():
        return host.subscribe_after(topic, last_id)


def append(topic: str, event: str | bytes) -> str:
    """Appends an event without an id to the history of the topic, and returns the id that it gets."""
    with refusals():
        return host.append(topic, to_bytes(event))
