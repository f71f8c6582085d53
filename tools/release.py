"""Release a package: its changelog's section gets a version and a date, a commit and a tag.

``make release PACKAGE=tap-everflow VERSION=1.2.3``. Nothing is pushed: the last lines say how to.
A tap is released with the kit that it was tested with as its minimum, so the kit comes first
where it changed.

``python -m tools.release --check tap-everflow-v1.2.3`` is for the workflow that publishes: it
tells whether a tag is one that can be published, and changes nothing.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.version import InvalidVersion, Version

from tools import ROOT
from tools.generate import install_notes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KIT = "signalroom-singer"
UNRELEASED = "Unreleased"
_FOLDERS = ("libs/*", "taps/*", "targets/*", "sandbox")
_SECTION = r"^## {title}[^\n]*\n(?P<text>.*?)(?=^## |\Z)"
_MINIMUM = re.compile(rf'(?<="{KIT}>=)[^",\s]+')


class ReleaseError(Exception):
    """A package cannot be released as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Package:
    """A package of this repository that is released by tags of its own."""

    name: str
    folder: Path

    @cached_property
    def project(self) -> dict[str, Any]:
        """What its ``pyproject.toml`` says of the project."""
        project: dict[str, Any] = _toml(self.folder)["project"]
        return project

    @property
    def manifest(self) -> Path:
        """Its ``pyproject.toml``."""
        return self.folder / "pyproject.toml"

    @property
    def changelog(self) -> Path:
        """Its ``CHANGELOG.md``."""
        return self.folder / "CHANGELOG.md"

    def tag(self, version: Version | str) -> str:
        """The tag of a version.

        Args:
            version: Which.
        """
        return f"{self.name}-v{version}"

    @cached_property
    def versions(self) -> list[Version]:
        """What was released, in order."""
        tags = _git("tag", "--list", self.tag("*")).split()
        return sorted(_version(tag.removeprefix(self.tag(""))) for tag in tags)

    @cached_property
    def kit(self) -> Requirement | None:
        """What it asks for of the kit."""
        asked = [Requirement(line) for line in self.project.get("dependencies", [])]
        return next((one for one in asked if one.name == KIT), None)

    def changes(self, title: str) -> str | None:
        """What a section of its changelog says; None without such a section.

        Args:
            title: The section's, such as a version.
        """
        pattern = _SECTION.format(title=re.escape(title) + r"(?!\S)")
        found = re.search(pattern, self.changelog.read_text(), re.DOTALL | re.MULTILINE)
        return found["text"].strip() if found else None


def packages() -> dict[str, Package]:
    """All packages, by name."""
    folders = [folder for pattern in _FOLDERS for folder in sorted(ROOT.glob(pattern))]
    folders = [folder for folder in folders if (folder / "pyproject.toml").exists()]
    found = (Package(_toml(folder)["project"]["name"], folder) for folder in folders)
    return {package.name: package for package in found}


def release(package: Package, version: Version) -> str:
    """Commit and tag a release.

    Args:
        package: What is released.
        version: As what.

    Returns:
        What to do next.

    Raises:
        ReleaseError: If something is in the way.
    """
    kit = _kit_for(package, version)
    if problems := [*_problems_of_repository(), *_problems(package, version, kit)]:
        raise ReleaseError(_listed(f"{package.name} {version} was not released:", problems))
    text = package.changes(UNRELEASED)
    today = datetime.now(UTC).date()
    written = {
        package.changelog: re.sub(
            rf"^## {UNRELEASED}\s*\n",
            f"## {UNRELEASED}\n\n## {version} - {today}\n\n",
            package.changelog.read_text(),
            count=1,
            flags=re.MULTILINE,
        )
    }
    # From here on it is installed from PyPI.
    pages = install_notes.texts(install_notes.released() | {package.name})
    written |= {page: content for page, content in pages.items() if page.read_text() != content}
    if kit:
        written[package.manifest] = _MINIMUM.sub(str(kit), package.manifest.read_text(), count=1)
    before = {path: path.read_text() for path in written}
    title = f"Release {package.name} {version}"
    try:
        for path, content in written.items():
            path.write_text(content)
        _git("commit", "--quiet", f"--message={title}", "--", *map(str, written))
    except ReleaseError:
        for path, content in before.items():
            path.write_text(content)
        raise
    tag = package.tag(version)
    _git("tag", "--annotate", "--cleanup=verbatim", f"--message={title}\n\n{text}", tag)
    return _next(package, version)


def check(tag: str) -> None:
    """Tell whether a tag can be published.

    Args:
        tag: Which.

    Raises:
        ReleaseError: If not.
    """
    name, _, number = tag.rpartition("-v")
    package = _package(name)
    version = _version(number)
    if not package.changes(str(version)):
        msg = (
            f"{_shown(package.changelog)} says nothing of {version}. Tags are made by `make "
            f"release PACKAGE={name} VERSION={version}`, which moves there what is unreleased."
        )
        raise ReleaseError(msg)
    kit = packages()[KIT].versions
    minimum = _MINIMUM.search(package.manifest.read_text()) if package.kit else None
    if minimum and _version(minimum[0]) not in kit:
        msg = (
            f"{_shown(package.manifest)} asks for {KIT}>={minimum[0]}, which was never released. "
            f"Release the kit, then {name} again, both with `make release`."
        )
        raise ReleaseError(msg)


