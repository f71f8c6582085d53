"""Removes secrets from everything that is logged.

Secrets reach logs in many ways: a URL in a connection error, a body that echoes the key,
a validation error that quotes the setting. All of them end in a log record, so that is
where secrets are removed: from the message, from exceptions and their causes, and from
structured fields, whichever logger and handler they go through.
"""

from __future__ import annotations

import base64
import html
import logging
import re
import threading
from itertools import chain
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "<redacted>"
# Shorter values would mask ordinary words; a credential of three letters protects nothing.
_SHORTEST = 4
# A single line of a multi-line secret (a PEM key) reveals as much as all of it.
_SHORTEST_LINE = 16
# Of base64: shorter texts may be in any word.
_SHORTEST_PART = 6
_BASE64 = "[A-Za-z0-9+/_-]*"
_URLSAFE = str.maketrans("+/", "-_")
# One character, as URLs (in UTF-8), JSON and Python, or HTML write it.
_ESCAPE = re.compile(
    r"%(?:[0-7]|[cd][0-9a-f]%[89ab]|e[0-9a-f]%[89ab][0-9a-f]%[89ab]"
    r"|f[0-7]%[89ab][0-9a-f]%[89ab][0-9a-f]%[89ab])[0-9a-f]"
    r"|\\u(?:d[89ab][0-9a-f]{2}\\u)?[0-9a-f]{4}|\\(?-i:U)[0-9a-f]{8}|\\x[0-9a-f]{2}"
    r"|\\[\\\"'/bfnrt]|&#x[0-9a-f]{1,6};?|&#[0-9]{1,7};?|&[a-z][a-z0-9]{1,30};",
    re.IGNORECASE,
)
#: What begins an escape, in URLs, JSON and Python, and HTML.
_ESCAPE_STARTS = "%\\&"
_CONTROLS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
# JSON in JSON in a URL, with one to spare.
_MOST_LAYERS = 4

_lock = threading.Lock()
_secrets: list[str] = []
_base64_parts: list[str] = []
_original_factory = logging.getLogRecordFactory()
_STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def protect(values: Iterable[str]) -> None:
    """Remove these values from every log record from now on.

    Args:
        values: Secrets: setting values, and tokens obtained at run time.
    """
    values = [value for value in values if len(value) >= _SHORTEST]
    forms = {form for value in values for form in _forms(value)}
    parts = {part for value in values for part in _parts(value)}
    with _lock:
        _base64_parts[:] = sorted({*_base64_parts, *parts}, key=len, reverse=True)
        # Longest first, so that no part remains of a secret that contains another.
        _secrets[:] = sorted({*_secrets, *forms}, key=len, reverse=True)
    if logging.getLogRecordFactory() is not _redacting_factory:
        logging.setLogRecordFactory(_redacting_factory)
    for handler in _handlers():
        if _redact_fields not in handler.filters:
            handler.addFilter(_redact_fields)


def redact(text: str) -> str:
    """Mask the protected secrets in a text, in any encoding.

    That is: as they are; escaped as in URLs, JSON, HTML and Python, also several times over; and
    in base64 of a longer text, as in a header of Basic authentication.

    Args:
        text: A log message, an error or the like.

    Returns:
        The text, with each secret replaced.
    """
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    if "%" in text or "\\" in text or "&" in text:
        text = _redact_escaped(text)
    for part in _base64_parts:
        if part in text:
            text = _around(part).sub(MASK, text)
    return text


def redact_exception(error: BaseException) -> BaseException:
    """Mask the protected secrets in an exception, its causes and its contexts.

    Args:
        error: Any exception; it is changed in place where that is possible.

    Returns:
        The exception, or a stand-in where its own text cannot be changed.
    """
    return _redact_chain(error, set())


def secret_values(schema: Mapping[str, Any], config: Any) -> Iterator[str]:
    """Find the secrets in a configuration.

    Args:
        schema: Its JSON schema, where secret settings carry ``"secret": true``.
        config: The configuration to search.

    Yields:
        Every text below a secret setting.
    """
    if schema.get("secret"):
        yield from _texts(config)
    if isinstance(config, dict):
        for name, child in schema.get("properties", {}).items():
            if name in config:
                yield from secret_values(child, config[name])
    if isinstance(config, list) and "items" in schema:
        for item in config:
            yield from secret_values(schema["items"], item)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _forms(value: str) -> Iterator[str]:
    """The value, and its lines, as it may be written where nothing is escaped."""
    lines = [line for line in value.replace("\\n", "\n").split("\n") if len(line) >= _SHORTEST_LINE]
    for text in (value, *(lines if len(lines) > 1 else ())):
        # Bytes of UTF-8, one by one, as Python shows them.
        for form in (text, text.encode(errors="replace").decode("latin-1")):
            for plain in _layers(form):
                yield plain
                # As HTML's forms write blanks; what else they escape is undone.
                yield plain.replace(" ", "+")
                # The end of a value may look like the start of an escape: in JSON, ``\\`` and the
                # quote after it.
                if len(remainder := plain.rstrip(_ESCAPE_STARTS)) > _SHORTEST:
                    yield remainder


