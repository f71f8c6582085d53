"""Third-party packages, each in a separate environment."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BIN = Path(sys.executable).parent
UV = shutil.which("uv") or str(BIN / "uv")
NPM = shutil.which("npm")
LOOPBACK = "127.0.0.1"
#: Timeouts: to install a package, to run a third-party program, to start a server.
_INSTALL_SECONDS, _RUN_SECONDS, _START_SECONDS = 600, 300, 30
_THEIRS = Path(__file__).parent / "theirs"


class NotAvailableError(Exception):
    """A package cannot be installed here."""


class FailedError(Exception):
    """A program ended with an error."""


@dataclass(frozen=True)
class Result:
    """The result of a check.

    Attributes:
        versions: The names and versions of the other software.
        summary: What was compared, with counts.
        differences: A line per difference; empty if the check passed.
    """

    versions: str
    summary: str
    differences: list[str]


def clean_env() -> dict[str, str]:
    """The environment without settings of taps and targets."""
    own = ("TAP_", "TARGET_", "AWS_", "PYTHONPATH")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


class PythonPackages:
    """Packages from PyPI.

    Args:
        folder: The folder to create the environment in.
        names: The requirements to install.
        build: Whether they may be built from source, for packages without a wheel.

    Raises:
        NotAvailableError: If they cannot be installed.
    """

    def __init__(self, folder: Path, *names: str, build: bool = False) -> None:
        self.bin = folder / "bin"
        _install(UV, "venv", "--quiet", "--python", sys.executable, folder)
        # By default only from wheels: a build may need compilers.
        only = () if build else ("--only-binary", ":all:")
        python = ("--python", self.bin / "python")
        _install(UV, "pip", "install", "--quiet", *only, *python, *names)

    def versions(self, *names: str) -> str:
        """Name packages with their versions."""
        code = "import sys; from importlib.metadata import version; "
        code += "print(', '.join(f'{name} {version(name)}' for name in sys.argv[1:]))"
        return output_of(self.bin / "python", "-c", code, *names).strip()

    def run(self, script: str, data: Any) -> Any:
        """Run one of the scripts in ``theirs``.

        Args:
            script: The name of its file, without the suffix.
            data: Its input, passed as JSON on standard input.

        Returns:
            The JSON it prints.
        """
        path = _THEIRS / f"{script}.py"
        return json.loads(output_of(self.bin / "python", path, text=json.dumps(data)))


class NodePackage:
    """A package from npm.

    Args:
        folder: The folder to install it in.
        name: The package's name on npm.

    Raises:
        NotAvailableError: If it cannot be installed.
    """

    def __init__(self, folder: Path, name: str) -> None:
        if NPM is None:
            msg = "npm is not installed"
            raise NotAvailableError(msg)
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")
        _install(NPM, "install", *options, "--prefix", folder, name)
        package = folder / "node_modules" / name / "package.json"
        self.version = f"{name} {json.loads(package.read_text())['version']}"
        self.bin = folder / "node_modules/.bin"


def _install(*command: str | Path) -> None:
    done = subprocess.run(  # noqa: S603
        command, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise NotAvailableError(" ".join(line.strip() for line in lines[:3])[:300])


def output_of(
    *command: str | Path, text: str | None = None, env: Mapping[str, str] | None = None
) -> str:
    """Run a program until it ends.

    Args:
        command: The program and its arguments.
        text: Its standard input.
        env: Variables on top of the clean environment.

    Returns:
        Its standard output.

    Raises:
        FailedError: If it ends with an error.
    """
    done = subprocess.run(  # noqa: S603
        command,
        input=text,
        env=clean_env() | dict(env or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=_RUN_SECONDS,
    )
    if done.returncode:
        name = Path(command[0]).name
        msg = f"{name} ended with {done.returncode}: {done.stderr.strip()[-600:]}"
        raise FailedError(msg)
    return done.stdout


def free_port() -> int:
    """A port that no process listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_server(
    *command: str | Path, port: int, env: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Run a server.

    Args:
        command: The program and its arguments.
        port: The port that it will listen on.
        env: Variables on top of the clean environment.

    Yields:
        Its address.

    Raises:
        FailedError: If it does not start.
    """
    process = subprocess.Popen(  # noqa: S603
        command,
        env=clean_env() | dict(env or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(process, port)
        yield f"http://{LOOPBACK}:{port}"
    finally:
        process.terminate()
        process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection((LOOPBACK, port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    msg = f"the server on port {port} did not start"
    raise FailedError(msg)
