"""``make compat``: run the tests on each Python that the project supports and this machine has.

Each has a separate environment in ``.meltano/compat`` with the versions of ``uv.lock``. Only
packages are downloaded: a Python that is not installed is reported as not tried.
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
from tools.compat.attempts import HERE, Outcome, run_tests, try_versions

SUPPORTED = ("3.11", "3.12", "3.13")
UV = shutil.which("uv") or str(ROOT / ".venv" / "bin" / "uv")


def python_of(version: str) -> Path | None:
    """The newest interpreter of a version that uv or pyenv has; None without one.

    Args:
        version: The version of Python, as in ``3.12``.
    """
    # Without this project's own environment, whose interpreter uv would find too.
    command = [UV, "python", "find", "--system", "--no-python-downloads", version]
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    result = subprocess.run(  # noqa: S603 - uv
        command, capture_output=True, text=True, check=False, env=env, cwd=ROOT
    )
    if result.returncode == 0:
        return Path(result.stdout.strip())
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    newest = sorted(
        pyenv.glob(f"{version}.*/bin/python"),
        key=lambda path: [int(part) for part in re.findall(r"\d+", path.parts[-3])],
    )
    return newest[-1] if newest else None


def main() -> int:
    """Run the tests on each version and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--versions", nargs="+", choices=SUPPORTED, default=list(SUPPORTED))
    parser.add_argument(
        "pytest_options",
        nargs="*",
        metavar="options",
        help="for pytest, after --; by default all tests",
    )
    options = parser.parse_args()

    def attempt(version: str) -> Outcome | str:
        python = python_of(version)
        if python is None:
            return f"install it: uv python install {version}"
        return Outcome(version, *_test(version, python, options.pytest_options), python)

    heads = ("Python", "tests", "time", "interpreter")
    return try_versions(options.versions, attempt, "{:8}{:36}{:8}{}", heads)


def _test(version: str, python: Path, options: list[str]) -> tuple[int, str]:
    """Create an environment, run the tests in it, and return their exit code and last line."""
    folder = HERE / f"python-{version}"
    env = os.environ | {
        "UV_PROJECT_ENVIRONMENT": str(folder),
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
    }
    env.pop("VIRTUAL_ENV", None)
    sync = [UV, "sync", "--locked", "--quiet", "--python", str(python)]
    subprocess.run(sync, cwd=ROOT, env=env, check=True)  # noqa: S603 - uv
    command: list[str | Path] = [folder / "bin" / "python", "-m", "pytest", "--quiet", *options]
    return run_tests(command, env)


if __name__ == "__main__":
    sys.exit(main())
