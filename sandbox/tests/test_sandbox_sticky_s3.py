"""The bucket as the tap's own client meets it."""

from __future__ import annotations

import csv
import io
import re
import time
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta

import boto3
import pytest
import requests
from botocore import UNSIGNED
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    HTTPClientError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from signalroom_sandbox.server import ControlError, SandboxServer
from signalroom_sandbox.sticky_s3 import ACCESS_KEY, SECRET
from signalroom_sandbox.sticky_s3.errors import FAULTS
from signalroom_sandbox.sticky_s3.exports import HEADER, export, key_of, rows_of

DAY = date(2025, 12, 18)


def client_of(server, service="s3", key=ACCESS_KEY, token=None, secret=SECRET, **config):
    options = {
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
        "retries": {"total_max_attempts": 1},
        "s3": {"addressing_style": "path"},
    }
    return boto3.Session(key, secret, token, region_name="us-east-1").client(
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


def requests_of(sandbox):
    return sandbox.control.requests()["requests"]


KEYS = [
    "/first.csv",
    "100%.csv",
    "a b.csv",
    "a%20b.csv",
    "a+b.csv",
    "a/../b.csv",
    "a//b.csv",
    "d/é😀.csv",
    "folder/",
    "q?x=1&y#z.csv",
]


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
        orders = list(dict.fromkeys(ids))
        assert ids == sorted(ids, reverse=True)
        assert orders == list(range(ids[0], ids[0] - len(orders), -1))
        text = export("orders-create", DAY + timedelta(days=1), 500).decode()
        later = list(csv.DictReader(io.StringIO(text, newline="")))
        assert int(later[-1]["orders_id"]) > ids[0]

    def test_an_order_of_several_products_has_a_row_for_each(self):
        _, rows = self.rows()
        lines = defaultdict(list)
        for row in rows:
            lines[row["orders_id"]].append(row)
        several = [order for order in lines.values() if len(order) > 1]
        assert 20 < len(several) < 100
        assert {len(order) for order in several} >= {2, 3}
        shared = {"total_amount", "order_status", "billing_email", "Click ID", "ancestor_id"}
        for order in several:
            assert all(len({row[name] for row in order}) == 1 for name in shared)
            prices = sum(int(row["product_price"]) for row in order)
            assert int(order[0]["total_amount"]) == prices
        assert any(len({row["products_id"] for row in order}) > 1 for order in several)

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

    @pytest.mark.parametrize("kind", ("orders-create", "orders-update"))
    def test_rows_are_those_of_the_file(self, kind):
        text = export(kind, DAY, 500, seed=7).decode()
        read = list(csv.DictReader(io.StringIO(text, newline="")))
        assert rows_of(kind, DAY, 500, seed=7) == read

    def test_updates_know_more_statuses(self):
        found = {row["order_status"] for row in rows_of("orders-update", DAY, 200)}
        assert found == {"NEW", "DECLINED", "VOID", "REFUNDED"}

    def test_a_day_without_orders(self):
        assert export("orders-create", DAY, 0).decode() == ",".join(HEADER) + "\r\n"
        assert rows_of("orders-create", DAY, 0) == []

    def test_the_same_for_the_same_arguments(self):
        assert self.rows()[0] == self.rows()[0]
        assert self.rows()[0] != self.rows(seed=7)[0]
        assert re.fullmatch(
            r"orders-create/report_2025-12-18T\d{4}_\w{6}\.csv", key_of("orders-create", DAY)
        )


class TestOrders:
    def test_an_order_counts_once_by_its_latest_file(self, s3):
        s3.clear()
        s3.put("orders-create/2026-01-05.csv", self.csv("1,NEW,95", "1,NEW,95", "2,NEW,10"))
        key = "orders-create/2026-01-06.csv"
        s3.put(key, self.csv("2,VOID,10", "3,NEW,", "4,NEW,19.5", "5,NEW,1"))
        s3.redeliver(key, to="orders-create/2026-01-07.csv", modified="2036-01-01T00:00:00Z")
        s3.correct(key, 2, {"total_amount": "20"}, modified="2036-01-02T00:00:00Z")
        s3.shorten("orders-create/2026-01-07.csv", 3, modified="2036-01-03T00:00:00Z")
        totals = s3.totals("orders-create/")
        assert totals["orders"] == {
            "count": 4,
            "no_amount": 1,
            "revenue": 115.5,
            "by_day": {"2026-01-05": 95, "2026-01-06": 20.5},
        }
        assert totals["rows"] == 3 + 4 + 3

    @staticmethod
    def csv(*rows):
        names = {"orders_id": 0, "order_status": 1, "total_amount": 2}
        text = ",".join(HEADER) + "\r\n"
        for row in rows:
            cells = row.split(",")
            text += ",".join(cells[names[name]] if name in names else "" for name in HEADER)
            text += "\r\n"
        return text


class TestBucket:
    def test_what_is_in_it_at_first(self, s3, names):
        today = datetime.now(UTC).date()
        for kind in ("orders-create", "orders-update"):
            days = [re.search(r"\d{4}-\d\d-\d\d", key)[0] for key in names(f"{kind}/")]
            assert days == [str(today - timedelta(days=ago)) for ago in range(14, 0, -1)]
        assert names("prospects-create/") == []
        assert s3.totals("orders-create/")["rows"] == 14 * 120
        for one in s3.objects():
            stored = datetime.fromisoformat(one["modified"])
            day = date.fromisoformat(one["key"].split("report_")[1][:10])
            assert stored.date() == day + timedelta(days=1)
            assert stored.hour < 12

    def test_totals_are_those_of_the_rows(self, s3, get):
        s3.clear()
        key = s3.export("orders-create", DAY, 300)
        rows = list(csv.DictReader(io.StringIO(get(key).decode(), newline="")))
        totals = s3.totals("orders-create/")
        assert totals["revenue"] == sum(int(row["total_amount"]) for row in rows)
        assert totals["by_day"] == {"2025-12-18": totals["revenue"]}
        assert totals["rows_by_day"] == {"2025-12-18": totals["rows"]} == {"2025-12-18": 300}
        assert rows == rows_of("orders-create", DAY, 300)
        assert totals["new_by_state"]["TX"] == sum(
            int(row["total_amount"])
            for row in rows
            if row["order_status"] == "NEW"
            and row["billing_state"] == "TX"
            and int(row["total_amount"]) > 85
        )

    def test_keys_of_all_kinds(self, s3, names, get):
        s3.clear()
        for key in KEYS:
            s3.put(key, key)
        assert names() == sorted(KEYS, key=str.encode)
        assert [get(key).decode() for key in KEYS] == KEYS

    def test_keys_that_a_client_stores(self, s3, client, sandbox):
        s3.clear()
        for key in KEYS:
            client.put_object(Bucket=sandbox.bucket, Key=key, Body=b"x")
        assert [one["key"] for one in s3.objects()] == sorted(KEYS)

    def test_pages(self, s3, client, sandbox, names):
        s3.clear()
        s3.page_size(2)
        for number in range(5):
            s3.put(f"{number}.csv", "x")
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=sandbox.bucket)
        assert [len(page["Contents"]) for page in pages] == [2, 2, 1]

    def test_pages_may_be_smaller_still(self, s3, names):
        s3.page_size(5)
        assert len(names(MaxKeys=2)) == 2
        assert len(names()) == 5

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
        s3.touch("x.csv", "2020-05-01T02:00:00+02:00")
        s3.export("orders-create", DAY, 1, key="y.csv", modified="2020-05-01")
        midnight = "2020-05-01T00:00:00+00:00"
        for key in ("x.csv", "y.csv"):
            assert [one["modified"] for one in s3.objects(key)] == [midnight]

    def test_an_export_of_another_seed(self, s3, get):
        key = s3.export("orders-update", DAY, 20, seed=7)
        assert key == key_of("orders-update", DAY, seed=7)
        assert get(key) == export("orders-update", DAY, 20, seed=7)

    def test_an_encoding_is_told_and_not_undone(self, s3, client, sandbox, get):
        s3.put("x.csv", b"not gzip", content_encoding="gzip")
        found = client.head_object(Bucket=sandbox.bucket, Key="x.csv")
        assert found["ContentEncoding"] == "gzip"
        assert get() == b"not gzip"

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

    def test_reset_makes_nothing_that_is_there(self, s3, sandbox, client):
        def etags():
            pages = client.list_objects_v2(Bucket=sandbox.bucket)
            return {one["Key"]: one["LastModified"] for one in pages["Contents"]}

        before = etags()
        s3.page_size(1)
        sandbox.control.reset()
        assert etags() == before

    def test_reset_ends_versions_and_uploads(self, s3, sandbox, client):
        s3.versioning(on=True)
        client.create_multipart_upload(Bucket=sandbox.bucket, Key="x.csv")
        sandbox.control.reset()
        assert "Status" not in client.get_bucket_versioning(Bucket=sandbox.bucket)
        assert "Uploads" not in client.list_multipart_uploads(Bucket=sandbox.bucket)

    def test_no_bucket(self, s3, sandbox, names):
        s3.delete_bucket()
        s3.delete_bucket()
        with pytest.raises(ClientError) as caught:
            names()
        assert code(caught) == "NoSuchBucket"
        with pytest.raises(ControlError, match="NoSuchBucket"):
            s3.put("x.csv", "x")
        sandbox.control.reset()
        assert len(names()) == 28

    def test_a_large_object(self, s3, get):
        body = bytes(range(256)) * 50_000
        s3.put("x.csv", body)
        assert get() == body
        assert get(Range="bytes=6000000-") == body[6_000_000:]

    def test_an_object_in_parts(self, client, sandbox, get):
        where = {"Bucket": sandbox.bucket, "Key": "x.csv"}
        upload = where | {"UploadId": client.create_multipart_upload(**where)["UploadId"]}
        bodies = {1: b"1" * (5 << 20), 2: b"2"}
        parts = [
            {"PartNumber": n, "ETag": client.upload_part(**upload, PartNumber=n, Body=body)["ETag"]}
            for n, body in bodies.items()
        ]
        done = client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        assert done["ETag"].endswith('-2"')
        assert get() == b"".join(bodies.values())
        assert not any(one["body"] for one in requests_of(sandbox) if one["method"] == "PUT")

    def test_answers_take_a_while(self, s3, names):
        s3.latency(0.2)
        began = time.monotonic()
        names()
        assert time.monotonic() - began >= 0.2

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
            other.control.s3.delete_bucket()
            other.control.reset()
            assert [one["key"] for one in other.control.s3.objects()] == [
                one["key"] for one in s3.objects()
            ]
            assert other.control.s3.totals("orders-create/")["rows"] == 14 * 12
            assert s3.totals("orders-create/")["rows"] == 14 * 120

    def test_an_action_there_is_not(self, s3, sandbox):
        with pytest.raises(ControlError, match="Not Found"):
            sandbox.control.send("POST", "/s3/explode", {})


