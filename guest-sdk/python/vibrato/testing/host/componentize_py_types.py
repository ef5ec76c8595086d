"""What generated bindings raise."""

from typing import Generic, TypeVar

E = TypeVar("E")


class Err(Exception, Generic[E]):
    """The host refuses a call."""

    def __init__(self, value: E) -> None:
        super().__init__(value)
        self.value = value
