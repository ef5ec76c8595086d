"""Texts and bytes."""


def to_bytes(value: str | bytes | bytearray | memoryview) -> bytes:
    """Text as UTF-8."""
    return value.encode() if isinstance(value, str) else bytes(value)


def from_field(value: bytes) -> str:
    """A field's value as text. Bytes that are not UTF-8 are read as ISO-8859-1 (RFC 9110 section 5.5)."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
