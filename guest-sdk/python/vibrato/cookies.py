"""Cookies (RFC 6265)."""

import re
from urllib.parse import quote, unquote

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_UNSAFE = re.compile(r"[;\x00-\x1f\x7f]")


def parse_cookies(field: str) -> dict[str, str]:
    """The cookies of a field. The first of a name counts: browsers send that of the longest path first."""
    cookies: dict[str, str] = {}
    for pair in field.split(";"):
        name, equals, value = pair.partition("=")
        if equals:
            cookies.setdefault(name.strip(), unquote(value.strip().strip('"')))
    return cookies


def cookie(
    name: str,
    value: str,
    *,
    max_age: int | None = None,
    path: str = "/",
    domain: str | None = None,
    secure: bool = False,
    http_only: bool = True,
    same_site: str = "Lax",
) -> str:
    """The value of a `set-cookie` field. Scripts of pages cannot read it, and other sites do not send it, unless told so."""
    if not _TOKEN.match(name):
        raise ValueError(f"{name!r} is no name of a cookie")
    for text in (path, domain or "", same_site):
        if _UNSAFE.search(text):
            raise ValueError(f"{text!r} cannot be in a cookie")
    parts = [f"{name}={quote(value, safe='')}", f"Path={path}"]
    if max_age is not None:
        parts.append(f"Max-Age={max_age}")
    if domain is not None:
        parts.append(f"Domain={domain}")
    if secure or same_site == "None":
        parts.append("Secure")
    if http_only:
        parts.append("HttpOnly")
    parts.append(f"SameSite={same_site}")
    return "; ".join(parts)
