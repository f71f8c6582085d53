"""Parses numbers and dates in cells of files and sheets by one strict rule.

Python reads more than a number's grammar allows: ``12_34`` is 1234 (PEP 515), and so are the
digits of every script. Its `strptime` accepts formats whose result depends on the machine, and
some whose parts it drops.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime
from decimal import Decimal

# The union of what JSON and SQL write: https://www.rfc-editor.org/rfc/rfc8259#section-6,
# https://www.postgresql.org/docs/current/sql-syntax-lexical.html#SQL-SYNTAX-CONSTANTS-NUMERIC
_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,9})?")
# Writing out 1e999999999 would take all memory; a double ends at 1.8e308.
_DIGITS = 308
_FOREIGN_DIGIT = re.compile(r"[^\D0-9]")

# https://docs.python.org/3/library/datetime.html#strftime-and-strptime-format-codes
_YEARS, _ISO_YEAR = {"Y", "y"}, "G"
_MONTHS, _DAYS = {"m", "b", "B"}, {"d"}
_WEEKDAYS = {"a", "A", "w", "u"}
_WEEKS, _ISO_WEEK = {"U", "W"}, "V"
_TIMES = {"H", "I", "p", "M", "S", "f", "z"}
_WIDTHS = {"Y": 4, "G": 4, "j": 3} | dict.fromkeys("ymdHIMSVUW", 2) | dict.fromkeys("uw", 1)
# `strptime` reads the 366th day and the 53rd week of any year as days of the next one, and drops
# weekdays next to a date.
_WHICH_DAY = {"d", "j", "U", "W", "V"}
_CHECKED_PARTS = (_WHICH_DAY - _DAYS) | _WEEKDAYS
_KNOWN = {
    *(*_YEARS, *_MONTHS, *_DAYS, *_WEEKDAYS, *_WEEKS, *_TIMES),
    *(_ISO_YEAR, _ISO_WEEK, "j", "%"),
}
_LOCAL = {"c": "%Y-%m-%d %H:%M:%S", "x": "%m/%d/%Y", "X": "%H:%M:%S"}
_LONGEST = 200
_DIRECTIVE = re.compile(r"%(.?)", re.DOTALL)
_PART = re.compile(r"%.|\s+|.", re.DOTALL)
# All parts differ, so that a confusion of two parts is noticed.
_SAMPLE = datetime(2027, 11, 23, 16, 35, 47, tzinfo=UTC)


def parse_number(text: str) -> Decimal:
    """Read a number from a text.

    Args:
        text: An optional sign, ASCII digits, optionally a fraction after a point, optionally an
            exponent, as JSON and SQL write numbers; white space around it does not count. Leading
            zeros, ``.5`` and ``5.`` are allowed, as in SQL.

    Returns:
        The number, with all its digits; finite, and of at most 308 digits before its point.

    Raises:
        ValueError: If it is anything else: ``12_34``, ``1,234.5``, digits of another script, NaN.
    """
    stripped = text.strip()
    if _NUMBER.fullmatch(stripped):
        number = Decimal(stripped)
        if abs(number.adjusted()) <= _DIGITS:
            return number
    msg = "not a number"
    raise ValueError(msg)


class DateFormat:
    """A format of dates, such as ``%d/%m/%Y``, of which each part counts.

    Args:
        text: The format, of the directives that Python documents for `strptime`. It has a year.
            Where it has no day, or neither day nor month, the first is meant: ``%Y%m`` reads
            202501 as 2025-01-01.

    Raises:
        ValueError: If a date cannot be read by it, or not on every machine alike; the message is a
            sentence that says why and continues after the name of a setting and a colon.
    """

    def __init__(self, text: str) -> None:
        self.text = text = text.strip()
        directives = [match[1] for match in _DIRECTIVE.finditer(text)]
        if problem := _describe_problem(directives):
            msg = f"the date format {text!r} cannot be used: {problem}."
            raise ValueError(msg)
        self._form = _form(text)
        try:
            parsed = datetime.strptime(_SAMPLE.strftime(text), text)  # noqa: DTZ007
        except (ValueError, re.error) as error:
            msg = f"the date format {text!r} cannot be used: Python says {str(error)!r}."
            raise ValueError(msg) from None
        if parsed.year != _SAMPLE.year or ("d" in directives and parsed.day != _SAMPLE.day):
            msg = f"the date format {text!r} cannot be used: its parts contradict each other."
            raise ValueError(msg)

    def read(self, text: str) -> datetime:
        """Read a date.

        Args:
            text: A cell; white space around it does not count.

        Returns:
            The date, with its time of day if the format has one, aware if the format has ``%z``.

        Raises:
            ValueError: If it is not in this format, or there is no such date: the 366th day of a
                year that has 365, or a Tuesday that was a Wednesday.
        """
        stripped = text.strip()
        msg = f"not a date written as {self.text}"
        if len(stripped) > _LONGEST or _FOREIGN_DIGIT.search(stripped):
            raise ValueError(msg)
        match = self._form.fullmatch(stripped) if self._form else None
        if self._form and not match:
            raise ValueError(msg)
        try:
            moment = datetime.strptime(stripped, self.text)  # noqa: DTZ007 - %z, or as written
        except ValueError:
            raise ValueError(msg) from None
        if match and not _matches_parts(moment, match.groupdict()):
            raise ValueError(msg)
        return moment


def _matches_parts(moment: datetime, parts: dict[str, str]) -> bool:
    """Whether a date has the week, the weekday and the day of the year that were written."""
    return all(
        moment.strftime(f"%{part}").lstrip("0").casefold() == text.lstrip("0").casefold()
        for part, text in parts.items()
    )


def _form(text: str) -> re.Pattern[str] | None:
    """Make a pattern for formats in which numbers touch each other: they have their full width.

    Nothing else says where one ends: by ``%Y%m%d``, `strptime` reads 2026105 as October 5. Parts
    that the date is checked against are named groups. None if no pattern is needed.
    """
    parts = _PART.findall(text)
    checked = _CHECKED_PARTS if any(part[1:] in _WHICH_DAY for part in parts) else set()
    forms = []
    is_needed = False
    for before, part, after in zip(["", *parts], parts, [*parts[1:], ""], strict=False):
        name = part[1:]
        width = _WIDTHS.get(name)
        if part[0] != "%":
            forms.append(r"\s+" if part.isspace() else re.escape(part))
            continue
        form = ".+?"
        if width and (before[1:] in _WIDTHS or after[1:] in {*_WIDTHS, "f"}):
            form = f"[0-9]{{{width}}}"
        elif name in checked:
            names = calendar.day_abbr if name == "a" else calendar.day_name
            form = f"[0-9]{{1,{width}}}" if width else "|".join(map(re.escape, names))
        is_needed = is_needed or form != ".+?"
        forms.append(f"(?P<{name}>{form})" if name in checked else form)
    return re.compile("".join(forms), re.IGNORECASE | re.DOTALL) if is_needed else None


def _describe_problem(directives: list[str]) -> str:
    """Describe the problem with a format's directives; empty if there is none."""
    names = set(directives)
    if "Z" in names:
        return (
            "%Z reads a time zone's name and drops it. Use %z for offsets such as +0100; for a "
            "name that is always the same, write the name itself, such as UTC"
        )
    if local := sorted(names & {*_LOCAL}):
        name = local[0]
        return f"%{name} depends on the machine's language. Write it out, such as {_LOCAL[name]}"
    if unknown := sorted(names - _KNOWN):
        name = unknown[0]
        if name in {"-", "#"}:
            return (
                f"Python does not read %{name}. Without it, numbers may have a leading zero or not"
            )
        return (
            f"Python does not read %{name}" if name else "it ends in %; write %% for a percent sign"
        )
    if repeated := sorted(name for name in names - {"%"} if directives.count(name) > 1):
        return f"%{repeated[0]} is there twice"
    return _describe_missing_part(names)


def _describe_missing_part(names: set[str]) -> str:
    iso_week = names & {_ISO_YEAR, _ISO_WEEK}
    rules = (
        (
            len(names & _YEARS) + (_ISO_YEAR in names) != 1,
            "it must have the year, once: %Y, %y, or %G with %V and %u",
        ),
        (
            iso_week and (len(iso_week) == 1 or not names & _WEEKDAYS),
            "an ISO week needs its year %G, the week %V and the weekday %u",
        ),
        (names & _WEEKS and not names & _WEEKDAYS, "a week (%U, %W) needs a weekday, such as %w"),
        (len(names & _MONTHS) > 1, "it has the month twice"),
        (names & _DAYS and not names & _MONTHS, "it has the day, but not the month: %m, %b or %B"),
        (
            ("I" in names) != ("p" in names) or {"H", "I"} <= names,
            "AM and PM (%p) go with the hours 1 to 12 (%I), and %H alone has the hours 0 to 23",
        ),
    )
    return next((reason for is_broken, reason in rules if is_broken), "")
