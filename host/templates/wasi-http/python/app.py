"""Greets whoever the path names."""

from urllib.parse import unquote, urlsplit

from componentize_py_types import Ok
from wit_world import exports
from wit_world.imports.types import Fields, IncomingRequest, OutgoingBody, OutgoingResponse, ResponseOutparam


class IncomingHandler(exports.IncomingHandler):
    def handle(self, request: IncomingRequest, response_out: ResponseOutparam) -> None:
        # NAME.toml says which paths come here.
        path = urlsplit(request.path_with_query() or "/").path
        name = unquote(path.rpartition("/")[2])
        response = OutgoingResponse(Fields.from_list([("content-type", b"text/plain; charset=utf-8")]))
        body = response.body()
        # The response is set first: little of a body can be written before.
        ResponseOutparam.set(response_out, Ok(response))
        with body.write() as stream:
            stream.blocking_write_and_flush(f"Hello, {name}!\n".encode())
        OutgoingBody.finish(body, None)
