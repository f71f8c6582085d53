"""Settings as they come from an environment, as text; and what is said of those that are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from threading import Thread, Timer

import pytest
from click.testing import CliRunner
from kit_vendor import RowTap
from singer_sdk import typing as th
from singer_sdk.exceptions import ConfigValidationError


class PacedTap(RowTap):
    config_jsonschema = th.PropertiesList(
        th.Property("rate", th.NumberType(minimum=1)), th.Property("api_key", th.StringType)
    ).to_dict()

    def discover_streams(self):
        return []


@pytest.mark.parametrize(("given", "read"), (("2.5", 2.5), ("30", 30), (7, 7)))
def test_a_number_may_be_text(given, read):
    assert PacedTap(config={"rate": given, "api_key": "5"}).config == {"rate": read, "api_key": "5"}


@pytest.mark.parametrize("given", ("fast", "0.5", "nan"))
def test_what_is_none_is_refused(given):
    with pytest.raises(ConfigValidationError) as caught:
        PacedTap(config={"rate": given})
    assert "rate" in str(caught.value.errors)


class AskingTap(PacedTap):
    name = "tap-asking"
    config_jsonschema = th.PropertiesList(
        th.Property("api_key", th.StringType, required=True, secret=True, title="API key"),
        th.Property("tries", th.IntegerType),
        th.Property("tunnel", th.ObjectType(th.Property("key", th.StringType, secret=True))),
        th.Property(
            "books",
            th.ArrayType(
                th.ObjectType(
                    th.Property("id", th.StringType, required=True), additional_properties=False
                )
            ),
        ),
        th.Property("name", th.StringType(min_length=3, max_length=5)),
        th.Property("days", th.CustomType({"type": "array", "maxItems": 1})),
        th.Property("keys", th.CustomType({"type": "array", "maxItems": 1}), secret=True),
    ).to_dict()


@pytest.fixture
def said(tmp_path, monkeypatch, caplog):
    """Run the tap; gives what it said, and that it failed without a traceback."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, **env):
        result = CliRunner(env=env).invoke(AskingTap.cli, arguments)
        assert result.exit_code in {2, 78}
        assert isinstance(result.exception, SystemExit)
        return result.output + caplog.text

    return run


