"""Make a new source: a tap on the kit, a vendor in the sandbox to test it by, wired everywhere.

``make new-source NAME=acme-crm`` renders ``templates/tap`` and puts what files that are there
already must know of it into them (``wiring.py``). The tap works at once, against its vendor in the
sandbox: then both are changed, step by step, to what the real vendor does
(docs/adding-a-source.md). Whatever goes wrong on the way, the repository is as it was before.
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
    from types import TracebackType
    from typing import Self

BIN = Path(sys.executable).parent
TEMPLATE = ROOT / "templates" / "tap"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
#: Files that ``tools.generate`` and uv write, and that exist already.
_GENERATED = (
    *(".env.example", "orchestrate/pools.json", "pyproject.toml", "uv.lock"),
    "sandbox/README.md",
)
#: Lines that hold the name must not become too long.
_LONGEST = 24
_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9 .&+-]{0,39}")
#: Paths of the sandbox, and classes that the template's own are named beside.
_TAKEN = frozenset({"control", "error", "s3", "windowed"})


class NewSourceError(Exception):
    """A source cannot be made; the message says why and what to do."""


@dataclass(frozen=True)
class Source:
    """What is to be made."""

    name: str
    label: str = ""

    @property
    def tap(self) -> str:
        """The package, the plugin, and the folder."""
        return f"tap-{self.name}"

    @property
    def module(self) -> str:
        """The vendor in the sandbox, and the load schema."""
        return self.name.replace("-", "_")

    def check(self) -> None:
        """Refuse what is no name, or is there already.

        Raises:
            NewSourceError: With what to do.
        """
        if problem := self._problem():
            raise NewSourceError(problem)

    def _problem(self) -> str | None:
        if not self.name:
            return "A source needs a name: make new-source NAME=acme-crm."
        if self.name.startswith("tap-"):
            return f"Leave out the tap-: make new-source NAME={self.name.removeprefix('tap-')}."
        if not _NAME.fullmatch(self.name) or len(self.name) > _LONGEST:
            return (
                f"{self.name!r} is not a valid source name: lowercase letters, digits and single "
                f"hyphens, a letter first, at most {_LONGEST} of them, as in acme-crm."
            )
        is_word = keyword.iskeyword(self.module) or YAML(typ="safe").load(self.name) != self.name
        if is_word or self.name in _TAKEN or self.module.startswith("pg_"):
            return (
                f"{self.name!r} means something to Python, YAML, PostgreSQL or the sandbox. Choose "
                f"another, such as {self.name}-api."
                if not self.module.startswith("pg_")
                else "PostgreSQL keeps schemas that begin with pg_ for itself. Choose another name."
            )
        if self.label and not _LABEL.fullmatch(self.label):
            return (
                f"{self.label!r} is not a valid label: letters, digits, spaces and . & + - only, "
                "at most 40."
            )
        return self._there_already()

    def _there_already(self) -> str | None:
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
        if found := [place for place in places if _is_there(place)]:
            there = f"{found[0].relative_to(ROOT)} is there already"
        elif self.tap in {plugin["name"] for plugin in plugins}:
            there = f"meltano.yml has a plugin {self.tap} already"
        elif self.name in {job["name"] for job in project["jobs"]}:
            there = f"meltano.yml has a job {self.name} already"
        elif self.module in schemas:
            there = f"{schemas[self.module]} loads into the schema {self.module} already"
        else:
            return None
        return f"{there}. Choose another name; or, to recreate it, remove it first."


def _is_there(place: Path) -> bool:
    """Whether a file is there, or a folder with more than Python's caches in it."""
    files = [place, *place.rglob("*")]
    return any(file.is_file() and "__pycache__" not in file.parts for file in files)


