"""What the Meltano Hub is told: true, accepted by Meltano, and of use to whoever adds a tap."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources

import pytest
import yaml
from harness.pipelines import BIN, ROOT, clean_env, run
from jsonschema import Draft202012Validator

from tools.generate import hub
from tools.generate.files import GeneratorError

FILES = sorted((ROOT / "hub").glob("*/*/*.yml"))
#: What the Hub shows and Meltano's own schema of a project does not have.
SHOWN = {
    "domain_url",
    "keywords",
    "maintenance_status",
    "next_steps",
    "quality",
    "settings_preamble",
    "supported_python_versions",
}
#: As the Hub's schemas have them.
CAPABILITIES = {
    "extractors": {
        *("about", "activate-version", "batch", "catalog", "discover", "log-based", "properties"),
        *("schema-flattening", "state", "stream-maps", "structured-logging", "test"),
    },
    "loaders": {
        *("about", "activate-version", "batch", "datatype-failsafe", "hard-delete"),
        *("schema-flattening", "soft-delete", "stream-maps", "structured-logging"),
    },
}
STATUSES = {"active", "beta", "development", "inactive", "unknown"}


def kind_of(path):
    return path.parts[-3]


def read(path):
    return yaml.safe_load(path.read_text())


def test_stale_and_removed_definitions_are_named_and_fixed(monkeypatch, tmp_path):
    monkeypatch.setattr(hub, "_FOLDER", tmp_path)
    assert len(hub.GENERATOR.write()) == len(FILES)
    stale = tmp_path / "extractors/tap-redtrack/signalroom.yml"
    stale.write_text(stale.read_text().replace("sensitive: true", "sensitive: false"))
    removed = tmp_path / "extractors/tap-gone/signalroom.yml"
    removed.parent.mkdir()
    removed.write_text("name: tap-gone\n")
    assert hub.GENERATOR.check() == [stale, removed]
    assert hub.GENERATOR.write() == [stale, removed]
    assert hub.GENERATOR.check() == []
    assert not removed.exists()


def test_a_tap_that_cannot_be_listed_yet(monkeypatch):
    monkeypatch.setattr(hub, "taps", lambda: {"tap-new": None})
    with pytest.raises(GeneratorError, match=r"tap-new is not in meltano\.yml: put it under plug"):
        hub.GENERATOR.check()


def test_every_tap_and_the_loader_is_listed():
    names = {path.parent.name for path in ROOT.glob("t*/t*/pyproject.toml")}
    assert {path.parts[-2] for path in FILES} == names
    assert len(names) >= 7


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-2])
def test_meltano_accepts_a_definition(path):
    """By the schema that Meltano ships; it has no words for what only the Hub shows."""
    schema = json.loads(
        resources.files("meltano.schemas").joinpath("meltano.schema.json").read_text()
    )
    definition = read(path)
    assert set(definition) >= SHOWN
    hidden = SHOWN if kind_of(path) == "extractors" else SHOWN | {"log_parser"}
    kept = {name: value for name, value in definition.items() if name not in hidden}
    part = schema | {"$ref": f"#/$defs/plugins/{kind_of(path)}"}
    rules = {name: part[name] for name in ("$schema", "$defs", "$ref") if name in part}
    assert [*Draft202012Validator(rules).iter_errors(kept)] == []
    # That it can fail: these are what the check looks for.
    assert [*Draft202012Validator(rules).iter_errors(kept | {"capabilities": ["flies"]})]
    assert [*Draft202012Validator(rules).iter_errors(definition)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.parts[-2])
def test_the_hubs_rules_are_kept(path):
    """What its schemas and linters ask for beyond Meltano's."""
    definition = read(path)
    assert definition["name"] == path.parent.name
    assert definition["namespace"] == definition["name"].replace("-", "_")
    assert definition["variant"] == path.stem == "signalroom"
    assert definition["quality"] == "unknown"
    assert definition["maintenance_status"] in STATUSES
    assert definition["logo_url"].startswith(f"/assets/logos/{kind_of(path)}/")
    # None where tools/generate/hub.py lists no site.
    assert (definition["domain_url"] or "https://").startswith("https://")
    assert "meltano_sdk" in definition["keywords"]
    assert set(definition["capabilities"]) <= CAPABILITIES[kind_of(path)]
    assert definition["supported_python_versions"] == ["3.11", "3.12", "3.13"]
    assert list(definition) == sorted(definition)
    names = [setting["name"] for setting in definition["settings"]]
    assert names == sorted(set(names))
    for setting in definition["settings"]:
        assert list(setting) == sorted(setting)
        assert set(setting) >= {"name", "kind", "label"}
        values = [option["value"] for option in setting.get("options", [])]
        assert all(isinstance(value, str) for value in values)
        # Meltano casts nothing: the plugins say what is wrong with a text.
        assert setting["kind"] in {"string", "object"}
        if "value" in setting and values:
            assert setting["value"] in values
        # No secret has a default; that of the client's key is where libpq looks for it.
        if setting.get("sensitive"):
            assert setting.get("value", "~/").startswith("~/")
    for group in definition["settings_group_validation"]:
        assert set(group) <= set(names)


