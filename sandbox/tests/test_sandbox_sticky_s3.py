"""The bucket as the tap's own client meets it."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, date, datetime, timedelta

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, ResponseStreamingError

from signalroom_sandbox.server import ControlError, SandboxServer
from signalroom_sandbox.sticky_s3 import ACCESS_KEY, SECRET
from signalroom_sandbox.sticky_s3.answers import FAULTS
from signalroom_sandbox.sticky_s3.exports import HEADER, export, key_of

DAY = date(2025, 12, 18)


def client_of(server, service="s3", key=ACCESS_KEY, **config):
    options = {
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "retries": {"total_max_attempts": 1},
        "s3": {"addressing_style": "path"},
    }
    return boto3.Session(key, SECRET, region_name="us-east-1").client(
        service, endpoint_url=server.s3_url, config=Config(**options | config)
    )


@pytest.fixture
def client(sandbox):
    client = client_of(sandbox)
    yield client
    client.close()


@pytest.fixture
def s3(sandbox):
    return sandbox.control.s3


@pytest.fixture
def get(client, sandbox):
    def ask(key="x.csv", **options):
        with client.get_object(Bucket=sandbox.bucket, Key=key, **options)["Body"] as body:
            return body.read()

    return ask


@pytest.fixture
def names(client, sandbox):
    def listed(prefix="", **options):
        page = client.list_objects_v2(Bucket=sandbox.bucket, Prefix=prefix, **options)
        return [entry["Key"] for entry in page.get("Contents", ())]

    return listed


def code(caught):
    return caught.value.response["Error"]["Code"]


class TestExports:
    def rows(self, **options):
        text = export("orders-create", DAY, 500, **options).decode()
        return text, list(csv.DictReader(io.StringIO(text, newline="")))

    def test_the_form_of_a_file(self):
        text, rows = self.rows()
        assert len(HEADER) == len({*HEADER}) == 129
        assert text.startswith("orders_id,created_by,billing_fname")
        assert text.count("\r\n") == text.count("\n") == 501
        assert {len(row) for row in rows} == {129}
        assert 500 < len(text) / 500 < 1000

    def test_the_newest_order_is_first_and_none_is_left_out(self):
        _, rows = self.rows()
        ids = [int(row["orders_id"]) for row in rows]
        assert ids == list(range(ids[0], ids[0] - 500, -1))
        _, later = self.rows()
        text = export("orders-create", DAY + timedelta(days=1), 500).decode()
        later = list(csv.DictReader(io.StringIO(text, newline="")))
        assert int(later[-1]["orders_id"]) == ids[0] + 1

    def test_values_have_the_shapes_that_make_trouble(self):
        _, rows = self.rows()
        shapes = {
            "billing_postcode": r"0\d{4}|\d{5}-\d{4}",
            "order_date": r"12/18/2025",
            "order_time": r"(0[1-9]|1[0-2]):\d\d [AP]M",
            "c1": r"[0-9a-f]{24}",
            "ip_address": r"[\d.]+|[\da-f:]+",
            "total_amount": r"\d+",
            "billing_email": r"\S+@example\.com",
            "recurring_date": r"N/A|\d\d/\d\d/\d{4}",
            "cancelled_flag": r"No",
        }
        for column, shape in shapes.items():
            assert all(re.fullmatch(shape, row[column]) for row in rows), column
        assert {row["billing_state"] for row in rows} >= {"", "TX"}
        assert {row["order_status"] for row in rows} == {"NEW", "DECLINED"}
        assert any(re.search(r"REFID:\d+$", row["decline_reason"]) for row in rows)
        assert any('"' in row["billing_fname"] for row in rows)
        assert any("," in row["billing_city"] for row in rows)

    def test_the_same_for_the_same_arguments(self):
        assert self.rows()[0] == self.rows()[0]
        assert self.rows()[0] != self.rows(seed=7)[0]
        assert re.fullmatch(
            r"orders-create/report_2025-12-18T\d{4}_\w{6}\.csv", key_of("orders-create", DAY)
        )


class TestBucket:
    def test_what_is_in_it_at_first(self, s3, names):
        today = datetime.now(UTC).date()
        for kind in ("orders-create", "orders-update"):
            days = [re.search(r"\d{4}-\d\d-\d\d", key)[0] for key in names(f"{kind}/")]
            assert days == [str(today - timedelta(days=ago)) for ago in range(14, 0, -1)]
        assert names("prospects-create/") == []
        assert s3.totals("orders-create/")["rows"] == 14 * 120

    def test_totals_are_those_of_the_rows(self, s3, get):
        s3.clear()
        key = s3.export("orders-create", DAY, 300)
        rows = list(csv.DictReader(io.StringIO(get(key).decode(), newline="")))
        totals = s3.totals("orders-create/")
        assert totals["revenue"] == sum(int(row["total_amount"]) for row in rows)
        assert totals["by_day"] == {"2025-12-18": totals["revenue"]}
        assert totals["new_by_state"]["TX"] == sum(
            int(row["total_amount"])
            for row in rows
            if row["order_status"] == "NEW"
            and row["billing_state"] == "TX"
            and int(row["total_amount"]) > 85
        )

    def test_keys_of_all_kinds(self, s3, names, get):
        s3.clear()
        keys = ["a b.csv", "a+b.csv", "d/é😀.csv"]
        for key in keys:
            s3.put(key, key)
        assert sorted(names()) == sorted(keys)
        assert [get(key).decode() for key in keys] == keys

    def test_pages(self, s3, client, sandbox, names):
        s3.clear()
        s3.page_size(2)
        for number in range(5):
            s3.put(f"{number}.csv", "x")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=sandbox.bucket)
        assert [len(page["Contents"]) for page in pages] == [2, 2, 1]

    def test_versions_by_etag(self, s3, get):
        first = s3.put("x.csv", "one")
        assert get(IfMatch=first) == b"one"
        s3.put("x.csv", "two")
        with pytest.raises(ClientError) as caught:
            get(IfMatch=first)
        assert code(caught) == "PreconditionFailed"

    def test_ranges_are_in_the_journal(self, s3, get, sandbox):
        s3.put("x.csv", "0123456789")
        sandbox.control.clear_requests()
        assert get(Range="bytes=3-5") == b"345"
        (one,) = sandbox.control.requests()["requests"]
        assert (one["vendor"], one["method"], one["range"]) == ("s3", "GET", "bytes=3-5")

    def test_dates_may_be_made_up(self, s3, client, sandbox):
        moment = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
        s3.put("x.csv", "x", modified=moment)
        found = client.head_object(Bucket=sandbox.bucket, Key="x.csv")
        assert found["LastModified"] == moment
        s3.touch("x.csv", moment + timedelta(days=1))
        found = client.head_object(Bucket=sandbox.bucket, Key="x.csv")
        assert found["LastModified"] == moment + timedelta(days=1)

    def test_an_archived_object(self, s3, get):
        s3.put("x.csv", "x", storage_class="DEEP_ARCHIVE")
        with pytest.raises(ClientError) as caught:
            get()
        assert code(caught) == "InvalidObjectState"

    def test_a_deleted_one(self, s3, names, get):
        s3.clear()
        s3.versioning(on=True)
        s3.put("x.csv", "x")
        s3.delete("x.csv")
        assert names() == []
        assert s3.objects() == []
        with pytest.raises(ClientError) as caught:
            get()
        assert code(caught) == "NoSuchKey"

    def test_reset_puts_it_back(self, s3, sandbox, names):
        before = s3.objects()
        s3.clear()
        s3.put("x.csv", "x")
        sandbox.control.reset()
        assert s3.objects() == before

    def test_a_large_object(self, s3, get):
        body = bytes(range(256)) * 50_000
        s3.put("x.csv", body)
        assert get() == body

    def test_what_a_client_stores_stays_until_reset(self, client, sandbox, s3, get):
        client.put_object(Bucket=sandbox.bucket, Key="x.csv", Body=b"stored")
        assert get() == b"stored"
        sandbox.control.reset()
        assert "x.csv" not in [one["key"] for one in s3.objects()]

    def test_two_of_them_in_one_process(self, sandbox, s3):
        with SandboxServer(scale=0.1) as other:
            assert other.bucket != sandbox.bucket
            other.control.s3.clear()
            assert len(s3.objects()) == 28
            assert other.control.s3.objects() == []

    def test_an_action_there_is_not(self, s3, sandbox):
        with pytest.raises(ControlError, match="Not Found"):
            sandbox.control.ask("POST", "/s3/explode", {})


class TestKeys:
    def test_one_that_nobody_knows(self, sandbox):
        client = client_of(sandbox, key="AKIANOBODY")
        with pytest.raises(ClientError) as caught:
            client.list_objects_v2(Bucket=sandbox.bucket)
        assert code(caught) == "InvalidAccessKeyId"
        client.close()

    def test_those_of_a_role(self, sandbox):
        sts = client_of(sandbox, "sts")
        given = sts.assume_role(
            RoleArn="arn:aws:iam::123456789012:role/reader", RoleSessionName="test"
        )["Credentials"]
        client = client_of(sandbox, key=given["AccessKeyId"])
        assert client.list_objects_v2(Bucket=sandbox.bucket)["KeyCount"] == 28
        sts.close()
        client.close()


REFUSED = {
    "expired_token": "ExpiredToken",
    "invalid_access_key": "InvalidAccessKeyId",
    "permanent_redirect": "PermanentRedirect",
    "s3_403": "AccessDenied",
    "s3_404": "NoSuchKey",
    "s3_412": "PreconditionFailed",
    "s3_500": "InternalError",
    "signature_mismatch": "SignatureDoesNotMatch",
    "slow_down": "SlowDown",
}
OTHERS = {"assume_role_denied", "slow_body", "swap", "unparsable_listing"}


class TestFaults:
    def test_all_are_tested(self):
        assert {*REFUSED, *OTHERS} == {*FAULTS}

    @pytest.mark.parametrize("fault", REFUSED)
    def test_a_refusal(self, sandbox, s3, get, fault):
        s3.put("x.csv", "x")
        # More than once: of a redirect the client itself makes another request.
        sandbox.control.fault(fault, vendor="s3", match=r"GET .*x\.csv", times=9)
        with pytest.raises(ClientError) as caught:
            get()
        assert code(caught) == REFUSED[fault]
        sandbox.control.clear_faults()
        assert get() == b"x"

    def test_a_role_that_may_not_be_assumed(self, sandbox):
        sandbox.control.fault("assume_role_denied", vendor="s3", match="POST")
        sts = client_of(sandbox, "sts")
        with pytest.raises(ClientError) as caught:
            sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/reader", RoleSessionName="test")
        assert code(caught) == "AccessDenied"
        sts.close()

    def test_a_listing_that_cannot_be_parsed(self, sandbox, names):
        sandbox.control.fault("unparsable_listing", vendor="s3", match="list-type=2")
        # The client holds it for a failure of the server, and would ask again.
        with pytest.raises(ClientError) as caught:
            names()
        assert code(caught) == "500"

    def test_a_body_that_is_cut(self, sandbox, s3, client):
        s3.put("x.csv", "0123456789")
        sandbox.control.fault("cut_body", vendor="s3", match=r"x\.csv", at=3)
        body = client.get_object(Bucket=sandbox.bucket, Key="x.csv")["Body"]
        with body, pytest.raises(ResponseStreamingError):
            body.read()

    def test_a_body_that_is_slow(self, sandbox, s3):
        s3.put("x.csv", "x" * 100_000)
        sandbox.control.fault("slow_body", vendor="s3", match=r"x\.csv", seconds=2)
        client = client_of(sandbox, read_timeout=0.2)
        body = client.get_object(Bucket=sandbox.bucket, Key="x.csv")["Body"]
        with body, pytest.raises(HTTPClientError):
            body.read()
        client.close()

    def test_an_object_that_is_swapped(self, sandbox, s3, get):
        old = s3.put("x.csv", "old")
        sandbox.control.fault("swap", vendor="s3", match=r"x\.csv", skip=1, text="new")
        assert get() == b"old"
        assert get() == b"new"
        with pytest.raises(ClientError):
            get(IfMatch=old)
