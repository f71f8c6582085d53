"""What there is to document: the taps' streams, discovered against the mock servers."""

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

#: Settings without which columns are left out.
_INCLUDING = ("include_personal_data", "include_ip_addresses")
#: For streams that are there as often as the settings say, an example of each.
_EXAMPLES: dict[str, dict[str, Any]] = {
    "tap-everflow": {"custom_reports": [{"name": "by_country", "columns": ["country"]}]},
    "tap-redtrack": {"custom_reports": [{"name": "by_ad", "group": ["campaign", "sub1"]}]},
}
#: Columns of every table: each page has them once.
COMMON = (LOADED_AT, EXTRA)


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        name: Its name.
        type: PostgreSQL's, as the loader makes it.
        description: Of the schema, if it has one.
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
        """The stream's, which is the table's too."""
        return str(self.stream.name)

    @cached_property
    def about(self) -> str:
        """A sentence on the table."""
        return str(self.stream.schema.get("description", "")) or _first_line(self.stream)

    @property
    def method(self) -> str:
        """How it is read, with the default settings."""
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
        """Its page, below ``docs``."""
        return f"tables/{self.tap.removeprefix('tap-')}.md"


def sources() -> list[Source]:
    """Discover all taps, each with the settings of the mock servers."""
    with (ROOT / "meltano.yml").open(encoding="utf-8") as file:
        project = YAML(typ="safe").load(file)
    (sandbox,) = (one for one in project["environments"] if one["name"] == "sandbox")
    configs = {one["name"]: one["config"] for one in sandbox["config"]["plugins"]["extractors"]}
    plugins = {one["name"]: one for one in project["plugins"]["extractors"]}
    found = []
    with _quiet(), SandboxServer() as server:
        for name, tap in taps().items():
            config = _at(configs[name], name, server.dotenv) | _EXAMPLES.get(name, {})
            plugin = plugins[name]
            found.append(
                Source(name, plugin["label"], plugin["load_schema"], _tables(tap, config, plugin))
            )
    return found


def _at(config: dict[str, Any], tap: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The settings that the project has for mock servers, at the place where one runs now."""
    prefix = tap.upper().replace("-", "_")
    return {
        name: given.get(f"{prefix}_{name.upper()}", value) if isinstance(value, str) else value
        for name, value in config.items()
    }


def _tables(tap: type[Tap], config: dict[str, Any], plugin: dict[str, Any]) -> tuple[Table, ...]:
    default = _streams(tap, config)
    more = {
        setting: _streams(tap, config | {setting: True})
        for setting in _INCLUDING
        if setting in schema_of(tap)["properties"]
    }
    seen: set[str] = set()
    tables = []
    for name, stream in default.items():
        kind = getattr(stream, "one_for_each", "")
        if kind not in seen:
            columns = _columns(stream, {setting: one[name] for setting, one in more.items()})
            tables.append(Table(stream, plugin["load_schema"], columns))
            seen |= {kind} - {""}
    return tuple(tables)


def _streams(tap: type[Tap], config: dict[str, Any]) -> dict[str, SignalRoomStream]:
    made = tap(config=config)
    # Some learn their columns when they are asked for a catalog.
    listed = [entry["stream"] for entry in made.catalog_dict["streams"]]
    return {
        name: stream
        for name in listed
        if isinstance(stream := made.streams[name], SignalRoomStream)
    }


def _columns(stream: SignalRoomStream, more: Mapping[str, SignalRoomStream]) -> tuple[Column, ...]:
    """The columns of a stream; at their places also those that a setting adds."""
    found = {name: (column, "") for name, column in stream.schema["properties"].items()}
    for setting, one in more.items():
        found = {
            name: found.get(name, (column, setting))
            for name, column in (*one.schema["properties"].items(), *_schemas(found))
        }
    return tuple(
        Column(
            name,
            declared_type(column, stream.schema, _connector().to_sql_type).type,
            column.get("description", ""),
            name in stream.primary_keys,
            setting,
        )
        for name, (column, setting) in found.items()
    )


def _schemas(found: Mapping[str, tuple[Any, str]]) -> Iterator[tuple[str, Any]]:
    return ((name, column) for name, (column, _) in found.items())


@cache
def _connector() -> PostgresConnector:
    """The loader's, to no server: it knows the types of columns."""
    return PostgresConnector({"sqlalchemy_url": "postgresql://localhost"})


def _first_line(stream: SignalRoomStream) -> str:
    return (type(stream).__doc__ or "").partition("\n")[0].rstrip(".")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the taps' log lines out of the output: they are about the mock servers."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
