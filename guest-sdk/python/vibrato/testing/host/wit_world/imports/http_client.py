"""Requests to other servers, which the test answers."""

from dataclasses import dataclass
from typing import Any

from componentize_py_types import Err

from .. import current


@dataclass
class HttpError_Denied:
    pass


class IncomingResponse:
    def __init__(self, status: int, fields: list[tuple[str, bytes]], body: bytes) -> None:
        self._status, self._fields, self._body = status, fields, body

    def status(self) -> int:
        return self._status

    def fields(self) -> list[tuple[str, bytes]]:
        return self._fields

    def field(self, name: str) -> bytes | None:
        return next((value for known, value in self._fields if known == name.lower()), None)

    def read(self, max: int) -> bytes | None:
        piece, self._body = self._body[:max], self._body[max:]
        return piece or None

    def trailers(self) -> list[tuple[str, bytes]]:
        return []

    def __enter__(self) -> "IncomingResponse":
        return self

    def __exit__(self, *_: Any) -> None: ...


class OutgoingRequest:
    def __init__(self, method: str, url: str) -> None:
        self._method, self._url, self._body = method, url, b""
        self._fields: list[tuple[str, bytes]] = []

    def set_field(self, name: str, value: bytes) -> None:
        self._fields = [line for line in self._fields if line[0] != name.lower()]
        self.append_field(name, value)

    def append_field(self, name: str, value: bytes) -> None:
        self._fields.append((name.lower(), value))

    def set_connect_timeout(self, milliseconds: int) -> None: ...

    def set_first_byte_timeout(self, milliseconds: int) -> None: ...

    def set_between_bytes_timeout(self, milliseconds: int) -> None: ...

    def write(self, chunk: bytes) -> None:
        self._body += chunk

    def send(self) -> IncomingResponse:
        answer = current().answer(self._method, self._url, self._fields, self._body)
        if answer is None:
            raise Err(HttpError_Denied())
        return IncomingResponse(*answer)

    def __enter__(self) -> "OutgoingRequest":
        return self

    def __exit__(self, *_: Any) -> None: ...
