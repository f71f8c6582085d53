"""Lists: whole each time, or not at all."""

from __future__ import annotations

import json

import pytest

from signalroom_sandbox.posthog import PERSONAL_KEY, PROJECT
from signalroom_singer import TapError
from tap_posthog.client import PostHogClient

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


def requests_for(sandbox, resource):
    return [
        entry
        for entry in sandbox.control.requests()["requests"]
        if entry["path"].endswith(f"/{resource}/")
    ]


@pytest.mark.parametrize("stream", LISTS)
def test_each_row_is_loaded_once(make_tap, posthog, sync, stream):
    rows = sync(make_tap(), stream).records[stream]
    ids = [row["id"] for row in rows]
    assert sorted(ids) == sorted(row["id"] for row in posthog.listed(resource=LISTS[stream]))
    assert len(ids) == len({*ids})
    assert {row["project_id"] for row in rows} == {PROJECT}


class TestHidden:
    """Some lists leave rows out unless they are asked for them."""

    #: The parameter, and how many rows are hidden of how many.
    LISTS = (
        ("feature_flags", "archived", 23, 230),
        ("experiments", "archived", 5, 17),
        ("dashboards", "creation_mode", 1, 6),
    )

    @pytest.fixture
    def between(self, make_tap, monkeypatch):
        """Let something happen after the list as it is shown, so many times."""

        def between(stream, act, times=1):
            tap, left = make_tap(), [times]
            ask = tap.streams[stream].client.get

            def get_after_act(path, params=None):
                if left[0] and TestHidden.is_of_hidden(params):
                    left[0] -= 1
                    act()
                return ask(path, params)

            monkeypatch.setattr(PostHogClient, "get", lambda _, *args: get_after_act(*args))
            return tap

        return between

    @staticmethod
    def is_of_hidden(params):
        return (params or {}).get("archived") == "true"

    @pytest.mark.parametrize(("stream", "_parameter", "hidden", "count"), LISTS)
    @pytest.mark.parametrize("several", (False, True))
    def test_hidden_rows_are_loaded(
        self, make_tap, sync, posthog, stream, _parameter, hidden, count, several
    ):
        config = {"project_id": "4711,4712"} if several else {}
        rows = sync(make_tap(**config), stream).records[stream]
        first = [row for row in rows if row["project_id"] == PROJECT]
        found = [
            row for row in first if row.get("archived") or row.get("creation_mode") == "unlisted"
        ]
        assert (len(found), len(first)) == (hidden, count)
        assert {row["project_id"] for row in rows} == ({4711, 4712} if several else {4711})

    @pytest.mark.parametrize(("stream", "parameter", "_hidden", "count"), LISTS)
    def test_a_version_that_does_not_know_the_parameter(
        self, make_tap, sync, posthog, stream, parameter, _hidden, count
    ):
        """Both passes then are the same list: nothing is read twice, and nothing is missed."""
        listed = posthog.listed(resource=stream)
        posthog.switches(unknown_parameters=parameter)
        for row in listed:
            shown = {"archived": False} if parameter == "archived" else {"creation_mode": "default"}
            posthog.change(resource=stream, identifier=row["id"], **shown)
        output = sync(make_tap(), stream)
        ids = [row["id"] for row in output.records[stream]]
        assert sorted(ids) == sorted(row["id"] for row in listed)
        assert len(ids) == count
        assert activated(output) == {stream}

    def test_flags_of_older_versions(self, make_tap, sync, posthog):
        posthog.switches(unknown_parameters="archived")
        rows = sync(make_tap(), "feature_flags").records["feature_flags"]
        assert len(rows) == 230
        assert {row.get("archived") for row in rows} == {None}
        assert all(isinstance(row["rollout_percentage"], int) for row in rows)

    def test_flags_of_newer_versions(self, make_tap, sync, posthog):
        rows = sync(make_tap(), "feature_flags").records["feature_flags"]
        assert {row.get("rollout_percentage") for row in rows} == {None}
        listed = {row["id"]: row for row in posthog.listed(resource="feature_flags")}
        newer = ("archived", "evaluation_contexts", "creation_context", "bucketing_identifier")
        rights = ("can_edit", "user_access_level", "has_encrypted_payloads", "usage_dashboard")
        uses = ("performed_rollback", "has_enriched_analytics", "is_used_in_replay_settings")
        for row in rows:
            for name in (*newer, *rights, *uses, "is_remote_configuration"):
                assert row[name] == listed[row["id"]][name]
                assert name not in row["_extra"]

    def test_rights_holdouts_and_cohorts_of_experiments(self, make_tap, sync, posthog):
        (experiment, *_) = posthog.listed(resource="experiments")
        posthog.change(resource="experiments", identifier=experiment["id"], exposure_cohort=9)
        rows = sync(make_tap(), "experiments").records["experiments"]
        listed = {row["id"]: row for row in posthog.listed(resource="experiments")}
        assert any(row["holdout_id"] for row in rows)
        for row in rows:
            for name in ("holdout_id", "user_access_level"):
                assert row[name] == listed[row["id"]][name]
                assert name not in row["_extra"]
        assert [row["exposure_cohort"] for row in rows if row.get("exposure_cohort")] == [9]

    def test_an_archived_flag_stays(self, make_tap, sync, posthog):
        flag = next(row for row in posthog.listed(resource="feature_flags") if not row["archived"])
        before = sync(make_tap(), "feature_flags").records["feature_flags"]
        posthog.change(resource="feature_flags", identifier=flag["id"], archived=True, active=False)
        after = {
            row["id"]: row for row in sync(make_tap(), "feature_flags").records["feature_flags"]
        }
        assert {row["id"] for row in before} == {*after}
        assert after[flag["id"]]["archived"] is True

    def test_only_archived_ones(self, make_tap, sync, posthog):
        for row in posthog.listed(resource="feature_flags"):
            posthog.change(resource="feature_flags", identifier=row["id"], archived=True)
        assert len(sync(make_tap(), "feature_flags").records["feature_flags"]) == 230

    @pytest.mark.parametrize("archived", (False, True))
    def test_a_flag_that_is_archived_during_the_run(self, between, posthog, sync, archived):
        """Restored, it is in neither pass; archived, it is in both: it is there in any case."""
        flags = posthog.listed(resource="feature_flags")
        flag = next(row for row in flags if row["archived"] is archived)

        def change():
            posthog.change(resource="feature_flags", identifier=flag["id"], archived=not archived)

        output = sync(between("feature_flags", change), "feature_flags")
        last = {row["id"]: row for row in output.records["feature_flags"]}
        assert {*last} == {row["id"] for row in flags}
        assert last[flag["id"]]["archived"] is not archived
        assert activated(output) == {"feature_flags"}

    def test_flags_that_are_archived_in_each_attempt(self, between, posthog, sync):
        flags = iter(row for row in posthog.listed(resource="feature_flags") if row["archived"])

        def change():
            posthog.change(resource="feature_flags", identifier=next(flags)["id"], archived=False)

        output = sync(between("feature_flags", change, 99), "feature_flags", fails=TapError)
        assert "was different each of the 4 times" in str(output.error)
        assert activated(output) == set()

    def test_surveys_are_all_listed(self, make_tap, sync):
        rows = sync(make_tap(), "surveys").records["surveys"]
        assert {row["archived"] for row in rows} == {True, False}


