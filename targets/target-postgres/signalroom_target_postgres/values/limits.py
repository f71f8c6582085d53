"""Which values a column's type holds exactly: PostgreSQL rounds others without an error.

Each check is made once per column, and takes a column of values; types that hold all have none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from itertools import chain
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from signalroom_target_postgres.values.array_literals import quoted_elements
from signalroom_target_postgres.values.arrow_checks import all_true, any_true
from signalroom_target_postgres.values.copy_format import characters
from signalroom_target_postgres.values.sql_types import type_family

if TYPE_CHECKING:
    from collections.abc import Callable

_TYPE = re.compile(r"(?P<head>[^(]+)\((?P<arguments>[-0-9,]+)\)(?P<tail>.*)")
_INTEGERS = {"smallint": 2**15, "integer": 2**31, "bigint": 2**63}
# The decimal digits that survive a round trip, and Arrow's type.
_FLOATS = {"real": (6, pa.float32()), "double precision": (15, pa.float64())}
_FLOAT_INTEGERS = 2**53
# The shortest integer that a bigint may be too small for.
_LARGE_INTEGER = "[0-9]{19}"
# The digits that numeric has room for: https://www.postgresql.org/docs/current/datatype-numeric.html
_MAX_INTEGER_DIGITS, _MAX_FRACTION_DIGITS = 131072, 16383
_MICROSECONDS = 6
_MONEY_DIGITS = 18
_NAME_BYTES = 63
_NO_NUMBERS = {"nan", "inf", "-inf"}


@dataclass(frozen=True)
class Limit:
    """What a type does not hold.

    Args:
        holds: Whether the type holds all of a column's values.
        wider: The type that holds the others too.
    """

    holds: Callable[[pa.Array], bool]
    wider: str


def limit_of(type_: str) -> Limit | None:
    """Return what a type does not hold of the values that it is meant for.

    Args:
        type_: The type's name, as `numeric(10,2)`.

    Returns:
        The limit; None if it holds all, or the server rejects the others.
    """
    if type_.endswith("[]"):
        inner = limit_of(type_[:-2]) or (_of_integers(type_[:-2]) if type_ == "bigint[]" else None)
        return inner and Limit(_of_elements(inner.holds, type_), f"{inner.wider}[]")
    match = _TYPE.fullmatch(type_)
    name = match["head"] + match["tail"] if match else type_
    arguments = [*map(int, match["arguments"].split(","))] if match else []
    if name in {"smallint", "integer"}:
        return _of_integers(name)
    if name in _FLOATS:
        return Limit(_of_floats(*_FLOATS[name]), "numeric")
    if name.startswith("interval "):
        # It has some parts of an interval, and drops the others from values.
        return Limit(lambda array: array.null_count == len(array), "interval")
    if not arguments:
        return _of_texts(name)
    return _of_arguments(name, arguments)


def _of_arguments(name: str, arguments: list[int]) -> Limit | None:
    """Types with a precision, a scale or a length."""
    limit = None
    if name == "numeric":
        limit = Limit(_of_digits(arguments[0], [*arguments, 0][1]), "numeric")
    elif name == "money":
        digits = _of_digits(_MONEY_DIGITS, arguments[0])
        # It has no exponents.
        limit = Limit(lambda array: not _has_exponent(_texts(array)) and digits(array), "numeric")
    elif name == "character varying":
        limit = Limit(lambda array: _longest(_texts(array)) <= arguments[0], "text")
    elif name == "character":
        limit = Limit(_of_fixed_length(arguments[0]), "text")
    elif name.startswith(("time", "interval")) and arguments[0] < _MICROSECONDS:
        check = _of_timestamps if name.startswith("timestamp") else _of_fractions
        limit = Limit(check(arguments[0]), name)
    return limit


def _of_integers(name: str) -> Limit:
    maximum = _INTEGERS[name]

    def holds(array: pa.Array) -> bool:
        if not pa.types.is_integer(array.type):
            return _each(array, lambda text: _is_integer(text, maximum))
        ends = pc.min_max(array).as_py()
        return ends["min"] is None or (ends["min"] >= -maximum and ends["max"] < maximum)

    return Limit(holds, "numeric" if name == "bigint" else "bigint")


def _is_integer(text: str, maximum: int) -> bool:
    # The server rejects what is not a number.
    try:
        return -maximum <= Decimal(text) < maximum
    except InvalidOperation:
        return True


def _of_digits(precision: int, scale: int) -> Callable[[pa.Array], bool]:
    integer_digits = precision - scale
    # No text of so many characters has more digits, before the point or after it.
    short = min(integer_digits, scale + 2)

    def fits(text: str) -> bool:
        digits = _count_digits(text)
        return digits is None or (digits.fraction <= scale and digits.integer <= integer_digits)

    def holds(array: pa.Array) -> bool:
        texts = _texts(array)
        if _has_exponent(texts):
            return _each(texts, fits)
        # Lengths answer for nearly all numbers; signs and zeros are looked at where they do not.
        length = pc.binary_length(texts)
        longest = _max(length)
        if longest <= short:
            return True
        point = pc.find_substring(texts, ".")
        after = pc.subtract(length, point)
        if longest <= integer_digits and _max(after) <= scale + 1:
            return True
        has_point = pc.greater_equal(point, 0)
        before = pc.if_else(has_point, point, length)
        after = pc.if_else(has_point, after, 0)
        is_short = pc.and_(pc.less_equal(before, integer_digits), pc.less_equal(after, scale + 1))
        return _each(texts.filter(pc.invert(is_short)), fits)

    return holds


@dataclass(frozen=True)
class _Digits:
    integer: int
    fraction: int


def _count_digits(text: str) -> _Digits | None:
    """Count a number's digits before the point and after it; None if no type holds it better."""
    try:
        _, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        return None
    if not isinstance(exponent, int):
        # NaN is one of each numeric type's values; infinity only of the one without precision.
        return None if text.lower() == "nan" else _Digits(_MAX_INTEGER_DIGITS, 0)
    significant = "".join(map(str, digits)).rstrip("0")
    if not significant.lstrip("0"):
        return None
    exponent += len(digits) - len(significant)
    count = _Digits(len(significant.lstrip("0")) + exponent, -exponent)
    is_too_large = count.integer > _MAX_INTEGER_DIGITS or count.fraction > _MAX_FRACTION_DIGITS
    return None if is_too_large else count


