"""Singer target for PostgreSQL, with an embedded server when none is configured."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from singer_sdk.exceptions import ConfigValidationError
from target_postgres.target import TargetPostgres as StockTargetPostgres
from typing_extensions import override

from signalroom_target_postgres.connection import is_configured
from signalroom_target_postgres.connector import PostgresSink
from signalroom_target_postgres.embedded import EmbeddedPostgres
from signalroom_target_postgres.errors import ConnectionSettingsError

if TYPE_CHECKING:
    from pathlib import PurePath

    from singer_sdk.sql import SQLConnector

# The stock target marks none of these as a secret.
_UNMARKED_SECRETS = ("password", "sqlalchemy_url", "ssl_client_private_key")
# Not quoted when their type is wrong. The tunnel's own secrets are within its setting.
_UNQUOTED = (*_UNMARKED_SECRETS, "ssh_tunnel")


def _with_secrets_marked(schema: dict[str, Any]) -> dict[str, Any]:
    marked = deepcopy(schema)
    for name in _UNMARKED_SECRETS:
        marked["properties"][name] |= {"secret": True, "writeOnly": True}
    return marked


class TargetPostgres(StockTargetPostgres):  # type: ignore[misc] # the stock target is untyped
    """Loads Singer streams into PostgreSQL: yours, or one that comes with the target."""

    name = "target-postgres"
    package_name = "signalroom-target-postgres"
    config_jsonschema = _with_secrets_marked(StockTargetPostgres.config_jsonschema)
    default_sink_class = PostgresSink

    def __init__(
        self,
        config: dict[str, Any] | PurePath | str | list[PurePath | str] | None = None,
        parse_env_config: bool = False,  # noqa: FBT001, FBT002 - the SDK's signature
        validate_config: bool = True,  # noqa: FBT001, FBT002
    ) -> None:
        """Make a target; what it loads into is touched only with the first stream.

        Args:
            config: Settings.
            parse_env_config: Whether to read settings from the environment too.
            validate_config: Whether wrong settings are an error.

        Raises:
            ConnectionSettingsError: If the settings contradict or miss something.
        """
        try:
            super().__init__(
                config=config, parse_env_config=parse_env_config, validate_config=validate_config
            )
        except AssertionError as error:
            # The stock target asserts what its settings need.
            raise ConnectionSettingsError(str(error)) from None

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        try:
            errors: list[str] = super()._validate_config(raise_errors=raise_errors)
        except ConfigValidationError as error:
            error.errors = [_unquoted(text) for text in error.errors]
            raise
        self._uses_embedded = not is_configured(self.config)
        if self._uses_embedded:
            # The stock target asserts that there is an address; the real one is known when the
            # server runs.
            self._config["sqlalchemy_url"] = "postgresql+psycopg:///signalroom"
        return errors

    @property
    @override
    def target_connector(self) -> SQLConnector:
        """The connector; to the embedded server if it is to be used, started the first time."""
        # Not in the constructor: what only describes or checks the target needs no server, and
        # the SDK handles signals only once the constructor is done.
        if self._uses_embedded and self._target_connector is None:
            # Released when the process ends: by itself, by an exception, or by a signal, which
            # the SDK turns into an exit.
            embedded = EmbeddedPostgres().acquire()
            self._config["sqlalchemy_url"] = embedded.sqlalchemy_url
            self.logger.info(
                "No connection is configured: loading into the embedded PostgreSQL in %s (look "
                "into it with `signalroom-postgres sql`). For a server of your own set "
                "TARGET_POSTGRES_HOST, _PORT, _USER, _PASSWORD and _DATABASE.",
                embedded.home,
            )
        connector: SQLConnector = super().target_connector
        return connector


def _unquoted(error: str) -> str:
    """A validation error, without the value of a secret setting."""
    for name in _UNQUOTED:
        if f"config['{name}']" in error:
            return f"The value of `{name}` has the wrong type (is it a text in quotes?)"
    return error