def test_annotations_of_the_organization_are_loaded_with_each_project(make_tap, sync):
    output = sync(make_tap(project_id="4711,4712"), "annotations")
    keys = output.schemas["annotations"]["key_properties"]
    rows = {tuple(row[name] for name in keys): row for row in output.records["annotations"]}
    shared = [row for row in rows.values() if row["scope"] == "organization"]
    assert sorted((row["project_id"], row["id"]) for row in shared) == [
        (project, number) for project in (4711, 4712) for number in (901, 902)
    ]


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
    def test_built_in_properties_of_each_kind(self, make_tap, sync, project):
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

    def test_lists_that_took_too_long_are_requested_again(self, make_tap, posthog, sync):
        posthog.switches(slow_definitions=3)
        output = sync(make_tap(), self.STREAM, "event_definitions")
        assert len(output.records["event_definitions"]) == 120
        assert len(output.records[self.STREAM]) == 166

    def test_no_scope_for_groups_is_needed(self, make_tap, posthog, sync):
        posthog.key(key=PERSONAL_KEY, scopes=["property_definition:read"])
        output = sync(make_tap(), self.STREAM)
        assert ("group", 1) in self.kinds(output)

    def test_a_project_without_groups(self, make_tap, posthog, sync):
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


def test_sessions_by_query(make_tap, sync):
    output = sync(make_tap(page_size=10), "sessions")
    rows = output.records["sessions"]
    assert len(rows) == len({row["session_id"] for row in rows}) > 50
    assert rows[0]["end_timestamp"] > rows[0]["start_timestamp"]
    assert isinstance(rows[0]["pageview_count"], int)
    # 0, 1 or unknown at PostHog.
    assert {row["is_bounce"] for row in rows} <= {True, False, None}
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


