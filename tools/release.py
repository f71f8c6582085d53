"""Release a package: date its changelog's unreleased section, commit it and tag the commit.

``make release PACKAGE=tap-everflow VERSION=1.2.3``. Nothing is pushed: the last lines of the output
name the commands for that. A tap requires at least the version of the kit that it was tested with,
so release the kit first if it changed.

``python -m tools.release --check tap-everflow-v1.2.3`` is for the publishing workflow: it checks
whether a tag can be published, and changes nothing.
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
    """A package cannot be released; the message says why and what to do."""


@dataclass(frozen=True)
class Package:
    """A package of this repository with its own release tags."""

    name: str
    folder: Path

    @cached_property
    def project(self) -> dict[str, Any]:
        """The table ``project`` of its ``pyproject.toml``."""
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
            version: The released version, or ``*`` to match every tag of the package.
        """
        return f"{self.name}-v{version}"

    @cached_property
    def versions(self) -> list[Version]:
        """The released versions, lowest first."""
        tags = _git("tag", "--list", self.tag("*")).split()
        return sorted(_version(tag.removeprefix(self.tag(""))) for tag in tags)

    @cached_property
    def kit(self) -> Requirement | None:
        """Its requirement on the kit; None if it does not depend on it."""
        requirements = [Requirement(line) for line in self.project.get("dependencies", [])]
        return next((requirement for requirement in requirements if requirement.name == KIT), None)

    def changes(self, title: str) -> str | None:
        """The text of a section of its changelog; None without such a section.

        Args:
            title: The section's title, such as a version.
        """
        pattern = _SECTION.format(title=re.escape(title) + r"(?!\S)")
        section = re.search(pattern, self.changelog.read_text(), re.DOTALL | re.MULTILINE)
        return section["text"].strip() if section else None


def packages() -> dict[str, Package]:
    """All packages, by name."""
    folders = [folder for pattern in _FOLDERS for folder in sorted(ROOT.glob(pattern))]
    folders = [folder for folder in folders if (folder / "pyproject.toml").exists()]
    all_packages = (Package(_toml(folder)["project"]["name"], folder) for folder in folders)
    return {package.name: package for package in all_packages}


def release(package: Package, version: Version) -> str:
    """Commit and tag a release.

    Args:
        package: The package to release.
        version: The version that the release gets.

    Returns:
        The next steps, to print.

    Raises:
        ReleaseError: If the repository or the package is not ready for the release.
    """
    kit = _kit_for(package, version)
    if problems := [*_problems_of_repository(), *_problems(package, version, kit)]:
        raise ReleaseError(_with_bullets(f"{package.name} {version} was not released:", problems))
    text = package.changes(UNRELEASED)
    today = datetime.now(UTC).date()
    changed_files = {
        package.changelog: re.sub(
            rf"^## {UNRELEASED}\s*\n",
            f"## {UNRELEASED}\n\n## {version} - {today}\n\n",
            package.changelog.read_text(),
            count=1,
            flags=re.MULTILINE,
        )
    }
    # From now on the install notes name PyPI for it.
    pages = install_notes.texts(install_notes.released_packages() | {package.name})
    changed_files |= {
        page: content for page, content in pages.items() if page.read_text() != content
    }
    if kit:
        changed_files[package.manifest] = _MINIMUM.sub(
            str(kit), package.manifest.read_text(), count=1
        )
    before = {path: path.read_text() for path in changed_files}
    title = f"Release {package.name} {version}"
    try:
        for path, content in changed_files.items():
            path.write_text(content)
        _git("commit", "--quiet", f"--message={title}", "--", *map(str, changed_files))
    except ReleaseError:
        for path, content in before.items():
            path.write_text(content)
        raise
    tag = package.tag(version)
    _git("tag", "--annotate", "--cleanup=verbatim", f"--message={title}\n\n{text}", tag)
    return _next(package, version)


def check(tag: str) -> None:
    """Check that a tag can be published.

    Args:
        tag: The tag's name, as in ``tap-everflow-v1.2.3``.

    Raises:
        ReleaseError: If it cannot be published.
    """
    name, _, number = tag.rpartition("-v")
    package = _package(name)
    version = _version(number)
    if not package.changes(str(version)):
        msg = (
            f"{_relative(package.changelog)} has no section for {version}. Create tags with `make "
            f"release PACKAGE={name} VERSION={version}`, which writes that section."
        )
        raise ReleaseError(msg)
    kit = packages()[KIT].versions
    minimum = _MINIMUM.search(package.manifest.read_text()) if package.kit else None
    if minimum and _version(minimum[0]) not in kit:
        msg = (
            f"{_relative(package.manifest)} requires {KIT}>={minimum[0]}, which was never "
            f"released. Release the kit, then {name} again, both with `make release`."
        )
        raise ReleaseError(msg)


