"""Writes the documentation of streams: docs/tables, its diagrams, the streams in the READMEs.

Its content is declared with the streams: columns and tables in each tap's ``descriptions``, how a
stream is loaded in its ``loading``. The joins of tables are in ``table_docs/joins.py``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tools import ROOT
from tools.generate.files import Generator, splice
from tools.generate.table_docs.diagram import diagram
from tools.generate.table_docs.joins import ACROSS
from tools.generate.table_docs.pages import joins_within, overview, page, readme
from tools.generate.table_docs.sources import sources

if TYPE_CHECKING:
    from pathlib import Path

_DOCS = ROOT / "docs"


def texts() -> dict[Path, str]:
    """The generated files, with the text that each should have."""
    documented = sources()
    keys = {
        f"{source.schema}.{table.name}": list(table.stream.primary_keys)
        for source in documented
        for table in source.tables
    }
    pictures = _DOCS / "images" / "tables"
    files = {
        _DOCS / "tables" / "index.md": overview(documented),
        pictures / "across.svg": diagram(ACROSS, keys, title="Joins between sources"),
    }
    for source in documented:
        files[_DOCS / source.page] = page(source)
        if joins := joins_within(source):
            title = f"Joins between tables of {source.label}"
            picture = pictures / f"{(_DOCS / source.page).stem}.svg"
            files[picture] = diagram(joins, keys, title=title, schema=source.schema)
        path = ROOT / "taps" / source.tap / "README.md"
        files[path] = splice(path.read_text(), "streams table", readme(source))
    return files


def present() -> set[Path]:
    """The pages and pictures of earlier runs."""
    return {*(_DOCS / "tables").glob("*.md"), *(_DOCS / "images" / "tables").glob("*.svg")}


GENERATOR = Generator(texts, present)