class TestKeys:
    def test_one_that_nobody_knows(self, sandbox):
        client = client_of(sandbox, key="AKIANOBODY")
        with pytest.raises(ClientError) as caught:
            client.list_objects_v2(Bucket=sandbox.bucket)
        assert code(caught) == "InvalidAccessKeyId"
        client.close()

    def test_a_wrong_secret(self, sandbox, listed):
        for secret in ("", SECRET[:-1], f"{SECRET}x"):
            with pytest.raises(ClientError) as caught:
                listed(ACCESS_KEY, None, secret or " ")
            assert code(caught) == "SignatureDoesNotMatch"
        client = client_of(sandbox, secret="wrong")
        with pytest.raises(ClientError) as caught:
            client.head_object(Bucket=sandbox.bucket, Key="x.csv")
        assert code(caught) == "403"
        client.close()

    @pytest.mark.parametrize(
        "key", ("a b+c%20d/ü~(1)!*'.csv", "x=1&y=2?z#.csv", "//double//", "%2F%25")
    )
    def test_signatures_of_names_of_any_kind(self, sandbox, client, get, key):
        client.put_object(Bucket=sandbox.bucket, Key=key, Body=b"stored")
        assert get(key) == b"stored"
        listed = client.list_objects_v2(Bucket=sandbox.bucket, Prefix=key, StartAfter="%")
        assert [one["Key"] for one in listed.get("Contents", ())] == [key] * (key > "%")
        client.delete_object(Bucket=sandbox.bucket, Key=key)

    def test_a_request_that_was_changed_on_its_way(self, sandbox):
        url = f"{sandbox.s3_url}/{sandbox.bucket}"
        signed = AWSRequest("GET", f"{url}?list-type=2&prefix=a")
        S3SigV4Auth(Credentials(ACCESS_KEY, SECRET), "s3", "us-east-1").add_auth(signed)
        codes = [
            requests.get(f"{url}?{query}", headers=dict(signed.headers), timeout=60).status_code
            for query in ("prefix=a&list-type=2", "list-type=2&prefix=b")
        ]
        assert codes == [200, 403]

    def test_none(self, sandbox):
        client = client_of(sandbox, signature_version=UNSIGNED)
        with pytest.raises(ClientError) as caught:
            client.list_objects_v2(Bucket=sandbox.bucket)
        assert code(caught) == "AccessDenied"
        client.close()

    def test_those_of_a_role(self, sandbox, role, listed):
        given = role()
        assert listed(*given) == 28
        with pytest.raises(ClientError) as caught:
            listed(*given[:2])
        assert code(caught) == "SignatureDoesNotMatch"
        with pytest.raises(ClientError) as caught:
            listed(given[0])
        assert code(caught) == "InvalidToken"
        with pytest.raises(ClientError) as caught:
            listed("ASIANOBODY", given[1])
        assert code(caught) == "InvalidAccessKeyId"

    def test_those_of_a_role_expire(self, sandbox, role, listed):
        given = role(DurationSeconds=900)
        sandbox.control.advance(890)
        assert listed(*given) == 28
        sandbox.control.advance(20)
        with pytest.raises(ClientError) as caught:
            listed(*given)
        assert code(caught) == "ExpiredToken"
        assert listed(*role(DurationSeconds=900)) == 28

    def test_those_of_a_role_are_forgotten(self, sandbox, role, listed):
        given = role()
        sandbox.control.reset()
        with pytest.raises(ClientError) as caught:
            listed(*given)
        assert code(caught) == "InvalidAccessKeyId"

    def test_what_sts_refuses(self, sandbox, role):
        given = role(DurationSeconds=900)
        sandbox.control.advance(901)
        refused = {
            ("AKIANOBODY",): "InvalidClientTokenId",
            (ACCESS_KEY, None, "wrong"): "SignatureDoesNotMatch",
            given: "ExpiredToken",
        }
        for credentials, expected in refused.items():
            client = client_of(sandbox, "sts", *credentials)
            with pytest.raises(ClientError) as caught:
                client.get_caller_identity()
            assert code(caught) == expected
            client.close()

    @pytest.fixture
    def role(self, sandbox):
        sts = client_of(sandbox, "sts")

        def assume(**options):
            role = "arn:aws:iam::123456789012:role/reader"
            given = sts.assume_role(RoleArn=role, RoleSessionName="test", **options)["Credentials"]
            return given["AccessKeyId"], given["SessionToken"], given["SecretAccessKey"]

        yield assume
        sts.close()

    @pytest.fixture
    def listed(self, sandbox):
        def ask(*credentials):
            client = client_of(sandbox, "s3", *credentials)
            try:
                return client.list_objects_v2(Bucket=sandbox.bucket)["KeyCount"]
            finally:
                client.close()

        return ask


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
OTHERS = {"assume_role_denied", "internal_error_200", "slow_body", "swap", "unparsable_listing"}


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

    def test_a_failure_told_after_200(self, sandbox, s3, names, get):
        s3.put("x.csv", "x")
        sandbox.control.fault("internal_error_200", vendor="s3", times=2)
        with pytest.raises(ClientError) as caught:
            names()
        assert code(caught) == "InternalError"
        # In a file the client sees nothing wrong.
        assert b"<Code>InternalError</Code>" in get()

    @pytest.mark.parametrize(
        ("at", "arrives"), ((3, 3), (0.25, 3_000_000), (0.0, 0), (None, 6_000_000))
    )
    def test_a_body_that_is_cut(self, sandbox, s3, client, at, arrives):
        s3.put("x.csv", b"x" * 12_000_000)
        params = {} if at is None else {"at": at}
        sandbox.control.fault("cut_body", vendor="s3", match=r"x\.csv", **params)
        body = client.get_object(Bucket=sandbox.bucket, Key="x.csv")["Body"]
        with body, pytest.raises(ResponseStreamingError, match=rf"\({arrives} bytes read"):
            body.read()

    def test_a_range_that_is_cut(self, sandbox, s3, client):
        s3.put("x.csv", "0123456789")
        sandbox.control.fault("cut_body", vendor="s3", match=r"x\.csv", at=3)
        found = client.get_object(Bucket=sandbox.bucket, Key="x.csv", Range="bytes=2-8")
        assert (found["ResponseMetadata"]["HTTPStatusCode"], found["ContentLength"]) == (206, 7)
        body = found["Body"]
        with body, pytest.raises(ResponseStreamingError, match=r"\(3 bytes read"):
            body.read()

    def test_a_connection_that_is_reset(self, sandbox, s3, get):
        s3.put("x.csv", "x")
        sandbox.control.fault("connection_reset", vendor="s3", match=r"x\.csv")
        with pytest.raises(ConnectionClosedError):
            get()
        assert get() == b"x"

    def test_no_answer(self, sandbox, names):
        sandbox.control.fault("timeout", vendor="s3", seconds=60)
        client = client_of(sandbox, read_timeout=0.2)
        with pytest.raises(ReadTimeoutError):
            client.list_objects_v2(Bucket=sandbox.bucket)
        client.close()
        assert len(names()) == 28

    def test_of_one_vendor_the_other_knows_nothing(self, sandbox, names):
        sandbox.control.fault("http_500", vendor="everflow")
        assert len(names()) == 28

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
        with pytest.raises(ClientError) as caught:
            get(IfMatch=old)
        assert code(caught) == "PreconditionFailed"

    def test_an_object_that_is_swapped_after_it_was_listed(self, sandbox, s3, client, get):
        key = s3.export("orders-create", DAY, 5)
        sandbox.control.fault("swap", vendor="s3", match="", rows=3, times=2)
        page = client.list_objects_v2(Bucket=sandbox.bucket, Prefix=key)
        (listed,) = page["Contents"]
        with pytest.raises(ClientError) as caught:
            get(key, IfMatch=listed["ETag"])
        assert code(caught) == "PreconditionFailed"
        assert get(key) == export("orders-create", DAY, 3)

    def test_swapping_by_a_look_at_the_head(self, sandbox, s3, client, get):
        s3.put("x.csv", "old")
        sandbox.control.fault("swap", vendor="s3", match="HEAD ", text="newer")
        found = client.head_object(Bucket=sandbox.bucket, Key="x.csv")
        assert found["ContentLength"] == 5
        assert get() == b"newer"
