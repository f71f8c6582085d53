"""Write what follows from the taps' streams: docs/tables, its diagrams, the READMEs' streams.

What is said there is declared once, with the streams: columns and tables in each tap's
``descriptions``, how a stream is loaded in its ``loading``; and in ``table_docs/joins.py`` which
tables join. ``make settings`` calls this, ``--check`` (``make lint``) says what is stale.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from settings import ROOT, spliced
from table_docs.diagram import diagram
from table_docs.joins import ACROSS
from table_docs.pages import joins_within, overview, page, readme
from table_docs.sources import sources

if TYPE_CHECKING:
    from pathlib import Path

_DOCS = ROOT / "docs"


def generated() -> dict[Path, str]:
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
        files[path] = spliced(path.read_text(), "streams table", readme(source))
    return files


def main() -> int:
    """Write the files, or with ``--check`` name those that are not up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    files = generated()
    stale = [path for path, text in files.items() if not path.is_file() or path.read_text() != text]
    there = {*(_DOCS / "tables").glob("*.md"), *(_DOCS / "images" / "tables").glob("*.svg")}
    gone = sorted(there - files.keys())
    for path in stale:
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(files[path])
    for path in gone:
        if not check:
            path.unlink()
    for path in (*stale, *gone):
        sys.stdout.write(f"{'stale' if check else 'written'}: {path.relative_to(ROOT)}\n")
    if check and (stale or gone):
        sys.stdout.write("Run `make settings`.\n")
    return int(check and bool(stale or gone))


if __name__ == "__main__":
    sys.exit(main())
