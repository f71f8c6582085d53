"""JSON arrays as PostgreSQL's array literals, ``{"a","b",NULL}``; numbers as they were written."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

from signalroom_target_postgres.values.errors import UnfitError

if TYPE_CHECKING:
    from collections.abc import Callable

_SPECIAL = re.compile(r'["\\]')
_QUOTED = r'"(?P<quoted>(?:[^"\\]|\\.)*)"'
_ELEMENT = re.compile(rf'{_QUOTED}|(?P<bare>[^",]+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_GOT = re.compile(r", got `(?P<got>.*?)`")
#: PostgreSQL's numeric has no more digits before the point.
MAX_DIGITS = 131_072
_read_elements = msgspec.json.Decoder(list[Raw]).decode


def array_literal(text: Raw | str | None, element: Callable[[bytes], str]) -> str | None:
    """Write a JSON array as a literal.

    Args:
        text: The array's JSON; None for no array.
        element: Writes an element that is not null.

    Raises:
        ValueError: If it is not an array, or an element does not fit.
    """
    if text is None:
        return None
    try:
        elements = _read_elements(text)
    except msgspec.ValidationError as error:
        match = _GOT.search(str(error))
        got = match["got"] if match else "something else"
        raise UnfitError(expected="an array", got=got) from None
    parts = ["NULL" if raw == b"null" else element(raw) for raw in map(bytes, elements)]
    return f"{{{','.join(parts)}}}"


def array_json(literal: str, *, is_json: bool) -> str:
    """Write an array's literal as JSON again.

    Args:
        literal: The result of `array_literal`.
        is_json: Whether its quoted elements are JSON; else they are texts.
    """
    parts = []
    for match in _ELEMENT.finditer(literal[1:-1]):
        if (bare := match["bare"]) is not None:
            parts.append("null" if bare == "NULL" else bare)
        else:
            text = _ESCAPE.sub(r"\1", match["quoted"])
            parts.append(text if is_json else msgspec.json.encode(text).decode())
    return f"[{','.join(parts)}]"


def quoted_elements(literal: str) -> list[str]:
    """Return the texts of an array literal's elements, if all that are not null are quoted."""
    matches = re.finditer(_QUOTED, literal, re.DOTALL)
    return [_ESCAPE.sub(r"\1", match["quoted"]) for match in matches]


def text_element(raw: bytes) -> str:
    """Write a quoted element of texts: a string's own text, else its JSON."""
    if not raw.startswith(b'"'):
        return _quote(raw.decode())
    if b"\\" not in raw:
        return raw.decode()
    return _quote(msgspec.json.decode(raw, type=str))


def json_element(raw: bytes) -> str:
    """Write a quoted element of JSON."""
    return _quote(raw.decode())


def number_element(raw: bytes) -> str:
    """Write an element of numbers, with every digit.

    Args:
        raw: The element's JSON.

    Raises:
        ValueError: If it is not a number.
    """
    text = raw.decode()
    if text[0] not in "-0123456789":
        raise UnfitError(expected="an array of numbers", got="another type in it")
    return text


def integer_element(raw: bytes) -> str:
    """Write an element of integers, also such as 3.0.

    Args:
        raw: The element's JSON.

    Raises:
        ValueError: If it is not an integer.
    """
    text = raw.decode()
    if text.lstrip("-").isdigit():
        return text
    if text[0] not in "-0123456789":
        raise UnfitError(expected="an array of integers", got="another type in it")
    return str(to_integer(Decimal(text)))


def boolean_element(raw: bytes) -> str:
    """Write an element of booleans.

    Args:
        raw: The element's JSON.

    Raises:
        ValueError: If it is not a boolean.
    """
    text = raw.decode()
    if text not in {"true", "false"}:
        raise UnfitError(expected="an array of booleans", got="another type in it")
    return text


def to_integer(value: Decimal) -> int:
    """Convert a number to an integer, exactly.

    Args:
        value: A number, as also 3.0 and 1e2.

    Raises:
        ValueError: If it has a fraction, or more digits than PostgreSQL's numeric.
    """
    if value.adjusted() >= MAX_DIGITS:
        raise UnfitError(expected="an integer", got="one out of range")
    if value.is_zero() or value.as_tuple().exponent >= 0:  # type: ignore[operator] # no NaN is JSON
        return int(value)
    if value.adjusted() < 0 or value != value.to_integral_value():
        raise UnfitError(expected="an integer", got="a fraction")
    return int(value)


def _quote(text: str) -> str:
    return '"{}"'.format(_SPECIAL.sub(r"\\\g<0>", text))
