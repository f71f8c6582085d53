"""Which values a column's type holds exactly: PostgreSQL rounds others without an error.

Each check is made once per column, and takes a column of values; types that hold all have none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
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
# The bound of their values, and the type that holds more.
_INTEGERS = {
    "smallint": (2**15, "bigint"),
    "integer": (2**31, "bigint"),
    "bigint": (2**63, "numeric"),
}
# The decimal digits that survive a round trip, and Arrow's type.
_FLOATS = {"real": (6, pa.float32()), "double precision": (15, pa.float64())}
_FLOAT_INTEGERS = 2**53
# The fewest digits of an integer that may not fit into a bigint.
_LARGE_INTEGER = "[0-9]{19}"
# The digits that numeric has room for: https://www.postgresql.org/docs/current/datatype-numeric.html
_MAX_INTEGER_DIGITS, _MAX_FRACTION_DIGITS = 131072, 16383
_MICROSECONDS = 6
_MONEY_DIGITS = 18
# Types that cut texts off.
_MAX_BYTES = {"name": 63, '"char"': 1}
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
        return inner and Limit(partial(_elements_fit, inner.holds, type_), f"{inner.wider}[]")
    match = _TYPE.fullmatch(type_)
    name = match["head"] + match["tail"] if match else type_
    arguments = [*map(int, match["arguments"].split(","))] if match else []
    if name in {"smallint", "integer"}:
        return _of_integers(name)
    if name in _FLOATS:
        return Limit(partial(_floats_fit, *_FLOATS[name]), "numeric")
    if name.startswith("interval "):
        # It stores some fields of an interval, and drops the others.
        return Limit(lambda array: array.null_count == len(array), "interval")
    if name in _MAX_BYTES:
        return Limit(partial(_bytes_fit, _MAX_BYTES[name]), "text")
    return _of_arguments(name, arguments) if arguments else None


def _of_integers(name: str) -> Limit:
    maximum, wider = _INTEGERS[name]
    return Limit(partial(_integers_fit, maximum), wider)


def _of_arguments(name: str, arguments: list[int]) -> Limit | None:
    """Types with a precision, a scale or a length."""
    size = arguments[0]
    limit = None
    if name == "numeric":
        limit = Limit(partial(_digits_fit, size, [*arguments, 0][1]), "numeric")
    elif name == "money":
        limit = Limit(partial(_money_fits, size), "numeric")
    elif name == "character varying":
        limit = Limit(lambda array: _longest(_texts(array)) <= size, "text")
    elif name == "character":
        limit = Limit(partial(_padded_texts_fit, size), "text")
    elif name.startswith(("time", "interval")) and size < _MICROSECONDS:
        fit = _timestamps_fit if name.startswith("timestamp") else _fractions_fit
        limit = Limit(partial(fit, size), name)
    return limit


def _integers_fit(maximum: int, array: pa.Array) -> bool:
    if not pa.types.is_integer(array.type):
        return _each(array, partial(_is_integer, maximum))
    ends = pc.min_max(array).as_py()
    return ends["min"] is None or (ends["min"] >= -maximum and ends["max"] < maximum)


def _is_integer(maximum: int, text: str) -> bool:
    # The server rejects what is not a number.
    try:
        return -maximum <= Decimal(text) < maximum
    except InvalidOperation:
        return True


def _digits_fit(precision: int, scale: int, array: pa.Array) -> bool:
    integer_digits = precision - scale
    texts = _texts(array)
    fits = partial(_number_fits, integer_digits, scale)
    if _has_exponent(texts):
        return _each(texts, fits)
    # The lengths decide for nearly all numbers; the others are parsed.
    length = pc.binary_length(texts)
    longest = _max(length)
    # A text as short as this cannot have more digits, before or after the point.
    if longest <= min(integer_digits, scale + 2):
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


def _money_fits(scale: int, array: pa.Array) -> bool:
    # It has no exponents.
    return not _has_exponent(_texts(array)) and _digits_fit(_MONEY_DIGITS, scale, array)


def _number_fits(integer_digits: int, scale: int, text: str) -> bool:
    digits = _count_digits(text)
    return digits is None or (digits.fraction <= scale and digits.integer <= integer_digits)


@dataclass(frozen=True)
class _Digits:
    integer: int
    fraction: int


def _count_digits(text: str) -> _Digits | None:
    """Count the digits before the point and after it; None for what no wider type is made for."""
    try:
        _, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        return None
    if not isinstance(exponent, int):
        # The server holds NaN, and rejects infinity.
        return None
    significant = "".join(map(str, digits)).rstrip("0")
    if not significant.lstrip("0"):
        return None
    exponent += len(digits) - len(significant)
    count = _Digits(len(significant.lstrip("0")) + exponent, -exponent)
    is_too_large = count.integer > _MAX_INTEGER_DIGITS or count.fraction > _MAX_FRACTION_DIGITS
    return None if is_too_large else count


def _floats_fit(digits: int, type_: pa.DataType, array: pa.Array) -> bool:
    """A float holds a number if its shortest decimal form, which the server shows, is the same."""
    if pa.types.is_floating(array.type) and array.type.bit_width <= type_.bit_width:
        return True
    if pa.types.is_integer(array.type) and type_ == pa.float64():
        ends = pc.min_max(array).as_py()
        if ends["min"] is None or -_FLOAT_INTEGERS <= ends["min"] <= ends["max"] <= _FLOAT_INTEGERS:
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
    return _each(texts.filter(pc.not_equal(back, texts)), partial(_float_fits, type_))


def _float_fits(type_: pa.DataType, text: str) -> bool:
    if text.lower() in _NO_NUMBERS or _count_digits(text) is None:
        return True
    back = pa.array([text]).cast(type_).cast(pa.string())[0].as_py()
    return bool(Decimal(back) == Decimal(text))


def _timestamps_fit(precision: int, array: pa.Array) -> bool:
    if not pa.types.is_timestamp(array.type):
        return _fractions_fit(precision, array)
    step = 10 ** (_MICROSECONDS - precision)
    count = array.cast(pa.timestamp("us", array.type.tz)).cast(pa.int64())
    return all_true(pc.equal(count, pc.multiply(pc.divide(count, step), step)))


def _fractions_fit(precision: int, array: pa.Array) -> bool:
    # Digits of a second in a text, without trailing zeros.
    pattern = rf"[.,][0-9]{{{precision}}}[0-9]*[1-9]"
    return not any_true(pc.match_substring_regex(array.cast(pa.string()), pattern))


def _padded_texts_fit(length: int, array: pa.Array) -> bool:
    # The type pads texts with spaces, and cuts off further spaces at the end.
    texts = _texts(array)
    return not any_true(pc.ends_with(texts, " ")) and _longest(texts) <= length


def _bytes_fit(maximum: int, array: pa.Array) -> bool:
    return _max(pc.binary_length(_texts(array))) <= maximum


def _elements_fit(holds: Callable[[pa.Array], bool], type_: str, array: pa.Array) -> bool:
    """Whether a type holds the elements of arrays, which are PostgreSQL's literals by now."""
    if type_family(type_[:-2]) not in {"integer", "number"}:
        literals = array.drop_null().to_pylist()
        return holds(pa.array(chain.from_iterable(map(quoted_elements, literals)), pa.string()))
    if type_ == "bigint[]" and not any_true(pc.match_substring_regex(array, _LARGE_INTEGER)):
        return True
    elements = pc.list_flatten(pc.split_pattern(pc.utf8_slice_codeunits(array, 1, -1), ","))
    is_value = pc.and_(pc.not_equal(elements, "NULL"), pc.not_equal(elements, ""))
    return holds(elements.filter(is_value))


def _texts(array: pa.Array) -> pa.Array:
    if pa.types.is_decimal(array.type):
        # Its text has all decimal places of its type.
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
