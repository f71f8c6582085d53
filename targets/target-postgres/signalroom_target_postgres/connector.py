"""The stock connector and sink, with errors for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import event
from sqlalchemy.engine import make_url
from target_postgres.connector import PostgresConnector as StockConnector
from target_postgres.sinks import PostgresSink as StockSink
from typing_extensions import override

from signalroom_target_postgres.connection import explain, read_url
from signalroom_target_postgres.errors import ConnectionFailedError

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from sqlalchemy import Engine
    from sqlalchemy.engine import ExceptionContext

# The system's own limit is above two minutes, in which nothing is said.
_CONNECT_SECONDS = "30"


class PostgresConnector(StockConnector):  # type: ignore[misc] # the stock target is untyped
    """Handles a connection whose failure is a sentence, without the password."""

    @override
    def get_sqlalchemy_url(self, config: Mapping[str, Any]) -> str:
        if config.get("sqlalchemy_url"):
            url = read_url(config["sqlalchemy_url"])
        else:
            url = make_url(super().get_sqlalchemy_url(config))
        if "connect_timeout" not in url.query:
            url = url.update_query_dict({"connect_timeout": _CONNECT_SECONDS})
        return url.render_as_string(hide_password=False)

    @override
    def create_engine(self) -> Engine:
        engine = cast("Engine", super().create_engine())
        event.listen(engine, "handle_error", _explain_connect_error)
        return engine


class PostgresSink(StockSink):  # type: ignore[misc] # the stock target is untyped
    """The stock sink, over that connection."""

    connector_class = PostgresConnector

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Initialize, without the stock sink's log of each COPY with all its columns.

        Args:
            args: As for the stock sink.
            kwargs: As for the stock sink.
        """
        super().__init__(*args, **kwargs)
        self.logger.addFilter(_is_no_statement)

    @override
    def process_batch(self, context: dict[str, Any]) -> None:
        super().process_batch(context)
        self.logger.info("Loaded %d records into %s", len(context["records"]), self.full_table_name)


def _is_no_statement(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith("Inserting with SQL")


def _explain_connect_error(context: ExceptionContext) -> None:
    if context.connection is None and context.engine is not None:
        # The driver's error and SQLAlchemy's around it would only repeat it at length.
        raise ConnectionFailedError(
            explain(context.original_exception, context.engine.url)
        ) from None
