"""Card data in files and sheets: security codes and card numbers that are not masked.

PCI DSS forbids storing a security code after the payment, and a card number that can be read. Both
get into exports by mistake, and then into a warehouse. A column's name says where to look, its
values decide: an order number that happens to pass the Luhn check is in no column of card numbers.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

if TYPE_CHECKING:
    import logging
    from collections.abc import Collection, Iterable, Iterator

#: The setting of taps that read files and sheets.
CARD_SETTINGS = (
    th.Property(
        "keep_card_data",
        th.BooleanType,
        default=False,
        title="Keep card data",
        description=(
            "Whether to load card security codes, and card numbers that are not masked. By default "
            "they are null, with a warning; masked numbers, first and last digits and expiry dates "
            "are loaded either way."
        ),
    ),
)


class CardColumn(StrEnum):
    """The kind of card data in a column, by its name."""

    #: Security codes, by a name that means nothing else (``cvv``).
    CODE = "code"
    #: Security codes, or the codes of something else (``security_code``).
    PERHAPS_CODE = "perhaps_code"
    #: Card numbers, masked or not.
    NUMBER = "number"
    #: A part of a card's data that may be kept: last digits, expiry.
    FRAGMENT = "fragment"


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+|[0-9]+|#")
_CARD = "(?:creditcard|debitcard|paymentcard|bankcard|card|cc|kreditkarten?|karten?)"
_CODE = re.compile(
    rf"(?:{_CARD}?(?:cvv|cvc|ccv)[12]?|{_CARD}(?:cvn|cvd|cvx|cav|cid|csc)2?)"
    r"(?:code|number|num|no|nr|value|val)?s?"
    rf"|{_CARD}(?:holder)?(?:security|verification|validation|identification)"
    r"(?:code|number|num|no|value)s?"
    r"|kartenpr(?:ü|ue)f(?:nummer|ziffer)|cryptogramme(?:visuel)?"
)
_PERHAPS_CODE = re.compile(
    rf"(?:security|sec)(?:code|number|num|no)s?|csc|cvn2?|cvd2?|{_CARD}codes?"
    r"|sicherheitscode|pr(?:ü|ue)fziffer|c[oó]digo(?:de)?seguridad|codes?(?:de)?s[eé]curit[eé]"
)
_NUMBER = re.compile(
    rf"{_CARD}(?:account|acct)?(?:number|numbers|num|nums|no|nos|nbr|nr|nummer|#|digits|pan)"
    r"|primaryaccountnumber|(?:full|clear|raw|card)pan|pannumber"
    r"|(?:n[uú]mero|num)(?:de)?(?:la)?(?:tarjeta|carte)(?:decr[eé]dito|bancaire)?"
)
# The whole of a name, or what it ends in: `card_id` is an id.
_NUMBER_AT_END = re.compile(
    rf"{_CARD}s?|pan|tarjeta(?:decr[eé]dito)?|carte(?:bancaire|decr[eé]dit)"
)
_ABOUT = re.compile(
    "result|results|response|resp|match|matched|status|provided|present|required|"
    "check|checked|enabled|type|message|msg|flag|at|date|time|id|ids|count|"
    "attempts|failed|error|reason|length|policy|hash|hashed|token|fingerprint|"
    "brand|network|issuer|holder|name|country"
)
_ASKS = re.compile("is|has|have|needs|require|requires|use|uses|missing|no|without|show")
# Cards that are not payment cards.
_OTHER_CARDS = re.compile(
    "gift|sim|loyalty|member|membership|library|report|score|reward|rewards|bonus|"
    "health|insurance|identity|sd|access|key|punch|post|postal|phone|calling|green"
)
_PARTS = re.compile(
    "masked|mask|last|first|bin|iin|exp|expiry|expires|expiration|expire|expdate|"
    "ccexp|lastfour|last4|firstsix|first6|lastdigits|month|year|mm|yy"
)
_FRAGMENT = re.compile(
    rf"{_CARD}(?:last(?:four)?|first(?:six)?|exp|expiry|expires|expiration|expdate|bin|iin)[46]?"
    r"|last(?:four|4)|first(?:six|6)|check(?:account|routing|ssn|transit).*"
)

# Digits, and what people put between them; a mark that stands for a digit ends them.
_BETWEEN = "[^\\w*#\u00d7\u2022\u25cf\u2217xX]|_"
_RUN = re.compile(rf"\d(?:(?:{_BETWEEN}){{0,3}}\d){{12,}}")
_SCIENTIFIC = re.compile(r"[+]?\d(?:[.,]\d+)?[eE][+]?\d{1,2}")
_FEWEST, _MOST = 13, 19
# Digits that spreadsheets store of a number; those after them are zeros.
_KEPT_DIGITS = 15
# The missing digits of 4.11111E+15 cannot be found.
_FEW_DIGITS = 10
_GROUP = 3
_BARE_CODE = re.compile(r"\W*\d{3,4}(?:[.,]0+)?\W*")
_MOST_OF_CODE = 9999


@lru_cache(maxsize=4096)
def card_column(header: str) -> CardColumn | None:
    """Determine the kind of card data in a column by its name.

    Args:
        header: A column's header or name, in any case, with blanks, hyphens or in camel case.

    Returns:
        The kind; None for a column without card data.
    """
    words = [word.lower() for word in _WORD.findall(unicodedata.normalize("NFKC", header))]
    joined = ["".join(words[i:j]) for i in range(len(words)) for j in range(i + 1, len(words) + 1)]
    is_about = _has(_ABOUT, words) or _has(_ASKS, words[:1])
    is_other = _has(_OTHER_CARDS, words)
    if not is_about and _has(_CODE, joined):
        return CardColumn.CODE
    if is_other:
        return None
    if not is_about and _has(_PERHAPS_CODE, joined):
        return CardColumn.PERHAPS_CODE
    has_number = _has(_NUMBER, joined)
    has_card = has_number or _has(_NUMBER_AT_END, joined)
    is_part = _has(_FRAGMENT, joined) or (has_card and _has(_PARTS, words))
    if is_part and not has_number:
        return CardColumn.FRAGMENT
    ends = ["".join(words[i:]) for i in range(len(words))]
    has_number = has_number or _has(_NUMBER_AT_END, ends)
    return CardColumn.NUMBER if has_number and not is_about else None


def _has(form: re.Pattern[str], texts: Iterable[str]) -> bool:
    return any(map(form.fullmatch, texts))


def is_card_number(value: Any) -> bool:
    """Whether a value of a column of card numbers has one that is not masked.

    Args:
        value: Text or a number. 13 to 19 digits that pass the Luhn check (ISO/IEC 7812-1), also
            with blanks or hyphens between them. Numbers that a spreadsheet has rounded to 15
            digits count without that check, as their last digits are lost.
    """
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return _is_number(value)
    text = unicodedata.normalize("NFKC", value) if isinstance(value, str) else ""
    if sum(map(str.isdecimal, text)) < _FEWEST and "e" not in text.lower():
        return False
    if _SCIENTIFIC.fullmatch(text.strip()):
        return _is_number(text.strip().replace(",", "."))
    return any(
        _FEWEST <= len(digits) <= _MOST and digits[0] != "0" and _passes_luhn(digits)
        for run in _RUN.finditer(text)
        for digits in _candidates(re.findall(r"\d+", run[0]))
    )


def is_security_code(value: Any, kind: CardColumn) -> bool:
    """Whether a value of a column of security codes is one.

    Args:
        value: Text or a number.
        kind: Of the column. Where its name means nothing else, any value with a digit is one;
            else three or four digits alone.
    """
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, (int, float, Decimal)):
        # A number has lost its leading zeros.
        return kind is CardColumn.CODE or 0 < value <= _MOST_OF_CODE
    text = str(value)
    if kind is CardColumn.CODE:
        return any(map(str.isdigit, text))
    return _BARE_CODE.fullmatch(text) is not None


def is_left_out(value: Any, kind: CardColumn) -> bool:
    """Whether a value may not be loaded.

    Args:
        value: Text or a number.
        kind: What its column has.
    """
    if kind in {CardColumn.CODE, CardColumn.PERHAPS_CODE}:
        return is_security_code(value, kind)
    return is_card_number(value)


@dataclass
class CardFindings:
    """The card data in a file or a tab.

    Attributes:
        left_out: How many values are not loaded, by column.
        fragments: Columns with parts of card data, which are loaded.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    fragments: dict[str, None] = field(default_factory=dict)


