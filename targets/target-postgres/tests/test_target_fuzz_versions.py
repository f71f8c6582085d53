"""Any order of SCHEMA, ACTIVATE_VERSION, RECORD, BATCH and STATE, held against the rule.

The rule is docs/full-refreshes.md's. It is written down here once more, as a small interpreter that
knows nothing of the loader: lists of rows in place of tables, spools and transactions.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass, field, replace

import pytest
from harness.fuzz.profiles import TIMEOUT, profile
from hypothesis import event, given
from hypothesis import strategies as st
from warehouse import activate, record, schema, state

from signalroom_target_postgres.errors import UnconfirmedRowsError

pytestmark = pytest.mark.timeout(TIMEOUT)

STREAMS = {"keyed": ("id",), "keyless": ()}
COLUMNS = {"id": "integer", "name": "string"}
FOUND = 'SELECT id, _sdc_table_version, name, _sdc_deleted_at IS NOT NULL AS deleted FROM "{}"'


@dataclass(frozen=True)
class Row:
    """A row, or the record that it came in."""

    id: int
    version: int | None
    name: str
    run: int
    deleted: bool = False


@dataclass(frozen=True)
class Sent:
    """A message: S, A, C (an A of a tap that ended well), R, X (a bad R), B or T."""

    kind: str
    stream: str = ""
    version: int | None = None
    ids: tuple[int, ...] = ()
    more: bool = False


@dataclass(frozen=True)
class Settings:
    """The loader's, and what the streams' schemas promise."""

    load_method: str
    activate_version: bool
    hard_delete: bool
    promises: bool

    @property
    def replaces(self):
        """Whether the run's rows take the place of all others."""
        whole = self.promises and self.activate_version and self.hard_delete
        return self.load_method == "overwrite" or whole


@dataclass
class Interpreter:
    """One stream's table, through the runs."""

    keyed: bool
    settings: Settings
    rows: list[Row] = field(default_factory=list)

    def begin(self, run):
        """Begin a run."""
        self.run = run
        self.waiting = []
        self.waits = self.settings.replaces
        self.has_replaced = False
        self.records_came = False

    @property
    def merges(self):
        """Whether a row can take the place of the one with its key."""
        return self.keyed and self.settings.load_method != "append-only"

    def take(self, sent, names):
        """Take a message of this stream."""
        if sent.kind == "S":
            self.records_came = False
        elif sent.kind in {"R", "B", "X"}:
            self.records_came = True
            if sent.kind != "X":
                for one in sent.ids:
                    row = Row(one, sent.version, next(names), self.run)
                    (self.waiting.append if self.waits else self.store)(row)
        else:
            self.activation(sent.version, whole=sent.kind == "C")
            self.records_came = False

    def store(self, row):
        """Put a row into the table."""
        if self.merges:
            self.rows = [one for one in self.rows if one.id != row.id]
        self.rows.append(row)

    def is_old(self, row, version):
        """Whether a version does not have a row."""
        if row.version is None:
            return row.run != self.run
        return row.version < version

    def activation(self, version, *, whole):
        """Take an activation."""
        told = self.settings
        if not told.activate_version and told.load_method != "overwrite":
            return
        if not (whole or self.records_came or told.promises):
            old = [row for row in self.rows if self.is_old(row, version) and not row.deleted]
            if old and not self.keyed and told.load_method != "append-only":
                self.waits = True
            return
        if told.replaces and not self.has_replaced:
            self.rows = [row for row in self.rows if row.run == self.run]
            self.has_replaced = True
        for row in self.waiting:
            self.store(row)
        self.waiting = []
        self.waits = told.replaces
        if told.activate_version:
            self.retire(version, whole=whole)

    def retire(self, version, *, whole):
        """Delete or mark the rows that are old now."""
        kept = []
        for row in self.rows:
            old = row.run != self.run if whole else self.is_old(row, version)
            if not old:
                kept.append(row)
            elif not self.settings.hard_delete:
                kept.append(replace(row, deleted=True))
        self.rows = kept


