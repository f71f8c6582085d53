"""What docs/hiding-columns.md shows, as it is written there."""

from __future__ import annotations

import hashlib
import hmac
import json

import pytest
import yaml
from harness.doc_pages import ROOT, fences
from meltano.core.plugin.singer.catalog import SelectExecutor, visit

from signalroom_sandbox.mautic import CLIENT_ID, CLIENT_SECRET
from tap_mautic.tap import TapMautic

_PAGE = ROOT / "docs/hiding-columns.md"
_BLOCKS = [yaml.safe_load(text) for language, text in fences(_PAGE) if language == "yaml"]
_TAPS = [block["plugins"]["extractors"][0] for block in _BLOCKS if "extractors" in block["plugins"]]
_SELECT = next(one["select"] for one in _TAPS if "select" in one)
_CONFIGS = [one["config"] for one in _TAPS if "config" in one]
(_SALT_LINE,) = [text for language, text in fences(_PAGE) if language == "bash" and "SALT" in text]
SALT = _SALT_LINE.strip().partition("=")[2]
STREAMS = ("contacts", "email_stats", "page_hits")


@pytest.fixture
def load(sandbox, sync):
    """Run tap-mautic with settings of the page; its streams are those named above."""

    def run(select=("*.*",), **config):
        settings = {
            "api_url": sandbox.mautic_url,
            "oauth_client_id": CLIENT_ID,
            "oauth_client_secret": CLIENT_SECRET,
        } | config
        catalog = json.loads(json.dumps(TapMautic(config=settings).catalog_dict))
        catalog["streams"] = [one for one in catalog["streams"] if one["stream"] in STREAMS]
        visit(catalog, SelectExecutor([*select]))
        return sync(TapMautic(config=settings, catalog=catalog))

    return run


@pytest.fixture
def plain(load):
    return load().records


def by_id(rows, column):
    return {row["id"]: row[column] for row in rows}


def test_columns_and_streams_are_left_out(load, plain):
    assert any(by_id(plain["contacts"], "firstname").values())
    output = load(_SELECT)
    assert len(output.records["contacts"]) == len(plain["contacts"])
    assert not any("firstname" in row for row in output.records["contacts"])
    assert "firstname" not in output.schemas["contacts"]["schema"]["properties"]
    assert "page_hits" not in output.schemas
    assert output.records["email_stats"]


def test_hashed_columns_join_and_null_stays_null(load, plain):
    config = next(one for one in _CONFIGS if "hash_columns" in one)
    output = load(**config, hash_salt=SALT)

    def hashed(text):
        return text and hmac.new(SALT.encode(), text.encode(), "sha256").hexdigest()

    messages = str(output.messages)
    for stream, column in (("contacts", "email"), ("email_stats", "email_address")):
        before, after = by_id(plain[stream], column), by_id(output.records[stream], column)
        assert after == {key: hashed(text) for key, text in before.items()}
        assert not [text for text in before.values() if text and text in messages]
    joined = {*by_id(output.records["contacts"], "email").values()}
    assert joined & {*by_id(output.records["email_stats"], "email_address").values()} - {None}
    assert None in joined


def test_stream_maps_of_the_tap(load, plain):
    output = load(**next(one for one in _CONFIGS if "stream_maps" in one))
    before, after = plain["contacts"], output.records["contacts"]
    assert by_id(after, "email") == {
        key: text and hashlib.sha256(text.encode()).hexdigest()
        for key, text in by_id(before, "email").items()
    }
    assert not any("firstname" in row for row in after)
    assert by_id(after, "country") == {
        key: text and text.upper() for key, text in by_id(before, "country").items()
    }