@pytest.mark.parametrize(
    ("option", "remedy"),
    (
        ("config", "Name a file with the settings as a JSON object, or ENV for the environment."),
        ("state", "Name a file with the last STATE of a run, or leave --state out"),
        ("catalog", "Write one with --discover, or leave --catalog out"),
    ),
)
@pytest.mark.parametrize(
    ("content", "complaint"),
    (
        (None, "No such file or directory"),
        (b"", "is empty"),
        (b"api_key: x", "is not JSON (Expecting value: line 1 column 1 (char 0))"),
        (b"[1]", "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (b"\xff\xfe", "is not text ('utf-8' codec can't decode byte 0xff in position 0: "),
    ),
)
def test_a_file_that_holds_something_else(said, tmp_path, option, remedy, content, complaint):
    if content is not None:
        (tmp_path / "given.json").write_bytes(content)
    output = said(f"--{option}=given.json", TAP_ASKING_API_KEY="k")
    assert f"Invalid value for '--{option}': given.json: {complaint}" in output
    assert remedy in output


@pytest.mark.parametrize("option", ("config", "state", "catalog"))
def test_a_folder_is_no_file(said, tmp_path, option):
    assert f"{tmp_path}: Is a directory. " in said(f"--{option}={tmp_path}")


@pytest.mark.parametrize(
    ("option", "content"),
    (
        ("state", '{"bookmarks": ["books"]}'),
        ("state", '{"bookmarks": {"books": 3}}'),
        ("catalog", "{}"),
        ("catalog", '{"streams": {}}'),
        ("catalog", '{"streams": [{}]}'),
        ("catalog", '{"streams": [1]}'),
    ),
)
def test_json_that_no_tap_wrote(said, tmp_path, option, content):
    (tmp_path / "given.json").write_text(content)
    assert "as a tap writes them" in (output := said(f"--{option}=given.json")) or (
        "as --discover writes it" in output
    )


def test_files_are_read_once_and_without_their_byte_order_mark(tmp_path):
    files = {"config": {"api_key": "k"}, "state": {"bookmarks": {}}, "catalog": {"streams": []}}
    for name, content in files.items():
        os.mkfifo(tmp_path / name)
        text = "\ufeff" + json.dumps(content)
        Thread(target=(tmp_path / name).write_text, args=(text,), daemon=True).start()
    given = [f"--{name}={tmp_path / name}" for name in files]
    result = CliRunner().invoke(AskingTap.cli, given)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("flags", ((), ("--test",)))
@pytest.mark.parametrize(
    ("env", "complaint"),
    (
        (
            {},
            "Missing required setting api_key (API key). Set TAP_ASKING_API_KEY in the",
        ),
        ({"TAP_ASKING_API_KEY": ""}, "or api_key in a --config file."),
        (
            {"TAP_ASKING_TRIES": "abc"},
            "Invalid tries (TAP_ASKING_TRIES) 'abc': expected a whole number.",
        ),
        (
            {"TAP_ASKING_TUNNEL": "abc"},
            "Invalid tunnel (TAP_ASKING_TUNNEL): expected a JSON object.",
        ),
        (
            {"TAP_ASKING_BOOKS": "abc"},
            "Invalid books (TAP_ASKING_BOOKS) 'abc': expected a JSON list.",
        ),
        (
            {"TAP_ASKING_BOOKS": '["a"]'},
            "Invalid books[0] (TAP_ASKING_BOOKS) 'a': expected a JSON object.",
        ),
        ({"TAP_ASKING_BOOKS": "[{}]"}, "Invalid books[0] (TAP_ASKING_BOOKS): `id` is missing."),
        (
            {"TAP_ASKING_BOOKS": '[{"id": "a", "idd": 1}]'},
            "Invalid books[0] (TAP_ASKING_BOOKS): unknown key 'idd' (did you mean id?)",
        ),
        (
            {"TAP_ASKING_NAME": "ab"},
            "Invalid name (TAP_ASKING_NAME) 'ab': expected at least 3 characters.",
        ),
        (
            {"TAP_ASKING_NAME": "abcdef"},
            "Invalid name (TAP_ASKING_NAME) 'abcdef': expected at most 5 characters.",
        ),
        (
            {"TAP_ASKING_DAYS": "[1, 2]"},
            "Invalid days (TAP_ASKING_DAYS) [1, 2]: [1, 2] is too long.",
        ),
        (
            {"TAP_ASKING_KEYS": '["ab", "cd"]'},
            "Invalid keys (TAP_ASKING_KEYS): it breaks the rule `maxItems`.",
        ),
    ),
)
def test_a_setting_that_cannot_be_used(said, env, complaint, flags):
    assert complaint in said("--config=ENV", *flags, **env)


class CountingTap(RowTap):
    name = "tap-counting"
    config_jsonschema = th.PropertiesList(
        th.Property("count", th.IntegerType, required=True)
    ).to_dict()


def test_a_setting_that_cannot_be_read_is_not_said_to_be_missing(caplog):
    result = CliRunner(env={"TAP_COUNTING_COUNT": "x"}).invoke(CountingTap.cli, ["--config=ENV"])
    errors = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert result.exit_code == 78
    assert errors == ["Invalid count (TAP_COUNTING_COUNT) 'x': expected a whole number."]


def test_what_files_say_is_checked_as_well(said, tmp_path):
    (tmp_path / "settings.json").write_text(json.dumps({"api_key": "k", "tries": "x"}))
    assert "Invalid tries 'x': expected a whole number." in said("--config=settings.json")


TALKING_TAP = """
from singer_sdk import Tap
from signalroom_singer.cli.command import ReadableErrorsMixin

class TalkingTap(ReadableErrorsMixin, Tap):
    name = "tap-talking"
    config_jsonschema = {"properties": {}}

    def discover_streams(self):
        self.logger.warning("looking")
        return []

TalkingTap.cli()
"""
LOG_CONFIG = json.dumps(
    {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": "as told: %(message)s"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
        "root": {"handlers": ["console"]},
    }
)


def talk(log_config):
    environment = os.environ | {"SINGER_SDK_LOG_CONFIG": str(log_config)}
    command = [sys.executable, "-c", TALKING_TAP, "--discover"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == {"streams": []}
    return done.stderr.splitlines()


@pytest.mark.parametrize("first", ("", LOG_CONFIG[:40], LOG_CONFIG), ids=("empty", "half", "whole"))
def test_log_settings_that_are_being_written_are_waited_for(tmp_path, first):
    """Meltano's runs of the same minute share the loader's, and each writes them anew."""
    (path := tmp_path / "logging.json").write_text(first)
    (writing := Timer(1, path.write_text, [LOG_CONFIG])).start()
    said = talk(path)
    writing.join()
    assert said.count("as told: looking") == 1
    assert not [line for line in said if "Traceback" in line or "not used" in line]


@pytest.mark.parametrize("text", ("", "[1]"))
def test_log_settings_that_are_none_are_not_used(tmp_path, text):
    (path := tmp_path / "logging.json").write_text(text)
    said = talk(path)
    assert [line for line in said if f"{path} has no log settings (" in line]
    assert len([line for line in said if "looking" in line]) == 1
