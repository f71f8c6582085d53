"""The taps' streams and tables, discovered against the mock servers."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from signalroom_sandbox.server import SandboxServer
from signalroom_singer import EXTRA, LOADED_AT, SignalRoomStream
from signalroom_target_postgres.connection.connector import PostgresConnector
from signalroom_target_postgres.values.schema_types import declared_type
from tools import ROOT
from tools.generate.settings import schema_of, taps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk import Tap

#: Settings that add columns.
_COLUMN_SETTINGS = ("include_personal_data", "include_ip_addresses")
#: Settings for an example of the streams that users configure.
_EXAMPLES: dict[str, dict[str, Any]] = {
    "tap-everflow": {"custom_reports": [{"name": "by_country", "columns": ["country"]}]},
    "tap-redtrack": {"custom_reports": [{"name": "by_ad", "group": ["campaign", "sub1"]}]},
}
#: Columns of every table, which each page lists once.
COMMON = (LOADED_AT, EXTRA)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: The name of the column.
        type: The PostgreSQL type that the loader uses.
        description: The description in the stream's schema; empty without one.
        is_key: Whether it is part of the primary key.
        setting: The setting without which it is not loaded, if any.
    """

    name: str
    type: str
    description: str
    is_key: bool
    setting: str = ""


@dataclass(frozen=True)
class Table:
    """A stream and its table."""

    stream: SignalRoomStream
    schema: str
    columns: tuple[Column, ...]

    @property
    def name(self) -> str:
        """The name of the stream and of the table."""
        return str(self.stream.name)

    @cached_property
    def about(self) -> str:
        """A sentence about the table."""
        return str(self.stream.schema.get("description", "")) or _first_line(self.stream)

    @property
    def method(self) -> str:
        """The replication method, with the default settings."""
        return self.stream.loading.method.format(stream=self.stream)


@dataclass(frozen=True)
class Source:
    """A tap and its tables."""

    tap: str
    label: str
    schema: str
    tables: tuple[Table, ...]

    @property
    def page(self) -> str:
        """The path of its page, below ``docs``."""
        return f"tables/{self.tap.removeprefix('tap-')}.md"


def sources() -> list[Source]:
    """Discover all taps, each with the settings of the mock servers."""
    with (ROOT / "meltano.yml").open(encoding="utf-8") as file:
        project = YAML(typ="safe").load(file)
    environments = {environment["name"]: environment for environment in project["environments"]}
    extractors = environments["sandbox"]["config"]["plugins"]["extractors"]
    configs = {plugin["name"]: plugin["config"] for plugin in extractors}
    plugins = {plugin["name"]: plugin for plugin in project["plugins"]["extractors"]}
    documented = []
    with _quiet(), SandboxServer() as server:
        for name, tap in taps().items():
            config = _config_for(server, name, configs[name]) | _EXAMPLES.get(name, {})
            plugin = plugins[name]
            documented.append(
                Source(name, plugin["label"], plugin["load_schema"], _tables(tap, config, plugin))
            )
    return documented


def _config_for(server: SandboxServer, tap: str, config: dict[str, Any]) -> dict[str, Any]:
    """A tap's settings of the sandbox environment, with the addresses of the running server."""
    prefix = tap.upper().replace("-", "_")
    return {
        name: server.dotenv.get(f"{prefix}_{name.upper()}", value)
        if isinstance(value, str)
        else value
        for name, value in config.items()
    }


def _tables(tap: type[Tap], config: dict[str, Any], plugin: dict[str, Any]) -> tuple[Table, ...]:
    default = _streams(tap, config)
    with_setting = {
        setting: _streams(tap, config | {setting: True})
        for setting in _COLUMN_SETTINGS
        if setting in schema_of(tap)["properties"]
    }
    example_kinds: set[str] = set()
    tables = []
    for name, stream in default.items():
        kind = getattr(stream, "one_for_each", "")
        if kind not in example_kinds:
            variants = {setting: streams[name] for setting, streams in with_setting.items()}
            columns = _columns(stream, variants)
            tables.append(Table(stream, plugin["load_schema"], columns))
            example_kinds |= {kind} - {""}
    return tuple(tables)


def _streams(tap: type[Tap], config: dict[str, Any]) -> dict[str, SignalRoomStream]:
    instance = tap(config=config)
    # Some streams learn their columns during discovery.
    names = [entry["stream"] for entry in instance.catalog_dict["streams"]]
    return {
        name: stream
        for name in names
        if isinstance(stream := instance.streams[name], SignalRoomStream)
    }


def _columns(
    stream: SignalRoomStream, variants: Mapping[str, SignalRoomStream]
) -> tuple[Column, ...]:
    """The columns of a stream, including those that a setting adds, in schema order."""
    columns = {name: (column, "") for name, column in stream.schema["properties"].items()}
    for setting, variant in variants.items():
        columns = {
            name: columns.get(name, (column, setting))
            for name, column in (*variant.schema["properties"].items(), *_schemas(columns))
        }
    return tuple(
        Column(
            name,
            declared_type(column, stream.schema, _connector().to_sql_type).type,
            column.get("description", ""),
            name in stream.primary_keys,
            setting,
        )
        for name, (column, setting) in columns.items()
    )


def _schemas(columns: Mapping[str, tuple[Any, str]]) -> Iterator[tuple[str, Any]]:
    return ((name, column) for name, (column, _) in columns.items())


@cache
def _connector() -> PostgresConnector:
    """The loader's connector, which knows the types of columns; it never connects."""
    return PostgresConnector({"sqlalchemy_url": "postgresql://localhost"})


def _first_line(stream: SignalRoomStream) -> str:
    return (type(stream).__doc__ or "").partition("\n")[0].rstrip(".")


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the taps' log messages, which are about the mock servers."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
