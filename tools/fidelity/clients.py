"""Third-party taps that read the same source as one of ours."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.posthog import PERSONAL_KEY, PROJECT, SECOND_PROJECT
from signalroom_sandbox.sticky_s3 import ACCESS_KEY, SECRET
from tools.fidelity.environments import PythonPackages, Result, output_of
from tools.fidelity.recorder import recording_sandbox, run_tap

if TYPE_CHECKING:
    from pathlib import Path

    from tools.fidelity.recorder import Records

#: Streams that both Airbyte's source and tap-posthog have.
_LISTS = ("annotations", "cohorts", "feature_flags")
_TABLE = "orders_create"
_HEADER = ["orders_id", "total_amount", "billing_state"]
_FILES = {
    "orders-create/report_2026-01-01_a.csv": [["1", "95.00", "TX"], ["2", "7.25", "CA"]],
    "orders-create/report_2026-01-02_b.csv": [["3", "1.50", "N. Y."]],
}


def singer_csv(folder: Path) -> Result:
    """singer-io's tap-s3-csv reads the sandbox's bucket: the same cells as tap-sticky-s3."""
    theirs = PythonPackages(folder / "env", "tap-s3-csv", build=True)
    _, server = recording_sandbox(scale=0.01)
    with server as sandbox:
        sandbox.control.s3.clear()
        for key, rows in _FILES.items():
            lines = [",".join(cells) for cells in (_HEADER, *rows)]
            sandbox.control.s3.put(key, "\r\n".join(lines) + "\r\n")
        ours = run_tap("tap-sticky-s3", sandbox, batch_config="")[_TABLE]
        env = {
            "AWS_ENDPOINT_URL": sandbox.s3_url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        read = _read(theirs.bin / "tap-s3-csv", folder, _config(sandbox.bucket), env)
    cells, others = _cells(ours), _cells(read)
    differences = [] if cells == others else [f"tap-sticky-s3 {cells}, tap-s3-csv {others}"]
    return Result(theirs.versions("tap-s3-csv"), f"{len(cells)} rows", differences)


def _config(bucket: str) -> dict[str, Any]:
    table = {
        "table_name": _TABLE,
        "search_prefix": "orders-create/",
        "search_pattern": r"\.csv$",
        "key_properties": "",
        "date_overrides": "",
        "delimiter": ",",
    }
    # A role is required, and not used by a tap that can read the bucket without it.
    role = dict.fromkeys(("account_id", "external_id", "role_name"), "none")
    return {
        "start_date": "2020-01-01T00:00:00Z",
        "bucket": bucket,
        "tables": json.dumps([table]),
        **role,
    }


def _read(
    program: Path, folder: Path, config: dict[str, Any], env: dict[str, str]
) -> list[dict[str, Any]]:
    """Run the tap with all streams selected and return its records."""
    settings, selection = folder / "config.json", folder / "catalog.json"
    settings.write_text(json.dumps(config))
    catalog = json.loads(output_of(program, "--config", settings, "--discover", env=env))
    for stream in catalog["streams"]:
        for part in stream["metadata"]:
            part["metadata"]["selected"] = True
    selection.write_text(json.dumps(catalog))
    output = output_of(program, "--config", settings, "--catalog", selection, env=env)
    messages = map(json.loads, output.splitlines())
    return [message["record"] for message in messages if message["type"] == "RECORD"]


def _cells(records: list[dict[str, Any]]) -> list[list[str]]:
    """The cells as text, since only one of the taps has types."""
    return sorted([_text(record[name]) for name in _HEADER] for record in records)


def _text(cell: Any) -> str:
    try:
        return format(float(cell), "g")
    except ValueError:
        return str(cell)


def airbyte_posthog(folder: Path) -> Result:
    """Airbyte's source reads PostHog's lists from the sandbox: the same ids as tap-posthog."""
    theirs = PythonPackages(folder / "env", "airbyte-source-posthog")
    _, server = recording_sandbox()
    with server as sandbox:
        projects = f"{PROJECT},{SECOND_PROJECT}"
        ours = run_tap("tap-posthog", sandbox, _LISTS, project_id=projects)
        config = {
            "api_key": PERSONAL_KEY,
            "start_date": "2020-01-01T00:00:00Z",
            "base_url": sandbox.posthog_url,
        }
        read = _read_airbyte(theirs.bin / "source-posthog", folder, config)
    pairs = {name: (_ids(ours[name]), _ids(read[name])) for name in _LISTS}
    differences = [
        f"{name}: {len(own)} ids, Airbyte {len(others)}; {sorted({*own} ^ {*others})[:5]}"
        for name, (own, others) in pairs.items()
        if own != others
    ]
    rows = sum(len(own) for own, _ in pairs.values())
    return Result(theirs.versions("airbyte-source-posthog"), f"{rows} rows", differences)


def _read_airbyte(program: Path, folder: Path, config: dict[str, Any]) -> Records:
    """Run a source with the lists selected and return their records."""
    settings, selection = folder / "config.json", folder / "catalog.json"
    settings.write_text(json.dumps(config))
    streams = [
        {
            "stream": {
                "name": name,
                "json_schema": {},
                "supported_sync_modes": ["full_refresh"],
            },
            "sync_mode": "full_refresh",
            "destination_sync_mode": "overwrite",
        }
        for name in _LISTS
    ]
    selection.write_text(json.dumps({"streams": streams}))
    records: Records = defaultdict(list)
    for line in output_of(
        program, "read", "--config", settings, "--catalog", selection
    ).splitlines():
        message = json.loads(line)
        if message["type"] == "RECORD":
            records[message["record"]["stream"]].append(message["record"]["data"])
    return records


def _ids(records: list[dict[str, Any]]) -> list[int]:
    """The ids in order, without archived flags, which Airbyte's source does not request."""
    return sorted(record["id"] for record in records if not record.get("archived"))


CHECKS = {"tap-s3-csv": singer_csv, "airbyte-posthog": airbyte_posthog}