def test_secrets_are_marked():
    marked = {
        path.parent.name: {one["name"] for one in read(path)["settings"] if one.get("sensitive")}
        for path in FILES
    }
    assert marked["tap-everflow"] == {"api_key", "hash_salt", "rate_limit_store"}
    assert marked["tap-mautic"] == {
        *("oauth_client_secret", "password", "hash_salt", "rate_limit_store")
    }
    assert marked["tap-sticky-s3"] == {"aws_secret_access_key", "aws_session_token", "hash_salt"}
    assert marked["target-postgres"] >= {"password", "sqlalchemy_url", "ssh_tunnel.private_key"}


class Answers(BaseHTTPRequestHandler):
    """The Hub's API, of our definitions."""

    def do_GET(self):
        base = f"http://{self.headers['Host']}/meltano/api/v1/plugins"
        *_, kind, name = self.path.split("/")
        found = {path.parent.name: read(path) for path in FILES if kind_of(path) == kind}
        if name == "index":
            body = {
                key: {
                    "default_variant": "signalroom",
                    "logo_url": one["logo_url"],
                    "variants": {"signalroom": {"ref": f"{base}/{kind}/{key}--signalroom"}},
                }
                for key, one in found.items()
            }
        else:
            body = found[name.removesuffix("--signalroom")]
        payload = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *arguments):
        """Nothing."""


@pytest.fixture
def hub_url():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def meltano(tmp_path, meltano_template):
    """Meltano in a project that has no plugin yet."""
    project = {"default_environment": "dev", "environments": [{"name": "dev"}]}
    project |= {"project_id": "5f0d4d1e-6c0b-4a0e-9d55-1c6f3c1b7a52"}
    (tmp_path / "meltano.yml").write_text(yaml.safe_dump(project))
    (tmp_path / ".meltano").mkdir()
    database = (meltano_template / ".meltano/meltano.db").read_bytes()
    (tmp_path / ".meltano/meltano.db").write_bytes(database)
    env = clean_env() | {"MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false"}

    def call(*arguments, **more):
        return run(BIN / "meltano", *arguments, cwd=tmp_path, env=env | more)

    call.folder = tmp_path
    return call


@pytest.mark.e2e
def test_a_tap_is_added_from_the_hub(meltano, hub_url):
    added = meltano("add", "--no-install", "tap-mautic", MELTANO_HUB_URL=hub_url)
    assert "Added extractor 'tap-mautic'" in added
    # From here on without the Hub: Meltano keeps what it was told.
    lock = meltano.folder / "plugins/extractors/tap-mautic--signalroom.lock"
    assert "!page_hits.*" in json.loads(lock.read_text())["select"]
    given = {"TAP_MAUTIC_PASSWORD": "never-shown", "TAP_MAUTIC_LOOKBACK_HOURS": "0.5"}
    shown = meltano("config", "print", "tap-mautic", **given)
    assert "never-shown" not in shown
    config = json.loads(shown)
    assert config["contacts"] == "changes"
    assert config["lookback_hours"] == "0.5"