def messages_of(runs, folder):
    """The messages of the runs, as a tap sends them, and what the interpreter is to take."""
    files = itertools.count()
    names = map(str, itertools.count())
    for sent in runs:
        if sent.kind == "S":
            columns = {"id": "integer", "name": "string"} | (
                {"more": "string"} if sent.more else {}
            )
            yield schema(columns, STREAMS[sent.stream], stream=sent.stream)
        elif sent.kind in {"A", "C"}:
            whole = {"x-complete": True} if sent.kind == "C" else {}
            yield activate(sent.version, sent.stream) | whole
        elif sent.kind in {"R", "X"}:
            name = next(names) if sent.kind == "R" else 7
            version = {"version": sent.version} if sent.version is not None else {}
            yield record(sent.stream, id=sent.ids[0], name=name) | version
        elif sent.kind == "B":
            path = folder / f"{next(files)}.jsonl"
            rows = [{"id": one, "name": next(names)} for one in sent.ids]
            path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
            version = {"version": sent.version} if sent.version is not None else {}
            yield {
                "type": "BATCH",
                "stream": sent.stream,
                "encoding": {"format": "jsonl"},
                "manifest": [path.as_uri()],
            } | version
        else:
            yield state(at=next(files))


VERSIONS = st.sampled_from((1, 2, 2, 2, 3))
STREAM = st.sampled_from([*STREAMS])
IDS = st.integers(1, 4)
SENT = st.one_of(
    st.builds(Sent, st.just("S"), STREAM, more=st.booleans()),
    st.builds(Sent, st.just("A"), STREAM, VERSIONS),
    st.builds(Sent, st.just("A"), STREAM, VERSIONS),
    st.builds(Sent, st.sampled_from("CX"), STREAM, VERSIONS, st.tuples(IDS)),
    *[st.builds(Sent, st.just("R"), STREAM, VERSIONS | st.none(), st.tuples(IDS))] * 3,
    st.builds(Sent, st.just("B"), STREAM, VERSIONS | st.none(), st.tuples(IDS, IDS)),
    st.builds(Sent, st.just("T")),
)
RUNS = st.lists(st.lists(SENT, max_size=10), min_size=2, max_size=3)
SETTINGS = st.builds(
    Settings,
    st.sampled_from(("upsert", "upsert", "append-only", "overwrite")),
    st.sampled_from((True, True, True, False)),
    st.sampled_from((True, True, False)),
    st.sampled_from((False, False, True)),
)


@profile(24)
@given(RUNS, SETTINGS, st.sampled_from((1, 3, None)))
def test_rows_are_those_of_the_rule(warehouse, tmp_path_factory, runs, told, batch_size_rows):
    for stream in STREAMS:
        warehouse.sql(f"DROP TABLE IF EXISTS {stream}, {stream}__rejected")
    folder = tmp_path_factory.mktemp("batches")
    expected = {stream: Interpreter(bool(keys), told) for stream, keys in STREAMS.items()}
    for run, sent in enumerate(runs):
        whole = [*(Sent("S", stream) for stream in STREAMS), *sent]
        names = map(str, itertools.count())
        for table in expected.values():
            table.begin(run)
        for one in whole:
            if one.stream:
                expected[one.stream].take(one, names)
        unconfirmed = {name: len(table.waiting) for name, table in expected.items()}
        assert load(warehouse, [*messages_of(whole, folder)], told, batch_size_rows) == {
            name: rows for name, rows in unconfirmed.items() if rows
        }
        for stream, table in expected.items():
            found = [tuple(row.values()) for row in warehouse.sql(FOUND.format(stream))]
            rows = [(row.id, row.version, row.name, row.deleted) for row in table.rows]
            assert sorted(found, key=str) == sorted(rows, key=str), stream


def load(warehouse, messages, told, batch_size_rows):
    """Load; gives the rows that nothing confirmed, by stream."""
    if told.promises:
        for message in messages:
            if message["type"] == "SCHEMA":
                message["schema"]["x-replace-on-activate"] = True
    states = [message["value"] for message in messages if message["type"] == "STATE"]
    try:
        passed = warehouse.load(
            *messages,
            load_method=told.load_method,
            activate_version=told.activate_version,
            hard_delete=told.hard_delete,
            add_record_metadata=True,
            on_bad_record="quarantine",
            batch_size_rows=batch_size_rows,
        )
    except UnconfirmedRowsError as error:
        event("unconfirmed")
        return dict(error.rows)
    assert passed[-1:] == states[-1:]
    return {}
