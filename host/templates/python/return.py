"""Returns its body whole."""

from vibrato import Request, handler


# NAME.toml names the path, and what it captures.
@handler(content_type="text/plain; charset=utf-8")
def greet(request: Request) -> str:
    return f"Hello, {request.params['name']}!\n"
