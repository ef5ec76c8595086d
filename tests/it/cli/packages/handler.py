"""What a handler says with the package: one answer for each path. The same file is a script and a component."""

from collections.abc import Callable, Iterator
from typing import Any

from vibrato import Request, RequestError, Response, config, handler, kv, options, redirect


def cookies(request: Request, response: Response) -> str:
    response.set_cookie("seen", "a b")
    return f"{request.cookies['a']} {request.cookies['b']}"


def first(request: Request, response: Response) -> str:
    part = next(request.parts(100_000_000))
    return f"{part.name} {str(len(list(part.stream())) > 1).lower()}"


def chunks(request: Request, response: Response) -> Iterator[str | bytes]:
    yield "a"
    yield ""
    yield b"b"


def bad(request: Request, response: Response) -> str:
    raise RequestError("no <such> thing", 404)


def fails(request: Request, response: Response) -> str:
    return inner().missing  # type: ignore[no-any-return]


def inner() -> Any:
    return None


ANSWERS: dict[str, Callable[[Request, Response], Any]] = {
    "query": lambda request, response: "|".join(request.query.get_all("x")),
    "cookies": cookies,
    "form": lambda request, response: [list(pair) for pair in request.form().pairs],
    "parts": lambda request, response: [
        [part.name, part.filename, part.content_type, part.text()] for part in request.parts()
    ],
    "first": first,
    "small": lambda request, response: [len(part.body(10)) for part in request.parts(200)],
    "json": lambda request, response: request.json(),
    "text": lambda request, response: request.text(),
    "length": lambda request, response: str(sum(len(piece) for piece in request.stream())),
    "prefers": lambda request, response: request.prefers("text/html", "application/json") or "neither",
    "redirect": lambda request, response: redirect("/elsewhere"),
    "status": lambda request, response: ({"made": True}, 201, {"x-a": ["1", "2"]}),
    "object": lambda request, response: {"a": [1, None], "b": "ü"},
    "bytes": lambda request, response: b"hi",
    "chunks": chunks,
    "close": lambda request, response: None,
    "option": lambda request, response: f"{options.get('greeting')} {','.join(map(str, options.get('numbers')))} {options.get('absent', 'none')}",
    "denied": lambda request, response: kv.get("a"),
    "bad": bad,
    "fails": fails,
    "config": lambda request, response: config.get("absent") or "",
}


@handler("/own/{what}", greeting="Hi", numbers=[1, 2])
def own(request: Request, response: Response) -> Any:
    return ANSWERS[request.params["what"]](request, response)
