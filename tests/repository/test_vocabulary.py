"""Names, and docstrings of arguments, say something: their counts may only fall."""

from __future__ import annotations

import ast

import pytest
from harness.vocabulary import (
    KINDS,
    counts,
    findings,
    is_bare_participle,
    packages,
    short_arguments,
)

#: By package: empty names, functions named by a participle, entries of Args that say nothing.
LIMITS = {
    "signalroom_cli": (0, 0, 0),
    "local_airflow": (0, 0, 0),
    "signalroom_orchestrate": (0, 0, 0),
    "tools": (0, 0, 0),
    "signalroom_singer": (0, 0, 0),
    "signalroom_sandbox": (1, 1, 0),
    "tap_everflow": (0, 0, 0),
    "tap_gsheets": (0, 1, 0),
    "tap_mautic": (0, 1, 0),
    "tap_posthog": (0, 0, 0),
    "tap_redtrack": (0, 0, 0),
    "tap_sticky_s3": (0, 0, 0),
    "signalroom_target_postgres": (0, 0, 0),
}


def test_every_package_has_its_limits():
    assert packages().keys() == LIMITS.keys()


@pytest.mark.parametrize("package", LIMITS)
def test_the_counts_only_fall(package):
    places = findings(packages()[package])
    limits = dict(zip(KINDS, LIMITS[package], strict=True))
    # Where this fails as there are fewer: lower the limit, so that they stay away.
    assert counts(places) == limits, f"python tests/harness/vocabulary.py {package}"


def test_what_counts_as_an_empty_name(tmp_path, monkeypatch):
    module = tmp_path / "module.py"
    module.write_text(
        "import json as thing\n"
        "def told(given, rows):\n"
        "    found = rows\n"
        "    rows.whole = found\n"
        "    found_rows = found\n"
        "    return [one for one in found_rows]\n"
    )
    monkeypatch.setattr("harness.vocabulary.ROOT", tmp_path)
    places = findings(tmp_path)
    names = [place.text for place in places if place.kind == "name"]
    assert sorted(names) == ["found", "given", "one", "thing", "told", "whole"]
    assert [place.text for place in places if place.kind == "participle"] == ["told"]


@pytest.mark.parametrize("name", ("cleaned", "_controlled", "told", "matching", "Written"))
def test_a_bare_participle(name):
    assert is_bare_participle(name)


@pytest.mark.parametrize(
    "name", ("clean", "__missing__", "is_cleaned", "cleaned_rows", "seed", "string", "open")
)
def test_not_a_bare_participle(name):
    assert not is_bare_participle(name)


def test_entries_of_arguments_that_say_too_little():
    function = ast.parse(
        "def load(rows, table, key):\n"
        '    """Load.\n\n'
        "    Args:\n"
        "        rows: They.\n"
        "        table: The table that they go into, by its\n"
        "            qualified name.\n"
        "        key: By\n"
        "            which rows are told apart.\n"
        "\n"
        "    Returns:\n"
        "        A count.\n"
        '    """\n'
    ).body[0]
    assert short_arguments(ast.get_docstring(function)) == ["rows: They."]
