"""The quick check of settings: it agrees with the SDK's validator, or leaves the value to it."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.plugin_base import JSONSchemaValidator

from signalroom_singer.settings.quick_check import is_plainly_valid

SCHEMA = {
    "type": "object",
    "properties": {
        "key": {"type": ["string"], "minLength": 2, "x-text": "key", "secret": True},
        "days": {"type": ["integer", "null"], "minimum": 0, "maximum": 366, "default": 30},
        "rate": {"type": ["number", "null"], "minimum": 0.5},
        "mode": {"type": ["string", "null"], "enum": ["split", "fail", None], "default": "split"},
        "is_on": {"type": ["boolean", "null"]},
        "anything": {},
        "reports": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "pattern": "^[a-z]+$"},
                    "size": {"type": "integer", "default": 7},
                },
                "required": ["name"],
                "additionalProperties": False,
            },
        },
        "types": {"type": "object", "additionalProperties": {"type": ["string", "null"]}},
        "maps": {"anyOf": [{"type": "null"}, {"type": "object"}]},
    },
    "required": ["key"],
    "additionalProperties": True,
}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 400),
    st.floats(-1, 2),
    st.sampled_from(["split", "fail", "ab", "a", "", "A1"]),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(["name", "size", "other"]), inner, max_size=3),
    ),
    max_leaves=6,
)
CONFIGS = st.dictionaries(st.sampled_from([*SCHEMA["properties"], "unknown"]), VALUES)
VALID = {"key": "ab"}


def by_the_sdk(schema, config):
    return not [*JSONSchemaValidator(schema).iter_errors(config)]


@given(CONFIGS)
def test_what_it_accepts_the_sdk_accepts_with_the_same_defaults(config):
    ours, theirs = copy.deepcopy(config), copy.deepcopy(config)
    if is_plainly_valid(SCHEMA, ours):
        assert by_the_sdk(SCHEMA, theirs)
        assert ours == theirs


ACCEPTED = [
    {},
    {"days": 0, "rate": 1, "mode": None, "is_on": True, "unknown": {"any": 1}},
    {"reports": [{"name": "a"}, {"name": "b", "size": 1}], "types": {"a": "text", "b": None}},
    {"anything": [1], "days": 366, "rate": 0.5},
]


@pytest.mark.parametrize("settings", ACCEPTED, ids=str)
def test_plain_settings_need_no_jsonschema(settings):
    config = copy.deepcopy(VALID | settings)
    assert is_plainly_valid(SCHEMA, config)
    assert config["days"] == settings.get("days", 30)
    assert all("size" in report for report in config.get("reports", ()))


LEFT_TO_JSONSCHEMA = [
    {"key": "a"},
    {"key": 1},
    {"days": -1},
    {"days": 367},
    {"days": True},
    {"rate": 0.4},
    {"rate": True},
    {"mode": "other"},
    {"mode": 0},
    {"is_on": 1},
    {"reports": [{}]},
    {"reports": [{"name": "A"}]},
    {"reports": [{"name": "a", "other": 1}]},
    {"reports": {}},
    {"types": {"a": 1}},
    # Valid, but of rules that are not plain.
    {"maps": {}},
]


@pytest.mark.parametrize("settings", LEFT_TO_JSONSCHEMA, ids=str)
def test_all_else_is_left_to_jsonschema(settings):
    config = VALID | settings
    assert not is_plainly_valid(SCHEMA, copy.deepcopy(config))
    assert by_the_sdk(SCHEMA, copy.deepcopy(config)) == ("maps" in settings)


def test_a_setting_that_is_missing_is_left_to_jsonschema():
    assert not is_plainly_valid(SCHEMA, {})
    assert not is_plainly_valid({"type": "object", "dependentRequired": {}}, {})
