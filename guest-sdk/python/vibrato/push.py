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
