"""What middleware seals."""

from .. import current


def field(name: str) -> None:
    current().sealed_fields.append(name.lower())


def context(name: str) -> None:
    current().sealed[name] = current().context.get(name)


def sealed(name: str) -> bytes | None:
    return current().sealed.get(name)
