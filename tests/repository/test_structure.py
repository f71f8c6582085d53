"""Modules depend on each other in one direction, type-only imports included."""

from __future__ import annotations

import pytest

from tools.structure import PACKAGES, lines_of, modules_in_cycles


@pytest.mark.parametrize("package", PACKAGES)
def test_modules_do_not_import_each_other_in_a_circle(package):
    assert modules_in_cycles(package) == set()


def test_a_circle_of_types_and_of_functions_counts(tmp_path, monkeypatch):
    package = tmp_path / "circles"
    package.mkdir()
    modules = {
        "__init__": "from circles.one import a\n",
        "one": "def a():\n    from circles import two\n",
        "two": "if TYPE_CHECKING:\n    from circles.one import a\n",
        "three": "from circles.two import TYPE_CHECKING\n",
    }
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text)
    monkeypatch.setattr("tools.structure.folder_of", lambda _: package)
    assert modules_in_cycles("circles") == {"circles.one", "circles.two"}


def test_code_and_words_are_counted_apart(tmp_path):
    module = '"""A module.\n\nWith a docstring.\n"""\n\n# why\nx = 1  # here\n\n'
    text = module + '\ndef f():\n    """Do."""\n'
    (tmp_path / "module.py").write_text(text)
    assert lines_of(tmp_path) == (2, 5)
