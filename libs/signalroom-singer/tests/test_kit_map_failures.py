"""A stream map is applied as far as it goes, and says what failed."""

from __future__ import annotations

import logging

import pytest
from singer_sdk.mapper import PluginMapper

from signalroom_singer.streammaps import RecordMap

SCHEMA = {"properties": {name: {"type": "string"} for name in ("id", "name", "email")}}


def mapped(record, /, *, flatten=False, **rules):
    """What a map makes of a record, and the properties that failed with the reasons."""
    config = {"stream_maps": {"rows": rules}, "flattening_enabled": flatten}
    mapper = PluginMapper(config | {"flattening_max_depth": 2}, logging.getLogger())
    mapper.register_raw_stream_schema("rows", SCHEMA, ["id"])
    (stream_map,) = mapper.stream_maps["rows"]
    made, failures = RecordMap(mapper, "rows", stream_map).apply(record)
    return made, {one.column: one.reason for one in failures}


def test_a_record_that_can_be_mapped():
    assert mapped({"id": "a", "name": "b"}, name="name.upper()") == ({"id": "a", "name": "B"}, {})
    assert mapped({"id": "a"}, __filter__="id != 'a'") == (None, {})


def test_all_that_fails_is_named_and_left_out():
    record = {"id": "a", "name": None, "email": "secret"}
    rules = {"name": "name.upper()", "email": "int(email)", "__filter__": "nmae", "more": "id"}
    made, failures = mapped(record, **rules)
    assert made == {"id": "a", "name": None, "more": "a"}
    said, no_upper = "the stream map's", "a value, which may be null, has no `upper`"
    assert failures == {
        None: f"{said} `__filter__` expression `nmae` failed: the record has no field `nmae`",
        "name": f"{said} expression `name.upper()` failed: {no_upper}",
        "email": f"{said} expression `int(email)` failed: ValueError",
    }


@pytest.mark.parametrize(("rules", "kept"), (({}, {"id": "a"}), ({"id": "md5(id)"}, {})))
def test_a_record_that_cannot_be_flattened_keeps_nothing_that_the_map_removes(rules, kept):
    record = {"id": "a", "email": "secret", "more": [{(1, 2): 3}]}
    made, failures = mapped(record, flatten=True, email="__NULL__", **rules)
    assert made == kept
    assert [*failures] == [None]
    assert failures[None].startswith("the stream map cannot flatten it (")


def test_a_long_expression_is_cut():
    _, failures = mapped({"id": "a"}, name=f"name + '{'x' * 1000}'")
    assert "xxx...` failed" in failures["name"]
    assert len(failures["name"]) < 400
