"""Lists: whole each time, or not at all."""

from __future__ import annotations

import json

import pytest

from signalroom_sandbox.posthog import PERSONAL_KEY, PROJECT
from signalroom_singer import TapError

#: What the sandbox has, and how the streams are called.
LISTS = {
    "actions": "actions",
    "annotations": "annotations",
    "cohorts": "cohorts",
    "dashboards": "dashboards",
    "event_definitions": "event_definitions",
    "experiments": "experiments",
    "feature_flags": "feature_flags",
    "insights": "insights",
    "session_recordings": "session_recordings",
    "surveys": "surveys",
}


def activated(output):
    return {one["stream"] for one in output.messages if one["type"] == "ACTIVATE_VERSION"}


def asked(sandbox, resource):
    return [
        entry
        for entry in sandbox.control.requests()["requests"]
        if entry["path"].endswith(f"/{resource}/")
    ]


@pytest.mark.parametrize("stream", LISTS)
def test_each_row_is_there_once(make_tap, posthog, sync, stream):
    rows = sync(make_tap(), stream).records[stream]
    ids = [row["id"] for row in rows]
    assert sorted(ids) == sorted(row["id"] for row in posthog.listed(resource=LISTS[stream]))
    assert len(ids) == len({*ids})
    assert {row["project_id"] for row in rows} == {PROJECT}


def test_archived_experiments_are_there(make_tap, sync):
    rows = sync(make_tap(), "experiments").records["experiments"]
    assert {row["archived"] for row in rows} == {True, False}


class TestPropertyDefinitions:
    """Each kind of property is a list of its own, and so is each kind of group."""

    STREAM = "property_definitions"

    def kinds(self, output):
        return {(row["type"], row.get("group_type_index")) for row in output.records[self.STREAM]}

    def test_of_all_kinds(self, make_tap, posthog, sync):
        output = sync(make_tap(), self.STREAM)
        kinds = {("event", None), ("person", None), ("session", None), ("group", 0), ("group", 1)}
        assert self.kinds(output) == kinds
        listed = {row["id"]: row for row in posthog.listed(resource=self.STREAM)}
        for row in output.records[self.STREAM]:
            known = listed.pop(row["id"], row)
            assert (known["type"], known.get("group_type_index")) == (
                row["type"],
                row.get("group_type_index"),
            )
        assert listed == {}

    @pytest.mark.parametrize("project", ("4711", "all"))
    def test_built_in_ones_are_there_for_each_kind(self, make_tap, sync, project):
        output = sync(make_tap(project_id=project), self.STREAM)
        built_in = [row for row in output.records[self.STREAM] if row["name"] == "$virt_mrr"]
        of = [(row["project_id"], row["type"], row.get("group_type_index")) for row in built_in]
        projects = (4711, 4712) if project == "all" else (4711,)
        kinds = (("group", 0), ("group", 1), ("person", None))
        assert sorted(map(str, of)) == sorted(
            str((number, *kind)) for number in projects for kind in kinds
        )
        keys = output.schemas[self.STREAM]["key_properties"]
        rows = output.records[self.STREAM]
        assert len({tuple(row[name] for name in keys) for row in rows}) == len(rows)
        # As before where it was unique.
        (person, *_) = [row for row in built_in if row["type"] == "person"]
        assert person["id"] == "$builtin_$virt_mrr"

    def test_no_scope_for_groups_is_needed(self, make_tap, posthog, sync):
        posthog.key(key=PERSONAL_KEY, scopes=["property_definition:read"])
        output = sync(make_tap(), self.STREAM)
        assert ("group", 1) in self.kinds(output)

    def test_of_no_groups(self, make_tap, posthog, sync):
        for row in posthog.listed(resource=self.STREAM):
            if row["type"] == "group":
                posthog.delete(resource=self.STREAM, identifier=row["id"])
        output = sync(make_tap(), self.STREAM)
        assert self.kinds(output) == {("event", None), ("person", None), ("session", None)}
        assert activated(output) == {self.STREAM}


def test_groups_of_each_kind(make_tap, posthog, sync):
    output = sync(make_tap(), "groups", "group_types")
    assert len(output.records["group_types"]) == 2
    keys = [(row["group_type_index"], row["group_key"]) for row in output.records["groups"]]
    assert len({*keys}) == len(keys) == len(posthog.listed(resource="groups"))
    assert output.schemas["groups"]["key_properties"] == [
        "project_id",
        "group_type_index",
        "group_key",
    ]


def test_persons_by_query(make_tap, sync, posthog):
    for page_size in (2, 70, 1000):
        output = sync(make_tap(page_size=page_size), "persons")
        ids = [row["id"] for row in output.records["persons"]]
        assert len({*ids}) == len(ids) == 150
        assert "@example.com" not in json.dumps(output.messages)
    (row, *_) = sync(make_tap(include_personal_data=True), "persons").records["persons"]
    assert row["properties"]["email"].endswith("@example.com")


def test_sessions_by_query(make_tap, sync):
    output = sync(make_tap(page_size=10), "sessions")
    rows = output.records["sessions"]
    assert len(rows) == len({row["session_id"] for row in rows}) > 50
    assert rows[0]["end_timestamp"] > rows[0]["start_timestamp"]
    assert isinstance(rows[0]["pageview_count"], int)
    (partition,) = output.state["bookmarks"]["sessions"]["partitions"]
    assert partition["replication_key"] == "start_timestamp"


