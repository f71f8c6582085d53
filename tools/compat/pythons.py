"""``make compat``: the tests on each Python that the project supports and this machine has.

Each has an environment of its own in ``.meltano/compat``, with what ``uv.lock`` pins. Nothing is
downloaded but packages: a Python that is not installed is said to be missing.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools import ROOT
from tools.compat.attempts import HERE, Tried, in_turn, tests

SUPPORTED = ("3.11", "3.12", "3.13")
UV = shutil.which("uv") or str(ROOT / ".venv" / "bin" / "uv")


def python_of(version: str) -> Path | None:
    """The newest interpreter of a version: one that uv finds, or one of pyenv's; or none.

    Args:
        version: As in ``3.12``.
    """
    # Not this project's own environment: it is one of the interpreters that uv looks at.
    command = [UV, "python", "find", "--system", "--no-python-downloads", version]
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    found = subprocess.run(  # noqa: S603 - uv
        command, capture_output=True, text=True, check=False, env=env, cwd=ROOT
    )
    if found.returncode == 0:
        return Path(found.stdout.strip())
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    newest = sorted(
        pyenv.glob(f"{version}.*/bin/python"),
        key=lambda path: [int(part) for part in re.findall(r"\d+", path.parts[-3])],
    )
    return newest[-1] if newest else None


def main() -> int:
    """Run the tests on each; gives the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", nargs="+", choices=SUPPORTED, default=list(SUPPORTED))
    parser.add_argument("options", nargs="*", help="for pytest, after --; all tests without any")
    asked = parser.parse_args()

    def attempt(version: str) -> Tried | str:
        python = python_of(version)
        if python is None:
            return f"install it: uv python install {version}"
        return Tried(version, *_test(version, python, asked.options), python)

    heads = ("Python", "tests", "time", "interpreter")
    return in_turn(asked.versions, attempt, "{:8}{:36}{:8}{}", heads)


def _test(version: str, python: Path, options: list[str]) -> tuple[int, str]:
    """Set an environment up and run the tests in it; gives pytest's exit code and last words."""
    folder = HERE / f"python-{version}"
    env = os.environ | {
        "UV_PROJECT_ENVIRONMENT": str(folder),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    env.pop("VIRTUAL_ENV", None)
    sync = [UV, "sync", "--locked", "--quiet", "--python", str(python)]
    subprocess.run(sync, cwd=ROOT, env=env, check=True)  # noqa: S603 - uv
    command: list[str | Path] = [folder / "bin" / "python", "-m", "pytest", "--quiet", *options]
    return tests(command, env)


if __name__ == "__main__":
    sys.exit(main())
