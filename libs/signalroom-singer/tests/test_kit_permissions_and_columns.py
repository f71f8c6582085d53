"""What a key may not read stops no other stream; columns newer than the catalog are there."""

from __future__ import annotations

import json
from functools import cached_property

import pytest
from click.testing import CliRunner
from kit_vendor import RowStream, RowTap, answer, ok
from singer_sdk import typing as th

from signalroom_singer import PermissionErrors, RequestRejectedError, TapError


class Refused(RowStream):
    name = "refused"

    def get_records(self, context):
        with self._tap.permission_errors.skip_forbidden(self, "refused"):
            yield from self.get()


class Later(Refused):
    name = "then"

    def get_records(self, context):
        yield {"id": 7}


class RefusalsTap(RowTap):
    config_jsonschema = {
        **RowTap.config_jsonschema,
        "properties": {
            **RowTap.config_jsonschema["properties"],
            **th.PropertiesList(th.Property("on_refusal", th.StringType)).to_dict()["properties"],
        },
    }

    @cached_property
    def permission_errors(self):
        return PermissionErrors(self.config, setting="on_refusal", advice="ask for permission")

    def discover_streams(self):
        return [Refused(self, self.client), Later(self, self.client)]


@pytest.fixture
def make(vendor):
    def make(kind=RefusalsTap, **config):
        return kind(config={"api_url": vendor.url, "api_key": "key", "max_retry_wait": 0} | config)

    return make


class Off(Refused):
    name = "off"
    selected_by_default = False


class SomeAreOffTap(RowTap):
    def discover_streams(self):
        return [Later(self, self.client), Off(self, self.client)]


class ParentStream(RowStream):
    def get_child_context(self, record, context):
        return {"parent_id": record["id"]}


class ChildStream(RowStream):
    name = "children"
    parent_stream_type = ParentStream


class FamilyTap(RowTap):
    def discover_streams(self):
        return [ParentStream(self, self.client), ChildStream(self, self.client)]


def test_a_dry_run_reads_a_child_with_its_parent(vendor, tmp_path):
    vendor.answers += [ok([{"id": 7}]), ok([])]
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_url": vendor.url, "api_key": "key"}))
    run = CliRunner().invoke(FamilyTap.cli, ["--config", str(config), "--test"])
    assert run.output.splitlines()[:2] == ["rows: ok (a record read)", "children: ok (empty)"]
    assert len(vendor.requests) == 2


def test_a_dry_run_leaves_out_what_is_off_by_default(vendor, tmp_path, caplog):
    caplog.set_level("INFO")
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_url": vendor.url, "api_key": "key"}))
    run = CliRunner().invoke(SomeAreOffTap.cli, ["--config", str(config), "--test"])
    assert run.exit_code == 0, run.output
    assert vendor.requests == []
    assert "Connection test passed: all 1 selected streams are readable" in caplog.text
    assert "Skipped (not selected by default): off" in caplog.text


def activated(output):
    return [one["stream"] for one in output.messages if one["type"] == "ACTIVATE_VERSION"]


def test_the_others_are_read_and_the_run_fails_at_its_end(vendor, make, sync, caplog):
    vendor.answers.append(answer(403, b"{}"))
    output = sync(make(on_refusal="error"), fails=TapError)
    assert "The key may not read refused:" in str(output.error)
    assert "ask for permission; or deselect the streams, or set on_refusal to skip" in str(
        output.error
    )
    assert "refused: GET /rows answered 403" in caplog.text
    assert [row["id"] for row in output.records["then"]] == [7]
    # Else a loader would take the old rows away.
    assert activated(output) == ["then"]


def test_or_it_does_not(vendor, make, sync):
    vendor.answers.append(answer(403, b"{}"))
    output = sync(make(on_refusal="skip"))
    assert activated(output) == ["then"]


def test_another_refusal_ends_it_at_once(vendor, make, sync):
    vendor.answers.append(answer(401, b"{}"))
    output = sync(make(on_refusal="skip"), fails=RequestRejectedError)
    assert "answered 401" in str(output.error)


class Growing(RowStream):
    name = "growing"
    has_dynamic_columns = True
    more = ()

    def __init__(self, tap, client):
        names = [th.Property(name, th.StringType) for name in ("name", *self.more)]
        key = th.Property("id", th.IntegerType, required=True)
        self.schema = th.PropertiesList(key, *names).to_dict()
        super().__init__(tap, client)

    def get_records(self, context):
        yield {"id": 1, "name": "a", **dict.fromkeys(self.more, "new")}


class GrowingTap(RowTap):
    def discover_streams(self):
        return [Growing(self, self.client)]


@pytest.mark.parametrize("changes", (True, False))
def test_columns_that_are_newer_than_the_catalog(make, sync, monkeypatch, changes):
    catalog = make(GrowingTap).catalog_dict
    for entry in catalog["streams"]:
        for metadata in entry["metadata"]:
            if [*metadata["breadcrumb"]] == ["properties", "name"]:
                metadata["metadata"]["selected"] = False
    monkeypatch.setattr(Growing, "more", ("added",))
    monkeypatch.setattr(Growing, "has_dynamic_columns", changes)
    tap = GrowingTap(config=dict(make(GrowingTap).config), catalog=catalog)
    output = sync(tap)
    tap.close()
    properties = output.schemas["growing"]["schema"]["properties"]
    assert ("added" in properties) is changes
    # What was deselected stays so.
    assert "name" not in properties
    assert "name" not in output.records["growing"][0]
    if changes:
        assert output.records["growing"][0]["added"] == "new"