def test_the_project_has_no_tokens(make_tap, sync):
    output = sync(make_tap(), "project")
    (row,) = output.records["project"]
    assert (row["id"], row["timezone"]) == (PROJECT, "UTC")
    assert "phc_" not in json.dumps(output.messages)
    assert "phs_" not in json.dumps(output.messages)


def test_users_are_numbers_only(make_tap, sync):
    output = sync(make_tap(), "feature_flags")
    assert "@example.com" not in json.dumps(output.messages)
    users = [row["created_by"] for row in output.records["feature_flags"]]
    assert None in users
    assert {"id", "uuid", "distinct_id"} == {*next(user for user in users if user)}
    output = sync(make_tap(include_personal_data=True), "feature_flags")
    assert "analyst0@example.com" in json.dumps(output.messages)


def test_what_was_deleted_is_not_there(make_tap, posthog, sync):
    (first, second, *_) = [row["id"] for row in posthog.listed(resource="feature_flags")]
    posthog.delete(resource="feature_flags", identifier=first)
    posthog.change(resource="feature_flags", identifier=second, updated_at=None, new_field={"a": 1})
    output = sync(make_tap(), "feature_flags")
    rows = {row["id"]: row for row in output.records["feature_flags"]}
    assert first not in rows
    assert rows[second]["_extra"] == {"new_field": {"a": 1}}
    assert activated(output) == {"feature_flags"}


class TestPages:
    """A list that is not whole is not loaded."""

    @pytest.fixture
    def change_between_pages(self, make_tap, posthog, monkeypatch):
        """Let something happen after the first page, so many times."""

        def change(times, act):
            tap = make_tap()
            stream = tap.streams["feature_flags"]
            ask, left = stream.get, [times]

            def asked(path, params=None):
                if params and params.get("offset") and left[0]:
                    left[0] -= 1
                    act()
                return ask(path, params)

            monkeypatch.setattr(type(stream), "get", lambda _, *args: asked(*args))
            return tap

        return change

    def test_one_is_deleted(self, change_between_pages, posthog, sync):
        ids = iter([row["id"] for row in posthog.listed(resource="feature_flags")])
        tap = change_between_pages(
            1, lambda: posthog.delete(resource="feature_flags", identifier=next(ids))
        )
        output = sync(tap, "feature_flags")
        left = {row["id"] for row in posthog.listed(resource="feature_flags")}
        assert left <= {row["id"] for row in output.records["feature_flags"]}
        assert activated(output) == {"feature_flags"}

    def test_some_are_deleted_each_time(self, change_between_pages, posthog, sync):
        ids = iter([row["id"] for row in posthog.listed(resource="feature_flags")])
        tap = change_between_pages(
            99, lambda: posthog.delete(resource="feature_flags", identifier=next(ids))
        )
        output = sync(tap, "feature_flags", fails=TapError)
        assert "was another each of the 4 times" in str(output.error)
        assert activated(output) == set()

    def test_all_pages_are_the_first(self, make_tap, posthog, sync):
        posthog.switches(repeated_pages=True)
        output = sync(make_tap(), "feature_flags", fails=TapError)
        assert "rows could be missing" in str(output.error)
        assert activated(output) == set()

    def test_next_is_not_followed(self, make_tap, posthog, sync):
        posthog.switches(foreign_next=True)
        assert len(sync(make_tap(), "feature_flags").records["feature_flags"]) == 230

    def test_a_last_page_that_is_not_told(self, make_tap, posthog, sync):
        posthog.switches(empty_last_page=True)
        assert len(sync(make_tap(), "feature_flags").records["feature_flags"]) == 230

    def test_without_an_envelope(self, make_tap, posthog, sync):
        posthog.switches(bare_results=True)
        assert len(sync(make_tap(), "feature_flags").records["feature_flags"]) == 230

    def test_a_page_without_rows_though_there_are_some(self, make_tap, sandbox, sync):
        body = {"count": 20, "next": "https://elsewhere.example.com/", "results": []}
        empty = {"vendor": "posthog", "match": "cohorts", "status": 200, "headers": {}}
        sandbox.control.fault("answer", **empty, body=body, times=2)
        assert len(sync(make_tap(), "cohorts").records["cohorts"]) == 20
        sandbox.control.fault("answer", **empty, body=body, times=99)
        output = sync(make_tap(), "cohorts", fails=TapError)
        assert activated(output) == set()

    def test_no_groups(self, make_tap, sandbox, sync):
        sandbox.control.fault(
            "answer", vendor="posthog", match="groups_types", status=200, headers={}, body=[]
        )
        output = sync(make_tap(), "groups")
        assert output.records["groups"] == []
        assert activated(output) == {"groups"}

    def test_few_requests(self, make_tap, sandbox, sync):
        sync(make_tap(), "feature_flags", "cohorts")
        assert len(asked(sandbox, "feature_flags")) == 3
        assert len(asked(sandbox, "cohorts")) == 1

    def test_an_answer_without_results(self, make_tap, sandbox, sync):
        sandbox.control.fault(
            "answer", vendor="posthog", match="cohorts", status=200, headers={}, body={"x": 1}
        )
        output = sync(make_tap(), "cohorts", fails=TapError)
        assert "answered without results" in str(output.error)
        assert activated(output) == set()
