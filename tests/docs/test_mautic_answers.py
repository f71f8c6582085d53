"""The mock Mautic against docs/mautic-answers.md: what a real 5.1.1 sends, property by property."""

from __future__ import annotations

import re

import pytest
import requests
from harness.doc_pages import ROOT

from signalroom_sandbox.mautic import CLIENT_ID, CLIENT_SECRET
from tap_mautic.names import snake_case
from tap_mautic.streams import STREAM_TYPES

PAGE = ROOT / "docs/mautic-answers.md"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:\d\d")
#: Where the API has what a stream has, and under which name.
PATHS = {
    "campaign_events": ("/api/campaigns", "campaigns"),
    "company_fields": ("/api/fields/company", "fields"),
    "contact_fields": ("/api/fields/contact", "fields"),
    "segments": ("/api/segments", "lists"),
}


def sections():
    """The tables of the page, by heading: their rows, cell by cell."""
    tables = {}
    for part in PAGE.read_text().split("\n## ")[1:]:
        heading, _, text = part.partition("\n")
        rows = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)[1:]
        tables[heading.strip("`")] = [row.split(" | ") for row in rows]
    return tables


SECTIONS = sections()
STATISTICS = {name.strip("`"): cells for name, *cells in SECTIONS.pop("Statistics")}


def kind_of(value):
    """What a value is, in the page's words."""
    if isinstance(value, str):
        return "moment" if MOMENT.fullmatch(value) else "text"
    kinds = {bool: "boolean", int: "number", float: "number", type(None): "null", dict: "object"}
    return kinds.get(type(value)) or ("list" if value else "[]")


def allowed(cell):
    """The kinds of values that a cell names; an empty list is a list."""
    words = {*cell.split(" or ")}
    return words | {"[]"} if "list" in words else words


@pytest.fixture(scope="module")
def get(sandbox_of_module):
    sandbox = sandbox_of_module
    form = {
        "grant_type": "client_credentials",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    token = requests.post(f"{sandbox.mautic_url}/oauth/v2/token", data=form, timeout=60).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}

    def ask(path, **params):
        answer = requests.get(sandbox.mautic_url + path, params=params, headers=headers, timeout=60)
        return answer.json()

    return ask


@pytest.fixture(scope="module")
def sandbox_of_module():
    from signalroom_sandbox.server import SandboxServer  # noqa: PLC0415

    with SandboxServer() as server:
        yield server


def rows_of(get, stream):
    path, key = PATHS.get(stream, (f"/api/{stream}", stream))
    found = {"where[0][col]": "id", "where[0][expr]": "gt", "where[0][val]": "0", "limit": "0"}
    rows = get(path, **found)[key]
    rows = [*rows.values()] if isinstance(rows, dict) else rows
    if stream == "campaign_events":
        return [event for row in rows for event in row["events"]]
    return rows


@pytest.mark.parametrize("stream", SECTIONS)
def test_entities_are_as_the_page_says(get, stream):
    rows = rows_of(get, stream)
    assert rows
    documented = {name: (real, mock) for name, _, real, mock in SECTIONS[stream]}
    for row in rows:
        assert row.keys() == documented.keys()
    for name, (real, mock) in documented.items():
        kinds = {kind_of(row[name]) for row in rows}
        assert kinds <= allowed(real), f"{name}: {real} at Mautic, {kinds} at the mock server"
        assert mock == " or ".join(sorted(kinds)), f"{name}: correct the page"


@pytest.mark.parametrize("table", STATISTICS)
def test_tables_are_as_the_page_says(get, table):
    always, nullable, mock = ({*cell.split(", ")} - {"none"} for cell in STATISTICS[table])
    columns = {*get("/api/stats")["tableColumns"][table]}
    assert columns == always | nullable
    rows = get(f"/api/stats/{table}", limit=5000)["stats"]
    assert {type(value) for row in rows for value in row.values()} == {str}
    assert all(always <= row.keys() <= columns for row in rows)
    # Those that this instance leaves out of all rows, or of some.
    absent = {name for name in columns if any(name not in row for row in rows)}
    assert absent == mock


def test_all_tables_are_on_the_page(get):
    assert {*get("/api/stats")["availableTables"]} == STATISTICS.keys()


def test_each_property_has_a_column():
    columns = {
        stream.name: {*stream.schema["properties"]}
        for stream in STREAM_TYPES
        if isinstance(getattr(stream, "schema", None), dict)
    }
    for stream, rows in SECTIONS.items():
        for name, column, *_ in rows:
            assert column in {snake_case(name), "by alias"}
            assert stream not in columns or column in columns[stream]
    for table, (always, nullable, _) in STATISTICS.items():
        if table != "audit_log":
            names = {*always.split(", "), *nullable.split(", ")} - {"none"}
            assert names <= columns[table]
