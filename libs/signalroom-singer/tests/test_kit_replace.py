"""Streams that are read whole say when they are complete."""

from __future__ import annotations

import pytest
from kit_vendor import answer, ok

from signalroom_singer import RefusedError

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
    output = sync(make_tap(), "rows", fails=RefusedError)
    assert isinstance(output.error, RefusedError)
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
