"""Writes the sandbox README's table of control endpoints from the vendors' actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signalroom_sandbox.control import endpoint_table
from tools import ROOT
from tools.generate.files import Generator, splice

if TYPE_CHECKING:
    from pathlib import Path


def texts() -> dict[Path, str]:
    """The generated file, with the text that it should have."""
    readme = ROOT / "sandbox" / "README.md"
    text = readme.read_text(encoding="utf-8")
    return {readme: splice(text, "control endpoints", endpoint_table())}


GENERATOR = Generator(texts)