def _of_floats(digits: int, type_: pa.DataType) -> Callable[[pa.Array], bool]:
    """A float holds a number if its shortest decimal form, which the server shows, is the same."""

    def fits(text: str) -> bool:
        if text.lower() in _NO_NUMBERS or _count_digits(text) is None:
            return True
        back = pa.array([text]).cast(type_).cast(pa.string())[0].as_py()
        return bool(Decimal(back) == Decimal(text))

    def holds(array: pa.Array) -> bool:
        if pa.types.is_floating(array.type) and array.type.bit_width <= type_.bit_width:
            return True
        if pa.types.is_integer(array.type) and type_ == pa.float64():
            ends = pc.min_max(array).as_py()
            if (
                ends["min"] is None
                or -_FLOAT_INTEGERS <= ends["min"] <= ends["max"] <= _FLOAT_INTEGERS
            ):
                return True
        texts = _texts(array)
        length = pc.binary_length(texts)
        if _has_exponent(texts):
            is_sure = pc.less(length, 0)
        elif _max(length) <= digits:
            return True
        else:
            is_sure = pc.less_equal(length, digits)
        texts = texts.filter(pc.invert(is_sure))
        back = texts.cast(type_).cast(pa.string())
        return _each(texts.filter(pc.not_equal(back, texts)), fits)

    return holds


def _of_timestamps(precision: int) -> Callable[[pa.Array], bool]:
    step = 10 ** (_MICROSECONDS - precision)

    def holds(array: pa.Array) -> bool:
        if not pa.types.is_timestamp(array.type):
            return _of_fractions(precision)(array)
        count = array.cast(pa.timestamp("us", array.type.tz)).cast(pa.int64())
        return all_true(pc.equal(count, pc.multiply(pc.divide(count, step), step)))

    return holds


def _of_fractions(precision: int) -> Callable[[pa.Array], bool]:
    # Of a second, in a text; later zeros mean nothing.
    pattern = rf"[.,][0-9]{{{precision}}}[0-9]*[1-9]"

    def holds(array: pa.Array) -> bool:
        return not any_true(pc.match_substring_regex(array.cast(pa.string()), pattern))

    return holds


def _of_fixed_length(length: int) -> Callable[[pa.Array], bool]:
    # Spaces at the end mean nothing to it: it adds those that are missing, and cuts others off.
    def holds(array: pa.Array) -> bool:
        texts = _texts(array)
        return not any_true(pc.ends_with(texts, " ")) and _longest(texts) <= length

    return holds


def _of_texts(name: str) -> Limit | None:
    maximum = {"name": _NAME_BYTES, '"char"': 1}.get(name)
    if maximum is None:
        return None
    return Limit(lambda array: _max(pc.binary_length(_texts(array))) <= maximum, "text")


def _of_elements(holds: Callable[[pa.Array], bool], type_: str) -> Callable[[pa.Array], bool]:
    """Whether a type holds the elements of arrays, which are PostgreSQL's literals by now."""
    is_number = type_family(type_[:-2]) in {"integer", "number"}

    def holds_elements(array: pa.Array) -> bool:
        if not is_number:
            literals = array.drop_null().to_pylist()
            return holds(pa.array(chain.from_iterable(map(quoted_elements, literals)), pa.string()))
        if type_ == "bigint[]" and not any_true(pc.match_substring_regex(array, _LARGE_INTEGER)):
            return True
        elements = pc.list_flatten(pc.split_pattern(pc.utf8_slice_codeunits(array, 1, -1), ","))
        is_value = pc.and_(pc.not_equal(elements, "NULL"), pc.not_equal(elements, ""))
        return holds(elements.filter(is_value))

    return holds_elements


def _texts(array: pa.Array) -> pa.Array:
    if pa.types.is_decimal(array.type):
        # It is written with all the places that its type has.
        texts = array.cast(pa.string())
        return pc.if_else(
            pc.match_substring(texts, "."), pc.utf8_rtrim(pc.utf8_rtrim(texts, "0"), "."), texts
        )
    return array if pa.types.is_string(array.type) else array.cast(pa.string())


def _longest(texts: pa.Array) -> int:
    return _max(pc.utf8_length(texts))


def _max(counts: pa.Array) -> int:
    maximum: int | None = pc.max(counts).as_py()
    return maximum or 0


def _has_exponent(texts: pa.Array) -> bool:
    text = bytes(characters(texts))
    return b"e" in text or b"E" in text


def _each(texts: pa.Array, fits: Callable[[str], bool]) -> bool:
    """For the few values that no faster check answers."""
    return all(fits(text) for text in texts.drop_null().unique().to_pylist())
