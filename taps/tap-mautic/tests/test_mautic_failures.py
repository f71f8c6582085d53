"""What forms were sent, and streams that fail while others are read."""

from __future__ import annotations

import json

import pytest
from singer_sdk.exceptions import RetriableAPIError

from signalroom_singer import TapError

RESULTS = "form_results"
#: As Mautic 5.1.1 words it.
_ERROR = {"errors": [{"message": "Looks like I encountered an error", "code": 500, "type": None}]}


def broken(sandbox, match, *, times=999, status=500, body=None, **more):
    sandbox.control.fault(
        "answer",
        vendor="mautic",
        match=match,
        status=status,
        headers={},
        body=_ERROR if body is None else body,
        times=times,
        **more,
    )


class TestFormResults:
    def test_columns_are_named_with_their_table(self, make_tap, sync, asked):
        assert sync(make_tap(), RESULTS).records[RESULTS]
        for query in asked("/api/forms/1/submissions"):
            assert "orderBy=s.id" in query
            assert "where%5B0%5D%5Bcol%5D=s.id" in query

    def test_the_contact_is_its_id_alone(self, make_tap, sync):
        output = sync(make_tap(), RESULTS)
        row = output.records[RESULTS][0]
        assert row["lead_id"] > 0
        assert isinstance(row["tracking_id"], str)
        assert "_extra" not in row
        assert "192.0.2.7" not in json.dumps(output.messages, default=str)

    def test_a_form_that_is_deleted_meanwhile(self, make_tap, mautic, sandbox, sync):
        gone = {"errors": [{"code": 404, "message": "Item was not found.", "details": []}]}
        broken(sandbox, "forms/2/submissions", status=404, body=gone)
        output = sync(make_tap(), RESULTS, "tags")
        assert {row["form_id"] for row in output.records[RESULTS]} == {1, 3, 4, 5}
        assert len(output.records["tags"]) == 35

    def test_a_form_that_fails_is_named_and_the_others_are_read(self, make_tap, sandbox, sync):
        first = sync(make_tap(), RESULTS)
        broken(sandbox, "forms/2/submissions")
        tap = make_tap(max_tries=2)
        output = sync(tap, RESULTS, "tags", "segments", fails=RetriableAPIError)
        assert {row["form_id"] for row in output.records[RESULTS]} == {1, 3, 4, 5}
        assert output.records["tags"]
        assert "/api/forms/2/submissions answered 500" in str(output.error)
        assert "deselect the stream" in str(output.error)
        partitions = output.state["bookmarks"][RESULTS]["partitions"]
        marks = {one["context"]["form_id"]: one.get("replication_key_value") for one in partitions}
        assert not marks.get(2)
        assert marks[3] is not None
        # With what an earlier run has read, its bookmark stays.
        again = sync(make_tap(first.state, max_tries=2), RESULTS, fails=RetriableAPIError)
        assert again.state["bookmarks"][RESULTS] == first.state["bookmarks"][RESULTS]
        sandbox.control.clear_faults()
        rest = sync(make_tap(output.state), RESULTS)
        assert {row["form_id"] for row in rest.records[RESULTS]} == {2}


class TestOtherStreams:
    def test_they_are_read_and_the_run_fails(self, make_tap, sandbox, sync):
        first = sync(make_tap(), "segments", "page_hits")
        broken(sandbox, "api/segments")
        broken(sandbox, "stats/page_hits")
        tap = make_tap(first.state, max_tries=2)
        names = ("segments", "tags", "forms", "page_hits", "page_redirects", "webhook_logs")
        output = sync(tap, *names, fails=TapError)
        assert [name for name in names if not output.records[name]] == ["segments", "page_hits"]
        assert "page_hits, segments failed, all other streams were read" in str(output.error)
        for name in ("segments", "page_hits"):
            assert output.state["bookmarks"][name] == first.state["bookmarks"][name]
        activated = {one["stream"] for one in output.messages if one["type"] == "ACTIVATE_VERSION"}
        assert "segments" not in activated
        assert "tags" in activated

    def test_also_where_a_role_may_not_see_one(self, make_tap, mautic, sandbox, sync):
        mautic.switches(missing_table="video_hits")
        broken(sandbox, "api/segments")
        output = sync(make_tap(max_tries=2), "segments", "video_hits", "tags", fails=TapError)
        assert "segments failed" in str(output.error)
        assert "may not read video_hits" in str(output.error)
        assert output.records["tags"]

    @pytest.mark.parametrize("body", ({"total": 5}, {"lists": "none"}, {"lists": [{"id": {}}]}))
    def test_answers_that_only_one_cannot_read(self, make_tap, sandbox, sync, body):
        broken(sandbox, "api/segments", status=200, body=body)
        output = sync(make_tap(max_tries=2), "segments", "tags", fails=TapError)
        assert str(output.error).startswith("segments: ")
        assert len(output.records["tags"]) == 35

    def test_a_mautic_that_is_down_ends_it(self, make_tap, sandbox, sync):
        tap = make_tap(max_tries=2)
        sandbox.control.fault("connection_reset", vendor="mautic", match="api/", times=999)
        output = sync(tap, "contacts", "segments", "tags", fails=RetriableAPIError)
        assert "lost its connection to 127.0.0.1" in str(output.error)
        asked = {one["path"] for one in sandbox.control.requests()["requests"]}
        assert "/api/segments" not in asked
