"""What `make fidelity` records, and that its checks notice what differs; without the network."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from signalroom_sandbox.gsheets import API_KEY, PUBLIC
from tools.fidelity import __main__ as lane
from tools.fidelity.environments import FailedError, NotAvailableError, Result
from tools.fidelity.recorder import recording_sandbox
from tools.fidelity.s3 import differences
from tools.fidelity.theirs import google_documents

DOCUMENT = {
    "servicePath": "",
    "parameters": {"fields": {"type": "string"}},
    "schemas": {
        "Book": {
            "type": "object",
            "properties": {
                "id": {"type": "string"},
                "version": {"type": "string", "format": "int64"},
                "tabs": {"type": "array", "items": {"$ref": "Tab"}},
            },
        },
        "Tab": {
            "type": "object",
            "properties": {
                "kind": {"type": "string", "enum": ["GRID"]},
                "hidden": {"type": "boolean"},
                "rows": {"type": "integer"},
            },
        },
    },
    "resources": {
        "books": {
            "methods": {
                "get": {
                    "id": "books.get",
                    "httpMethod": "GET",
                    "path": "v1/books/{+bookId}",
                    "response": {"$ref": "Book"},
                    "parameters": {
                        "bookId": {"type": "string", "location": "path", "required": True},
                        "all": {"type": "boolean"},
                        "kind": {"type": "string", "enum": ["GRID"]},
                        "range": {"type": "string", "repeated": True},
                    },
                },
            }
        }
    },
}


def request_problems(query):
    methods = [*google_documents.methods_of(DOCUMENT)]
    method, path = google_documents.find(methods, "GET", "/v1/books/b")
    return google_documents.request_differences({"query": query}, method, path)


def response_problems(answer):
    schemas = DOCUMENT["schemas"]
    return [*google_documents.value_problems(schemas, schemas["Book"], answer, "Book")]


def test_the_recorder_has_each_request_with_its_response():
    recorder, server = recording_sandbox(scale=0.01)
    path = f"/v4/spreadsheets/{PUBLIC}/values/'Sheet1'%21A1:B1"
    with server as sandbox:
        sandbox.control.gsheets.access(per_user=10)
        with urlopen(f"{sandbox.gsheets_url}{path}?key={API_KEY}", timeout=60) as response:
            body = response.read().decode()
        with pytest.raises(HTTPError) as refusal:
            urlopen(f"{sandbox.gsheets_url}/token", b"grant_type=none", timeout=60)
        refusal.value.close()
    sheet, posted = recorder.of("gsheets")
    assert sheet["path"] == path
    assert sheet["query"] == f"key={API_KEY}"
    assert sheet["status"] == 200
    assert json.loads(sheet["answer"])["values"] == [["a", "b"]]
    assert json.loads(body) == json.loads(sheet["answer"])
    assert (posted["method"], posted["path"]) == ("POST", "/token")
    assert (posted["body"], posted["status"]) == ("grant_type=none", 400)


@pytest.mark.parametrize(
    "query",
    (
        "",
        "all=true&kind=GRID",
        "range=A&range=B",
        "fields=id,tabs(kind,hidden),tabs/rows",
        "fields=*",
    ),
)
def test_valid_requests_pass(query):
    assert request_problems(query) == []


@pytest.mark.parametrize(
    ("query", "problem"),
    (
        ("colour=red", "unknown parameter colour"),
        ("all=yes", "parameter all: 'yes' is not a boolean"),
        ("kind=CHART", "parameter kind: 'CHART' is not one of ['GRID']"),
        ("all=true&all=true", "parameter all is repeated"),
        ("fields=id,tabs(kind,colour)", "unknown field colour"),
        ("fields=tabs(kind),kind", "unknown field kind"),
    ),
)
def test_invalid_requests_are_reported(query, problem):
    (reported,) = request_problems(query)
    assert reported.endswith(problem)


def test_valid_responses_pass():
    tabs = [{"kind": "GRID", "hidden": True, "rows": 3}, {}]
    assert response_problems({"id": "b", "version": "17", "tabs": tabs}) == []


@pytest.mark.parametrize(
    ("answer", "problem"),
    (
        ({"colour": 1}, "Book: unknown field colour"),
        ({"id": 1}, "Book.id: int, not string"),
        ({"version": "x"}, "Book.version: 'x' is not an integer"),
        ({"tabs": [{"rows": True}]}, "Book.tabs[].rows: bool, not integer"),
        ({"tabs": [{"kind": "CHART"}]}, "Book.tabs[].kind: 'CHART' is not one of ['GRID']"),
    ),
)
def test_invalid_responses_are_reported(answer, problem):
    assert response_problems(answer) == [problem]


def test_rows_that_differ_between_servers_are_reported():
    assert differences(["a", "b"], ["b", "a"]) == []
    assert differences(["a", "b"], ["b", "c"]) == ["missing: a", "only there: c"]
    assert differences(["a"], ["a", "a"]) == ["2 rows, not 1"]


def failing(_):
    msg = "the tap ended with 1"
    raise FailedError(msg)


def missing(_):
    msg = "no such package"
    raise NotAvailableError(msg)


@pytest.mark.parametrize(
    ("check", "options", "code", "line"),
    (
        (lambda _: Result("x 1.0", "3 queries", []), [], 0, "ok; 3 queries (x 1.0)"),
        (lambda _: Result("x 1.0", "3 queries", ["a is b"]), [], 1, "FAILED: 1 differences"),
        (failing, [], 1, "FAILED: the tap ended with 1"),
        (missing, [], 0, "not available: no such package"),
        (missing, ["--strict"], 1, "not available: no such package"),
    ),
)
def test_each_check_has_a_line_and_an_exit_code(check, options, code, line, monkeypatch, capsys):
    monkeypatch.setattr(lane, "CHECKS", {"google": check})
    assert lane.main(options) == code
    assert line in capsys.readouterr().out
