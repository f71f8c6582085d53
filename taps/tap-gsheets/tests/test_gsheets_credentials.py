"""Keys as files and environment variables carry them."""

from __future__ import annotations

import base64
import json

import pytest
import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from signalroom_singer import TapError
from signalroom_singer.settings.variables import Naming, Origin, use_naming
from tap_gsheets.credentials import make_auth, read_key

TOKEN_URI = "https://oauth2.googleapis.com/token"


@pytest.fixture(scope="module")
def key():
    pem = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {
        "type": "service_account",
        "client_email": "tap@synthetic.example.com",
        "private_key": pem.decode(),
        "token_uri": TOKEN_URI,
    }


def with_doubled_backslashes(key):
    return json.dumps({**key, "private_key": key["private_key"].replace("\n", "\\n")})


@pytest.mark.parametrize(
    "write",
    (
        json.dumps,
        with_doubled_backslashes,
        lambda key: base64.b64encode(json.dumps(key).encode()).decode(),
    ),
)
@responses.activate
def test_a_key_signs_in_however_it_is_written(key, write):
    responses.post(TOKEN_URI, json={"access_token": "synthetic", "expires_in": 3599})
    answer = responses.get("https://sheets.googleapis.com/v4/spreadsheets/a", json={})
    auth, share_with = make_auth({"credentials_json": write(key), "request_timeout": 5})
    requests.get("https://sheets.googleapis.com/v4/spreadsheets/a", auth=auth, timeout=5)
    assert share_with == "tap@synthetic.example.com"
    assert answer.calls[0].request.headers["Authorization"] == "Bearer synthetic"


@pytest.mark.parametrize("text", ("nonsense", "[]", '{"type": "authorized_user"}', "{"))
def test_an_invalid_key_is_refused(text):
    with pytest.raises(TapError, match="not a service account's key"):
        read_key(text)


def test_a_client_with_a_key_of_its_own_is_not_read_with_the_projects_file(tmp_path, key):
    (path := tmp_path / "key.json").write_text(json.dumps(key))
    theirs = key | {"client_email": "acme@clients.example.com"}
    config = {
        "client_id": "acme",
        "credentials_path": str(path),
        "credentials_json": json.dumps(theirs),
        "request_timeout": 5,
    }
    use_naming(Naming("tap-gsheets", {}, Origin.MELTANO, "tap-gsheets--acme"))
    _, share_with = make_auth(config)
    assert share_with == "acme@clients.example.com"


def test_a_key_file_may_begin_with_a_byte_order_mark(tmp_path, key):
    (path := tmp_path / "key.json").write_text("\ufeff" + json.dumps(key))
    _, share_with = make_auth({"credentials_path": str(path), "request_timeout": 5})
    assert share_with == key["client_email"]
