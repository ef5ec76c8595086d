"""The types that the interfaces share."""

from dataclasses import dataclass
from enum import Enum


@dataclass
class Outcome_Body:
    value: bytes


@dataclass
class Outcome_Close:
    pass


@dataclass
class Outcome_Manual:
    pass


Outcome = Outcome_Body | Outcome_Close | Outcome_Manual


class Error(Enum):
    CLOSED = 0
    HEAD_ALREADY_SENT = 1
    INVALID = 2
    FORBIDDEN = 3
    TOO_LARGE = 4


class BodyError(Enum):
    INCOMPLETE = 0
    MALFORMED = 1
    TOO_LARGE = 2
    TIMED_OUT = 3


class HttpVersion(Enum):
    HTTP10 = 0
    HTTP11 = 1


@dataclass
class Value_Boolean:
    value: bool


@dataclass
class Value_Integer:
    value: int


@dataclass
class Value_Float:
    value: float


@dataclass
class Value_Text:
    value: str


@dataclass
class Value_Booleans:
    value: list[bool]


@dataclass
class Value_Integers:
    value: list[int]


@dataclass
class Value_Floats:
    value: list[float]


@dataclass
class Value_Texts:
    value: list[str]


Value = (
    Value_Boolean
    | Value_Integer
    | Value_Float
    | Value_Text
    | Value_Booleans
    | Value_Integers
    | Value_Floats
    | Value_Texts
)


@dataclass
class Declaration:
    paths: list[str]
    methods: list[str]
    options: list[tuple[str, Value]]
