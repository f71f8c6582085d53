"""The log as people read it: each line names its stream, and what is for developers is DEBUG."""

from __future__ import annotations

import logging
import re
import sys

from singer_sdk.metrics import METRICS_LOGGER_NAME

# Their loggers have children by their streams' names.
_PLUGIN = re.compile(r"(tap|target)-[\w-]+")
# As singer-sdk 0.54.9 has them. What they say of a stream is in the line that ends it.
_FOR_DEVELOPERS = (
    "Skipping parse of env var settings...",
    "Beginning sync of '%s' in %s mode",
    "Skipping deselected stream '%s'.",
    "Reader '%s' completed processing %d lines of input ",
    "Gracefully shutting down...",
)


def is_for_users(record: logging.LogRecord) -> bool:
    """Leave out what is for developers: a handler's filter.

    Args:
        record: What is to be logged; what is for developers gets the level DEBUG.

    Returns:
        Whether it is logged.
    """
    is_metric = record.name == METRICS_LOGGER_NAME
    if record.levelno != logging.INFO or not (is_metric or _is_for_developers(record.msg)):
        _name_stream(record)
        return True
    record.levelno, record.levelname = logging.DEBUG, logging.getLevelName(logging.DEBUG)
    # The SDK sets the level of metrics by itself, to that of LOGLEVEL.
    loggers = logging.getLogger(), logging.getLogger(record.name)
    return any(logger.isEnabledFor(logging.DEBUG) for logger in loggers)


def _name_stream(record: logging.LogRecord) -> None:
    """Begin a line with its stream, if it does not say so: Meltano shows no logger's name."""
    plugin, _, stream = record.name.partition(".")
    if not stream or not _PLUGIN.fullmatch(plugin) or not isinstance(record.msg, str):
        return
    if stream not in record.getMessage():
        name = stream.replace("%", "%%") if record.args else stream
        record.msg = f"{name}: {record.msg}"


def _is_for_developers(message: object) -> bool:
    return isinstance(message, str) and message.startswith(_FOR_DEVELOPERS)


def hide_developer_messages() -> None:
    """Have the log of this process leave them out."""
    for handler in logging.getLogger().handlers:
        # Others than what prints, such as a test's, keep all of it.
        if getattr(handler, "stream", None) is sys.stderr and is_for_users not in handler.filters:
            handler.addFilter(is_for_users)
