"""Shows a script that yields its body: each text is one chunk."""

from vibrato import handler


@handler
def hello():
    yield "Hello"
    yield "World!"