class CardReport:
    """The card data that was left out in a run; logged once."""

    def __init__(self) -> None:
        """Start without findings."""
        self._left_out: Counter[str] = Counter()
        self._places: dict[str, None] = {}
        self._fragments: dict[str, None] = {}

    def add(self, stream: str, place: str, findings: CardFindings) -> None:
        """Add the findings in a file or a tab.

        Args:
            stream: The stream of its rows.
            place: The name of the file or tab, for the log.
            findings: The card data in it.
        """
        for column, count in findings.left_out.items():
            self._left_out[f"{stream}.{column}"] += count
            self._places[place] = None
        self._fragments |= {f"{stream}.{column}": None for column in findings.fragments}

    def log(self, logger: logging.Logger) -> None:
        """Log the findings, and clear them.

        Args:
            logger: The logger to write to.
        """
        if self._left_out:
            first, *more = self._places
            logger.warning(
                "Card data is left out, its columns are null there: %s; in %s%s. Security codes, "
                "and card numbers that can be read, should not be stored (PCI DSS): have them "
                "removed at the source. To load them, set keep_card_data to true.",
                ", ".join(f"{column} ({count})" for column, count in self._left_out.items()),
                first,
                f" and {len(more)} more" if more else "",
            )
        if self._fragments:
            logger.info("card fragments: %s; they are loaded", ", ".join(self._fragments))
        self.__init__()  # type: ignore[misc]


