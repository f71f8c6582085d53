"""Google: discovery documents, Google's client, and gspread."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from signalroom_sandbox.gsheets import MAPPINGS, PUBLIC, service_account
from tools.fidelity.environments import PythonPackages, Result
from tools.fidelity.recorder import recording_sandbox, run_tap

if TYPE_CHECKING:
    from pathlib import Path

_BOOK = "1fidelity-book-000000000000000000000000000000"
#: Tabs that cover what responses may hold: blank rows, numbers, dates, quotes in titles.
_TABS: list[dict[str, Any]] = [
    {
        "title": "O'Brien / 2026",
        "cells": [
            ["Offer", "Cost", "Day", "Paid"],
            ["007", {"v": 1234.5, "f": "$1,234.50"}, {"v": 46000, "f": "9/12/2025", "date": True}],
            [None, 0, None, False],
            [],
            ["8", -1.5, {"v": 46001, "f": "10/12/2025", "date": True}, True],
        ],
    },
    {"title": "Empty", "cells": []},
    {"title": "A1", "cells": [["a", "b"], ["x"], [None, "y"]]},
]


def check_documents(folder: Path) -> Result:
    """Check the tap's requests and the sandbox's responses against the discovery documents."""
    theirs = PythonPackages(folder / "env", "google-api-python-client")
    recorder, server = recording_sandbox()
    with server as sandbox:
        _fill(sandbox)
        for settings in _runs(sandbox):
            run_tap("tap-gsheets", sandbox, **settings)
    exchanges = recorder.of("gsheets")
    report = theirs.run("google_documents", [x for x in exchanges if x["path"] != "/token"])
    return Result(
        f"{theirs.versions('google-api-python-client')}, {report['documents']}",
        f"{report['requests']} requests, {report['answers']} responses",
        report["differences"],
    )


def check_clients(folder: Path) -> Result:
    """Compare the rows of the tap with those of Google's client and gspread."""
    theirs = PythonPackages(folder / "env", "google-api-python-client", "gspread")
    _, server = recording_sandbox()
    with server as sandbox:
        _fill(sandbox)
        key = service_account(sandbox.gsheets_url)
        about = {"url": sandbox.gsheets_url, "key": json.loads(key), "books": [MAPPINGS, _BOOK]}
        report = theirs.run("google_clients", about)
        records = run_tap("tap-gsheets", sandbox, **_settings(key, [MAPPINGS, _BOOK]))
    rows = sum(len(of) for name, of in records.items() if name != "gsheets_sheets")
    differences = list(report["differences"])
    if rows != report["rows"]:
        differences.append(f"tap-gsheets reads {rows} rows, the clients {report['rows']}")
    versions = theirs.versions("google-api-python-client", "gspread")
    return Result(versions, f"{report['tabs']} tabs, {rows} rows", differences)


def _fill(sandbox: Any) -> None:
    sandbox.control.gsheets.access(per_user=10**6)
    sandbox.control.gsheets.spreadsheet(id=_BOOK, tabs=_TABS, public=True)


def _settings(key: str, books: list[str], **overrides: Any) -> dict[str, Any]:
    spreadsheets = [{"spreadsheet": book} for book in books]
    plain = {"credentials_json": key, "api_key": "", "spreadsheets": spreadsheets}
    return plain | {"max_reads_per_minute": 10**6} | overrides


def _runs(sandbox: Any) -> list[dict[str, Any]]:
    """Settings with which the tap sends every kind of request it supports."""
    key = service_account(sandbox.gsheets_url)
    dates = [{"name": "Day", "type": "date"}]
    chosen = [
        {"spreadsheet": _BOOK, "tabs": [{"name": "O'Brien / 2026", "columns": dates}]},
        {"spreadsheet": MAPPINGS, "tabs": [{"name": "Affiliates", "range": "A1:B"}]},
    ]
    return [
        _settings(key, [MAPPINGS, _BOOK], change_detection="drive"),
        _settings(key, [], spreadsheets=chosen),
        {"spreadsheets": [{"spreadsheet": PUBLIC}], "max_reads_per_minute": 10**6},
    ]


CHECKS = {"google": check_documents, "google-clients": check_clients}
