"""Events of an event stream (text/event-stream)."""


def event(data: str, *, name: str | None = None, id: str | None = None, retry: float | None = None) -> str:
    """An event as text, to publish or to yield. `retry` is in seconds."""
    for text in (name or "", id or ""):
        if any(character in text for character in "\r\n\0"):
            raise ValueError("the name and the id of an event have no line breaks")
    lines = [f"data: {line}\n" for line in data.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    if name is not None:
        lines.insert(0, f"event: {name}\n")
    if id is not None:
        lines.insert(0, f"id: {id}\n")
    if retry is not None:
        lines.insert(0, f"retry: {round(retry * 1000)}\n")
    return "".join(lines) + "\n"
