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
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
HERE = ROOT / ".meltano" / "compat"
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
    lines: list[tuple[str, str, str, str]] = []
    failed, tried = False, 0
    for version in asked.versions:
        python = python_of(version)
        if python is None:
            lines.append((version, "NOT TRIED", "", f"install it: uv python install {version}"))
            continue
        tried += 1
        began = time.monotonic()
        code, said = _test(version, python, asked.options)
        failed |= code != 0
        result = said if code == 0 else f"FAILED: {said}"
        lines.append((version, result, f"{time.monotonic() - began:.0f} s", str(python)))
    sys.stdout.write(f"\n{'Python':8}{'tests':36}{'time':8}interpreter\n")
    for line in lines:
        sys.stdout.write("{:8}{:36}{:8}{}\n".format(*line))
    return int(failed or not tried)


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
    with subprocess.Popen(  # noqa: S603 - pytest
        [folder / "bin" / "python", "-m", "pytest", "--quiet", *options],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        last = ""
        for line in process.stdout or ():
            sys.stdout.write(line)
            last = line.strip() or last
    return process.returncode, re.sub(r" in [\d.]+s.*|=", "", last).strip()


if __name__ == "__main__":
    sys.exit(main())
