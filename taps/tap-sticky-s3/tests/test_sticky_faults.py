"""What S3 and the network do to a tap, and what it makes of it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from botocore.client import BaseClient
from sticky_exports import DAY, batch_rows, export, known, orders

from signalroom_singer import TapError

ORDERS = "orders_create"
LISTING, BODY = "list-type=2", r"GET .*report_2025-12-01"
#: Requests for the file before the one for all of it: its header.
HEADERS = 1
WIDE = 200_000  # bytes of the file that bodies are cut in, several times what a header takes


@pytest.fixture
def fault(sandbox):
    """Let a fault happen to S3."""

    def inject(name, match, **options):
        sandbox.control.fault(name, vendor="s3", match=match, **options)

    return inject


@pytest.fixture
def file(s3):
    """A file of some size; gives its ids."""
    rows = [(str(number), "95", "x" * 500) for number in range(WIDE // 500)]
    s3.put(DAY.format(1), export(*rows))
    return [row[0] for row in rows]


def ids(output):
    return [row["orders_id"] for row in output.records[ORDERS]]


def ranges(sandbox):
    """The parts of the file that were asked for."""
    requests = sandbox.control.requests()["requests"]
    gets = [item for item in requests if item["method"] == "GET" and "report_" in item["path"]]
    return [item.get("range") or "" for item in gets]


@pytest.mark.parametrize("fault_name", ("empty_200", "html_200", "internal_error_200"))
@pytest.mark.parametrize("request_path", (LISTING, BODY))
class TestMalformedResponses:
    """A proxy's page, an error or nothing at all, with status 200."""

    def test_they_are_retried(self, file, fault, make_tap, sync, fault_name, request_path):
        tap = make_tap()
        fault(fault_name, request_path, times=1)
        assert ids(sync(tap, ORDERS)) == file

    def test_they_are_not_an_empty_bucket_or_file(
        self, file, fault, make_tap, sync, fault_name, request_path
    ):
        fault(fault_name, request_path, times=99)
        says = r"Cannot (list|read) sticky-713-data-repo\S*/orders-create/.* after \d+ tries"
        with pytest.raises(TapError, match=says):
            sync(make_tap(), ORDERS)


