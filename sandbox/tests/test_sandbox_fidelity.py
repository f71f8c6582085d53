"""Each vendor's page says what of its mock server is documented, observed or assumed."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import signalroom_sandbox

TESTS = Path(__file__).parent
PACKAGE = Path(signalroom_sandbox.__file__).parent
FOLDERS = sorted(path.parent for path in PACKAGE.glob("*/plugin.py"))
_TEST = re.compile(r"`(test_\w+\.py)::([\w:]+)(?:\[(.+)\])?`")


def rows(folder, title):
    """The rows of a section's table, as lists of three cells."""
    page = (folder / "FIDELITY.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table[1:]]


@cache
def names_in(name):
    """The tests of a module, as pytest names them."""
    tree = ast.parse((TESTS / name).read_text(encoding="utf-8"))
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{item.name}" for item in node.body if hasattr(item, "name")}
    return names


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request):
    return request.param


def test_facts_have_evidence(folder):
    for behaviour, evidence, _ in rows(folder, "Documented and observed"):
        kind, _, source = evidence.partition(": ")
        if kind == "documented":
            # The address, and when it was read.
            assert re.search(r"\]\((https://|\.\./)", source), behaviour
            assert re.search(r"20\d\d-\d\d-\d\d", source), behaviour
        else:
            # By whom or what, and when.
            assert kind == "observed", behaviour
            assert re.search(r", 20\d\d(-\d\d)?\b", source), behaviour


def test_assumptions_say_how_to_verify_them(folder):
    assumptions = rows(folder, "To verify next")
    assert assumptions
    assert all(how for _, how, _ in assumptions)


def test_each_row_names_a_test(folder):
    for title in ("Documented and observed", "To verify next"):
        for behaviour, _, test in rows(folder, title):
            module, name, parameters = _TEST.fullmatch(test).groups()
            assert name in names_in(module), behaviour
            assert f'"{parameters or ""}' in (TESTS / module).read_text(encoding="utf-8"), behaviour
