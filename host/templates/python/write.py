"""Writes its body: each `write` is one chunk, and returns once there is room for more."""

from vibrato import Request, Response, handler


# NAME.toml names the path, and what it captures.
@handler(content_type="text/plain; charset=utf-8")
def greet(request: Request, response: Response) -> str:
    # The head goes out with the first chunk: from then on it is too late for a status or a field.
    response.write("Hello, ")
    response.write(f"{request.params['name']}!\n")
    # An empty body ends the response. `None` would close the connection.
    return ""