@dataclass
class Change:
    """What is done to the repository; undone again if it fails within the block."""

    _before: dict[Path, bytes | None] = field(default_factory=dict)
    _folders: list[Path] = field(default_factory=list)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file.

        Args:
            path: Where.
            content: What.
        """
        self.keep(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def keep(self, path: Path) -> None:
        """Remember a file, or that there is none, before something else changes it."""
        self._folders += [folder for folder in path.parents if not folder.exists()]
        self._before.setdefault(path, path.read_bytes() if path.exists() else None)

    def undo(self) -> None:
        """Leave everything as it was."""
        for path, content in self._before.items():
            if content is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(content)
        # With what Python and the linters have left in them.
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is not None:
            self.undo()


def make(source: Source, *, sync: bool = True) -> list[Path]:
    """Make a source.

    Args:
        source: Which; checked.
        sync: Whether to install it.

    Returns:
        The files that are new or changed, without those that follow from the settings.

    Raises:
        NewSourceError: If something failed; nothing is left of it then.
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
        listed = ROOT / "hub" / "extractors" / source.tap / "signalroom.yml"
        tables = ROOT / "docs" / "tables" / f"{source.name}.md"
        generated = (listed, tables, tables.with_name("index.md"))
        existing = (ROOT / name for name in _GENERATED)
        for path in (*existing, *generated, *(ROOT / "taps").glob("*/README.md")):
            change.keep(path)
        new = [path for path in files if path not in texts and path.suffix == ".py"]
        # Where a name stands in an order, and where its line breaks, depends on the name.
        _run("ruff", "check", "--quiet", "--select=I001", "--fix", *new)
        _run("ruff", "format", "--quiet", *new)
        for path in workspace.GENERATOR.write():
            files[path] = path.read_bytes()
        _say("Locking and installing it ...")
        _run("uv", "lock", "--quiet")
        try:
            # Inexact: what somebody installed besides is not this command's business.
            if sync:
                _run("uv", "sync", "--locked", "--inexact", "--quiet")
            _run("python", "-m", "tools.generate")
        except BaseException:
            if sync:
                # Whether it came as far as being installed or not.
                _started(
                    "uv", "pip", "uninstall", "--quiet", "--python", sys.executable, source.tap
                )
            raise
    return [*files, ROOT / ".env.example", ROOT / "uv.lock", *generated]


def render(source: Source, folder: Path) -> Path:
    """Render the template.

    Args:
        source: Of what.
        folder: Where to.
    """
    text = (ROOT / "meltano.yml").read_text(encoding="utf-8")
    data: dict[str, Any] = {"name": source.name, "minute": free_minute(text)}
    if source.label:
        data["label"] = source.label
    run_copy(str(TEMPLATE), folder, data=data, defaults=True, quiet=True)
    return folder


def _run(program: str, *arguments: str | Path) -> None:
    done = _started(program, *arguments)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        msg = f"{program} {arguments[0]} failed:\n{said}"
        raise NewSourceError(msg)


def _started(program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"UV_PROJECT_ENVIRONMENT": sys.prefix}
    # Of another environment that is active: uv would warn, or take it.
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
    """Run the command; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="as in acme-crm")
    parser.add_argument("--label", default="", help="how the vendor writes it, as in 'Acme CRM'")
    parser.add_argument(
        "--no-sync", action="store_true", help="install nothing: it is on PYTHONPATH already"
    )
    asked = parser.parse_args()
    source = Source(asked.name, asked.label)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        source.check()
    except NewSourceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    try:
        files = make(source, sync=not asked.no_sync)
    except (NewSourceError, OSError) as error:
        sys.stderr.write(
            f"{error}\n\n{source.tap} was not made; the repository is as it was before. Fix what "
            "is said above, and rerun the command.\n"
        )
        return 1
    except (KeyboardInterrupt, SystemExit):
        sys.stderr.write(f"\nBroken off: {source.tap} was not made, nothing was changed.\n")
        return 130
    variable = f"{source.tap}_API_KEY".upper().replace("-", "_")
    _say(
        f"{source.tap} is there: {len(files)} files are new or changed (`git status`). Next:\n"
        f"1. make test ARGS=taps/{source.tap}\n"
        f"2. make sandbox, and meanwhile in another terminal:\n"
        f"     uv run meltano --environment=sandbox invoke {source.tap} --test\n"
        f"     uv run meltano --environment=sandbox run {source.tap} target-postgres\n"
        f"3. Change the tap and its vendor to what the real one does, and put {variable} into\n"
        "   .env: docs/adding-a-source.md goes through it."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
