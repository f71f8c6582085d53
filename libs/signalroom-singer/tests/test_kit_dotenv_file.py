"""Where settings come from: the environment, and `.env` for what it lacks."""

from __future__ import annotations

import json
import os

import pytest
from kit_vendor import RowTap
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError


class TypedTap(RowTap):
    name = "tap-typed"
    config_jsonschema = th.PropertiesList(
        th.Property("api_key", th.StringType),
        th.Property("client_id", th.StringType),
        th.Property("tries", th.IntegerType, default=6),
        th.Property("rate", th.NumberType, default=2.5),
        th.Property("today", th.BooleanType, default=True),
        th.Property("books", th.ArrayType(th.StringType), default=["all"]),
        th.Property("tunnel", th.ObjectType(th.Property("host", th.StringType))),
        th.Property("mode", th.StringType, allowed_values=["fast", "slow"], default="fast"),
    ).to_dict()

    def discover_streams(self):
        return []


@pytest.fixture(autouse=True)
def environment():
    """Nothing left of what a `.env` sets."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """The tap's settings, with this in `.env` of the working folder and that in the environment."""
    (folder := tmp_path / "project" / "work").mkdir(parents=True)
    monkeypatch.chdir(folder)

    def read(dotenv=None, **env):
        if dotenv is not None:
            (folder / ".env").write_text(dotenv)
        os.environ |= {f"TAP_TYPED_{name}": value for name, value in env.items()}
        return dict(TypedTap(parse_env_config=True).config)

    return read


@pytest.mark.parametrize(
    ("dotenv", "env", "api_key"),
    (
        ("TAP_TYPED_API_KEY=a", {}, "a"),
        ("TAP_TYPED_API_KEY=a", {"API_KEY": "b"}, "b"),
        ("", {"API_KEY": "b"}, "b"),
        ("", {}, None),
        (None, {"API_KEY": "b"}, "b"),
        # Set and empty, as where somebody takes a value of `.env` away for a run.
        ("TAP_TYPED_API_KEY=a", {"API_KEY": ""}, None),
        ("TAP_TYPED_API_KEY=", {}, None),
        ("TAP_TYPED_API_KEY", {}, None),
        ("export TAP_TYPED_API_KEY='a b#c'  # ours", {}, "a b#c"),
        ('TAP_TYPED_API_KEY="a\\nb"', {}, "a\nb"),
        ("OWN=a\nTAP_TYPED_API_KEY=${OWN}-1", {}, "a-1"),
        ("TAP_TYPED_MODE=slow\nTAP_TYPED_API_KEY=${TAP_TYPED_MODE}", {"MODE": "fast"}, "fast"),
        ("TAP_TYPED_API_KEY=${NOWHERE:-a}", {}, "a"),
    ),
)
def test_the_environment_comes_first(settings, dotenv, env, api_key):
    assert settings(dotenv, **env).get("api_key") == api_key


def test_one_clients_key_never_gets_the_tag_of_another(settings):
    acme = "TAP_TYPED_API_KEY=key-of-acme\nTAP_TYPED_CLIENT_ID=acme\n"
    read = settings(acme, API_KEY="key-of-birch", CLIENT_ID="birch")
    assert (read["api_key"], read["client_id"]) == ("key-of-birch", "birch")


@pytest.mark.parametrize("place", ("..", "../.."))
def test_no_file_of_a_folder_above_is_read(settings, place, tmp_path, monkeypatch):
    (tmp_path / "project" / "work" / place / ".env").write_text("TAP_TYPED_API_KEY=theirs")
    assert "api_key" not in settings()


def test_no_file_above_the_installed_package_is_read(settings, tmp_path, monkeypatch):
    (other := tmp_path / "other").write_text("TAP_TYPED_API_KEY=theirs")
    monkeypatch.setattr("singer_sdk.configuration._dict_config.find_dotenv", lambda: str(other))
    assert "api_key" not in settings()


TYPED = {
    "tries": ("3", 3),
    "rate": ("0.5", 0.5),
    "today": ("false", False),
    "books": ('["a", "b"]', ["a", "b"]),
    "tunnel": ('{"host": "h"}', {"host": "h"}),
    "stream_maps": ('{"*": {"x": "1"}}', {"*": {"x": "1"}}),
    "mode": ("slow", "slow"),
}


@pytest.mark.parametrize("name", TYPED)
def test_settings_that_are_no_text(settings, name):
    text, value = TYPED[name]
    variable = f"TAP_TYPED_{name.upper()}"
    assert settings(f"{variable}='{text}'")[name] == value
    os.environ.pop(variable)
    assert settings("", **{name.upper(): text})[name] == value


@pytest.mark.parametrize("name", TYPED)
def test_an_empty_variable_leaves_the_default(settings, name):
    default = settings().get(name)
    assert settings(f"TAP_TYPED_{name.upper()}=").get(name) == default
    # The environment's, which is empty as well, counts.
    given = json.dumps(TYPED[name][0])
    assert settings(f"TAP_TYPED_{name.upper()}={given}", **{name.upper(): ""}).get(name) == default


@pytest.mark.parametrize(
    ("content", "reason"),
    ((b"TAP_TYPED_API_KEY=\xff", "it is not a text file in UTF-8"), (b"A=\0", "it is not a text")),
)
def test_a_file_that_cannot_be_read_is_an_error(settings, tmp_path, content, reason):
    (path := tmp_path / "project" / "work" / ".env").write_bytes(content)
    with pytest.raises(ConfigValidationError) as caught:
        settings()
    assert f"Cannot read {path}: {reason}" in caught.value.errors[0]


def test_a_folder_of_that_name_is_not_read(settings, tmp_path):
    (tmp_path / "project" / "work" / ".env").mkdir()
    assert settings(API_KEY="b")["api_key"] == "b"