def _problems_of_repository() -> Iterator[str]:
    branch = _git("branch", "--show-current").strip()
    if branch != "main":
        yield f"Releases are made on main, not on {branch or 'a detached HEAD'}: `git switch main`."
    if changed := [line[3:] for line in _git("status", "--porcelain").splitlines()]:
        yield (
            f"Not committed: {', '.join(changed)}. Commit these files, or stash them with "
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
            f"{_relative(package.changelog)} has nothing under `## {UNRELEASED}`: describe there "
            "what changed for users of the package, and commit it."
        )
    if package.kit is None:
        return
    if kit is None:
        kind = "release" if version.is_prerelease else "final release"
        yield (
            f"It requires {KIT}, which has no {kind} yet: run `make release PACKAGE={KIT} "
            "VERSION=...` and push that first."
        )
        return
    folder = packages()[KIT].folder
    code = [str(folder / part) for part in (KIT.replace("-", "_"), "pyproject.toml")]
    since = packages()[KIT].tag(kit)
    if commits := _git("log", "--oneline", f"{since}..HEAD", "--", *code).splitlines():
        yield (
            f"It was tested with an unreleased {KIT}: {len(commits)} commits changed the kit after "
            f"{kit}, the last one is {commits[0]!r}. Run `make release PACKAGE={KIT} VERSION=...` "
            "and push that first."
        )
    if not _MINIMUM.search(package.manifest.read_text()):
        yield f'{_relative(package.manifest)} must require the kit as "{KIT}>=...".'
    elif kit not in _without_minimum(package.kit).specifier:
        yield (
            f"{_relative(package.manifest)} requires {package.kit}, which excludes {kit}, the kit "
            "that it was tested with: allow that version, and commit the change."
        )


def _kit_for(package: Package, version: Version) -> Version | None:
    """The newest released version of the kit; a final one for a final release."""
    if package.kit is None:
        return None
    for kit in reversed(packages()[KIT].versions):
        if version.is_prerelease or not kit.is_prerelease:
            return kit
    return None


def _without_minimum(requirement: Requirement) -> Requirement:
    bounds = (bound for bound in requirement.specifier if bound.operator != ">=")
    return Requirement(f"{requirement.name}{','.join(map(str, bounds))}")


def _next(package: Package, version: Version) -> str:
    tag = package.tag(version)
    lines = [
        f"{package.name} {version} is committed and tagged, and not pushed yet. Next:",
        "",
        f"  git show {tag}",
        f"  git push --atomic origin main {tag}",
        "",
        "The push starts publish.yml, which builds it and uploads it to PyPI. Before its first",
        "release a package needs a publisher there: docs/publishing.md. To undo it before a push:",
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
            f"Unknown package {name!r}. Usage: make release PACKAGE=tap-everflow VERSION=1.2.3. "
            f"Packages: {known}."
        )
        raise ReleaseError(msg) from None


def _version(text: str) -> Version:
    try:
        version = Version(text)
    except InvalidVersion:
        version = None
    # As PyPI writes it: the tag, the file's name and the changelog are then the same.
    if version is None or str(version) != text or version.is_devrelease or version.local:
        msg = f"{text!r} is not a version to release. Write it as 1.2.3, or 1.2.3rc1."
        raise ReleaseError(msg)
    return version


def _toml(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def _relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _with_bullets(title: str, problems: list[str]) -> str:
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
        output = (done.stderr or done.stdout).strip()
        msg = f"git {arguments[0]} failed, and nothing was released:\n{output}"
        raise ReleaseError(msg)
    return done.stdout


def main() -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package", nargs="?", default="", help="such as tap-everflow")
    parser.add_argument("version", nargs="?", default="", help="such as 1.2.3")
    parser.add_argument("--check", metavar="TAG", help="only check whether a tag can be published")
    options = parser.parse_args()
    try:
        if options.check:
            check(options.check)
        else:
            next_steps = release(_package(options.package), _version(options.version))
            sys.stdout.write(next_steps)
    except ReleaseError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
