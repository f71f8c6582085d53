"""A stream map is applied as far as it goes, and says what failed."""

from __future__ import annotations

import logging

import pytest
from kit_vendor import ok
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.mapper import PluginMapper

from signalroom_singer import TapError
from signalroom_singer.stream_maps import RecordMap

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


def test_without_a_map_a_record_that_cannot_be_flattened_stays():
    mapper = PluginMapper({"flattening_enabled": True, "flattening_max_depth": 2}, logging.root)
    mapper.register_raw_stream_schema("rows", SCHEMA, ["id"])
    (stream_map,) = mapper.stream_maps["rows"]
    record = {"id": "a", "more": [{(1, 2): 3}]}
    made, (failure,) = RecordMap(mapper, "rows", stream_map).apply(record)
    assert made == record
    assert failure.reason.startswith("the stream map cannot flatten it (")


def test_the_map_that_fails_is_named_among_several(vendor, make_tap, sync):
    vendor.answers += [ok([{"id": 1, "name": "a"}])] * 9
    maps = {"rows": {"more": "id + 1"}, "copies": {"__source__": "rows", "more": "1 / (id - 1)"}}
    said = str(sync(make_tap(stream_maps=maps), fails=TapError).error)
    assert "column 'more': the stream map's expression `1 / (id - 1)` failed" in said


def test_a_long_expression_is_cut():
    _, failures = mapped({"id": "a"}, name=f"name + '{'x' * 1000}'")
    assert "xxx...` failed" in failures["name"]
    assert len(failures["name"]) < 400


@pytest.mark.parametrize("deselected", (None, "name"))
@pytest.mark.parametrize(
    ("rule", "reason"),
    (
        ({"more": "1 / (id - 2)"}, "column 'more': the stream map's expression `1 / (id - 2)` fa"),
        ({"more": "naem.upper()"}, "failed: the record has no field `naem`"),
        ({"more": "str(int(_loaded_at))"}, "`str(int(_loaded_at))` failed: ValueError. Correct"),
        ({"__filter__": "foo(id)"}, "`__filter__` expression `foo(id)` failed: there is no func"),
    ),
)
def test_a_tap_whose_map_fails_names_the_expression(
    vendor, make_tap, sync, caplog, rule, reason, deselected
):
    vendor.answers += [ok([{"id": 1, "name": "a"}, {"id": 2, "name": "secret"}])] * 9
    tap = make_tap(stream_maps={"rows": rule})
    if deselected:
        tap.streams["rows"].metadata["properties", deselected].selected = False
    # Not by name, which would select all columns.
    output = sync(tap, fails=TapError)
    said = str(output.error)
    assert said.startswith("rows: the stream map cannot be applied to a record: ")
    assert reason in said
    assert "in the setting stream_maps of the tap" in said
    assert "secret" not in said + caplog.text


@pytest.mark.parametrize(
    ("rule", "told"),
    (
        ({"__key_properties__": ["other"]}, "Property 'other' was not detected in schema"),
        ({"name": "name.upper("}, r"Failed to parse expression name.upper\("),
        ({"id": None}, "Removing key property 'id' is not permitted"),
    ),
)
def test_a_map_that_cannot_be_read_is_a_mistake_in_the_settings(make_tap, rule, told):
    with pytest.raises(ConfigValidationError, match=rf"^Invalid stream_maps: .*{told}.*Correct"):
        make_tap(stream_maps={"rows": rule})


def test_without_maps_a_stream_is_prepared_when_it_is_read(vendor, make_tap, sync):
    vendor.answers += [ok([{"id": 1, "name": "a"}])] * 9
    tap = make_tap()
    # As a catalog would do it.
    tap.streams["rows"].metadata["properties", "name"].selected = False
    assert len(tap.streams) > 1
    assert not tap.mapper.stream_maps
    for name, stream in tap.streams.items():
        stream.selected = name == "rows"
    output = sync(tap)
    assert {*tap.mapper.stream_maps} == {"rows"}
    assert "name" not in output.schemas["rows"]["schema"]["properties"]
    assert "name" not in output.records["rows"][0]
