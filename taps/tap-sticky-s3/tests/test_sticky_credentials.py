"""Whose credentials read the files: never the project's for a client."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from sticky_exports import BUCKET_SETTINGS

from signalroom_singer import ExitCode
from tap_sticky_s3.tap import TapStickyS3

KEY, SECRET = BUCKET_SETTINGS.values()
CLIENT = "tap-sticky-s3--acme"


@pytest.fixture
def discover(tmp_path, sandbox, monkeypatch, caplog):
    """Discover as Meltano has it done; gives the exit code, and what was logged."""
    credentials = tmp_path / "credentials"
    credentials.write_text(
        f"[projects]\naws_access_key_id = {KEY}\naws_secret_access_key = {SECRET}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))

    def run(plugin, env, **config):
        path = tmp_path / "config.json"
        where = {"bucket": sandbox.bucket, "endpoint_url": sandbox.s3_url, "max_tries": 1}
        path.write_text(json.dumps(where | config))
        env = env | {"MELTANO_EXTRACTOR_NAME": plugin}
        result = CliRunner(env=env).invoke(TapStickyS3.cli, [f"--config={path}", "--discover"])
        return result.exit_code, caplog.text

    return run


PROJECTS = (
    {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET},
    {"AWS_PROFILE": "projects"},
    {"AWS_DEFAULT_PROFILE": "projects"},
)


@pytest.mark.parametrize("env", PROJECTS, ids=lambda env: next(iter(env)))
class TestProjectKeys:
    def test_read_the_projects_files(self, discover, env):
        assert discover("tap-sticky-s3", env)[0] == 0

    def test_are_refused_for_a_client_without_its_own(self, discover, env):
        code, text = discover(CLIENT, env, client_id="acme")
        assert code == ExitCode.CONFIGURATION
        name = next(iter(env))
        assert f"{name} is the project's own, and is not used for a client." in text
        assert "Set TAP_STICKY_S3__ACME_AWS_ACCESS_KEY_ID in .env." in text

    def test_do_not_matter_to_a_client_with_its_own(self, discover, env):
        env = env | {"AWS_ACCESS_KEY_ID": "AKIAOTHER"} if "AWS_ACCESS_KEY_ID" in env else env
        own = BUCKET_SETTINGS | {"client_id": "acme"}
        assert discover(CLIENT, env, **own)[0] == 0


@pytest.mark.parametrize("name", BUCKET_SETTINGS)
def test_one_half_of_a_key_is_refused(discover, name):
    code, text = discover("tap-sticky-s3", {}, **{name: BUCKET_SETTINGS[name]})
    (other,) = BUCKET_SETTINGS.keys() - {name}
    assert code == ExitCode.CONFIGURATION
    assert f"Missing required setting {other}" in text
    assert "aws_access_key_id and aws_secret_access_key go together." in text
    assert f"Set {other.upper()} in .env." in text


def test_an_address_without_tls(discover, sandbox):
    address = sandbox.s3_url.replace("http://", "https://")
    code, text = discover("tap-sticky-s3", {}, **BUCKET_SETTINGS, endpoint_url=address)
    assert code != 0
    assert (
        f"{address} does not speak TLS. Check `endpoint_url` (TAP_STICKY_S3_ENDPOINT_URL)" in text
    )
