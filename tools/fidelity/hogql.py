"""PostHog: check the queries that tap-posthog sends with PostHog's own parser."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.posthog import PROJECT, SECOND_PROJECT
from tools.fidelity.environments import PythonPackages, Result
from tools.fidelity.recorder import recording_sandbox, run_tap

if TYPE_CHECKING:
    from pathlib import Path

_FAST = 10**6
_DAYS = 4
_PROJECTS = f"{PROJECT},{SECOND_PROJECT}"
_LIMITS = [
    f"{kind}per_{time}" for kind in ("", "clickhouse_", "queries_") for time in ("minute", "hour")
]
#: Streams that are read by queries.
_STREAMS = ("events", "persons", "sessions")
_RUNS: tuple[dict[str, Any], ...] = (
    {"include_personal_data": True},
    {"events_replication_key": "created_at", "project_id": _PROJECTS, "page_size": 100},
    {"events_key": "identity", "project_id": _PROJECTS, "page_size": 100},
    {"events_key": "identity", "events_replication_key": "created_at", "page_size": 100},
    {"include_personal_data": False, "page_size": 50, "window_hours": 1.5},
)


def check_queries(folder: Path) -> Result:
    """Check that each distinct query parses, and that an invalid one does not."""
    theirs = PythonPackages(folder / "env", "hogql-parser")
    recorder, server = recording_sandbox()
    rows = 0
    with server as sandbox:
        sandbox.control.posthog.limits(**dict.fromkeys(_LIMITS, _FAST))
        for settings in _RUNS:
            records = run_tap("tap-posthog", sandbox, _STREAMS, **_settings(), **settings)
            rows += sum(map(len, records.values()))
    sent = [query for item in recorder.of("posthog") if (query := _query(item["body"]))]
    texts = sorted({*sent})
    report = theirs.run("hogql_texts", texts)
    summary = f"{len(texts)} distinct texts of {len(sent)} queries, {rows} rows"
    differences = list(report["differences"])
    differences += [
        f"no query reads {name}" for name in _STREAMS if f"FROM {name}" not in str(texts)
    ]
    return Result(theirs.versions("hogql-parser"), summary, differences)


def _settings() -> dict[str, Any]:
    names = ("query_requests", "clickhouse_requests", "requests")
    rates = {f"{name}_per_{time}": _FAST for name in names for time in ("minute", "hour")}
    return {**rates, "start_date": str(datetime.now(UTC).date() - timedelta(days=_DAYS))}


def _query(body: str) -> str | None:
    try:
        query = json.loads(body)["query"]
    except (ValueError, KeyError, TypeError):
        return None
    return str(query["query"]) if query.get("kind") == "HogQLQuery" else None


CHECKS = {"hogql": check_queries}
