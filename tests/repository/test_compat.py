"""What `make compat`, `compat-postgres` and `compat-targets` say is true."""

from __future__ import annotations

import re
import sys
from decimal import Decimal
from importlib.metadata import version

import pytest
import yaml
from harness.pipelines import ROOT, clean_env, run

from tools.compat import bounds, postgres, pythons
from tools.compat.targets import OTHERS, differences, is_same
from tools.fidelity.__main__ import CHECKS


@pytest.mark.parametrize(
    ("ours", "theirs", "is_text"),
    (
        (None, None, False),
        (None, "", True),
        ("", "", True),
        ("007", "007", True),
        (7, "7", True),
        (Decimal("1.10"), Decimal("1.1"), False),
        (Decimal("1.10"), "1.1", True),
        (True, "True", True),
        (True, True, False),
        ("2026-01-01T10:00:00+00:00", "2026-01-01T10:00:00.000000Z", False),
        ("2026-01-01T10:00:00+00:00", "2026-01-01T12:00:00+02:00", False),
        ({"a": [Decimal("1.0")]}, {"a": [1]}, False),
        ({"a": [Decimal("1.5"), None]}, "{'a': [Decimal('1.5'), None]}", True),
        ({"a": True}, '{"a": true}', True),
    ),
)
def test_values_that_are_the_same(ours, theirs, is_text):
    assert is_same(ours, theirs, is_text=is_text)


@pytest.mark.parametrize(
    ("ours", "theirs", "is_text"),
    (
        (None, "", False),
        ("", None, False),
        ("007", "7", True),
        (7, "7", False),
        ("7", 7, False),
        (True, 1, False),
        (True, "1", True),
        (Decimal("0.1"), Decimal("0.10000000000000001"), False),
        ("2026-01-01T10:00:00+00:00", "2026-01-01T10:00:01+00:00", False),
        ("2026-01-01", "2026-01-01T00:00:00+00:00", False),
        ({"a": 1}, '{"a": 1}', False),
        ({"a": 1}, {"a": 2}, False),
    ),
)
def test_values_that_differ(ours, theirs, is_text):
    assert not is_same(ours, theirs, is_text=is_text)


def test_rows_that_are_missing_and_too_many_are_told():
    ours = {("1",): {"id": 1, "name": "a"}, ("2",): {"id": 2, "name": "b"}}
    theirs = {("2",): {"id": 2, "name": "c"}, ("3",): {"id": 3, "name": "d"}}
    assert [*differences(["id", "name"], ours, theirs, is_text=False)] == [
        ("", "1 rows are missing, as ('1',)"),
        ("", "1 rows are too many, as ('3',)"),
        ("name", "1 differ, as 'b' and 'c'"),
    ]


@pytest.mark.e2e
def test_the_stock_target_gets_the_same_rows():
    chosen = ("--taps", "redtrack", "--targets", "target-postgres")
    told = run(sys.executable, "-m", "tools.compat.targets", *chosen, env=clean_env())
    assert "tap-redtrack" in told
    assert told.strip().endswith("the same")


@pytest.mark.parametrize(
    ("module", "finder", "version", "advice"),
    (
        (postgres, "programs_of", "14", "npm cannot fetch it"),
        (pythons, "python_of", "3.12", "uv python install 3.12"),
    ),
)
def test_what_cannot_be_tried_is_told_and_is_no_success(
    module, finder, version, advice, monkeypatch, capsys
):
    monkeypatch.setattr(module, finder, lambda _: None)
    monkeypatch.setattr(sys, "argv", ["compat", "--versions", version])
    assert module.main() == 1
    told = capsys.readouterr().out
    assert "NOT TRIED" in told
    assert advice in told


def test_versions_that_load_other_rows_are_told(monkeypatch, capsys):
    """As `make compat-bounds` does, with what each set of versions loads made up."""
    tables = {"locked": {"a.x": ("2", "m1"), "a.y": ("1", "m2")}}
    tables |= {"lowest": {"a.x": ("2", "m3")}, "newest": tables["locked"]}
    monkeypatch.setattr(bounds, "build_wheels", lambda: None)
    monkeypatch.setattr(bounds, "install", lambda *_: None)
    monkeypatch.setattr(
        bounds, "load", lambda installation, _: tables[installation.data.name.partition("-")[0]]
    )
    monkeypatch.setattr(sys, "argv", ["compat"])
    assert bounds.main() == 1
    lowest, newest = capsys.readouterr().out.splitlines()[-2:]
    assert "FAILED: a.x: 2 rows, 2 locked; a.y: none rows, 1 locked" in lowest
    assert "2 tables, the same" in newest


def test_a_version_that_does_not_run_is_told(monkeypatch, capsys):
    def install(package, *_):
        msg = f"{package}: no such version"
        raise bounds.FailedError(msg)

    monkeypatch.setattr(bounds, "build_wheels", lambda: None)
    monkeypatch.setattr(bounds, "install", install)
    monkeypatch.setattr(bounds, "load", lambda *_: {})
    monkeypatch.setattr(sys, "argv", ["compat", "--resolutions", "lowest"])
    assert bounds.main() == 1
    assert "FAILED: tap-everflow: no such version" in capsys.readouterr().out


def test_the_page_ci_and_the_commands_name_the_same_versions():
    page = (ROOT / "docs/compatibility.md").read_text()
    with (ROOT / ".github/workflows/ci.yml").open() as file:
        matrix = yaml.safe_load(file)["jobs"]["test"]["strategy"]["matrix"]["python"]
    versions, servers, _, targets, checks = (
        re.findall(r"^\| `?([\w.-]+)`? ?([\d.]*) \|", part, re.MULTILINE)[1:]
        for part in page.split("\n## ")[1:]
    )
    assert [name for name, _ in versions] == [*pythons.SUPPORTED] == matrix
    tried = [pinned.rpartition(".0-")[0] for pinned in postgres.PINNED.values()]
    assert [name for name, _ in servers] == tried
    for name, named in targets:
        commands = " ".join(part for other in OTHERS.values() for part in other.command)
        stock = name == "meltanolabs-target-postgres"
        assert version(name) == named if stock else re.search(f"{name}(@|==){named}", commands)
    assert len(targets) == len(OTHERS)
    assert [name for name, _ in checks] == [*CHECKS]