def card_columns(headers: Collection[str]) -> list[tuple[int, CardColumn]]:
    """Find the columns with card data.

    Args:
        headers: The columns' headers.

    Returns:
        The positions of the columns, with their kinds.
    """
    kinds = enumerate(map(card_column, headers))
    return [(position, kind) for position, kind in kinds if kind]


def _is_number(value: Any) -> bool:
    try:
        # By its text: further digits of a float are noise.
        number = Decimal(str(value))
        if number != number.to_integral_value() or number.is_infinite():
            return False
    except InvalidOperation:
        return False
    digits = str(int(number)) if number.adjusted() < _MOST else ""
    if not _FEWEST <= len(digits) <= _MOST or number < 0:
        return False
    rounded = digits[_KEPT_DIGITS:]
    is_rounded = bool(rounded) and not rounded.strip("0") and len(digits.rstrip("0")) > _FEW_DIGITS
    return is_rounded or _passes_luhn(digits)


def _candidates(groups: list[str]) -> Iterator[str]:
    """Yield the digits that may be a card number: all of a run, or those of neighbouring groups.

    Groups of one or two digits may be an expiry date, or an ending such as ``.0``.
    """
    yield "".join(groups)
    for start in range(len(groups)):
        digits = ""
        for group in groups[start:]:
            if len(group) < _GROUP:
                break
            digits += group
            yield digits


def _passes_luhn(digits: str) -> bool:
    # Digits of any script are digits to Python.
    values = [int(digit) for digit in reversed(digits)]
    doubled = [sum(divmod(2 * value, 10)) for value in values[1::2]]
    return (sum(values[::2]) + sum(doubled)) % 10 == 0
