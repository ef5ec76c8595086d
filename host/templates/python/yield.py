"""Yields its body: each chunk is written as it is made."""

from collections.abc import Iterator

from vibrato import Request, handler


# NAME.toml names the path, and what it captures.
@handler(content_type="text/plain; charset=utf-8")
def greet(request: Request) -> Iterator[str]:
    yield "Hello, "
    # Resumes once there is room for more: a long body takes no memory.
    yield f"{request.params['name']}!\n"
