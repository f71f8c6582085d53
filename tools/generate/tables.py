"""Writes what follows from the taps' streams: docs/tables, its diagrams, the READMEs' streams.

What is said there is declared once, with the streams: columns and tables in each tap's
``descriptions``, how a stream is loaded in its ``loading``; and in ``table_docs/joins.py`` which
tables join.
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
    """All files that follow from the streams, with the text they should have."""
    found = sources()
    keys = {
        f"{source.schema}.{table.name}": list(table.stream.primary_keys)
        for source in found
        for table in source.tables
    }
    pictures = _DOCS / "images" / "tables"
    files = {
        _DOCS / "tables" / "index.md": overview(found),
        pictures / "across.svg": diagram(ACROSS, keys, title="Joins between sources"),
    }
    for source in found:
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