def _layers(text: str) -> Iterator[str]:
    """A text, and what is left of it when what looks like an escape in it is undone."""
    yield text
    for _ in range(_MOST_LAYERS):
        text = _ESCAPE.sub(_character, text)
        # Of what was nothing but escapes, a blank may be left.
        if len(text.strip()) > _SHORTEST:
            yield text


def _parts(value: str) -> Iterator[str]:
    """The parts that base64 has in common for all texts that contain the value."""
    for data in {value.encode(errors="replace"), value.encode("latin-1", errors="replace")}:
        for before in range(3):
            text = base64.b64encode(bytes(before) + data).decode()
            # Only the characters that depend on the value alone.
            part = text[-(-before * 8 // 6) : (before + len(data)) * 8 // 6]
            if len(part) >= _SHORTEST_PART:
                yield part
                yield part.translate(_URLSAFE)


def _around(part: str) -> re.Pattern[str]:
    """Make a pattern that finds a part of base64 together with its surroundings."""
    return re.compile(f"{_BASE64}{re.escape(part)}{_BASE64}=*")


def _redact_escaped(text: str) -> str:
    """Mask secrets with escaped characters."""
    plain = text
    for layers in range(1, _MOST_LAYERS + 1):
        escaped, plain = plain, _ESCAPE.sub(_character, plain)
        if plain == escaped:
            break
        if any(form in plain for form in chain(_secrets, _base64_parts)):
            # What is left is in deeper layers.
            return _redact_escaped(_mask_escaped(text, layers))
    return text


def _character(escape: re.Match[str]) -> str:
    text = escape[0]
    if text[0] == "%":
        return unquote(text)
    if text[0] == "&":
        return html.unescape(text)
    if text[1] in "uUx":
        try:
            return (
                text.encode()
                .decode("unicode_escape")
                .encode("utf-16", "surrogatepass")
                .decode("utf-16")
            )
        except UnicodeError:
            return text
    return _CONTROLS.get(text[1].lower(), text[1])


def _mask_escaped(text: str, layers: int) -> str:
    """Mask secrets that appear once this many layers of escapes are decoded."""
    plain, starts, ends = text, [*range(len(text))], [*range(1, len(text) + 1)]
    for _ in range(layers):
        pieces: list[tuple[str, int, int]] = []
        at = 0
        for escape in _ESCAPE.finditer(plain):
            first, last = escape.span()
            pieces += zip(plain[at:first], starts[at:first], ends[at:first], strict=True)
            pieces += (
                (character, starts[first], ends[last - 1]) for character in _character(escape)
            )
            at = last
        pieces += zip(plain[at:], starts[at:], ends[at:], strict=True)
        plain = "".join(character for character, _, _ in pieces)
        starts, ends = [start for _, start, _ in pieces], [end for _, _, end in pieces]
    forms = [re.compile(re.escape(secret)) for secret in _secrets if secret in plain]
    forms += [_around(part) for part in _base64_parts if part in plain]
    hidden = bytearray(len(text))
    for place in chain.from_iterable(form.finditer(plain) for form in forms):
        first, last = starts[place.start()], ends[place.end() - 1]
        hidden[first:last] = b"\1" * (last - first)
    parts = [
        text[run.start() : run.end()] if run[0][0] == 0 else MASK
        for run in re.finditer(b"\0+|\1+", hidden)
    ]
    return "".join(parts)


def _redact_chain(error: BaseException, visited: set[int]) -> BaseException:
    if id(error) in visited:
        return error
    visited.add(id(error))
    if error.__cause__:
        error.__cause__ = _redact_chain(error.__cause__, visited)
    if error.__context__:
        error.__context__ = _redact_chain(error.__context__, visited)
    if not _leaks(error):
        return error
    error.args = (redact(str(error)),)
    if not _leaks(error):
        return error
    # The text comes from elsewhere than its arguments: say the same by another exception.
    stand_in = RuntimeError(f"{type(error).__name__}: {redact(str(error))}")
    return stand_in.with_traceback(error.__traceback__)


def _leaks(error: BaseException) -> bool:
    texts = (str(error), repr(error), *(str(note) for note in getattr(error, "__notes__", ())))
    return any(redact(text) != text for text in texts)


def _redacting_factory(*args: Any, **kwargs: Any) -> logging.LogRecord:
    record = _original_factory(*args, **kwargs)
    try:
        message = record.getMessage()
    except (TypeError, ValueError, KeyError):
        # The arguments do not fit the format. Left to logging, both would be printed as they are.
        record.msg, record.args = redact(f"{record.msg} {record.args}"), ()
        return record
    if (clean := redact(message)) != message:
        record.msg, record.args = clean, ()
    if record.exc_info and record.exc_info[1]:
        error = redact_exception(record.exc_info[1])
        record.exc_info = (type(error), error, error.__traceback__)
    return record


def _redact_fields(record: logging.LogRecord) -> bool:
    """A handler's filter: fields given by ``extra=`` are set after the factory ran."""
    for name, value in record.__dict__.items():
        if name not in _STANDARD_FIELDS:
            record.__dict__[name] = _redact_value(value)
    return True


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: _redact_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_redact_value(item) for item in value)
    return value


def _handlers() -> Iterator[logging.Handler]:
    yield from logging.getLogger().handlers
    for logger in list(logging.Logger.manager.loggerDict.values()):
        if isinstance(logger, logging.Logger):
            yield from logger.handlers