class TestListing:
    def test_pages(self, s3, make_tap, sync):
        s3.page_size(2)
        for day in range(1, 6):
            s3.put(DAY.format(day), export(*orders(1, day)))
        s3.put("orders-create/x.part", "")
        s3.put("orders-create/y.part", "")  # a page without a file of the table
        assert sorted(ids(sync(make_tap(), ORDERS))) == ["1", "2", "3", "4", "5"]

    def test_a_deleted_object_is_not_listed(self, s3, make_tap, sync):
        s3.versioning(on=True)
        s3.put(DAY.format(1), export(*orders(1)))
        s3.delete(DAY.format(1))
        assert sync(make_tap(), ORDERS).records == {}

    @pytest.mark.parametrize("name", ("slow_down", "s3_500", "connection_reset", "http_503"))
    def test_transient_errors(self, file, make_tap, sync, fault, name, caplog):
        fault(name, LISTING, times=3)
        assert ids(sync(make_tap(), ORDERS)) == file
        assert "trying again" in caplog.text

    def test_a_response_that_cannot_be_parsed(self, file, make_tap, sync, fault):
        fault("unparsable_listing", LISTING, times=1)
        assert ids(sync(make_tap(), ORDERS)) == file

    def test_the_second_page_is_forbidden(self, s3, make_tap, sync, fault):
        s3.page_size(1)
        for day in (1, 2):
            s3.put(DAY.format(day), export(*orders(1, day)))
        fault("s3_403", LISTING, skip=1, times=99)
        output = sync(make_tap(), fails=TapError)
        assert "s3:ListBucket" in str(output.error)
        assert not output.records

    @pytest.mark.parametrize("bucket", ("s3://a-bucket/folder", "a bucket", "a/b"))
    def test_an_invalid_bucket_name(self, make_tap, sync, bucket):
        with pytest.raises(TapError) as caught:
            sync(make_tap(bucket=bucket))
        assert f"{bucket!r} is not a bucket's name. Set `bucket` to the name alone" in str(
            caught.value
        )

    def test_a_folder_without_files_is_a_warning(self, s3, make_tap, sync, caplog):
        s3.put(DAY.format(1), "a,b\r\n1,2\r\n")
        sync(make_tap(prefixes="orders-create,order-create"))
        assert "/order-create/ has no files of this table. If it should, check" in caplog.text
        assert "/orders-create/ has no files" not in caplog.text

    def test_no_such_bucket(self, s3, make_tap, sync):
        output = sync(make_tap(bucket="no-such-bucket"), fails=TapError)
        assert re.search("NoSuchBucket.*Check `bucket`", str(output.error))

    @pytest.mark.parametrize(
        ("name", "match"),
        (
            ("invalid_access_key", "`aws_access_key_id`"),
            ("signature_mismatch", "`aws_secret_access_key`"),
            ("s3_403", "s3:ListBucket"),
            ("expired_token", "credentials have expired"),
            ("permanent_redirect", "set `region`"),
        ),
    )
    def test_errors_that_the_user_has_to_fix(self, file, make_tap, sync, fault, name, match):
        fault(name, ".", times=99)
        output = sync(make_tap(), fails=TapError)
        assert match in str(output.error)

    def test_an_unknown_access_key(self, file, make_tap, sync):
        output = sync(make_tap(aws_access_key_id="AKIANOBODY"), fails=TapError)
        assert "InvalidAccessKeyId" in str(output.error)

    def test_a_wrong_secret(self, file, make_tap, sync):
        output = sync(make_tap(aws_secret_access_key="wrong"), fails=TapError)
        assert "(SignatureDoesNotMatch): Check `aws_secret_access_key`: " in str(output.error)

    def test_an_unreachable_endpoint(self, make_tap, sync):
        tap = make_tap(endpoint_url="http://127.0.0.1:9", max_tries=2)
        output = sync(tap, fails=TapError)
        assert "`endpoint_url`" in str(output.error)
        assert "after 2 tries" in str(output.error)

    def test_a_missing_profile(self, make_tap, sync):
        settings = {"aws_access_key_id": None, "aws_secret_access_key": None}
        output = sync(make_tap(aws_profile="nobody", **settings), fails=TapError)
        assert "'nobody'" in str(output.error)


class TestBodies:
    @pytest.mark.parametrize("name", ("slow_down", "s3_500", "connection_reset"))
    def test_transient_errors(self, file, make_tap, sync, fault, name):
        fault(name, BODY, times=3)
        assert ids(sync(make_tap(), ORDERS)) == file

    def test_permanent_errors(self, file, make_tap, sync, fault):
        fault("slow_down", BODY, skip=HEADERS, times=99)
        output = sync(make_tap(max_tries=3), ORDERS, fails=TapError)
        assert "after 3 tries (SlowDown)" in str(output.error)
        assert not output.records
        assert output.state["bookmarks"][ORDERS]["fields"] == []

    def test_an_interrupted_download_resumes(self, file, make_tap, sync, fault, sandbox):
        fault("cut_body", BODY, skip=HEADERS, times=2)
        assert ids(sync(make_tap(), ORDERS)) == file
        *headers, first, second, third = ranges(sandbox)
        assert headers == ["bytes=0-65535"] * HEADERS
        assert first == ""
        starts = [int(re.match(r"bytes=(\d+)-", part)[1]) for part in (second, third)]
        assert 0 < starts[0] < starts[1]

    def test_a_download_that_is_always_interrupted(self, file, make_tap, sync, fault):
        fault("cut_body", BODY, skip=HEADERS, times=99, at=0)
        output = sync(make_tap(max_tries=3), ORDERS, fails=TapError)
        assert "after 3 tries" in str(output.error)
        assert not output.records

    def test_a_download_that_stalls(self, file, make_tap, sync, fault):
        fault("slow_body", BODY, skip=HEADERS, times=1, seconds=3)
        assert ids(sync(make_tap(request_timeout=1), ORDERS)) == file

    def test_a_truncated_gzip_file(self, s3, make_tap, sync, fault):
        import gzip  # noqa: PLC0415 - one test's

        rows = orders(2000)
        s3.put(DAY.format(1), gzip.compress(export(*rows).encode()))
        fault("cut_body", BODY, skip=HEADERS, times=1)
        assert ids(sync(make_tap(), ORDERS)) == [row[0] for row in rows]


