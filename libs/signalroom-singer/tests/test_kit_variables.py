"""Two variables of a setting, and messages that name the one to set."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from kit_vendor import RowTap
from singer_sdk import typing as th

from signalroom_singer import KEY, env_aliases


class NamedTap(RowTap):
    name = "tap-named"
    config_jsonschema = th.PropertiesList(
        th.Property(
            "api_key",
            th.StringType,
            required=True,
            secret=True,
            title="API key",
            **KEY,
            **env_aliases("NAMED_API_KEY"),
        ),
        th.Property(
            "api_url",
            th.StringType,
            default="https://a.example",
            **env_aliases("NAMED_BASE_URL", shared=True),
        ),
        th.Property("client_id", th.StringType),
        th.Property("webhook", th.StringType, title="Webhook"),
        th.Property("tries", th.IntegerType),
        th.Property("tunnel", th.ObjectType(th.Property("port", th.IntegerType))),
    ).to_dict()

    def discover_streams(self):
        return []


@pytest.fixture
def read(tmp_path, monkeypatch, caplog):
    """Run the tap; gives its settings, if it got any, and what it warned of."""
    monkeypatch.chdir(tmp_path)
    found = {}
    monkeypatch.setattr(NamedTap, "sync_all", lambda tap: found.update(tap.config))

    def run(*, file=None, plugin="", **env):
        given = "ENV"
        if file is not None:
            (tmp_path / "given.json").write_text(json.dumps(file))
            given = "given.json"
        if plugin:
            env["MELTANO_EXTRACTOR_NAME"] = plugin
        found.clear()
        caplog.clear()
        CliRunner(env=env).invoke(NamedTap.cli, [f"--config={given}"])
        return dict(found), [one.message for one in caplog.records if one.levelno >= 30]

    return run


@pytest.mark.parametrize("variable", ("NAMED_API_KEY", "TAP_NAMED_API_KEY"))
def test_either_name_gives_a_setting(read, variable):
    assert read(**{variable: "k"})[0]["api_key"] == "k"
    empty = {"NAMED_API_KEY": "", "TAP_NAMED_API_KEY": ""}
    assert read(**empty | {variable: "k"})[0]["api_key"] == "k"
    if variable.startswith("NAMED"):
        config, said = read(file={}, plugin="tap-named", **{variable: "k"})
        assert (config["api_key"], said) == ("k", [])


@pytest.mark.parametrize(
    ("text", "key"),
    (
        (r"pa\$WORD", "pa$WORD"),
        (r"pa\${word}", "pa${word}"),
        (r"\$A\$B", "$A$B"),
        ("pa$WORD", "pa$WORD"),
        (r"pa\$word", r"pa\$word"),
        (r"pa\\WORD", r"pa\\WORD"),
    ),
)
def test_a_dollar_in_a_secret_is_escaped_for_meltano(read, text, key):
    """Meltano 4.4.1 leaves the backslash that keeps it from looking for a variable."""
    assert read(file={"api_key": text}, plugin="tap-named")[0]["api_key"] == key
    assert read(file={}, plugin="tap-named", NAMED_API_KEY=text)[0]["api_key"] == key
    # Without Meltano nothing is to be escaped, and what is no secret stays.
    assert read(NAMED_API_KEY=text)[0]["api_key"] == text
    config = {"api_key": "k", "client_id": text}
    assert read(file=config, plugin="tap-named")[0]["client_id"] == text


def test_the_same_value_twice_is_nothing_to_speak_of(read):
    assert read(NAMED_API_KEY="k", TAP_NAMED_API_KEY="k")[1] == []


def test_two_values_are_warned_of(read):
    config, said = read(NAMED_API_KEY="old", TAP_NAMED_API_KEY="k")
    assert config["api_key"] == "k"
    (warning,) = said
    assert warning.startswith("NAMED_API_KEY is not used: TAP_NAMED_API_KEY gives api_key another")


@pytest.mark.parametrize(
    ("options", "remedy"),
    (
        ({"plugin": "tap-named", "file": {}}, "Set NAMED_API_KEY in .env."),
        ({"plugin": "tap-named--raw", "file": {}}, "Set TAP_NAMED__RAW_API_KEY in .env."),
        ({}, "Set NAMED_API_KEY in the environment or in .env, or api_key in a --config file."),
        ({"file": {}}, "Set api_key in the --config file, or NAMED_API_KEY with --config=ENV."),
    ),
)
def test_what_is_missing_is_named_as_it_can_be_given(read, options, remedy):
    assert read(**options)[1] == [f"Missing required setting api_key (API key). {remedy}"]


def test_a_plain_file_is_not_filled_up_from_the_environment(read):
    assert read(file={}, NAMED_API_KEY="k")[0] == {}


CLIENT = {"plugin": "tap-named--acme", "file": {"client_id": "acme"}}


@pytest.mark.parametrize(
    ("options", "variable"),
    (
        # Meltano stops by itself where the client's variable is missing, not where it is empty.
        ({**CLIENT, "ACME_NAMED_API_KEY": ""}, "ACME_NAMED_API_KEY"),
        (CLIENT, "TAP_NAMED__ACME_API_KEY"),
        # Without its tag it is still the client's.
        ({**CLIENT, "file": {}, "ACME_NAMED_API_KEY": ""}, "ACME_NAMED_API_KEY"),
    ),
)
def test_a_client_never_gets_the_projects_key(read, options, variable):
    config, said = read(**options, NAMED_API_KEY="the-projects", TAP_NAMED_API_KEY="the-projects")
    assert config == {}
    (problem,) = said
    assert f"Set {variable} in .env" in problem
    assert "the-projects" not in problem


def test_an_empty_variable_of_a_client_is_no_other_value(read):
    options = {**CLIENT, "file": {"client_id": "acme", "api_key": "k"}, "ACME_NAMED_WEBHOOK": " "}
    assert read(**options)[1] == [
        "Missing setting webhook (Webhook). Set ACME_NAMED_WEBHOOK in .env: it is empty."
    ]


def test_a_client_whose_variables_may_be_anothers_is_warned_of(read):
    config, said = read(plugin="tap-named--google", file={"client_id": "google", "api_key": "k"})
    assert config["api_key"] == "k"
    assert any("GOOGLE_" in one for one in said)


def test_a_client_has_the_address_of_the_project(read):
    options = {**CLIENT, "file": {"client_id": "acme", "api_key": "k"}}
    assert read(**options, NAMED_BASE_URL="https://eu.example")[0]["api_url"] == (
        "https://eu.example"
    )


def test_an_inherited_plugin_that_is_no_clients_has_the_projects_key(read):
    config, _ = read(plugin="tap-named--raw", file={}, NAMED_API_KEY="k")
    assert config["api_key"] == "k"


def test_a_wrong_value_is_named_by_its_variable(read):
    (said,) = read(plugin="tap-named", file={"api_key": "k", "tries": "x"})[1]
    assert said == "Invalid tries (TAP_NAMED_TRIES) 'x': expected a whole number."
    (said,) = read(plugin="tap-named", file={"api_key": "k", "tunnel": {"port": "x"}})[1]
    assert said == "Invalid tunnel.port (TAP_NAMED_TUNNEL_PORT) 'x': expected a whole number."
    (said,) = read(**CLIENT | {"file": {"api_key": "k", "tries": "x"}})[1]
    assert said == "Invalid tries (TAP_NAMED__ACME_TRIES) 'x': expected a whole number."


def named(said):
    """What each warning about a variable says that is meant."""
    assert all(text.endswith(": it is ignored.") for text in said)
    return [text.removeprefix("Unknown variable ").split(": it is")[0] for text in said]


@pytest.mark.parametrize(
    ("variable", "meant"),
    (
        ("TAP_NAMED_TRYS", "TAP_NAMED_TRIES"),
        ("TAP_NAMED_API_URI", "TAP_NAMED_API_URL"),
        ("TAP_NAMED_CLIENTID", "TAP_NAMED_CLIENT_ID"),
        ("TAP_NAMED_SELECT", "TAP_NAMED__SELECT"),
        ("TAP_NAMED_LOAD_SCHEMA", "TAP_NAMED__LOAD_SCHEMA"),
    ),
)
@pytest.mark.parametrize(
    "options", ({}, {"plugin": "tap-named", "file": {"api_key": "k"}}), ids=("alone", "meltano")
)
def test_a_variable_that_no_setting_has_is_warned_of(read, options, variable, meant):
    config, said = read(**options, NAMED_API_KEY="k", **{variable: "a-value"})
    assert config["api_key"] == "k"
    assert named(said) == [f"{variable} (did you mean {meant}?)"]
    assert "a-value" not in said[0]


def test_a_variable_like_none_of_the_settings_is_warned_of_without_a_name(read):
    assert named(read(NAMED_API_KEY="k", TAP_NAMED_QQQQ="1")[1]) == ["TAP_NAMED_QQQQ"]


def test_a_clients_tap_warns_of_its_own_and_of_its_parents(read):
    options = {**CLIENT, "file": {"client_id": "acme", "api_key": "k"}}
    _, said = read(**options, TAP_NAMED__ACME_TRYS="3", TAP_NAMED_TRYS="4")
    assert named(said) == [
        "TAP_NAMED_TRYS (did you mean TAP_NAMED_TRIES?)",
        "TAP_NAMED__ACME_TRYS (did you mean TAP_NAMED__ACME_TRIES?)",
    ]


@pytest.mark.parametrize(
    "variable",
    (
        # Meltano's own, another client's, another plugin's, the SDK's, another tap's.
        *("TAP_NAMED__SELECT", "TAP_NAMED__LOAD_SCHEMA", "TAP_NAMED__USE_CACHED_CATALOG"),
        *("TAP_NAMED__ACME_API_KEY", "TAP_NAMED_EU_API_KEY", "TAP_NAMED_EU_LOGLEVEL"),
        *("TAP_NAMEDLY_TRYS", "NAMED_TRYS", "TAP_NAMED_STREAM_MAPS_ROWS", "TAP_NAMED_EU__SELECT"),
    ),
)
def test_variables_of_others_are_nothing_to_speak_of(read, variable):
    assert read(NAMED_API_KEY="k", **{variable: "7"})[1] == []


def test_the_log_level_is_the_sdks(read):
    assert read(NAMED_API_KEY="k", TAP_NAMED_LOGLEVEL="INFO")[1] == []


def test_an_unknown_setting_of_meltano_is_warned_of_once(read):
    # It makes a variable of each setting that meltano.yml has.
    options = {"plugin": "tap-named", "file": {"api_key": "k", "trys": "3"}}
    (said,) = read(**options, TAP_NAMED_TRYS="3")[1]
    assert said == "Unknown setting trys (did you mean tries?): it is ignored."


@pytest.mark.parametrize("variable", ("NAMED_APIKEY", "NAMED_API_KEYS", "NAME_API_KEY"))
def test_a_missing_setting_names_the_variable_that_is_misspelt(read, variable):
    (said,) = read(**{variable: "k"})[1]
    assert said.endswith(f" {variable} is set, which no setting has: correct its name.")


@pytest.mark.parametrize("variable", ("OTHER_API_KEY", "ACME_NAMED_API_KEY", "NAMED_BASE_URL"))
def test_a_missing_setting_names_no_other_variable(read, variable):
    assert read(**{variable: "k"})[1][0].endswith("in a --config file.")
