"""Settings as text, with what shells, editors and Kubernetes leave in them."""

from __future__ import annotations

import pytest
from kit_vendor import RowTap
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError

from signalroom_singer import EXACT, KEY, PASSWORD, env_aliases
from signalroom_singer.settings.text_values import read_texts, unknown_names

SCHEMA = th.PropertiesList(
    th.Property("api_key", th.StringType, secret=True, **KEY, **env_aliases("VENDOR_KEY")),
    th.Property("password", th.StringType, secret=True, **PASSWORD),
    th.Property("quotechar", th.StringType, default='"', **EXACT),
    th.Property("address", th.StringType, default="https://a.example"),
    th.Property("tries", th.IntegerType),
    th.Property("rate", th.NumberType),
    th.Property("today", th.BooleanType),
    th.Property("streams", th.ArrayType(th.StringType)),
    th.Property("project", th.StringType),
    th.Property(
        "tables",
        th.ArrayType(
            th.ObjectType(
                th.Property("name", th.StringType, required=True),
                th.Property("delimiter", th.StringType),
                th.Property("gid", th.IntegerType),
            )
        ),
    ),
).to_dict()
PROPERTIES = SCHEMA["properties"]


def test_what_is_nested_deeper_than_any_setting_stays_as_it_is():
    deep = " 1 "
    for _ in range(30):
        deep = [deep]
    assert read_texts({"x": {"type": "array"}}, {"x": deep})[0] == {"x": deep}


class TextTap(RowTap):
    name = "tap-text"
    config_jsonschema = SCHEMA

    def discover_streams(self):
        return []


@pytest.mark.parametrize(
    ("given", "read"),
    (
        ({"tries": "30"}, {"tries": 30}),
        ({"tries": " 30\n"}, {"tries": 30}),
        ({"tries": 30.0}, {"tries": 30}),
        ({"tries": ""}, {}),
        ({"rate": "2.5"}, {"rate": 2.5}),
        ({"today": "Yes"}, {"today": True}),
        ({"today": "on"}, {"today": True}),
        ({"today": "1"}, {"today": True}),
        ({"today": "off"}, {"today": False}),
        ({"today": "0"}, {"today": False}),
        ({"today": "FALSE"}, {"today": False}),
        ({"streams": '["a", "b"]'}, {"streams": ["a", "b"]}),
        ({"streams": "['a']"}, {"streams": ["a"]}),
        ({"streams": "a, b"}, {"streams": ["a", "b"]}),
        ({"streams": "[]"}, {"streams": []}),
        (
            {"tables": '[{"name": "a", "delimiter": " ", "gid": "7"}]'},
            {"tables": [{"name": "a", "delimiter": " ", "gid": 7}]},
        ),
        ({"project": 4711}, {"project": "4711"}),
        ({"api_key": "key\n"}, {"api_key": "key"}),
        ({"api_key": "\ufeff key \u200b\r\n"}, {"api_key": "key"}),
        ({"api_key": " \n"}, {}),
        ({"password": " ends in a blank \n"}, {"password": " ends in a blank "}),
        ({"password": ""}, {"password": ""}),
        ({"quotechar": ""}, {"quotechar": ""}),
        ({"address": " https://b.example\n"}, {"address": "https://b.example"}),
        ({"address": ""}, {}),
        ({"nobody_knows": "x"}, {"nobody_knows": "x"}),
    ),
)
def test_texts_become_what_they_are_declared_as(given, read):
    assert read_texts(PROPERTIES, given) == (read, [])


@pytest.mark.parametrize(
    ("given", "said"),
    (
        ({"tries": "thirty"}, "Invalid tries 'thirty': expected a whole number."),
        ({"tries": "3.5"}, "Invalid tries '3.5': expected a whole number."),
        ({"rate": "fast"}, "Invalid rate 'fast': expected a number."),
        ({"today": "maybe"}, "Invalid today 'maybe': expected true or false."),
        ({"today": 7}, "Invalid today 7: expected true or false."),
        ({"streams": "[bad"}, "Invalid streams '[bad': expected a JSON list."),
        ({"streams": '{"a": 1}'}, "Invalid streams '{\"a\": 1}': expected a JSON list."),
        ({"tables": [{}]}, "Invalid tables[0]: `name` is missing."),
        (
            {"tables": [{"name": "a", "gid": "x"}]},
            "Invalid tables[0].gid 'x': expected a whole number.",
        ),
        (
            {"api_key": "sec\nret"},
            "Invalid api_key: character 4 of 7 is a line break (U+000A), which cannot be sent.",
        ),
        (
            {"api_key": "sec\u200bret"},
            "Invalid api_key: character 4 of 7 is ZERO WIDTH SPACE (U+200B), which cannot be sent.",
        ),
    ),
)
def test_what_is_none_of_it_is_said_in_a_sentence(given, said):
    with pytest.raises(ConfigValidationError) as caught:
        TextTap(config=given)
    (error,) = caught.value.errors
    assert error.removesuffix(" Copy the value again.") == said


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ConfigValidationError) as caught:
        TextTap(config={"tries": "x", "today": "y", "tables": [{}]})
    assert len(caught.value.errors) == 3


def test_describing_a_tap_needs_no_settings_that_can_be_used():
    assert TextTap(config={"tries": "x"}, validate_config=False).config["address"]


@pytest.mark.parametrize(
    ("given", "said"),
    (
        ({"adress": "x"}, "Unknown setting adress (did you mean address?)"),
        ({"zzz": 1}, "Unknown setting zzz"),
        (
            {"tables": [{"name": "a", "delimeter": ";"}]},
            "Unknown setting tables[0].delimeter (did you mean tables[0].delimiter?)",
        ),
    ),
)
def test_a_setting_that_nobody_knows_is_warned_of(caplog, given, said):
    TextTap(config=given)
    warnings = [one.message for one in caplog.records if one.levelname == "WARNING"]
    assert warnings == [f"{said}: it is ignored."]


def test_what_meltano_and_the_sdk_add_is_known(caplog):
    TextTap(config={"add_record_metadata": True, "stream_maps": {"*": {"a": "1"}}, "_x": 1})
    assert not [one for one in caplog.records if one.levelname == "WARNING"]
    assert [*unknown_names(PROPERTIES, {"api_key": "k", "tries": 3})] == []