def _problems_of_repository() -> Iterator[str]:
    branch = _git("branch", "--show-current").strip()
    if branch != "main":
        yield f"Releases are made on main, this is {branch or 'no branch'}: `git switch main`."
    if changed := [line[3:] for line in _git("status", "--porcelain").splitlines()]:
        yield (
            f"Not committed: {', '.join(changed)}. Commit it, or put it aside with "
            "`git stash --include-untracked`."
        )


def _problems(package: Package, version: Version, kit: Version | None) -> Iterator[str]:
    if package.versions and version <= package.versions[-1]:
        yield (
            f"{package.versions[-1]} was released already (tag "
            f"{package.tag(package.versions[-1])}): choose a higher VERSION."
        )
    if not package.changes(UNRELEASED):
        yield (
            f"{_shown(package.changelog)} has nothing under `## {UNRELEASED}`: say there what "
            "changed for whoever uses the package, and commit it."
        )
    if package.kit is None:
        return
    if kit is None:
        yield (
            f"It needs {KIT}, of which there is no release: `make release PACKAGE={KIT} "
            "VERSION=...` and push that first."
        )
        return
    folder = packages()[KIT].folder
    code = [str(folder / part) for part in (KIT.replace("-", "_"), "pyproject.toml")]
    since = packages()[KIT].tag(kit)
    if commits := _git("log", "--oneline", f"{since}..HEAD", "--", *code).splitlines():
        yield (
            f"It was tested with a {KIT} that nobody can install: {len(commits)} commits changed "
            f"the kit after {kit}, {commits[0]!r} last. `make release PACKAGE={KIT} VERSION=...` "
            "and push that first."
        )
    if not _MINIMUM.search(package.manifest.read_text()):
        yield f'{_shown(package.manifest)} asks for {KIT} otherwise than by "{KIT}>=...": write so.'
    elif kit not in _without_minimum(package.kit).specifier:
        yield (
            f"{_shown(package.manifest)} asks for {package.kit}, which excludes {kit}, the kit it "
            "was tested with: allow it there, and commit that."
        )


def _kit_for(package: Package, version: Version) -> Version | None:
    """The newest kit; one that is final, if the release is."""
    if package.kit is None:
        return None
    released = reversed(packages()[KIT].versions)
    return next((one for one in released if version.is_prerelease or not one.is_prerelease), None)


def _without_minimum(asked: Requirement) -> Requirement:
    kept = ",".join(str(one) for one in asked.specifier if one.operator != ">=")
    return Requirement(f"{asked.name}{kept}")


def _next(package: Package, version: Version) -> str:
    tag = package.tag(version)
    lines = [
        f"{package.name} {version} is committed and tagged here, and nowhere else yet. Next:",
        "",
        f"  git show {tag}",
        f"  git push --atomic origin main {tag}",
        "",
        "The push makes publish.yml build it and put it on PyPI. The first release of a package",
        "needs a publisher there before: docs/publishing.md. Not what you meant? Then, unpushed:",
        "",
        f"  git tag --delete {tag} && git reset --keep HEAD~1",
    ]
    if package.name == KIT:
        lines += ["", f"Then release the taps that need {version}: it becomes their minimum."]
    return "\n".join(lines) + "\n"


def _package(name: str) -> Package:
    try:
        return packages()[name]
    except KeyError:
        known = ", ".join(packages())
        msg = (
            f"There is no package {name!r} here. Say which and as what: "
            f"make release PACKAGE=tap-everflow VERSION=1.2.3. There are: {known}."
        )
        raise ReleaseError(msg) from None


def _version(text: str) -> Version:
    try:
        version = Version(text)
    except InvalidVersion:
        version = None
    # As PyPI writes it: the tag, the file's name and the changelog are then the same.
    if version is None or str(version) != text or version.is_devrelease or version.local:
        msg = f"{text!r} is not a version to release. Write it as 1.2.3, or 1.2.3rc1 to try it out."
        raise ReleaseError(msg)
    return version


def _toml(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def _shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _listed(title: str, problems: list[str]) -> str:
    return "\n".join([title, *(f"- {problem}" for problem in problems)])


def _git(*arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - git, with arguments of this script
        ["git", *arguments],  # noqa: S607 - the git that is on the path is the developer's
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        msg = f"git {arguments[0]} failed, and nothing was released. It said:\n{said}"
        raise ReleaseError(msg)
    return done.stdout


def main() -> int:
    """Run the command; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", nargs="?", default="", help="such as tap-everflow")
    parser.add_argument("version", nargs="?", default="", help="such as 1.2.3")
    parser.add_argument("--check", metavar="TAG", help="only tell whether a tag can be published")
    asked = parser.parse_args()
    try:
        if asked.check:
            check(asked.check)
        else:
            done = release(_package(asked.package), _version(asked.version))
            sys.stdout.write(done)
    except ReleaseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
