from __future__ import annotations

import pytest
from harness.sdk_suite import check_catalog, run_sdk_suite
from singer_sdk.exceptions import ConfigValidationError

from signalroom_sandbox.mautic import CLIENT_ID, CLIENT_SECRET
from tap_mautic.tap import TapMautic


@pytest.fixture
def config(sandbox):
    sandbox.control.mautic.delete(numbers=[7])
    return {
        "api_url": sandbox.mautic_url,
        "oauth_client_id": CLIENT_ID,
        "oauth_client_secret": CLIENT_SECRET,
    }


# HTML and addresses are left out, and most fields are always there: `_extra` is empty.
@pytest.mark.filterwarnings("ignore:Fields in transformed catalog but not in records")
@pytest.mark.filterwarnings("ignore:No records were available to test")
def test_the_sdks_own_suite(config, subtests):
    checks = run_sdk_suite(TapMautic, config, subtests)
    assert all(checks.values())


def test_the_catalog_changes_only_on_purpose(config, snapshot, subtests):
    check_catalog(TapMautic, config, snapshot, subtests)


def test_the_legacy_streams_keep_their_keys(config):
    streams = TapMautic(config=config).streams
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
def test_mistakes_in_the_settings_are_told_at_once(config, settings, said):
    with pytest.raises(ConfigValidationError, match=said):
        _ = TapMautic(config=config | settings).streams


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
def test_addresses(config, monkeypatch, configured, used):
    monkeypatch.setattr(TapMautic, "discover_streams", lambda _: [])
    assert TapMautic(config=config | {"api_url": configured}).api_url == used


def test_plain_http_where_it_is_asked_for(config, monkeypatch):
    monkeypatch.setattr(TapMautic, "discover_streams", lambda _: [])
    settings = {"api_url": "http://mautic.example.com", "allow_http": True}
    assert TapMautic(config=config | settings).api_url == "http://mautic.example.com"
