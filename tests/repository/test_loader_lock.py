from __future__ import annotations

import json

import pytest

from signalroom_target_postgres.target import TargetPostgres
from tools.generate.loader_lock import LOCK

SECRETS = {
    "password",
    "sqlalchemy_url",
    "ssl_client_private_key",
    "ssl_client_private_key_password",
    "ssh_tunnel.private_key",
    "ssh_tunnel.private_key_password",
}


@pytest.fixture(scope="module")
def settings():
    definition = json.loads(LOCK.read_text())
    return {setting["name"]: setting for setting in definition["settings"]}


def schema_settings(schema, prefix=""):
    for name, definition in schema["properties"].items():
        inner = [key for key in definition.get("properties", {}) if not key.startswith("__")]
        if inner:
            yield from schema_settings(definition, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", definition


def test_the_lock_has_the_targets_settings(settings):
    schema = TargetPostgres.config_jsonschema
    TargetPostgres.append_builtin_config(schema)
    expected = dict(schema_settings(schema))
    assert set(settings) == set(expected)
    for name, definition in expected.items():
        # Meltano casts nothing: the loader says what is wrong with a text.
        assert settings[name]["kind"] == "string"
        values = [option["value"] for option in settings[name].get("options", ())]
        assert values == definition.get("enum", [])
        assert settings[name].get("value") == definition.get("default")


def test_every_secret_is_sensitive(settings):
    assert {name for name, setting in settings.items() if setting.get("sensitive")} == SECRETS
    suspicious = {name for name in settings if "password" in name or "private_key" in name}
    assert suspicious <= SECRETS


def test_meltano_builds_no_environment_for_it():
    definition = json.loads(LOCK.read_text())
    assert "pip_url" not in definition
    assert definition["executable"] == "signalroom-target-postgres"
