"""Create a new source: a tap built on the kit, and a mock vendor in the sandbox to test it with.

``make new-source NAME=acme-crm`` renders ``templates/tap`` and adds the source to the existing
files that list sources (``wiring.py``). The tap works at once, against its mock vendor; then both
are changed step by step to match the real vendor (docs/adding-a-source.md). If a step fails, the
repository is restored.
"""

from __future__ import annotations

import argparse
import keyword
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from copier import run_copy
from ruamel.yaml import YAML

from tools import ROOT
from tools.generate import workspace
from tools.new_source.wiring import NoPlaceError, entries, free_minute

if TYPE_CHECKING:
    from typing import Self

BIN = Path(sys.executable).parent
TEMPLATE = ROOT / "templates" / "tap"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: Existing files that ``tools.generate`` and uv change.
_GENERATED = (
    *(".env.example", "orchestrate/pools.json", "pyproject.toml", "uv.lock"),
    "sandbox/README.md",
)
#: The maximum length of a name, so that lines with it do not become too long.
_MAX_LENGTH = 24
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .&+-]{0,39}")
#: Paths of the sandbox, and names of classes that the template's own would clash with.
_RESERVED = frozenset({"control", "error", "s3", "windowed"})


class NewSourceError(Exception):
    """A source cannot be created; the message says why and what to do."""


@dataclass(frozen=True)
class Source:
    """The source to create."""

    name: str
    label: str = ""

    @property
    def tap(self) -> str:
        """The name of the package, of the plugin and of the folder."""
        return f"tap-{self.name}"

    @property
    def module(self) -> str:
        """The name of the mock vendor's module and of the load schema."""
        return self.name.replace("-", "_")

    def check(self) -> None:
        """Reject an invalid name, and one that exists already.

        Raises:
            NewSourceError: If the source cannot be created by this name.
        """
        if problem := self._problem():
            raise NewSourceError(problem)

    def _problem(self) -> str | None:
        if not self.name:
            return "A source needs a name: make new-source NAME=acme-crm."
        if self.name.startswith("tap-"):
            return f"Leave out the tap-: make new-source NAME={self.name.removeprefix('tap-')}."
        if not _NAME.fullmatch(self.name) or len(self.name) > _MAX_LENGTH:
            return (
                f"{self.name!r} is not a valid source name: lowercase letters, digits and single "
                f"hyphens, a letter first, at most {_MAX_LENGTH} characters, as in acme-crm."
            )
        is_reserved = (
            keyword.iskeyword(self.module) or YAML(typ="safe").load(self.name) != self.name
        )
        if is_reserved or self.name in _RESERVED or self.module.startswith("pg_"):
            return (
                f"{self.name!r} is a reserved word of Python, YAML or the sandbox. "
                f"Choose another name, such as {self.name}-api."
                if not self.module.startswith("pg_")
                else "PostgreSQL reserves schemas that begin with pg_. Choose another name."
            )
        if self.label and not _LABEL.fullmatch(self.label):
            return (
                f"{self.label!r} is not a valid label: letters, digits, spaces and . & + - only, "
                "at most 40."
            )
        return self._conflict()

    def _conflict(self) -> str | None:
        with (ROOT / "meltano.yml").open(encoding="utf-8") as file:
            project = YAML(typ="safe").load(file)
        plugins = project["plugins"]["extractors"]
        schemas = {plugin.get("load_schema"): plugin["name"] for plugin in plugins}
        vendors = ROOT / "sandbox" / "signalroom_sandbox"
        places = (
            ROOT / "taps" / self.tap,
            vendors / self.module,
            vendors / f"{self.module}.py",
            ROOT / "sandbox" / "tests" / f"test_sandbox_{self.module}.py",
            ROOT / "tests" / "pipelines" / f"test_{self.module}_to_postgres.py",
        )
        if existing := [place for place in places if _is_there(place)]:
            conflict = f"{existing[0].relative_to(ROOT)} already exists"
        elif self.tap in {plugin["name"] for plugin in plugins}:
            conflict = f"meltano.yml already has a plugin {self.tap}"
        elif self.name in {job["name"] for job in project["jobs"]}:
            conflict = f"meltano.yml already has a job {self.name}"
        elif self.module in schemas:
            conflict = f"{schemas[self.module]} already loads into the schema {self.module}"
        else:
            return None
        return f"{conflict}. Choose another name; or, to recreate it, remove it first."


def _is_there(place: Path) -> bool:
    """Whether a file is there, or a folder with more than Python's caches in it."""
    files = [place, *place.rglob("*")]
    return any(file.is_file() and "__pycache__" not in file.parts for file in files)


