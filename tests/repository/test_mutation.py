"""The report of mutation tests: a run of some modules keeps the lines of all others."""

from __future__ import annotations

import shutil

import pytest

from tools.mutation import report, results
from tools.mutation.scope import GROUPS

PAGE = report.PAGE.read_text()
(MODULE,) = (path for path in GROUPS["kit-state"].module_paths() if path.name == "state.py")
OTHERS = report.read_rows(PAGE).keys() - {results.module_name(MODULE)}


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A copy of the page, and no results."""
    copy = tmp_path / "mutation.md"
    shutil.copy(report.PAGE, copy)
    monkeypatch.setattr(report, "PAGE", copy)
    monkeypatch.setattr(report, "version", lambda _: "3.8.1")
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    return copy


def lines_without_date(text):
    return [line for line in text.splitlines() if ", mutmut " not in line]


def test_without_results_the_page_stays(page):
    report.write_report()
    assert lines_without_date(page.read_text()) == lines_without_date(PAGE)


def test_the_lines_of_a_module_that_was_tested_are_new(page):
    name = "a_function: x = 1 -> x = 2"
    tested = [
        results.Result(name, 3, "survived"),
        results.Result("a_function: y -> z", 4, "killed", "a_test"),
    ]
    results.write_results(MODULE, tested, {each.name for each in tested}, 1, is_partial=False)
    complaints = report.write_report()
    assert f"signalroom_singer/state.py: {name}" in complaints
    text = page.read_text()
    assert "| `signalroom_singer/state.py` | 2 | 2 | 1 | 0 | 1 | 0 | 50.0% |" in text
    assert "- `a_function`: `x = 1` becomes `x = 2`: *Not explained.*" in text
    before, after = report.read_rows(PAGE), report.read_rows(text)
    assert len(OTHERS) > 50
    assert {module: after[module] for module in OTHERS} == {
        module: before[module] for module in OTHERS
    }
    kept = PAGE.partition("### `signalroom_singer/http/retry.py`")[2]
    assert text.endswith(kept)