class TestVersions:
    NEW = export(*orders(3, first=500))

    def test_overwritten_between_list_and_get(self, file, make_tap, sync, fault, batches):
        fault("swap", BODY, skip=HEADERS, text=self.NEW)
        output = sync(make_tap(**batches), ORDERS, "files")
        assert [row["orders_id"] for row in batch_rows(output, ORDERS)] == ["502", "501", "500"]
        assert known(output.state) == {DAY.format(1): 3}
        assert [row["row_count"] for row in output.records["files"]] == [3]

    def test_overwritten_between_get_and_resume(self, file, make_tap, sync, fault):
        fault("cut_body", BODY, skip=HEADERS, times=1)
        fault("swap", BODY, skip=HEADERS, text=self.NEW)  # the next after the one that is cut
        output = sync(make_tap(), ORDERS)
        assert ids(output) == ["502", "501", "500"]
        assert len({row["_file_etag"] for row in output.records[ORDERS]}) == 1

    def test_the_new_version_has_another_header(self, file, make_tap, sync, fault):
        fault("swap", BODY, skip=HEADERS, text="orders_id,surprise\r\n1,x\r\n")
        (row,) = sync(make_tap(), ORDERS).records[ORDERS]
        assert row["orders_id"] == "1"
        assert row["_extra"] == {"surprise": "x"}

    def test_a_store_that_responds_with_412(self, file, make_tap, sync, fault):
        fault("s3_412", BODY, skip=HEADERS, times=1)
        assert ids(sync(make_tap(), ORDERS)) == file

    @pytest.mark.parametrize("skip", range(3))
    def test_a_412_without_a_condition_is_retried(self, file, make_tap, sync, sandbox, skip):
        sandbox.control.fault("s3_412", vendor="s3", times=1, skip=skip)
        assert ids(sync(make_tap(), ORDERS)) == file

    def test_a_file_that_is_overwritten_again_and_again(self, file, make_tap, sync, fault):
        fault("s3_412", BODY, skip=HEADERS, times=99)
        output = sync(make_tap(max_tries=3), ORDERS, fails=TapError)
        assert "`settle_seconds`" in str(output.error)

    def test_deleted_since_it_was_listed(self, file, make_tap, sync, fault, caplog):
        fault("s3_404", BODY, times=99)
        output = sync(make_tap(), ORDERS)
        assert output.records == {}
        assert known(output.state) == {}
        assert "was deleted since it was listed" in caplog.text


class TestForbiddenObjects:
    @pytest.fixture
    def others(self, s3):
        s3.put(DAY.format(2), export(*orders(1, 2)))

    def test_forbidden(self, file, others, make_tap, sync, fault):
        fault("s3_403", BODY, times=99)
        output = sync(make_tap(), ORDERS, fails=TapError)
        assert "s3:GetObject" in str(output.error)
        assert ids(output) == ["2"]

    def test_archived(self, s3, others, make_tap, sync):
        s3.put(DAY.format(1), export(*orders(1)), storage_class="DEEP_ARCHIVE")
        output = sync(make_tap(), ORDERS, fails=TapError)
        assert "Restore it" in str(output.error)
        assert known(sync(make_tap(on_bad_file="skip"), ORDERS).state) == {DAY.format(2): 1}


class TestWideEncodings:
    """Files in UTF-16 that no byte order mark announces."""

    @pytest.mark.parametrize("encoding", ("utf-16-le", "utf-16-be", "utf-32-le"))
    def test_they_are_bad_until_the_setting_names_them(self, s3, make_tap, sync, encoding):
        s3.put(DAY.format(1), export(*orders(2)).encode(encoding))
        s3.put(DAY.format(2), export(*orders(1, 9)))
        output = sync(make_tap(), ORDERS, fails=TapError)
        assert f"{DAY.format(1)}: it is encoded in {encoding}" in str(output.error)
        assert f"Set `encoding` to {encoding}." in str(output.error)
        assert ids(output) == ["9"]
        assert known(output.state) == {DAY.format(2): 1}
        columns = output.schemas[ORDERS]["schema"]["properties"]
        assert not [name for name in columns if name.startswith(("o_r", "t_o"))]
        s3.delete(DAY.format(2))
        again = sync(make_tap(output.state, encoding=encoding), ORDERS)
        assert sorted(ids(again)) == ["1", "2"]


