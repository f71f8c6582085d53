"""Streams that are read whole say when they are complete."""

from __future__ import annotations

import logging

import pytest
from kit_vendor import answer, ok
from singer_sdk.exceptions import MapExpressionError
from singer_sdk.mapper import PluginMapper

from signalroom_singer import RequestRejectedError
from signalroom_singer.stream_maps import constant_columns

ROWS = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


def activations(output):
    return [message for message in output.messages if message["type"] == "ACTIVATE_VERSION"]


def test_the_version_comes_after_the_records_that_carry_it(vendor, make_tap, sync):
    vendor.answers.append(ok(ROWS))
    output = sync(make_tap(), "rows")
    kinds = [message["type"] for message in output.messages]
    assert kinds.index("ACTIVATE_VERSION") > max(
        place for place, kind in enumerate(kinds) if kind == "RECORD"
    )
    (told,) = activations(output)
    assert {
        message.get("version") for message in output.messages if message["type"] == "RECORD"
    } == {told["version"]}
    assert output.schemas["rows"]["schema"]["x-replace-on-activate"] is True


def test_a_stream_without_rows_is_complete_too(make_tap, sync):
    assert len(activations(sync(make_tap(), "rows"))) == 1


def test_a_stream_that_fails_is_not_complete(vendor, make_tap, sync):
    vendor.answers.append(answer(403, b"{}"))
    output = sync(make_tap(), "rows", fails=RequestRejectedError)
    assert isinstance(output.error, RequestRejectedError)
    assert activations(output) == []


def test_a_stream_with_bookmarks_is_never_complete(make_tap, sync):
    output = sync(make_tap(start_date="2026-03-10"), "days")
    assert activations(output) == []
    assert "x-replace-on-activate" not in output.schemas["days"]["schema"]


@pytest.mark.parametrize("setting", (True, False))
def test_never_before_the_records(vendor, make_tap, sync, setting):
    vendor.answers.append(ok(ROWS))
    output = sync(make_tap(emit_activate_version_messages=setting), "rows")
    assert len(activations(output)) == 1


def test_the_schema_says_whose_rows_they_are(vendor, make_tap, sync):
    vendor.answers.append(ok(ROWS))
    output = sync(make_tap(client_id="acme"), "rows")
    properties = output.schemas["rows"]["schema"]["properties"]
    assert properties["_client_id"]["const"] == "acme"
    assert {record["_client_id"] for record in output.records["rows"]} == {"acme"}


@pytest.mark.parametrize(
    ("rule", "pinned"),
    (
        ("'acme'", "acme"),
        ("config['account']", "birch"),
        ("md5('a')", "0cc175b9c0f1b6a831c399e269772661"),
        ("__original_stream_name__", "rows"),
        ("7", 7),
        ("name", None),
        ("record['name']", None),
        ("str(datetime.date.today())", None),
        ("'a'; 'b'", None),
        ("nonsense(", None),
    ),
)
def test_the_schema_pins_what_a_stream_map_sets_to_a_constant(rule, pinned):
    settings = {"stream_map_config": {"account": "birch"}}
    mapper = PluginMapper(
        settings | {"stream_maps": {"ro*": {"account": rule}}}, logging.getLogger()
    )
    try:
        mapper.register_raw_stream_schema("rows", {"properties": {"id": {}, "name": {}}}, ["id"])
    except MapExpressionError:
        assert rule == "nonsense("
        return
    (stream_map,) = mapper.stream_maps["rows"]
    found = constant_columns(mapper, "rows", stream_map)
    assert found == ({} if pinned is None else {"account": pinned})


def test_each_of_several_maps_has_its_own_constants(vendor, make_tap, sync):
    vendor.answers.append(ok(ROWS))
    maps = {
        "rows": {"account": "'a'", "_client_id": "'mapped'"},
        "more": {"__source__": "rows", "account": "'b'"},
    }
    output = sync(make_tap(client_id="acme", stream_maps=maps), "rows")
    found = {
        stream: {
            name: one["const"]
            for name, one in message["schema"]["properties"].items()
            if "const" in one
        }
        for stream, message in output.schemas.items()
    }
    assert found == {
        "rows": {"account": "a", "_client_id": "mapped"},
        "more": {"account": "b", "_client_id": "acme"},
    }