def test_deleted_rows_are_not_loaded(make_tap, posthog, sync):
    (first, second, *_) = [row["id"] for row in posthog.listed(resource="feature_flags")]
    posthog.delete(resource="feature_flags", identifier=first)
    posthog.change(resource="feature_flags", identifier=second, updated_at=None, new_field={"a": 1})
    output = sync(make_tap(), "feature_flags")
    rows = {row["id"]: row for row in output.records["feature_flags"]}
    assert first not in rows
    assert rows[second]["_extra"]["new_field"] == {"a": 1}
    assert activated(output) == {"feature_flags"}


class TestPages:
    """A list that is not whole is not loaded."""

    @pytest.fixture
    def change_between_pages(self, make_tap, posthog, monkeypatch):
        """Let something happen after the first page, so many times."""

        def change(times, act):
            tap = make_tap()
            stream = tap.streams["feature_flags"]
            ask, left = stream.client.get, [times]

            def get(path, params=None):
                if params and params.get("offset") and left[0]:
                    left[0] -= 1
                    act()
                return ask(path, params)

            monkeypatch.setattr(PostHogClient, "get", lambda _, *args: get(*args))
            return tap

        return change

    def test_a_row_is_deleted_between_pages(self, change_between_pages, posthog, sync):
        ids = iter([row["id"] for row in posthog.listed(resource="feature_flags")])
        tap = change_between_pages(
            1, lambda: posthog.delete(resource="feature_flags", identifier=next(ids))
        )
        output = sync(tap, "feature_flags")
        left = {row["id"] for row in posthog.listed(resource="feature_flags")}
        assert left <= {row["id"] for row in output.records["feature_flags"]}
        assert activated(output) == {"feature_flags"}

    def test_rows_are_deleted_in_each_attempt(self, change_between_pages, posthog, sync):
        ids = iter([row["id"] for row in posthog.listed(resource="feature_flags")])
        tap = change_between_pages(
            99, lambda: posthog.delete(resource="feature_flags", identifier=next(ids))
        )
        output = sync(tap, "feature_flags", fails=TapError)
        assert "was different each of the 4 times" in str(output.error)
        assert activated(output) == set()

    def test_a_list_that_repeats_its_first_page(self, make_tap, posthog, sync):
        posthog.switches(repeated_pages=True)
        output = sync(make_tap(), "feature_flags", fails=TapError)
        assert "rows could be missing" in str(output.error)
        assert activated(output) == set()

    def test_next_is_not_followed(self, make_tap, posthog, sync):
        posthog.switches(foreign_next=True)
        assert len(sync(make_tap(), "feature_flags").records["feature_flags"]) == 230

    def test_a_list_that_does_not_mark_its_last_page(self, make_tap, posthog, sync):
        posthog.switches(empty_last_page=True)
        assert len(sync(make_tap(), "feature_flags").records["feature_flags"]) == 230

    def test_without_an_envelope(self, make_tap, posthog, sync):
        posthog.switches(bare_results=True)
        assert len(sync(make_tap(), "feature_flags").records["feature_flags"]) == 230

    def test_an_empty_page_of_a_longer_list(self, make_tap, sandbox, sync):
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
        # Three pages, one of what is hidden, and one to see that nothing changed sides.
        assert len(requests_for(sandbox, "feature_flags")) == 5
        assert len(requests_for(sandbox, "cohorts")) == 1

    def test_a_response_without_results(self, make_tap, sandbox, sync):
        sandbox.control.fault(
            "answer", vendor="posthog", match="cohorts", status=200, headers={}, body={"x": 1}
        )
        output = sync(make_tap(), "cohorts", fails=TapError)
        assert "responded without results" in str(output.error)
        assert activated(output) == set()