class TestRoles:
    ROLE = "arn:aws:iam::123456789012:role/exports-reader"

    @pytest.fixture(autouse=True)
    def _sts(self, monkeypatch, sandbox):
        monkeypatch.setenv("AWS_ENDPOINT_URL_STS", sandbox.s3_url)

    def test_a_role_is_assumed(self, file, make_tap, sync, sandbox):
        tap = make_tap(role_arn=self.ROLE, external_id="x1", region="us-east-1")
        assert ids(sync(tap, ORDERS)) == file
        requests = sandbox.control.requests()["requests"]
        assert any("AssumeRole" in item["body"] for item in requests)

    def test_its_credentials_expire_in_the_middle(self, file, make_tap, sync, fault, sandbox):
        fault("expired_token", BODY, skip=HEADERS, times=1)
        assert ids(sync(make_tap(role_arn=self.ROLE), ORDERS)) == file
        requests = sandbox.control.requests()["requests"]
        # For all that is read, and once more.
        assert len([item for item in requests if "AssumeRole" in item["body"]]) == 2

    def test_a_role_that_may_not_be_assumed(self, file, make_tap, sync, fault):
        fault("assume_role_denied", "POST", times=99)
        output = sync(make_tap(role_arn=self.ROLE), fails=TapError)
        assert re.search("assume the role .*reader.*sts:AssumeRole", str(output.error))


class TestRequests:
    @pytest.fixture
    def calls(self, monkeypatch):
        """The arguments of each request."""
        actual = []
        make = BaseClient._make_api_call

        def call(client, operation, arguments):
            actual.append((operation, arguments))
            return make(client, operation, arguments)

        monkeypatch.setattr(BaseClient, "_make_api_call", call)
        return actual

    def test_who_pays_and_who_owns(self, file, make_tap, sync, calls):
        tap = make_tap(request_payer=True, expected_bucket_owner="123456789012")
        assert ids(sync(tap, ORDERS)) == file
        assert {operation for operation, _ in calls} == {"ListObjectsV2", "GetObject"}
        for _, arguments in calls:
            assert arguments["RequestPayer"] == "requester"
            assert arguments["ExpectedBucketOwner"] == "123456789012"

    def test_no_such_parameters_by_default(self, file, make_tap, sync, calls):
        sync(make_tap(), ORDERS)
        assert not any("RequestPayer" in arguments for _, arguments in calls)
        bodies = [arguments for operation, arguments in calls if operation == "GetObject"]
        assert all(arguments["IfMatch"] for arguments in bodies)

    @pytest.mark.parametrize(
        ("settings", "address"),
        (
            ({}, "https://a-bucket.s3.amazonaws.com/"),
            ({"addressing_style": "path"}, "https://s3.amazonaws.com/a-bucket"),
            ({"endpoint_url": "https://r2.example.com"}, "https://r2.example.com/a-bucket"),
        ),
    )
    def test_where_the_bucket_is(self, make_tap, settings, address):
        tap = make_tap(bucket="a-bucket", **{"endpoint_url": None} | settings)
        url = tap.bucket._client.generate_presigned_url("list_objects_v2", {"Bucket": "a-bucket"})
        assert url.startswith(address)

    def test_in_which_region(self, make_tap):
        tap = make_tap(endpoint_url=None, region="eu-west-1")
        assert tap.bucket._client.meta.endpoint_url == "https://s3.eu-west-1.amazonaws.com"


def test_the_clock_of_this_machine_does_not_matter(s3, make_tap, sync):
    """A file from the future is loaded, and loaded once."""
    s3.put(DAY.format(1), export(*orders(1)), modified=datetime(2199, 1, 1, tzinfo=UTC))
    output = sync(make_tap(), ORDERS)
    assert ids(output) == ["1"]
    assert sync(make_tap(output.state), ORDERS).records == {}
