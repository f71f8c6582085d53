"""Columns of files that are loaded as hashes: in records and batches alike."""

from __future__ import annotations

import hmac
import json

from sticky_exports import DAY, batch_rows, cells, export

ORDERS = "orders_create"
SALT = "a-made-up-salt-for-tests"
HEADER = ("orders_id", "billing_email", "Note")


def hash_text(text):
    return hmac.new(SALT.encode(), text.encode(), "sha256").hexdigest()


def test_records_and_batches_have_the_same_hashes(s3, make_tap, sync, batches):
    rows = [("1", "ann@example.org", "x"), ("2", "", "ann@example.org"), ("3",)]
    s3.put(DAY.format(1), export(*rows, header=HEADER))
    settings = {"hash_columns": [f"{ORDERS}.billing_email", "*.note"], "hash_salt": SALT}
    expected = [
        ("1", hash_text("ann@example.org"), hash_text("x")),
        ("2", hash_text(""), hash_text("ann@example.org")),
        ("3", None, None),
    ]
    for more in ({}, batches, {"column_types": {"billing_email": "number"}}):
        output = sync(make_tap(**settings, **more), ORDERS)
        actual = output.records[ORDERS] or batch_rows(output, ORDERS)
        assert cells(actual, "orders_id", "billing_email", "note") == expected
        assert "ann@example.org" not in json.dumps([output.messages, actual], default=str)


def test_other_columns_and_streams_are_as_before(s3, make_tap, sync, batches):
    s3.put(DAY.format(1), export(("1", "ann@example.org", "x"), header=HEADER))
    settings = {"hash_columns": ["orders_update.*", f"{ORDERS}.note"], "hash_salt": SALT}
    output = sync(make_tap(**settings, **batches), ORDERS)
    assert cells(batch_rows(output, ORDERS), *HEADER[:2]) == [("1", "ann@example.org")]
