"""The columns of a stream's fields, and the decoder that fills them."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from signalroom_target_postgres.rows.codecs import FORBIDDEN, choose_codec
from signalroom_target_postgres.rows.columns import Column
from signalroom_target_postgres.rows.decoder import RecordDecoder
from signalroom_target_postgres.rows.json_types import JsonTypes
from signalroom_target_postgres.rows.metadata import METADATA
from signalroom_target_postgres.values.limits import limit_of
from signalroom_target_postgres.values.schema_types import DeclaredType, declared_type, is_never
from signalroom_target_postgres.values.sql_types import common_type
from signalroom_target_postgres.warehouse import comments
from signalroom_target_postgres.warehouse.naming import SYSTEM_COLUMNS, columns_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from signalroom_target_postgres.spec import StreamSpec
    from signalroom_target_postgres.values.schema_types import ToSql
    from signalroom_target_postgres.warehouse.table import Table


class StreamColumns:
    """Maps a stream's fields to columns.

    Args:
        spec: The stream that is loaded.
        table: The table that it is loaded into.
        to_sql: Returns the column type of a schema with a single JSON type.
    """

    #: The stream's columns by name.
    by_name: Mapping[str, Column]
    #: Decodes records and files.
    decoder: RecordDecoder

    def __init__(self, spec: StreamSpec, table: Table, to_sql: ToSql) -> None:
        self._spec = spec
        self._table = table
        self._to_sql = to_sql
        properties = spec.schema["properties"]
        self._properties: dict[str, Any] = {
            field: schema for field, schema in properties.items() if not is_never(schema)
        }
        #: Each field's column.
        self.names: dict[str, str] = {}

    @property
    def has_system_names(self) -> bool:
        """Whether a field has the name of a system column, so that its column has another one."""
        return bool(SYSTEM_COLUMNS & self._properties.keys())

    def assign_names(self, present: Collection[str]) -> None:
        """Choose the columns of the fields, also of the table's key.

        Args:
            present: The columns that the table has; only read for `has_system_names`.

        Raises:
            LimitError: If two fields would have the same column.
        """
        self.names.update(columns_of(self._properties, present))
        self._table.keys = [self.names.get(key, key) for key in self._table.keys]

    def moved_fields(self, present: Collection[str]) -> Iterator[tuple[str, str]]:
        """The fields with a new column whose values so far may be in another one.

        Args:
            present: The columns that the table has.

        Yields:
            The field, and its new column.
        """
        for field, name in self.names.items():
            if field != name and present and name not in present and f"{field}_" in present:
                yield field, name

    @property
    def declared_types(self) -> dict[str, DeclaredType]:
        """What the schema declares, by column."""
        return {self.names[field]: type_ for field, type_ in self._types_by_field.items()}

    @cached_property
    def _types_by_field(self) -> dict[str, DeclaredType]:
        root = self._spec.schema
        return {
            field: declared_type(schema, root, self._to_sql)
            for field, schema in self._properties.items()
        }

    @property
    def descriptions(self) -> dict[str, str | None]:
        """What the schema says of the table and its columns."""
        schemas = {comments.TABLE: self._spec.schema} | {
            self.names[field]: schema for field, schema in self._properties.items()
        }
        texts = {name: schema.get("description") for name, schema in schemas.items()}
        return {name: text if isinstance(text, str) else None for name, text in texts.items()}

    def choose_codecs(self) -> None:
        """Choose how values are decoded, by the types that the table's columns have now."""
        spec = self._spec
        columns = [
            self._make_column(field, declared) for field, declared in self._types_by_field.items()
        ]
        self.by_name = {column.name: column for column in columns}
        forbidden = spec.schema["properties"].keys() - self.names.keys()
        self.decoder = RecordDecoder(
            [column for column in columns if not (spec.has_metadata and column.name in METADATA)],
            [self.by_name[name] for name in METADATA] if spec.has_metadata else (),
            spec.sync_started_at,
            [Column(name, name, "", FORBIDDEN) for name in forbidden],
        )

    def _make_column(self, field: str, declared: DeclaredType) -> Column:
        name = self.names[field]
        type_ = self._table.base_type(name)
        key = field in self._spec.key_properties
        required = field in (self._spec.schema.get("required") or ()) and not declared.nullable
        wider = common_type(type_, declared.type)
        allowed = JsonTypes.of(declared)
        return Column(
            *(name, field, type_),
            choose_codec(type_, declared.types_held_by(type_), allowed, is_key=key),
            required=key or required,
            limit=limit_of(type_),
            wider=wider if wider != type_ else None,
            json_types=frozenset(declared.json_types),
            allowed=allowed.types,
            fixed=self._table.fixed.get(name),
            key=key,
        )
