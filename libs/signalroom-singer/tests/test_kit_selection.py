"""A run that would read nothing, and patterns of Meltano's `select` with a typo."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner
from kit_vendor import RowTap

from signalroom_singer import ExitCode


@pytest.fixture
def run(tmp_path, vendor, caplog):
    """Run the tap as Meltano does; gives the exit code, and what it warned of and failed with."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"api_url": vendor.url, "api_key": "k"}))
    discovered = CliRunner().invoke(RowTap.cli, [f"--config={config}", "--discover"])
    catalog = json.loads(discovered.stdout)

    def invoke(selected, patterns=None, *, plugin="tap-rows"):
        for entry in catalog["streams"]:
            for metadata in entry["metadata"]:
                if not metadata["breadcrumb"]:
                    metadata["metadata"]["selected"] = entry["stream"] in selected
        (tmp_path / "catalog.json").write_text(json.dumps(catalog))
        env = {"MELTANO_EXTRACTOR_NAME": plugin}
        if patterns is not None:
            env["TAP_ROWS__SELECT"] = json.dumps(patterns)
        caplog.clear()
        arguments = [f"--config={config}", f"--catalog={tmp_path / 'catalog.json'}"]
        result = CliRunner(env=env).invoke(RowTap.cli, arguments)
        return result.exit_code, [one.message for one in caplog.records if one.levelno >= 30]

    return invoke


def test_with_no_stream_selected_there_is_nothing_to_read(run, vendor):
    code, (said,) = run([])
    assert code == ExitCode.CONFIGURATION
    assert said == (
        "No stream is selected, so there is nothing to read. Select some with `select` in "
        'meltano.yml, or with TAP_ROWS__SELECT in .env, as in ["days.*"]. The streams are days, '
        "rows."
    )
    assert vendor.requests == []


def test_without_meltano_it_is_the_catalog_that_selects(run):
    code, (said,) = run([], plugin="")
    assert code == ExitCode.CONFIGURATION
    assert 'Set `"selected": true` in the metadata of some, in the file of --catalog.' in said


@pytest.mark.parametrize(
    ("pattern", "problem"),
    (
        ("row.*", "no stream (did you mean rows?). The streams are days, rows"),
        ("qqq.*", "no stream. The streams are days, rows"),
        ("!day.*", "no stream (did you mean days?). The streams are days, rows"),
        ("!rows.names", "no column (did you mean name?)"),
        ("*.names", "no column (did you mean name?)"),
    ),
)
def test_a_pattern_that_matches_nothing_is_named(run, pattern, problem):
    code, said = run(["rows"], ["rows.*", pattern])
    assert (code, said) == (
        0,
        [f"Pattern {pattern!r} of select (TAP_ROWS__SELECT) matches {problem}."],
    )


@pytest.mark.parametrize(
    "pattern",
    ("*.*", "rows", "!r*s.na*", "!rows.name", "rows.name.first", "!rows.email", "!*.qqqq"),
)
def test_other_patterns_are_nothing_to_speak_of(run, pattern):
    assert run(["rows"], ["rows.*", pattern]) == (0, [])
