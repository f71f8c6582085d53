"""Keeping secrets out of everything that is logged.

Secrets reach logs by many ways: a URL in a connection error, a body that echoes the key,
a validation error that quotes the setting. All of them end in a log record, so that is
where secrets are removed: from the message, from exceptions and their causes, and from
structured fields, whichever logger and handler they go through.
"""

from __future__ import annotations

import json
import logging
import threading
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "<redacted>"
# Shorter values would mask ordinary words; a credential of three letters protects nothing.
_SHORTEST = 4
# A line of a multi-line secret (a PEM key) is as telling as the whole.
_SHORTEST_LINE = 16

_lock = threading.Lock()
_secrets: list[str] = []
_original_factory = logging.getLogRecordFactory()
_STANDARD_FIELDS = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime"}


def protect(values: Iterable[str]) -> None:
    """Remove these values from every log record from now on.

    Args:
        values: Secrets: setting values, and tokens obtained at run time.
    """
    forms = {form for value in values for form in _forms(value)}
    with _lock:
        # Longest first, so that a secret within another does not leave its remains.
        _secrets[:] = sorted({*_secrets, *forms}, key=len, reverse=True)
    if logging.getLogRecordFactory() is not _redacting_factory:
        logging.setLogRecordFactory(_redacting_factory)
    for handler in _handlers():
        if _redact_fields not in handler.filters:
            handler.addFilter(_redact_fields)


def redact(text: str) -> str:
    """Mask the protected secrets in a text.

    Args:
        text: Anything.

    Returns:
        The text, with each secret replaced.
    """
    for secret in _secrets:
        if secret in text:
            text = text.replace(secret, MASK)
    return text


def redact_exception(error: BaseException) -> BaseException:
    """Mask the protected secrets in an exception and all it was raised from.

    Args:
        error: Any exception; it is changed in place where that is possible.

    Returns:
        The exception, or a stand-in where its own text cannot be changed.
    """
    return _redacted(error, set())


def secret_values(schema: Mapping[str, Any], config: Any) -> Iterator[str]:
    """Find the secrets in a configuration.

    Args:
        schema: Its JSON schema, where secret settings carry ``"secret": true``.
        config: The configuration.

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
    """The value as it may be written: plain, in a URL, in JSON, line by line."""
    if len(value) < _SHORTEST:
        return
    lines = [line for line in value.replace("\\n", "\n").split("\n") if len(line) >= _SHORTEST_LINE]
    for form in (value, *(lines if len(lines) > 1 else ())):
        yield form
        yield quote(form)
        yield quote(form, safe="")
        yield quote_plus(form)
        yield json.dumps(form)[1:-1]


def _redacted(error: BaseException, seen: set[int]) -> BaseException:
    if id(error) in seen:
        return error
    seen.add(id(error))
    if error.__cause__:
        error.__cause__ = _redacted(error.__cause__, seen)
    if error.__context__:
        error.__context__ = _redacted(error.__context__, seen)
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
        # A record whose arguments do not fit its format: logging reports it on its own.
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