@dataclass
class Change:
    """Changes of files, which are undone if the block raises an exception."""

    _before: dict[Path, bytes | None] = field(default_factory=dict)
    _folders: list[Path] = field(default_factory=list)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file.

        Args:
            path: The file to create or replace.
            content: The new content of the file.
        """
        self.keep(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def keep(self, path: Path) -> None:
        """Remember a file, or that it does not exist, before another program changes it."""
        self._folders += [folder for folder in path.parents if not folder.exists()]
        self._before.setdefault(path, path.read_bytes() if path.exists() else None)

    def undo(self) -> None:
        """Restore all files and remove new folders."""
        for path, content in self._before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        # Including caches of Python and the linters.
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.undo()


def create(source: Source, *, sync: bool = True) -> list[Path]:
    """Create a source.

    Args:
        source: The source to create, whose name is valid.
        sync: Whether to install it into this environment.

    Returns:
        The new and changed files, without those that are generated from the settings.

    Raises:
        NewSourceError: If a step failed; the repository is restored then.
    """
    with tempfile.TemporaryDirectory() as folder, Change() as change:
        rendered = render(source, Path(folder))
        files = {
            ROOT / path.relative_to(rendered / "tree"): path.read_bytes()
            for path in sorted((rendered / "tree").rglob("*"))
            if path.is_file()
        }
        files[ROOT / "taps" / source.tap / "LICENSE"] = (ROOT / "LICENSE").read_bytes()
        try:
            texts = entries(ROOT, rendered / "shared")
        except NoPlaceError as error:
            raise NewSourceError(str(error)) from None
        files |= {path: text.encode() for path, text in texts.items()}
        for path, content in files.items():
            change.write(path, content)
        hub_definition = ROOT / "hub" / "extractors" / source.tap / "signalroom.yml"
        tables = ROOT / "docs" / "tables" / f"{source.name}.md"
        generated = (hub_definition, tables, tables.with_name("index.md"))
        existing = (ROOT / name for name in _GENERATED)
        for path in (*existing, *generated, *(ROOT / "taps").glob("*/README.md")):
            change.keep(path)
        new = [path for path in files if path not in texts and path.suffix == ".py"]
        # The order of imports and the line breaks depend on the name.
        _run("ruff", "check", "--quiet", "--select=I001", "--fix", *new)
        _run("ruff", "format", "--quiet", *new)
        for path in workspace.GENERATOR.write():
            files[path] = path.read_bytes()
        _say("Locking and installing it ...")
        _run("uv", "lock", "--quiet")
        try:
            # Inexact, to leave other packages that were installed by hand.
            if sync:
                _run("uv", "sync", "--locked", "--inexact", "--quiet")
            _run("python", "-m", "tools.generate")
        except BaseException:
            if sync:
                # Harmless if it was not installed yet.
                command = ("pip", "uninstall", "--quiet", "--python", sys.executable)
                _run_unchecked("uv", *command, source.tap)
            raise
    return [*files, ROOT / ".env.example", ROOT / "uv.lock", *generated]


def render(source: Source, folder: Path) -> Path:
    """Render the template and return the folder.

    Args:
        source: The source to render it for.
        folder: The folder to render into.
    """
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    data: dict[str, Any] = {"name": source.name, "minute": free_minute(text)}
    if source.label:
        data["label"] = source.label
    run_copy(str(TEMPLATE), folder, data=data, defaults=True, quiet=True)
    return folder


def _run(program: str, *arguments: str | Path) -> None:
    done = _run_unchecked(program, *arguments)
    if done.returncode:
        output = (done.stderr or done.stdout).strip()
        msg = f"{program} {arguments[0]} failed:\n{output}"
        raise NewSourceError(msg)


def _run_unchecked(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"UV_PROJECT_ENVIRONMENT": sys.prefix}
    # Another active environment: uv would warn, or use it.
    environment.pop("VIRTUAL_ENV", None)
    return subprocess.run(  # noqa: S603 - programs of this environment
        [BIN / program, *arguments],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run the command and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="as in acme-crm")
    parser.add_argument("--label", default="", help="the vendor's own spelling, as in 'Acme CRM'")
    parser.add_argument(
        "--no-sync", action="store_true", help="do not install it: it is on PYTHONPATH already"
    )
    options = parser.parse_args()
    source = Source(options.name, options.label)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        source.check()
    except NewSourceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        files = create(source, sync=not options.no_sync)
    except (NewSourceError, OSError) as error:
        sys.stderr.write(
            f"{error}\n\n{source.tap} was not created; the repository is unchanged. Fix the error "
            "above and rerun the command.\n"
        )
        return 1
    except (KeyboardInterrupt, SystemExit):
        sys.stderr.write(
            f"\nInterrupted: {source.tap} was not created; the repository is unchanged.\n"
        )
        return 130
    variable = f"{source.tap}_API_KEY".upper().replace("-", "_")
    _say(
        f"Created {source.tap}: {len(files)} files are new or changed (`git status`). Next:\n"
        f"1. make test ARGS=taps/{source.tap}\n"
        f"2. make sandbox, and meanwhile in another terminal:\n"
        f"     uv run meltano --environment=sandbox invoke {source.tap} --test\n"
        f"     uv run meltano --environment=sandbox run {source.tap} target-postgres\n"
        f"3. Change the tap and the mock vendor to match the real vendor, and set {variable}\n"
        "   in .env: docs/adding-a-source.md describes the steps."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
