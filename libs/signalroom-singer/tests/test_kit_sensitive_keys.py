"""Values that are used as names: addresses, tokens; and which names get into logs."""

from __future__ import annotations

import logging

import pytest

from signalroom_singer import RecordConformer, Sensitive
from signalroom_singer.privacy import sensitive_fields
from signalroom_singer.privacy.redaction import MASK
from signalroom_singer.privacy.sensitive_fields import SensitiveFields


@pytest.mark.parametrize("value", (None, True, 5, "x", {"n": 1}, []))
@pytest.mark.parametrize(
    ("name", "kind"),
    (
        ("ann@mail.example", Sensitive.PERSON),
        ("Ann <ann@mail.example>", Sensitive.PERSON),
        ("xoxb-not-a-real-token", Sensitive.SECRET),
        ("https://hooks.slack.com/services/T0/B0/xyz", Sensitive.SECRET),
    ),
)
def test_a_name_that_is_an_address_or_a_token_is_left_out_and_not_logged(name, kind, value):
    fields = SensitiveFields(frozenset(Sensitive))
    assert fields.clean({"opens": {name: value, "a": 1}}) == {"opens": {"a": 1}}
    assert fields.left_out.counts == {(kind, "opens.(a key)"): 1}
    others = SensitiveFields(frozenset(Sensitive) - {kind})
    assert others.clean({"opens": {name: value}}) == {"opens": {name: value}}


@pytest.mark.parametrize("holder", ("ann@mail.example", "+15550100199", "192.0.2.1", "Ann Doe"))
def test_what_was_left_out_is_not_counted_by_a_value(holder):
    fields = SensitiveFields({Sensitive.SECRET})
    fields.clean({"people": {holder: {"password": "x"}}})
    assert fields.left_out.counts == {(Sensitive.SECRET, "(a key).password"): 1}


def test_a_key_that_is_kept_is_kept_in_the_record_itself_alone():
    fields = SensitiveFields(frozenset(Sensitive), allowed={".ip"})
    record = {"ip": "192.0.2.1", "a": {"ip": "192.0.2.1"}, "url": "https://h.example/?ip=192.0.2.1"}
    assert fields.clean(record) == {
        "ip": "192.0.2.1",
        "a": {},
        "url": f"https://h.example/?ip={MASK}",
    }


def test_verdicts_do_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(sensitive_fields, "_MOST_VERDICTS", 50)
    fields = SensitiveFields(frozenset(Sensitive))
    for number in range(500):
        record = {f"k{number}": {f"a{number}": 1, "password": "x"}}
        assert fields.clean(record) == {f"k{number}": {f"a{number}": 1}}


def test_a_record_is_named_without_an_address(caplog):
    schema = {"properties": {"distinct_id": {"type": "string"}, "n": {"type": "integer"}}}
    shaper = RecordConformer("people", schema, ["distinct_id"], logging.getLogger("test"))
    with caplog.at_level(logging.WARNING):
        shaper.conform({"distinct_id": "ann@mail.example", "n": "many"})
    assert "column n" in caplog.text
    assert '{"distinct_id": "a text of 16 characters"}' in caplog.text
    assert "ann" not in caplog.text