@pytest.mark.e2e
def test_a_definition_is_added_without_the_hub(meltano):
    path = ROOT / "hub/loaders/target-postgres/signalroom.yml"
    nowhere = "http://127.0.0.1:1"
    meltano("add", "--no-install", "--from-ref", path, "target-postgres", MELTANO_HUB_URL=nowhere)
    project = read(meltano.folder / "meltano.yml")
    (loader,) = project["plugins"]["loaders"]
    assert loader["pip_url"] == loader["executable"] == "signalroom-target-postgres"
    assert loader["settings"] == read(path)["settings"]


RULES = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "$id": "extractors.schema.json",
    "allOf": [{"$ref": "../common/common.schema.json"}, {"required": ["quality"]}],
}


@pytest.fixture
def clone(tmp_path):
    """As much of a clone of the Hub as is looked at."""
    files = {
        "schemas/common/common.schema.json": {
            "$schema": RULES["$schema"],
            "$id": "common/common.schema.json",
            "properties": {"maintenance_status": {"enum": sorted(STATUSES)}},
        },
        "schemas/plugin_definitions/extractors.schema.json": RULES,
        "schemas/plugin_definitions/loaders.schema.json": RULES | {"$id": "loaders.schema.json"},
    }
    texts = {path: json.dumps(content) for path, content in files.items()} | {
        "_data/maintainers.yml": "aaa:\n  label: A\nzzz:\n  label: Z\n",
        "_data/default_variants.yml": (
            "extractors:\n  tap-everflow: another\n  tap-zebra: another\n"
            "loaders:\n  target-postgres: another\n"
        ),
        "static/assets/logos/extractors/everflow.png": "",
    }
    for path, text in texts.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def test_they_are_added_to_a_clone_of_the_hub(clone, capsys):
    assert hub.main([f"--into={clone}"]) == 0
    left = capsys.readouterr().out
    assert "static/assets/logos/extractors/mautic.png" in left
    assert "everflow.png" not in left
    data = clone / "_data"
    for path in FILES:
        added = data / "meltano" / path.relative_to(ROOT / "hub")
        assert added.read_text() == path.read_text()
    assert list(read(data / "maintainers.yml")) == ["aaa", "signalroom", "zzz"]
    variants = read(data / "default_variants.yml")
    # Another's plugin of the same name stays the one that is added by default.
    assert variants["extractors"]["tap-everflow"] == "another"
    assert variants["loaders"] == {"target-postgres": "another"}
    assert variants["extractors"]["tap-mautic"] == "signalroom"
    assert list(variants["extractors"]) == sorted(variants["extractors"])
    # Once more changes nothing.
    before = (data / "default_variants.yml").read_text()
    assert hub.main([f"--into={clone}"]) == 0
    assert (data / "default_variants.yml").read_text() == before


def test_what_the_hub_would_reject_is_not_added(clone, capsys):
    path = clone / "schemas/common/common.schema.json"
    path.write_text(path.read_text().replace('"beta", ', ""))
    assert hub.main([f"--into={clone}"]) == 1
    said = capsys.readouterr().err
    assert "extractors/tap-redtrack/signalroom.yml: $.maintenance_status: 'beta' is not" in said
    assert not (clone / "_data/meltano").exists()


def test_a_folder_that_is_no_clone_of_the_hub(tmp_path, capsys):
    assert hub.main([f"--into={tmp_path}"]) == 1
    assert "git clone https://github.com/meltano/hub" in capsys.readouterr().err
