from __future__ import annotations

import pytest
from singer_sdk.exceptions import ConfigValidationError

from signalroom_singer import validate_base_url


@pytest.mark.parametrize(
    ("given", "used"),
    (
        ("https://api.example.com/", "https://api.example.com"),
        ("api.example.com/base", "https://api.example.com/base"),
        (" http://127.0.0.1:80/x ", "http://127.0.0.1:80/x"),
        ("http://localhost:1", "http://localhost:1"),
        ("http://[::1]:1", "http://[::1]:1"),
    ),
)
def test_addresses(given, used):
    assert validate_base_url(given, setting="api_url") == used


@pytest.mark.parametrize(
    ("given", "said"),
    (
        ("http://api.example.com", "unencrypted"),
        ("http://127.0.0.1.example.com", "unencrypted"),
        ("ftp://api.example.com", "expected a web address"),
        ("https://", "expected a web address"),
        ("https://user:hunter22@api.example.com", "without user"),
        ("https://api.example.com?api_key=hunter22", "query"),
    ),
)
def test_unsafe_addresses_are_refused_without_repeating_them(given, said):
    with pytest.raises(ConfigValidationError, match=said) as caught:
        validate_base_url(given, setting="api_url")
    assert "api_url" in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_plain_http_where_asked_for():
    assert validate_base_url("http://10.0.0.1", setting="x", allow_http=True) == "http://10.0.0.1"
