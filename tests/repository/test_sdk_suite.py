"""The SDK's suite, as the taps' tests run it, fails for a value in any column of any stream."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from harness.sdk_suite import run_sdk_suite
from singer_sdk import Stream, Tap
from singer_sdk import typing as th


class AllInOne:
    """In place of pytest's `subtests`: the first failure ends the test."""

    def test(self, *_, **__):
        return nullcontext()


def tap_with(options):
    """A tap with two columns of objects; the second has this value."""
    # Its schema admits a text too, so that the SDK's test of the column alone can find one.
    objects = th.CustomType({"type": ["object", "string", "null"]})

    class Orders(Stream):
        name = "orders"
        primary_keys = ("id",)
        schema = th.PropertiesList(
            th.Property("id", th.IntegerType),
            th.Property("address", objects),
            th.Property("options", objects),
        ).to_dict()

        def get_records(self, context):
            del context
            yield {"id": 1, "address": {"city": "Austin"}, "options": options}

    class Example(Tap):
        name = "tap-example"
        config_jsonschema = th.PropertiesList().to_dict()

        def discover_streams(self):
            return [Orders(self)]

        def close(self):
            """Nothing is open."""

    return Example


def test_a_value_in_a_later_column_fails():
    with pytest.raises(AssertionError, match=r"Unable to cast value .'express'. to dict"):
        run_sdk_suite(tap_with("express"), {}, AllInOne())


def test_each_column_is_checked():
    checks = run_sdk_suite(tap_with({"express": True}), {}, AllInOne())
    # One check for each column: the integer and the two objects.
    assert checks == {"tap": 4, "tap_stream": 6, "tap_stream_attribute": 3}
