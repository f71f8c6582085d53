"""What PostHog sends along with its rows and nobody may read in a table."""

from __future__ import annotations

import json

import pytest

from signalroom_sandbox.posthog.access import SECRET

#: Where colleagues' addresses are in each: the viewers, `holdout.created_by`, `created_by`.
STREAMS = ("session_recordings", "experiments", "feature_flags", "annotations", "events")
ADDRESS = "@example.com"


def written(output):
    return json.dumps(output.messages)


@pytest.mark.parametrize("include", (False, True))
def test_secrets_of_the_project_and_tokens_of_events_are_never_loaded(make_tap, sync, include):
    tap = make_tap(include_personal_data=include)
    output = sync(tap, "project", "events", "session_recordings", "experiments")
    assert SECRET not in written(output)
    (project,) = output.records["project"]
    assert {*(project.get("_extra") or {})}.isdisjoint(
        {"slack_incoming_webhook", "conversations_settings", "live_events_token", "api_token"}
    )
    events = output.records["events"]
    assert events
    assert not [row for row in events if "token" in row["properties"]]


@pytest.mark.parametrize("stream", STREAMS)
def test_personal_data_needs_the_setting(make_tap, sync, stream):
    for include in (False, True):
        output = sync(make_tap(include_personal_data=include), stream)
        assert output.records[stream]
        names = [name for name in (ADDRESS, "@shop.example") if name in written(output)]
        assert bool(names) is include


def test_the_rest_of_a_holdout_and_of_a_recording_is_loaded(make_tap, sync):
    output = sync(make_tap(), "experiments", "session_recordings")
    holdouts = [(row.get("_extra") or {}).get("holdout") for row in output.records["experiments"]]
    assert {"id", "name"} <= next(one for one in holdouts if one).keys()
    assert all("viewers" not in (row.get("_extra") or {}) for row in output.records[STREAMS[0]])
