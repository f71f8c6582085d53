"""Writes how to install each package: from PyPI, or from the repository before its first release.

A package is released once its changelog has a version: ``make release`` writes that version and
these blocks.
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
    r"(?P<begin>^<!-- install (?P<requirement>[\w\[\]-]+): [^\n]*-->\n).*?"
    r"(?=^<!-- end of install -->)",
    re.MULTILINE | re.DOTALL,
)
_NOT_YET = (
    "It is not on PyPI yet. Until its first release, install it from the repository; pip needs git "
    "for that."
)
_VERSION = re.compile(r"^## \d", re.MULTILINE)


def folders() -> dict[str, Path]:
    """The folder of each package, by the package's name."""
    manifests = [
        path for pattern in _FOLDERS for path in sorted(ROOT.glob(f"{pattern}/pyproject.toml"))
    ]
    return {_name(path.parent): path.parent for path in manifests}


def _name(folder: Path) -> str:
    name: str = tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]
    return name


def released_packages() -> set[str]:
    """The packages that are on PyPI: those whose changelogs have a version."""
    return {
        name
        for name, folder in folders().items()
        if _VERSION.search((folder / "CHANGELOG.md").read_text())
    }


def texts(released: Collection[str]) -> dict[Path, str]:
    """The pages with install commands of packages, with the text that each should have.

    Args:
        released: The names of the packages that are on PyPI.
    """
    pages = [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]
    pages += [folder / "README.md" for folder in folders().values()]
    current_texts = {page: page.read_text() for page in pages if page.is_file()}
    return {
        page: _BLOCK.sub(lambda block: block["begin"] + _text(block["requirement"], released), text)
        for page, text in current_texts.items()
        if _BLOCK.search(text)
    }


def _text(requirement: str, released: Collection[str]) -> str:
    name = requirement.partition("[")[0]
    if name in released:
        quoted = f"'{requirement}'" if "[" in requirement else requirement
        return f"```bash\npip install {quoted}\n```\n"
    places = folders()
    unreleased = [package for package in (KIT, name) if package not in released]
    lines = [
        f'  "{requirement if package == name else package} @ '
        f'{_REPOSITORY}#subdirectory={places[package].relative_to(ROOT).as_posix()}"'
        for package in dict.fromkeys(unreleased)
        if package in places
    ]
    command = " \\\n".join(["pip install", *lines])
    return f"{_NOT_YET}\n\n```bash\n{command}\n```\n"


GENERATOR = Generator(lambda: texts(released_packages()))
