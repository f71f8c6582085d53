"""Hashing and removing columns in the loader, as docs/hiding-columns.md shows it."""

from __future__ import annotations

import hashlib
from pathlib import Path

import yaml
from warehouse import record, schema

_PAGE = Path(__file__).parents[3] / "docs/hiding-columns.md"
_BLOCKS = [
    yaml.safe_load(text.partition("```")[0]) for text in _PAGE.read_text().split("```yaml")[1:]
]
((MAPS,),) = [
    [one["config"]["stream_maps"] for one in block["plugins"]["loaders"]]
    for block in _BLOCKS
    if "loaders" in block["plugins"]
]
COLUMNS = {"id": {"type": "integer"}, "email": {"type": ["string", "null"]}, "phone": "string"}


def test_null_stays_null_and_what_is_removed_is_nowhere(warehouse, caplog):
    warehouse.load(
        schema(COLUMNS),
        record(id=1, email="ann@example.org", phone="+49 30 1234567"),
        record(id=2, email=None, phone="+49 30 1234567"),
        stream_maps=MAPS,
    )
    digest = hashlib.sha256(b"ann@example.org").hexdigest()
    assert warehouse.rows() == [{"id": 1, "email": digest}, {"id": 2, "email": None}]
    assert "ann@example.org" not in caplog.text


def test_records_that_are_rejected_have_neither(warehouse, caplog):
    warehouse.load(
        schema(COLUMNS),
        record(id=1, email="ann@example.org", phone="+49 30 1234567"),
        record(id="none", email="ann@example.org", phone="+49 30 1234567"),
        stream_maps=MAPS,
        on_bad_record="quarantine",
    )
    assert len(warehouse.rows()) == 1
    kept = str(warehouse.rows("orders__rejected"))
    assert "none" in kept
    assert "ann@example.org" not in f"{kept}{caplog.text}"
    assert "1234567" not in f"{kept}{caplog.text}"
