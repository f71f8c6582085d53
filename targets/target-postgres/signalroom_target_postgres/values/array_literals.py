"""JSON arrays as PostgreSQL's array literals, ``{"a","b",NULL}``; numbers as they were written."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
from msgspec import Raw

if TYPE_CHECKING:
    from collections.abc import Callable

_SPECIAL = re.compile(r'["\\]')
_PART = re.compile(r'"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^",]+)', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_GOT = re.compile(r", got `(?P<got>.*?)`")
#: PostgreSQL's numeric has no more digits before the point.
MOST_DIGITS = 131_072
_read_elements = msgspec.json.Decoder(list[Raw]).decode


def array_literal(text: Raw | str | None, element: Callable[[bytes], str]) -> str | None:
    """Write an array.

    Args:
        text: The JSON; null for no array.
        element: Writes an element that is not null.

    Returns:
        The literal.

    Raises:
        ValueError: If it is no array, or an element does not fit.
    """
    if text is None:
        return None
    try:
        elements = _read_elements(text)
    except msgspec.ValidationError as error:
        found = _GOT.search(str(error))
        msg = f"expected an array, got {found['got'] if found else 'something else'}"
        raise ValueError(msg) from None
    parts = ["NULL" if one == b"null" else element(one) for one in map(bytes, elements)]
    return f"{{{','.join(parts)}}}"


def array_json(literal: str, *, of_json: bool) -> str:
    """Write an array's literal as JSON again.

    Args:
        literal: From `array_literal`.
        of_json: Whether its quoted elements are JSON; else they are texts.

    Returns:
        The JSON.
    """
    parts = []
    for found in _PART.finditer(literal[1:-1]):
        if (bare := found["bare"]) is not None:
            parts.append("null" if bare == "NULL" else bare)
        else:
            text = _ESCAPE.sub(r"\1", found["quoted"])
            parts.append(text if of_json else msgspec.json.encode(text).decode())
    return f"[{','.join(parts)}]"


def text_element(raw: bytes) -> str:
    """Write an element of texts: a string's own, else its JSON.

    Args:
        raw: Its JSON.

    Returns:
        It, quoted.
    """
    if not raw.startswith(b'"'):
        return _quoted(raw.decode())
    if b"\\" not in raw:
        return raw.decode()
    return _quoted(msgspec.json.decode(raw, type=str))


def json_element(raw: bytes) -> str:
    """Write an element of JSON.

    Args:
        raw: Its JSON.

    Returns:
        Its JSON, quoted.
    """
    return _quoted(raw.decode())


def number_element(raw: bytes) -> str:
    """Write an element of numbers.

    Args:
        raw: Its JSON.

    Returns:
        The number, with every digit.

    Raises:
        ValueError: If it is none.
    """
    text = raw.decode()
    if text[0] not in "-0123456789":
        msg = "expected an array of numbers, got another type in it"
        raise ValueError(msg)
    return text


def integer_element(raw: bytes) -> str:
    """Write an element of integers.

    Args:
        raw: Its JSON.

    Returns:
        The integer; also of such as 3.0.

    Raises:
        ValueError: If it is none.
    """
    text = raw.decode()
    if text.lstrip("-").isdigit():
        return text
    if text[0] not in "-0123456789":
        msg = "expected an array of integers, got another type in it"
        raise ValueError(msg)
    return str(whole(Decimal(text)))


def boolean_element(raw: bytes) -> str:
    """Write an element of booleans.

    Args:
        raw: Its JSON.

    Returns:
        It.

    Raises:
        ValueError: If it is none.
    """
    text = raw.decode()
    if text not in {"true", "false"}:
        msg = "expected an array of booleans, got another type in it"
        raise ValueError(msg)
    return text


def whole(value: Decimal) -> int:
    """Make an integer of a number, exactly.

    Args:
        value: The number.

    Returns:
        The integer.

    Raises:
        ValueError: If it has a fraction, or more digits than PostgreSQL's numeric.
    """
    if value.adjusted() >= MOST_DIGITS:
        msg = "expected an integer, got one out of range"
        raise ValueError(msg)
    if value.is_zero() or value.as_tuple().exponent >= 0:  # type: ignore[operator] # no NaN is JSON
        return int(value)
    if value.adjusted() < 0 or value != value.to_integral_value():
        msg = "expected an integer, got a fraction"
        raise ValueError(msg)
    return int(value)


def _quoted(text: str) -> str:
    return '"{}"'.format(_SPECIAL.sub(r"\\\g<0>", text))
