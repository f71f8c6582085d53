"""Writes how each package is installed: from PyPI, or before its first release from the repository.

A package is released once its changelog has a version: ``make release`` writes that, and these
blocks with it.
"""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

from tools import ROOT
from tools.generate.files import Generator

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

KIT = "signalroom-singer"
_REPOSITORY = "git+https://github.com/signalroom/signalroom"
_FOLDERS = ("libs/*", "taps/*", "targets/*", "sandbox")
_BLOCK = re.compile(
    r"(?P<begin>^<!-- install (?P<what>[\w\[\]-]+): [^\n]*-->\n).*?(?=^<!-- end of install -->)",
    re.MULTILINE | re.DOTALL,
)
_NOT_YET = (
    "It is not on PyPI yet. Until its first release, install it from the repository; pip needs git "
    "for that."
)
_VERSION = re.compile(r"^## \d", re.MULTILINE)


def folders() -> dict[str, Path]:
    """The folder of each package, by the package's name."""
    found = [path.parent for one in _FOLDERS for path in sorted(ROOT.glob(f"{one}/pyproject.toml"))]
    return {_name(folder): folder for folder in found}


def _name(folder: Path) -> str:
    name: str = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
    return name


def released() -> set[str]:
    """The packages that are on PyPI: those whose changelogs have a version."""
    return {
        name
        for name, folder in folders().items()
        if _VERSION.search((folder / "CHANGELOG.md").read_text())
    }


def texts(known: Collection[str]) -> dict[Path, str]:
    """All pages that say how a package is installed, with the text they should have.

    Args:
        known: The packages that are on PyPI.
    """
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    pages += [folder / "README.md" for folder in folders().values()]
    pages_as_they_are = {page: page.read_text() for page in pages if page.is_file()}
    return {
        page: _BLOCK.sub(lambda block: block["begin"] + _text(block["what"], known), text)
        for page, text in pages_as_they_are.items()
        if _BLOCK.search(text)
    }


def _text(what: str, known: Collection[str]) -> str:
    name = what.partition("[")[0]
    if name in known:
        quoted = f"'{what}'" if "[" in what else what
        return f"```bash\npip install {quoted}\n```\n"
    places = folders()
    needed = [one for one in (KIT, name) if one not in known and one in places]
    lines = [
        f'  "{what if one == name else one} @ '
        f'{_REPOSITORY}#subdirectory={places[one].relative_to(ROOT).as_posix()}"'
        for one in dict.fromkeys(needed)
    ]
    command = " \\\n".join(["pip install", *lines])
    return f"{_NOT_YET}\n\n```bash\n{command}\n```\n"


GENERATOR = Generator(lambda: texts(released()))
