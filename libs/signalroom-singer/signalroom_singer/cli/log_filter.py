"""Makes the log readable: each line names its stream, messages for developers are DEBUG."""

from __future__ import annotations

import logging
import re
import sys

from singer_sdk.metrics import METRICS_LOGGER_NAME

# Loggers of plugins, whose children are named for streams.
_PLUGIN = re.compile(r"(tap|target)-[\w-]+")
# Messages of singer-sdk 0.54.9. Their content is also in the last line about the stream.
_FOR_DEVELOPERS = (
    "Skipping parse of env var settings...",
    "Beginning sync of '%s' in %s mode",
    "Skipping deselected stream '%s'.",
    "Reader '%s' completed processing %d lines of input ",
    "Gracefully shutting down...",
)


def is_for_users(record: logging.LogRecord) -> bool:
    """Hide messages for developers: a filter for handlers.

    Args:
        record: The log record; messages for developers get the level DEBUG.

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
    """Put the stream first if the line does not name it: Meltano shows no names of loggers."""
    plugin, _, stream = record.name.partition(".")
    if not stream or not _PLUGIN.fullmatch(plugin) or not isinstance(record.msg, str):
        return
    if stream not in record.getMessage():
        name = stream.replace("%", "%%") if record.args else stream
        record.msg = f"{name}: {record.msg}"


def _is_for_developers(message: object) -> bool:
    return isinstance(message, str) and message.startswith(_FOR_DEVELOPERS)


def hide_developer_messages() -> None:
    """Hide messages for developers in the log of this process."""
    for handler in logging.getLogger().handlers:
        # Handlers that do not print, such as those of tests, keep everything.
        if getattr(handler, "stream", None) is sys.stderr and is_for_users not in handler.filters:
            handler.addFilter(is_for_users)
