from __future__ import annotations

import json

import pytest
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.testing import SuiteConfig, get_tap_test_class
from syrupy.extensions.json import JSONSnapshotExtension

from signalroom_sandbox.mautic import CLIENT_ID, CLIENT_SECRET
from signalroom_sandbox.server import SandboxServer
from tap_mautic.streams import STREAM_TYPES
from tap_mautic.tap import TapMautic

# The SDK's suite makes its tap when the module is read, and the tap asks for fields then.
_server = SandboxServer()
_server.__enter__()
_server.control.mautic.delete(numbers=[7])
_config = {
    "api_url": _server.mautic_url,
    "oauth_client_id": CLIENT_ID,
    "oauth_client_secret": CLIENT_SECRET,
}


@pytest.fixture(scope="session", autouse=True)
def _stop():
    yield
    _server.__exit__(None, None, None)


class EveryStream(TapMautic):
    """The tap with everything on: the suite wants records of each stream."""

    def discover_streams(self):
        streams = super().discover_streams()
        for stream in streams:
            stream.selected_by_default = True
        return streams


# HTML and addresses are left out, and most fields are always there: `_extra` is empty.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
@pytest.mark.filterwarnings("ignore:No records were available to test")
class TestTapMautic(
    get_tap_test_class(
        EveryStream,
        config=_config,
        suite_config=SuiteConfig(max_records_limit=20),
    )
):
    """The SDK's own suite."""


@pytest.mark.parametrize("stream", sorted(stream.name for stream in STREAM_TYPES))
def test_the_catalog_changes_only_on_purpose(stream, snapshot):
    catalog = TapMautic(config=_config).catalog_dict
    (entry,) = [item for item in catalog["streams"] if item["stream"] == stream]
    assert json.loads(json.dumps(entry)) == snapshot(extension_class=JSONSnapshotExtension)


def test_the_legacy_streams_keep_their_keys():
    streams = TapMautic(config=_config).streams
    for name in ("contacts", "emails", "campaigns", "email_stats"):
        assert streams[name].primary_keys == ("id",)
        assert not streams[name].is_full_refresh
        assert streams[name].selected_by_default


@pytest.mark.parametrize(
    ("settings", "said"),
    (
        ({"oauth_client_secret": None}, "are both needed \\(Mautic > Settings > API Credentials"),
        ({"oauth_client_secret": ""}, "are both needed"),
        ({"oauth_client_id": "4711"}, "expected Mautic's public key"),
        ({"api_url": "http://mautic.example.com"}, "unencrypted"),
        ({"api_url": "https://user:pw@mautic.example.com"}, "expected a plain address"),
        ({"ca_bundle": "/nowhere.pem"}, "Invalid ca_bundle '/nowhere.pem': file not found"),
        ({"page_size": 0}, "Invalid page_size 0: expected a whole number from 1 to 5000"),
        ({"contacts": "some"}, "Invalid contacts 'some': expected one of"),
    ),
)
def test_mistakes_in_the_settings_are_told_at_once(settings, said):
    with pytest.raises(ConfigValidationError, match=said):
        _ = TapMautic(config=_config | settings).streams


@pytest.mark.parametrize(
    ("configured", "used"),
    (
        ("https://mautic.example.com/", "https://mautic.example.com"),
        ("mautic.example.com", "https://mautic.example.com"),
        ("https://example.com/mautic", "https://example.com/mautic"),
        ("https://example.com/mautic/api/", "https://example.com/mautic"),
        ("https://example.com/index.php/api", "https://example.com"),
        ("http://localhost:8080", "http://localhost:8080"),
    ),
)
def test_addresses(monkeypatch, configured, used):
    monkeypatch.setattr(TapMautic, "discover_streams", lambda _: [])
    assert TapMautic(config=_config | {"api_url": configured}).api_url == used


def test_plain_http_where_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(TapMautic, "discover_streams", lambda _: [])
    settings = {"api_url": "http://mautic.example.com", "allow_http": True}
    assert TapMautic(config=_config | settings).api_url == "http://mautic.example.com"
